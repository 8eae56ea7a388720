-- Packages, what is made of them by jobs, templates, and whose library a project is.
--
-- None of this is a fold of the log: a package is a copy of what was, and only when it is planted
-- does the log say so.

-- A project at one moment. Without a head it is being made; `sealed` when nothing is missing.
CREATE TABLE packages (
    package_id uuid PRIMARY KEY,
    owner_id uuid NOT NULL,
    -- Where it was taken; null for one that was sent.
    project_id uuid,
    head jsonb NOT NULL CHECK (jsonb_typeof(head) = 'object'),
    sealed boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX packages_by_age ON packages (created_at);
CREATE INDEX packages_by_owner ON packages (owner_id);

-- zstd of lines of JSON, the first of them about thing number `first`.
CREATE TABLE package_pages (
    package_id uuid NOT NULL REFERENCES packages ON DELETE CASCADE,
    page integer NOT NULL CHECK (page >= 0),
    first integer NOT NULL CHECK (first > 0),
    count integer NOT NULL CHECK (count > 0),
    body bytea NOT NULL,
    PRIMARY KEY (package_id, page)
);
ALTER TABLE package_pages ALTER COLUMN body SET STORAGE EXTERNAL;

-- zstd of one Yjs update of `size` bytes. Until it has been read, `scene_id` says where it is; size
-- 0 tells that nobody wrote anything.
CREATE TABLE package_texts (
    package_id uuid NOT NULL REFERENCES packages ON DELETE CASCADE,
    number integer NOT NULL CHECK (number > 0),
    scene_id uuid,
    packed bytea,
    size integer CHECK (size >= 0),
    PRIMARY KEY (package_id, number),
    CHECK ((packed IS NULL) = (size IS NULL)),
    CHECK ((scene_id IS NULL) = (packed IS NOT NULL))
);
ALTER TABLE package_texts ALTER COLUMN packed SET STORAGE EXTERNAL;

CREATE TYPE workspace_job_kind AS ENUM ('clone', 'template', 'instantiate', 'import');
CREATE TYPE workspace_job_status AS ENUM ('running', 'done', 'failed');
CREATE TYPE workspace_job_step AS ENUM ('waiting', 'reading', 'checking', 'writing', 'finishing');

-- Work that goes on whoever dies. `target_id` is the project or template that it makes.
CREATE TABLE workspace_jobs (
    job_id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    kind workspace_job_kind NOT NULL,
    project_id uuid,
    package_id uuid NOT NULL,
    target_id uuid NOT NULL,
    details jsonb NOT NULL CHECK (jsonb_typeof(details) = 'object'),
    status workspace_job_status NOT NULL DEFAULT 'running',
    step workspace_job_step NOT NULL DEFAULT 'waiting',
    done integer NOT NULL DEFAULT 0 CHECK (done >= 0),
    total integer NOT NULL DEFAULT 0 CHECK (total >= 0),
    -- The number of the scene up to which texts have been written.
    written integer NOT NULL DEFAULT 0 CHECK (written >= 0),
    tries integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
    due_at timestamptz NOT NULL DEFAULT now(),
    error jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((status = 'failed') = (error IS NOT NULL))
);
CREATE INDEX workspace_jobs_due ON workspace_jobs (due_at) WHERE status = 'running';
CREATE INDEX workspace_jobs_by_user ON workspace_jobs (user_id) WHERE status = 'running';
CREATE INDEX workspace_jobs_by_age ON workspace_jobs (updated_at) WHERE status <> 'running';

CREATE TABLE templates (
    template_id uuid PRIMARY KEY,
    package_id uuid NOT NULL UNIQUE REFERENCES packages,
    owner_id uuid NOT NULL,
    -- Where it comes from, and whose members may use it when it is shared. It outlives the project.
    project_id uuid NOT NULL,
    shared boolean NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    description text CHECK (length(description) <= 2000),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX templates_by_owner ON templates (owner_id, template_id);
CREATE INDEX templates_by_project ON templates (project_id, template_id) WHERE shared;

CREATE TABLE libraries (
    user_id uuid PRIMARY KEY,
    project_id uuid NOT NULL UNIQUE
);

GRANT SELECT, INSERT, UPDATE, DELETE
    ON packages, package_pages, package_texts, workspace_jobs TO {role};
GRANT SELECT, INSERT, DELETE ON templates TO {role};
GRANT SELECT, INSERT, UPDATE ON libraries TO {role};
