-- What is known of every blob, who refers to it, and what is to be deleted from storage.
-- A key is used once: it names one attempt to store something. See decision 70.

CREATE TYPE blob_state AS ENUM (
    'live', 'condemned', 'archived', 'restoring', 'collected', 'quarantined');
CREATE TYPE blob_codec AS ENUM ('identity', 'zstd');
CREATE TYPE asset_type AS ENUM ('logo', 'script', 'export', 'attachment');
CREATE TYPE storage_tier AS ENUM ('hot', 'cold');

-- Sizes are bytes of plain content, stored sizes bytes in storage. `touched_at` is when a blob was
-- last uploaded, claimed, or gained or lost a reference: retention counts from there.
CREATE TABLE blobs (
    project_id uuid NOT NULL,
    sha256 text COLLATE "C" NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    size bigint NOT NULL CHECK (size >= 0),
    stored_size bigint NOT NULL CHECK (stored_size >= 0),
    codec blob_codec NOT NULL,
    level smallint,
    media_type text NOT NULL CHECK (length(media_type) BETWEEN 1 AND 127),
    asset_type asset_type NOT NULL,
    state blob_state NOT NULL DEFAULT 'live',
    key text COLLATE "C" UNIQUE,
    tier storage_tier NOT NULL DEFAULT 'hot',
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid NOT NULL,
    touched_at timestamptz NOT NULL DEFAULT now(),
    condemned_at timestamptz,
    archived_at timestamptz,
    collected_at timestamptz,
    PRIMARY KEY (project_id, sha256),
    CHECK ((state = 'collected') = (key IS NULL)),
    CHECK ((state = 'collected') = (collected_at IS NOT NULL)),
    CHECK ((state = 'condemned') = (condemned_at IS NOT NULL)),
    CHECK ((codec = 'zstd') = (level IS NOT NULL))
);
CREATE INDEX blobs_by_touch ON blobs (touched_at) WHERE state = 'live';
CREATE INDEX blobs_condemned ON blobs (condemned_at) WHERE state = 'condemned';
CREATE INDEX blobs_by_state ON blobs (state, project_id, sha256)
    WHERE state NOT IN ('live', 'condemned', 'collected');

-- Where each frame of a blob lies in its object, and the SHA-256 of it as it is stored.
CREATE TABLE blob_frames (
    project_id uuid NOT NULL,
    sha256 text COLLATE "C" NOT NULL,
    number integer NOT NULL CHECK (number >= 0),
    start bigint NOT NULL CHECK (start >= 0),
    length integer NOT NULL CHECK (length > 0),
    digest bytea NOT NULL CHECK (length(digest) = 32),
    PRIMARY KEY (project_id, sha256, number),
    FOREIGN KEY (project_id, sha256) REFERENCES blobs ON DELETE CASCADE
);

-- An upload is open until `blob_sha256` says what it became. `direct_key` is where a client may
-- send bytes past us; they are read from there when it completes.
CREATE TABLE uploads (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    user_id uuid NOT NULL,
    size bigint CHECK (size >= 0),
    sha256 text COLLATE "C" CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    file_name text CHECK (length(file_name) BETWEEN 1 AND 255),
    media_type text CHECK (length(media_type) BETWEEN 1 AND 127),
    asset_type asset_type NOT NULL,
    resumable boolean NOT NULL,
    "offset" bigint NOT NULL DEFAULT 0 CHECK ("offset" >= 0 AND "offset" <= coalesce(size, "offset")),
    direct_key text COLLATE "C",
    blob_sha256 text COLLATE "C",
    deduplicated boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    done_at timestamptz,
    CHECK ((blob_sha256 IS NULL) = (done_at IS NULL)),
    FOREIGN KEY (project_id, blob_sha256) REFERENCES blobs
);
CREATE INDEX uploads_open ON uploads (project_id) WHERE blob_sha256 IS NULL;
CREATE INDEX uploads_by_expiry ON uploads (expires_at);

-- What arrived of a resumable upload: one object each.
CREATE TABLE upload_pieces (
    upload_id uuid NOT NULL REFERENCES uploads ON DELETE CASCADE,
    project_id uuid NOT NULL,
    start bigint NOT NULL CHECK (start >= 0),
    length integer NOT NULL CHECK (length > 0),
    digest bytea NOT NULL CHECK (length(digest) = 32),
    key text COLLATE "C" NOT NULL UNIQUE,
    PRIMARY KEY (upload_id, start)
);

-- Keys in storage that no row names. A key is here before its first byte is stored, with a lease
-- that its writer renews; the transaction that names it takes it out. The transaction that unnames
-- it puts it in again. What is due is deleted from storage, then from here.
CREATE TABLE doomed (
    key text COLLATE "C" PRIMARY KEY,
    project_id uuid NOT NULL,
    tier storage_tier NOT NULL DEFAULT 'hot',
    due_at timestamptz NOT NULL,
    reason text NOT NULL CHECK (reason ~ '^[a-z_]{1,40}$'),
    attempts integer NOT NULL DEFAULT 0
);
CREATE INDEX doomed_by_due ON doomed (due_at);

