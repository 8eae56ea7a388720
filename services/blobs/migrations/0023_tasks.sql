-- How far background tasks have come that one replica at a time does; see libs/tasks/positions.py.
-- `chores`, which this takes over, is dropped by a later release.
CREATE TABLE task_positions (
    name text COLLATE "C" PRIMARY KEY CHECK (name ~ '^[a-z_]{1,40}$'),
    position text COLLATE "C" NOT NULL DEFAULT '',
    begun_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    report jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(report) = 'object')
);
GRANT SELECT, INSERT, UPDATE ON task_positions TO {role};

INSERT INTO task_positions (name, position, begun_at, ended_at, report)
SELECT name, after_project || '/' || after_sha256, begun_at, ended_at, data FROM chores;
