-- Bundles as rows, and what jobs have staged and not yet committed.

CREATE TYPE bundle_type AS ENUM ('user_edit', 'job_output', 'import', 'merge_resolution');

-- One row per user action, written with its events. A projection like the others: what it says
-- beyond them (type, label, what it reverses) lies in `metadata.bundle` of each of its events.
CREATE TABLE bundles (
    bundle_id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    user_id uuid NOT NULL,
    type bundle_type NOT NULL,
    label text CHECK (length(label) BETWEEN 1 AND 200),
    source event_source NOT NULL,
    operations integer NOT NULL CHECK (operations > 0),
    created_at timestamptz NOT NULL,
    causation_id uuid,
    reverses uuid CHECK (reverses <> bundle_id)
);
CREATE INDEX bundles_by_project ON bundles (project_id, created_at, bundle_id);
CREATE INDEX bundles_by_user ON bundles (project_id, user_id, created_at, bundle_id);
CREATE INDEX bundles_by_reversed ON bundles (reverses) WHERE reverses IS NOT NULL;

INSERT INTO bundles (
    bundle_id, project_id, user_id, type, label, source, operations, created_at, causation_id,
    reverses)
SELECT DISTINCT ON (bundle_id)
    bundle_id, project_id, user_id,
    coalesce(metadata #>> '{bundle,type}', 'user_edit')::bundle_type,
    metadata #>> '{bundle,label}', source,
    count(*) OVER (PARTITION BY bundle_id),
    min("timestamp") OVER (PARTITION BY bundle_id),
    causation_id, (metadata #>> '{bundle,reverses}')::uuid
FROM events ORDER BY bundle_id, id;

CREATE TYPE job_status AS ENUM ('open', 'committed', 'abandoned');

-- A job's id is the client's, so it means something only within its project; the id of the bundle
-- that it may become is drawn here.
CREATE TABLE jobs (
    project_id uuid NOT NULL,
    job_id uuid NOT NULL,
    user_id uuid NOT NULL,
    bundle_id uuid NOT NULL UNIQUE,
    status job_status NOT NULL DEFAULT 'open',
    parts integer NOT NULL DEFAULT 0 CHECK (parts BETWEEN 0 AND 1000),
    operations integer NOT NULL DEFAULT 0 CHECK (operations BETWEEN 0 AND 10000),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, job_id)
);
CREATE INDEX jobs_by_age ON jobs (status, updated_at);

CREATE TABLE staged (
    project_id uuid NOT NULL,
    job_id uuid NOT NULL,
    part integer NOT NULL CHECK (part BETWEEN 1 AND 1000),
    digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    operations jsonb NOT NULL CHECK (jsonb_typeof(operations) = 'array'),
    PRIMARY KEY (project_id, job_id, part),
    FOREIGN KEY (project_id, job_id) REFERENCES jobs ON DELETE CASCADE
);

GRANT SELECT, INSERT, UPDATE ON bundles TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON jobs, staged TO {role};
