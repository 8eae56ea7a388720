-- Scenes that are purged for ever. What stands here and nothing else may be erased; a row is never
-- changed but for how far that is, nor removed, so it also is the record of what was erased and why.
CREATE TABLE purged_scenes (
    -- A scene, or a branch of it: whatever the log knows under an id.
    log_id uuid PRIMARY KEY,
    scene_id uuid NOT NULL,
    project_id uuid NOT NULL,
    -- The fact that said so.
    event_id uuid NOT NULL,
    marked_at timestamptz NOT NULL DEFAULT now(),
    erased_at timestamptz,
    swept_at timestamptz,
    erased_rows bigint NOT NULL DEFAULT 0 CHECK (erased_rows >= 0)
);
CREATE INDEX purged_scenes_open ON purged_scenes (marked_at) WHERE erased_at IS NULL;
CREATE INDEX purged_scenes_recent ON purged_scenes (marked_at);

CREATE OR REPLACE FUNCTION refuse_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM purged_scenes WHERE log_id = OLD.scene_id) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'row % of scene % is in no compacted row', OLD.seq, OLD.scene_id
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE OR REPLACE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND EXISTS (SELECT FROM purged_scenes WHERE log_id = OLD.scene_id) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'row % of scene % is an original', OLD.seq, OLD.scene_id
        USING ERRCODE = 'restrict_violation';
END
$$;

-- Erases some of what is kept of a purged scene or branch, the log first; returns how many rows, 0
-- when nothing is left. Runs as the owner: the run-time role may not delete from most of these.
CREATE FUNCTION erase_scene(log uuid, rows_max integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    gone bigint;
    more bigint;
BEGIN
    IF rows_max NOT BETWEEN 1 AND 100000 THEN
        RAISE EXCEPTION 'rows_max must be 1 to 100000';
    END IF;
    IF NOT EXISTS (SELECT FROM purged_scenes WHERE log_id = log) THEN
        RAISE EXCEPTION 'scene % was not purged', log;
    END IF;
    DELETE FROM quarantined_updates WHERE scene_id = log;
    GET DIAGNOSTICS gone = ROW_COUNT;
    DELETE FROM scene_versions WHERE (scene_id, seq, is_compacted) IN (
        SELECT scene_id, seq, is_compacted FROM scene_versions
        WHERE scene_id = log ORDER BY seq LIMIT rows_max);
    GET DIAGNOSTICS more = ROW_COUNT;
    gone := gone + more;
    IF more = rows_max THEN
        RETURN gone;
    END IF;
    WITH heads AS (DELETE FROM docs WHERE scene_id = log RETURNING 1),
        lines AS (DELETE FROM compactions WHERE scene_id = log RETURNING 1),
        sessions AS (DELETE FROM editing_sessions WHERE scene_id = log RETURNING 1),
        findings AS (DELETE FROM repairs WHERE scene_id = log RETURNING 1),
        -- Their history and their checks go with them.
        snapshots AS (DELETE FROM scene_snapshots WHERE scene_id = log RETURNING 1),
        named AS (DELETE FROM named_snapshots WHERE scene_id = log RETURNING 1),
        restored AS (DELETE FROM restorations WHERE scene_id = log RETURNING 1),
        migrated AS (DELETE FROM migrated_scenes WHERE scene_id = log RETURNING 1),
        merges AS (
            DELETE FROM branch_merges m USING branches b
            WHERE m.branch_id = b.id AND b.scene_id = log RETURNING 1)
    SELECT gone + (SELECT count(*) FROM heads) + (SELECT count(*) FROM lines)
        + (SELECT count(*) FROM sessions) + (SELECT count(*) FROM findings)
        + (SELECT count(*) FROM snapshots) + (SELECT count(*) FROM named)
        + (SELECT count(*) FROM restored) + (SELECT count(*) FROM migrated)
        + (SELECT count(*) FROM merges)
    INTO gone;
    DELETE FROM branches WHERE scene_id = log;
    GET DIAGNOSTICS more = ROW_COUNT;
    RETURN gone + more;
END $$;
REVOKE ALL ON FUNCTION erase_scene(uuid, integer) FROM PUBLIC;

GRANT SELECT, INSERT ON purged_scenes TO {role};
GRANT UPDATE (erased_at, swept_at, erased_rows) ON purged_scenes TO {role};
GRANT EXECUTE ON FUNCTION erase_scene(uuid, integer) TO {role};
