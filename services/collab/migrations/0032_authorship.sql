-- Authors of what stands in a scene, beyond the log: a stretch of it as clocks of Yjs clients with
-- their edits (`services.collab.review.authorship.parts`), written when it is compacted. Without it
-- its originals may not be pruned.
CREATE TABLE authorship (
    scene_id uuid NOT NULL,
    -- The originals from_seq to seq: those of the compaction that reaches seq.
    seq bigint NOT NULL,
    from_seq bigint NOT NULL CHECK (from_seq BETWEEN 1 AND seq),
    part bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scene_id, seq)
);
-- zstd already.
ALTER TABLE authorship ALTER COLUMN part SET STORAGE EXTERNAL;
GRANT SELECT, INSERT ON authorship TO {role};

-- Edits that were made in a run of an agent, an import or an accepted suggestion.
CREATE TABLE row_runs (
    scene_id uuid NOT NULL,
    seq bigint NOT NULL CHECK (seq > 0),
    run_id uuid NOT NULL,
    PRIMARY KEY (scene_id, seq)
);
GRANT SELECT, INSERT ON row_runs TO {role};

-- As before, and the authors.
CREATE OR REPLACE FUNCTION erase_review(log uuid) RETURNS bigint
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
    gone := gone + more;
    DELETE FROM authorship WHERE scene_id = log;
    GET DIAGNOSTICS more = ROW_COUNT;
    gone := gone + more;
    DELETE FROM row_runs WHERE scene_id = log;
    GET DIAGNOSTICS more = ROW_COUNT;
    RETURN gone + more;
END $$;
