-- Runs and their steps. PostgreSQL decides which replica works on a run, and whether what it did
-- counts; the bus only wakes and announces.

CREATE TABLE runs (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind ~ '^[a-z_]{1,40}$'),
    status text COLLATE "C" NOT NULL DEFAULT 'queued'
        CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
    book_id uuid,
    scene_id uuid,
    parent_id uuid REFERENCES runs ON DELETE SET NULL,
    -- What made its results: the offline engine and its version, or a model.
    engine text COLLATE "C" NOT NULL CHECK (length(engine) BETWEEN 1 AND 100),
    -- What was asked for, and its SHA-256.
    config jsonb NOT NULL CHECK (jsonb_typeof(config) = 'object'),
    config_hash bytea NOT NULL CHECK (octet_length(config_hash) = 32),
    output jsonb CHECK (octet_length(output::text) <= 4194304),
    error jsonb,
    cost_microusd bigint NOT NULL DEFAULT 0 CHECK (cost_microusd >= 0),
    tokens_in bigint NOT NULL DEFAULT 0 CHECK (tokens_in >= 0),
    tokens_out bigint NOT NULL DEFAULT 0 CHECK (tokens_out >= 0),
    -- Grows with everything that happens to the run; see run_events.
    version bigint NOT NULL DEFAULT 1 CHECK (version > 0),
    -- The number of the claim: only the worker that holds the newest one may record anything.
    attempt integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    lease_owner text COLLATE "C",
    lease_until timestamptz,
    -- Not before this time: after failures.
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    cancel_asked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by uuid NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_by uuid NOT NULL,
    started_at timestamptz,
    ended_at timestamptz,
    -- When something that it read was erased, and its results with that.
    erased_at timestamptz,
    CHECK ((status IN ('completed', 'failed', 'cancelled')) = (ended_at IS NOT NULL)),
    CHECK ((status = 'running') = (lease_owner IS NOT NULL)),
    CHECK ((lease_owner IS NULL) = (lease_until IS NULL)),
    CHECK (error IS NULL OR status = 'failed'),
    CHECK (output IS NULL OR status = 'completed')
);
CREATE INDEX runs_by_project ON runs (project_id, created_at DESC, id DESC);
CREATE INDEX runs_by_parent ON runs (parent_id) WHERE parent_id IS NOT NULL;
-- What a worker looks for: queued runs that are due, and runs whose lease may have expired.
CREATE INDEX runs_open ON runs (due_at) WHERE status IN ('queued', 'running');
CREATE INDEX runs_open_by_project ON runs (project_id) WHERE status IN ('queued', 'running');
GRANT SELECT, INSERT, UPDATE, DELETE ON runs TO {role};

CREATE TABLE run_steps (
    run_id uuid NOT NULL REFERENCES runs ON DELETE CASCADE,
    seq integer NOT NULL CHECK (seq > 0),
    -- What the step does; another name at the same place stops the run.
    name text COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    memo jsonb NOT NULL CHECK (octet_length(memo::text) <= 1048576),
    attempts integer NOT NULL CHECK (attempts > 0),
    -- The claim in which it was recorded.
    attempt integer NOT NULL CHECK (attempt > 0),
    cost_microusd bigint NOT NULL DEFAULT 0 CHECK (cost_microusd >= 0),
    tokens_in bigint NOT NULL DEFAULT 0 CHECK (tokens_in >= 0),
    tokens_out bigint NOT NULL DEFAULT 0 CHECK (tokens_out >= 0),
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, seq)
);
GRANT SELECT, INSERT, DELETE ON run_steps TO {role};

-- Everything that happened to a run, for those who follow it: `version` is that of the run, has no
-- gap, and is where a follower goes on.
CREATE TABLE run_events (
    run_id uuid NOT NULL REFERENCES runs ON DELETE CASCADE,
    version bigint NOT NULL CHECK (version > 0),
    kind text COLLATE "C" NOT NULL CHECK (kind ~ '^[a-z]{1,20}$'),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    data jsonb NOT NULL CHECK (jsonb_typeof(data) = 'object'),
    PRIMARY KEY (run_id, version)
);
GRANT SELECT, INSERT, DELETE ON run_events TO {role};

-- The texts that a run has read, at which versions.
CREATE TABLE run_scenes (
    run_id uuid NOT NULL REFERENCES runs ON DELETE CASCADE,
    scene_id uuid NOT NULL,
    seq bigint NOT NULL CHECK (seq >= 0),
    PRIMARY KEY (run_id, scene_id)
);
CREATE INDEX run_scenes_by_scene ON run_scenes (scene_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON run_scenes TO {role};

-- Projects and scenes that are gone for ever: what was made from their words is erased.
CREATE TABLE purged (
    id uuid PRIMARY KEY,
    purged_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    looked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX purged_by_age ON purged (purged_at);
GRANT SELECT, INSERT, UPDATE ON purged TO {role};

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
CREATE INDEX outbox_by_age ON outbox (created_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON outbox TO {role};

-- Tells those who follow a run what happened to it, and puts a fact into the outbox unless `fact` is
-- null. `run` is the row as it is after that.
CREATE FUNCTION tell(
    run runs, kind text, data jsonb, fact text, fact_id uuid, more jsonb, headers json
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO run_events (run_id, version, kind, data) VALUES (run.id, run.version, kind, data);
    IF fact IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO outbox (event_id, subject, payload, headers) VALUES (
        fact_id,
        concat_ws('.', 'scriptorium.v1.ai.ai', split_part(fact, '.', 2), run.project_id),
        json_build_object('id', fact_id, 'aggregateId', run.id, 'aggregateType', 'ai',
            'eventType', fact, 'projectId', run.project_id, 'userId', run.created_by,
            'data', jsonb_build_object('kind', run.kind, 'bookId', run.book_id,
                'sceneId', run.scene_id, 'attempt', run.attempt) || more,
            'timestamp', clock_timestamp(), 'version', run.version),
        headers);
    PERFORM pg_notify('outbox', '');
END $$;
REVOKE ALL ON FUNCTION tell FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tell TO {role};