-- Somebody is about to refer to a blob. Settled when it is known whether they did.
CREATE TABLE claims (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    sha256 text COLLATE "C" NOT NULL,
    source text NOT NULL CHECK (source ~ '^[a-z_]{1,40}$'),
    source_id uuid NOT NULL,
    claimed_by uuid NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz,
    used boolean,
    CHECK ((settled_at IS NULL) = (used IS NULL)),
    FOREIGN KEY (project_id, sha256) REFERENCES blobs
);
CREATE INDEX claims_open ON claims (project_id, sha256) WHERE settled_at IS NULL;
CREATE INDEX claims_settled ON claims (settled_at) WHERE settled_at IS NOT NULL;

-- What refers to a blob. A path's source is 'path', its id that of `paths`.
CREATE TABLE refs (
    project_id uuid NOT NULL,
    sha256 text COLLATE "C" NOT NULL,
    source text NOT NULL CHECK (source ~ '^[a-z_]{1,40}$'),
    source_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, sha256, source, source_id),
    FOREIGN KEY (project_id, sha256) REFERENCES blobs
);
CREATE INDEX refs_by_source ON refs (project_id, source, source_id);

-- Logical paths: what each points at now, and all it ever pointed at.
CREATE TABLE paths (
    project_id uuid NOT NULL,
    path text COLLATE "C" NOT NULL CHECK (length(path) BETWEEN 1 AND 1024),
    id uuid NOT NULL UNIQUE,
    version bigint NOT NULL CHECK (version > 0),
    sha256 text COLLATE "C",
    PRIMARY KEY (project_id, path),
    FOREIGN KEY (project_id, sha256) REFERENCES blobs
);

CREATE TABLE path_versions (
    project_id uuid NOT NULL,
    path text COLLATE "C" NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    sha256 text COLLATE "C",
    file_name text CHECK (length(file_name) BETWEEN 1 AND 255),
    asset_type asset_type,
    reason text NOT NULL DEFAULT '' CHECK (length(reason) <= 500),
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by uuid NOT NULL,
    PRIMARY KEY (project_id, path, version),
    FOREIGN KEY (project_id, path) REFERENCES paths,
    FOREIGN KEY (project_id, sha256) REFERENCES blobs
);

-- What a project keeps: the sums over its blobs that have bytes. NULL quota: the default.
CREATE TABLE accounts (
    project_id uuid PRIMARY KEY,
    bytes bigint NOT NULL DEFAULT 0 CHECK (bytes >= 0),
    stored_bytes bigint NOT NULL DEFAULT 0 CHECK (stored_bytes >= 0),
    blobs bigint NOT NULL DEFAULT 0 CHECK (blobs >= 0),
    quota_bytes bigint CHECK (quota_bytes >= 0)
);

-- The secrets that sign tickets. The newest signs; an older one is good until the last ticket that
-- it signed has ended.
CREATE TABLE ticket_keys (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    secret bytea NOT NULL CHECK (length(secret) = 32),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Damage that was found, and whether it was mended.
CREATE TABLE quarantine (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    sha256 text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    tier storage_tier NOT NULL,
    frame integer NOT NULL,
    reason text NOT NULL CHECK (reason IN ('missing', 'short', 'digest', 'codec', 'content')),
    found_at timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    FOREIGN KEY (project_id, sha256) REFERENCES blobs
);
CREATE UNIQUE INDEX quarantine_open ON quarantine (key) WHERE resolved_at IS NULL;

-- What was done to blobs and by whom, for ever.
CREATE TABLE audit (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    user_id uuid,
    action text NOT NULL CHECK (action ~ '^[a-z_]{1,40}$'),
    sha256 text COLLATE "C",
    data jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(data) = 'object')
);
CREATE INDEX audit_by_project ON audit (project_id, at);
CREATE INDEX audit_by_blob ON audit (project_id, sha256, at);

CREATE TABLE outbox (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    position bigint UNIQUE,
    event_id uuid NOT NULL UNIQUE,
    subject text NOT NULL,
    payload jsonb NOT NULL,
    headers jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz
);
CREATE INDEX outbox_unplaced ON outbox (seq) WHERE position IS NULL;
CREATE INDEX outbox_due ON outbox (position) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;

-- Rights: blobs, history and the audit are never deleted, the audit never changed.
GRANT SELECT, INSERT, UPDATE ON blobs, paths, accounts, quarantine TO {role};
GRANT SELECT, INSERT ON path_versions, audit TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON
    blob_frames, uploads, upload_pieces, doomed, claims, refs, ticket_keys, outbox TO {role};
