-- How many words each scene has, and what events was told of it.
CREATE TABLE word_counts (
    scene_id uuid PRIMARY KEY,
    -- How far the log reached when it was counted; 0 for imported blocks that wait for migration.
    seq bigint NOT NULL CHECK (seq >= 0),
    words integer NOT NULL CHECK (words >= 0),
    -- By which rules (`counting.RULES`).
    rules smallint NOT NULL CHECK (rules > 0),
    -- When this number of words was counted first.
    counted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    told_at timestamptz NOT NULL DEFAULT '-infinity'
);
CREATE INDEX word_counts_by_told_at ON word_counts (told_at);
GRANT SELECT, INSERT, UPDATE ON word_counts TO {role};

-- As before, and the word count.
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
