-- Anchors: ranges of a scene's text that stay with their words while people type.
CREATE TABLE anchors (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    scene_id uuid NOT NULL,
    status text COLLATE "C" NOT NULL CHECK (status IN ('exact', 'recovered', 'orphaned')),
    -- How often it got new ids.
    generation integer NOT NULL DEFAULT 0 CHECK (generation >= 0),
    -- Yjs ids of the first and the last character; of the nearest living neighbour, twice, when
    -- orphaned; null when nothing is left at all.
    first_client bigint CHECK (first_client >= 0),
    first_clock bigint CHECK (first_clock >= 0),
    last_client bigint CHECK (last_client >= 0),
    last_clock bigint CHECK (last_clock >= 0),
    -- The words it was made for, what stood on both sides, and hashes of their k-grams.
    quote text NOT NULL CHECK (quote <> '' AND length(quote) <= 20000),
    before text NOT NULL CHECK (length(before) <= 64),
    after text NOT NULL CHECK (length(after) <= 64),
    grams integer[] NOT NULL,
    -- The UTF-16 offset at which it was made, and in which version.
    from_offset integer NOT NULL CHECK (from_offset >= 0),
    seq bigint NOT NULL CHECK (seq >= 0),
    -- The version at which its ids were looked at last; see also anchored_scenes.
    followed_seq bigint NOT NULL CHECK (followed_seq >= seq),
    -- All its characters that live: [[client, clock, size], …], in the order of the text.
    pieces jsonb NOT NULL CHECK (jsonb_typeof(pieces) = 'array'),
    -- What was cut out of it and may come back.
    cuts jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(cuts) = 'array'),
    deleted_at timestamptz,
    deleted_by uuid,
    run_id uuid,
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((first_client IS NULL) = (first_clock IS NULL)),
    CHECK ((first_client IS NULL) = (last_client IS NULL)),
    CHECK ((last_client IS NULL) = (last_clock IS NULL)),
    CHECK (status = 'orphaned' OR first_client IS NOT NULL),
    CHECK (status = 'orphaned' OR deleted_at IS NULL)
);
CREATE INDEX anchors_by_scene ON anchors (scene_id, id);
GRANT SELECT, INSERT, UPDATE, DELETE ON anchors TO {role};

-- Scenes with anchors: up to which version all of them were followed.
CREATE TABLE anchored_scenes (
    scene_id uuid PRIMARY KEY,
    followed_seq bigint NOT NULL CHECK (followed_seq >= 0)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON anchored_scenes TO {role};

-- Erases what people said about a purged scene; `erase_scene` calls it. Each table of the review
-- replaces it by one that knows that table, too.
CREATE FUNCTION erase_review(log uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    gone bigint;
    more bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM purged_scenes WHERE log_id = log) THEN
        RAISE EXCEPTION 'scene % was not purged', log;
    END IF;
    DELETE FROM anchors WHERE scene_id = log;
    GET DIAGNOSTICS gone = ROW_COUNT;
    DELETE FROM anchored_scenes WHERE scene_id = log;
    GET DIAGNOSTICS more = ROW_COUNT;
    RETURN gone + more;
END $$;
REVOKE ALL ON FUNCTION erase_review(uuid) FROM PUBLIC;

-- As before, and the review.
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
    gone := gone + erase_review(log);
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
        words AS (DELETE FROM word_counts WHERE scene_id = log RETURNING 1),
        merges AS (
            DELETE FROM branch_merges m USING branches b
            WHERE m.branch_id = b.id AND b.scene_id = log RETURNING 1)
    SELECT gone + (SELECT count(*) FROM heads) + (SELECT count(*) FROM lines)
        + (SELECT count(*) FROM sessions) + (SELECT count(*) FROM findings)
        + (SELECT count(*) FROM snapshots) + (SELECT count(*) FROM named)
        + (SELECT count(*) FROM restored) + (SELECT count(*) FROM migrated)
        + (SELECT count(*) FROM imported) + (SELECT count(*) FROM words)
        + (SELECT count(*) FROM merges)
    INTO gone;
    DELETE FROM branches WHERE scene_id = log;
    GET DIAGNOSTICS more = ROW_COUNT;
    RETURN gone + more;
END $$;
