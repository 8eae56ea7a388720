-- Suggestions: changes of a scene that somebody decides about.
CREATE TABLE suggestions (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    scene_id uuid NOT NULL,
    -- An anchor is not deleted as long as a suggestion stands on it.
    anchor_id uuid NOT NULL UNIQUE,
    status text COLLATE "C" NOT NULL DEFAULT 'OPEN'
        CHECK (status IN ('OPEN', 'ACCEPTED', 'REJECTED', 'WITHDRAWN', 'REVERTED')),
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('replace', 'insert', 'delete')),
    -- The words it replaces or deletes, or beside which it inserts.
    base text NOT NULL CHECK (length(base) BETWEEN 1 AND 20000),
    text text NOT NULL CHECK (length(text) <= 20000),
    side text COLLATE "C" NOT NULL DEFAULT 'after' CHECK (side IN ('before', 'after')),
    note text CHECK (length(note) <= 2000),
    run_id uuid,
    -- The versions that accepting and reverting it made, and the ids of what accepting it wrote and
    -- deleted: {"inserted": [[client, clock, size], …], "deleted": […]}.
    applied_seq bigint CHECK (applied_seq > 0),
    applied jsonb CHECK (jsonb_typeof(applied) = 'object'),
    reverted_seq bigint CHECK (reverted_seq > applied_seq),
    decided_at timestamptz,
    decided_by uuid,
    version bigint NOT NULL DEFAULT 1 CHECK (version > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by uuid NOT NULL,
    UNIQUE (project_id, scene_id, id),
    FOREIGN KEY (project_id, scene_id, anchor_id) REFERENCES anchors (project_id, scene_id, id),
    CHECK ((kind = 'delete') = (text = '')),
    CHECK ((status = 'OPEN') = (decided_at IS NULL)),
    CHECK ((decided_at IS NULL) = (decided_by IS NULL)),
    CHECK ((status IN ('ACCEPTED', 'REVERTED')) = (applied_seq IS NOT NULL)),
    CHECK ((applied IS NULL) = (applied_seq IS NULL)),
    CHECK ((status = 'REVERTED') = (reverted_seq IS NOT NULL)),
    CHECK (updated_at >= created_at)
);
CREATE INDEX suggestions_newest ON suggestions (scene_id, created_at DESC, id DESC);
CREATE INDEX suggestions_open ON suggestions (scene_id) WHERE status = 'OPEN';
GRANT SELECT, INSERT, UPDATE ON suggestions TO {role};

-- As before, and suggestions.
CREATE OR REPLACE FUNCTION erase_review(log uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    gone bigint;
    more bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM purged_scenes WHERE log_id = log) THEN
        RAISE EXCEPTION 'scene % was not purged', log;
    END IF;
    -- The row with the greatest position stays, so that no other fact ever gets that position.
    DELETE FROM outbox WHERE payload -> 'data' ->> 'sceneId' = log::text
        AND position IS DISTINCT FROM (SELECT max(position) FROM outbox);
    GET DIAGNOSTICS gone = ROW_COUNT;
    UPDATE outbox SET payload = '{}', published_at = coalesce(published_at, now())
    WHERE payload -> 'data' ->> 'sceneId' = log::text;
    DELETE FROM notifications WHERE scene_id = log;
    GET DIAGNOSTICS more = ROW_COUNT;
    gone := gone + more;
    DELETE FROM comments WHERE scene_id = log;
    GET DIAGNOSTICS more = ROW_COUNT;
    gone := gone + more;
    DELETE FROM threads WHERE scene_id = log;
    GET DIAGNOSTICS more = ROW_COUNT;
    gone := gone + more;
    DELETE FROM suggestions WHERE scene_id = log;
    GET DIAGNOSTICS more = ROW_COUNT;
    gone := gone + more;
    DELETE FROM anchors WHERE scene_id = log;
    GET DIAGNOSTICS more = ROW_COUNT;
    gone := gone + more;
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
