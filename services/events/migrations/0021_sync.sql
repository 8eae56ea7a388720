-- Offline peers: in which order they read the log, and what they have pushed.

-- The place of each event in the commit order, kept for as long as the event: the outbox forgets
-- its rows after a week, and a peer may be away for longer.
CREATE TABLE sync_positions (
    position bigint PRIMARY KEY,
    project_id uuid NOT NULL,
    event_id uuid NOT NULL,
    "timestamp" timestamptz NOT NULL
);
CREATE INDEX sync_positions_by_project ON sync_positions (project_id, position);

-- Written when the relay places facts, with them: one statement for each batch.
CREATE FUNCTION keep_positions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sync_positions (position, project_id, event_id, "timestamp")
    SELECT now_is.position, (now_is.payload ->> 'projectId')::uuid, now_is.event_id,
        (now_is.payload ->> 'timestamp')::timestamptz
    FROM now_is JOIN was USING (seq)
    WHERE was.position IS NULL AND now_is.position IS NOT NULL
        AND now_is.payload ->> 'projectId' IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_positions AFTER UPDATE ON outbox
    REFERENCING OLD TABLE AS was NEW TABLE AS now_is
    FOR EACH STATEMENT EXECUTE FUNCTION keep_positions();

INSERT INTO sync_positions (position, project_id, event_id, "timestamp")
SELECT position, (payload ->> 'projectId')::uuid, event_id, (payload ->> 'timestamp')::timestamptz
FROM outbox WHERE position IS NOT NULL AND payload ->> 'projectId' IS NOT NULL;

-- What the outbox forgot before this table was there comes before everything else, oldest first.
INSERT INTO sync_positions (position, project_id, event_id, "timestamp")
SELECT row_number() OVER (ORDER BY e."timestamp", e.version, e.id) - count(*) OVER (),
    e.project_id, e.id, e."timestamp"
FROM events e WHERE NOT EXISTS (SELECT FROM outbox o WHERE o.event_id = e.id);

CREATE TABLE sync_sessions (
    project_id uuid NOT NULL,
    session_id uuid NOT NULL,
    user_id uuid NOT NULL,
    last_checkpoint integer NOT NULL DEFAULT 0 CHECK (last_checkpoint >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, session_id)
);

-- What each checkpoint was answered, for its repetition.
CREATE TABLE sync_checkpoints (
    project_id uuid NOT NULL,
    session_id uuid NOT NULL,
    checkpoint integer NOT NULL CHECK (checkpoint > 0),
    digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    answer jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, session_id, checkpoint),
    FOREIGN KEY (project_id, session_id) REFERENCES sync_sessions ON DELETE CASCADE
);
CREATE INDEX sync_checkpoints_by_age ON sync_checkpoints (created_at);

-- Every operation that a peer ever pushed, for ever: pushed again, it does nothing.
CREATE TABLE sync_operations (
    operation_id uuid PRIMARY KEY,
    project_id uuid NOT NULL
);

-- What a peer wanted and did not get, until somebody decides.
CREATE TABLE sync_conflicts (
    conflict_id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    user_id uuid NOT NULL,
    session_id uuid NOT NULL,
    checkpoint integer NOT NULL,
    operation jsonb NOT NULL,
    told jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    resolved_by uuid,
    bundle_id uuid,
    CHECK ((resolved_at IS NULL) = (resolved_by IS NULL))
);
CREATE INDEX sync_conflicts_open ON sync_conflicts (project_id, conflict_id)
    WHERE resolved_at IS NULL;

GRANT SELECT, INSERT ON sync_positions, sync_operations TO {role};
GRANT SELECT, INSERT, UPDATE ON sync_sessions, sync_conflicts TO {role};
GRANT SELECT, INSERT, DELETE ON sync_checkpoints TO {role};
