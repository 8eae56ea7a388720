-- Threads of comments, and what they tell people and other systems.

-- So that a thread can only stand on an anchor of its own scene.
ALTER TABLE anchors ADD CONSTRAINT anchors_of_scene UNIQUE (project_id, scene_id, id);

CREATE TABLE threads (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    scene_id uuid NOT NULL,
    -- An anchor is not deleted as long as a thread stands on it.
    anchor_id uuid NOT NULL UNIQUE,
    state text COLLATE "C" NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'resolved')),
    -- Also counts what happens to its comments.
    version bigint NOT NULL DEFAULT 1 CHECK (version > 0),
    -- Tombstones included.
    comment_count integer NOT NULL DEFAULT 0 CHECK (comment_count BETWEEN 0 AND 1000),
    resolved_at timestamptz,
    resolved_by uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by uuid NOT NULL,
    deleted_at timestamptz,
    deleted_by uuid,
    UNIQUE (project_id, scene_id, id),
    FOREIGN KEY (project_id, scene_id, anchor_id) REFERENCES anchors (project_id, scene_id, id),
    CHECK ((state = 'resolved') = (resolved_at IS NOT NULL)),
    CHECK ((resolved_at IS NULL) = (resolved_by IS NULL)),
    CHECK ((deleted_at IS NULL) = (deleted_by IS NULL)),
    CHECK (updated_at >= created_at)
);
CREATE INDEX threads_newest ON threads (scene_id, created_at DESC, id DESC)
    WHERE deleted_at IS NULL;
GRANT SELECT, INSERT, UPDATE ON threads TO {role};

CREATE TABLE comments (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    scene_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    -- Its place in the thread, from 1.
    number integer NOT NULL CHECK (number BETWEEN 1 AND 1000),
    body text NOT NULL CHECK (length(body) <= 10000),
    meta jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(meta) = 'object'),
    version bigint NOT NULL DEFAULT 1 CHECK (version > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by uuid NOT NULL,
    edited_at timestamptz,
    deleted_at timestamptz,
    deleted_by uuid,
    UNIQUE (thread_id, number),
    UNIQUE (project_id, scene_id, id),
    FOREIGN KEY (project_id, scene_id, thread_id) REFERENCES threads (project_id, scene_id, id)
        ON DELETE CASCADE,
    CHECK ((deleted_at IS NULL) = (deleted_by IS NULL)),
    -- A tombstone says nothing any more, and nothing else is empty.
    CHECK ((deleted_at IS NOT NULL) = (body = '')),
    CHECK (deleted_at IS NULL OR meta = '{}'),
    CHECK (updated_at >= created_at)
);
CREATE INDEX comments_by_scene ON comments (scene_id, created_by);
GRANT SELECT, INSERT, UPDATE ON comments TO {role};

CREATE TABLE mentions (
    comment_id uuid NOT NULL REFERENCES comments ON DELETE CASCADE,
    person_id uuid NOT NULL,
    PRIMARY KEY (comment_id, person_id)
);
GRANT SELECT, INSERT, DELETE ON mentions TO {role};

CREATE TABLE reactions (
    comment_id uuid NOT NULL REFERENCES comments ON DELETE CASCADE,
    emoji text COLLATE "C" NOT NULL CHECK (length(emoji) BETWEEN 1 AND 32),
    person_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (comment_id, emoji, person_id)
);
GRANT SELECT, INSERT, DELETE ON reactions TO {role};

-- Each person's inbox.
CREATE TABLE notifications (
    id uuid PRIMARY KEY,
    person_id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('mention', 'reply', 'decision', 'resolved')),
    actor_id uuid NOT NULL CHECK (actor_id <> person_id),
    project_id uuid NOT NULL,
    scene_id uuid NOT NULL,
    thread_id uuid,
    comment_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    read_at timestamptz CHECK (read_at >= created_at),
    FOREIGN KEY (project_id, scene_id, thread_id) REFERENCES threads (project_id, scene_id, id)
        ON DELETE CASCADE,
    FOREIGN KEY (project_id, scene_id, comment_id) REFERENCES comments (project_id, scene_id, id)
        ON DELETE CASCADE,
    CHECK ((kind IN ('mention', 'reply')) = (comment_id IS NOT NULL)),
    CHECK ((kind = 'decision') = (thread_id IS NULL))
);
-- A person hears once of a comment, however often it is edited.
CREATE UNIQUE INDEX notifications_of_comment ON notifications (comment_id, person_id);
CREATE INDEX notifications_newest ON notifications (person_id, created_at DESC, id DESC);
CREATE INDEX notifications_by_age ON notifications (created_at);
CREATE INDEX notifications_unread ON notifications (person_id, project_id) WHERE read_at IS NULL;
CREATE INDEX notifications_by_scene ON notifications (scene_id);
CREATE INDEX notifications_by_thread ON notifications (thread_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON notifications TO {role};

-- Facts to announce; see libs/bus/outbox.py. Subscribers of server-sent events read them from here,
-- too, until they are forgotten.
CREATE TABLE outbox (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    position bigint,
    event_id uuid NOT NULL UNIQUE,
    subject text NOT NULL,
    payload json NOT NULL,
    headers json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz
);
CREATE UNIQUE INDEX outbox_placed ON outbox (position) WHERE position IS NOT NULL;
CREATE INDEX outbox_unplaced ON outbox (seq) WHERE position IS NULL;
CREATE INDEX outbox_to_announce ON outbox (position)
    WHERE published_at IS NULL AND position IS NOT NULL;
-- The project is the last part of a subject.
CREATE INDEX outbox_by_project ON outbox (split_part(subject, '.', 6), position)
    WHERE position IS NOT NULL;
CREATE INDEX outbox_by_scene ON outbox ((payload -> 'data' ->> 'sceneId'));
CREATE INDEX outbox_by_age ON outbox (created_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox TO {role};

-- As before, and what was said.
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
    DELETE FROM anchors WHERE scene_id = log;
    GET DIAGNOSTICS more = ROW_COUNT;
    gone := gone + more;
    DELETE FROM anchored_scenes WHERE scene_id = log;
    GET DIAGNOSTICS more = ROW_COUNT;
    RETURN gone + more;
END $$;
