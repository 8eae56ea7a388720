-- How far background tasks have come that one replica at a time does; see libs/tasks/positions.py.
-- `sweeps`, which this takes over, is dropped by a later release.
CREATE TABLE task_positions (
    name text COLLATE "C" PRIMARY KEY CHECK (name ~ '^[a-z_]{1,40}$'),
    position text COLLATE "C" NOT NULL DEFAULT '',
    begun_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    report jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(report) = 'object')
);
GRANT SELECT, INSERT, UPDATE ON task_positions TO {role};

INSERT INTO task_positions (name, position, begun_at, ended_at)
SELECT name, after_scene::text, begun_at, ended_at FROM sweeps;

-- Whether a replica took snapshots when it reported last in that minute. One of the release before
-- says nothing about it.
ALTER TABLE persistence_minutes ADD COLUMN working boolean NOT NULL DEFAULT true;
