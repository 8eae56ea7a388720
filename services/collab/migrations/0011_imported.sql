-- Blocks from elsewhere that wait for their migration. A scene's snapshot is overwritten as soon as
-- somebody writes in the scene; what an import brought stays here until it is in the log.
CREATE TABLE imported_scenes (
    scene_id uuid PRIMARY KEY,
    -- zstd of the blocks as canonical JSON; content_bytes is its length when decompressed.
    content_blocks bytea NOT NULL,
    content_bytes integer NOT NULL CHECK (content_bytes > 0),
    block_count integer NOT NULL CHECK (block_count >= 0),
    imported_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE imported_scenes ALTER COLUMN content_blocks SET STORAGE EXTERNAL;
GRANT SELECT, INSERT, UPDATE, DELETE ON imported_scenes TO {role};

INSERT INTO imported_scenes (scene_id, content_blocks, content_bytes, block_count, imported_at)
SELECT scene_id, content_blocks, content_bytes, block_count, snapshot_at FROM scene_snapshots
WHERE NOT yjs_derived AND scene_id NOT IN (SELECT scene_id FROM migrated_scenes);

-- As before, and the blocks that wait.
CREATE OR REPLACE FUNCTION erase_scene(log uuid, rows_max integer) RETURNS bigint
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
        imported AS (DELETE FROM imported_scenes WHERE scene_id = log RETURNING 1),
        merges AS (
            DELETE FROM branch_merges m USING branches b
            WHERE m.branch_id = b.id AND b.scene_id = log RETURNING 1)
    SELECT gone + (SELECT count(*) FROM heads) + (SELECT count(*) FROM lines)
        + (SELECT count(*) FROM sessions) + (SELECT count(*) FROM findings)
        + (SELECT count(*) FROM snapshots) + (SELECT count(*) FROM named)
        + (SELECT count(*) FROM restored) + (SELECT count(*) FROM migrated)
        + (SELECT count(*) FROM imported) + (SELECT count(*) FROM merges)
    INTO gone;
    DELETE FROM branches WHERE scene_id = log;
    GET DIAGNOSTICS more = ROW_COUNT;
    RETURN gone + more;
END $$;
