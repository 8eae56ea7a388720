-- The schema of the blobs database after migration 0023_tasks.
-- Written by `python -m tools.schema`; do not edit. Change the schema by a new migration.

CREATE SCHEMA public;

COMMENT ON SCHEMA public IS 'standard public schema';

CREATE TYPE public.asset_type AS ENUM (
    'logo',
    'script',
    'export',
    'attachment'
);

CREATE TYPE public.blob_codec AS ENUM (
    'identity',
    'zstd'
);

CREATE TYPE public.blob_state AS ENUM (
    'live',
    'condemned',
    'archived',
    'restoring',
    'collected',
    'quarantined'
);

CREATE TYPE public.storage_tier AS ENUM (
    'hot',
    'cold'
);

CREATE TABLE public.accounts (
    project_id uuid NOT NULL,
    bytes bigint DEFAULT 0 NOT NULL,
    stored_bytes bigint DEFAULT 0 NOT NULL,
    blobs bigint DEFAULT 0 NOT NULL,
    quota_bytes bigint,
    CONSTRAINT accounts_blobs_check CHECK ((blobs >= 0)),
    CONSTRAINT accounts_bytes_check CHECK ((bytes >= 0)),
    CONSTRAINT accounts_quota_bytes_check CHECK ((quota_bytes >= 0)),
    CONSTRAINT accounts_stored_bytes_check CHECK ((stored_bytes >= 0))
);

CREATE TABLE public.audit (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    user_id uuid,
    action text NOT NULL,
    sha256 text COLLATE pg_catalog."C",
    data jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT audit_action_check CHECK ((action ~ '^[a-z_]{1,40}$'::text)),
    CONSTRAINT audit_data_check CHECK ((jsonb_typeof(data) = 'object'::text))
);

CREATE TABLE public.blob_frames (
    project_id uuid NOT NULL,
    sha256 text NOT NULL COLLATE pg_catalog."C",
    number integer NOT NULL,
    start bigint NOT NULL,
    length integer NOT NULL,
    digest bytea NOT NULL,
    CONSTRAINT blob_frames_digest_check CHECK ((length(digest) = 32)),
    CONSTRAINT blob_frames_length_check CHECK ((length > 0)),
    CONSTRAINT blob_frames_number_check CHECK ((number >= 0)),
    CONSTRAINT blob_frames_start_check CHECK ((start >= 0))
);

CREATE TABLE public.blob_uses (
    project_id uuid NOT NULL,
    sha256 text NOT NULL COLLATE pg_catalog."C",
    read_at timestamp with time zone,
    verified_at timestamp with time zone
);

CREATE TABLE public.blobs (
    project_id uuid NOT NULL,
    sha256 text NOT NULL COLLATE pg_catalog."C",
    size bigint NOT NULL,
    stored_size bigint NOT NULL,
    codec public.blob_codec NOT NULL,
    level smallint,
    media_type text NOT NULL,
    asset_type public.asset_type NOT NULL,
    state public.blob_state DEFAULT 'live'::public.blob_state NOT NULL,
    key text COLLATE pg_catalog."C",
    tier public.storage_tier DEFAULT 'hot'::public.storage_tier NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by uuid NOT NULL,
    touched_at timestamp with time zone DEFAULT now() NOT NULL,
    condemned_at timestamp with time zone,
    archived_at timestamp with time zone,
    collected_at timestamp with time zone,
    used_as public.asset_type[] DEFAULT '{}'::public.asset_type[] NOT NULL,
    charset text,
    CONSTRAINT blobs_charset_check CHECK ((charset = ANY (ARRAY['utf-16'::text, 'utf-32'::text, 'unknown'::text]))),
    CONSTRAINT blobs_check CHECK (((state = 'collected'::public.blob_state) = (key IS NULL))),
    CONSTRAINT blobs_check1 CHECK (((state = 'collected'::public.blob_state) = (collected_at IS NOT NULL))),
    CONSTRAINT blobs_check2 CHECK (((state = 'condemned'::public.blob_state) = (condemned_at IS NOT NULL))),
    CONSTRAINT blobs_check3 CHECK (((codec = 'zstd'::public.blob_codec) = (level IS NOT NULL))),
    CONSTRAINT blobs_media_type_check CHECK (((length(media_type) >= 1) AND (length(media_type) <= 127))),
    CONSTRAINT blobs_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT blobs_size_check CHECK ((size >= 0)),
    CONSTRAINT blobs_stored_size_check CHECK ((stored_size >= 0))
);

CREATE TABLE public.chores (
    name text NOT NULL COLLATE pg_catalog."C",
    after_project uuid NOT NULL,
    after_sha256 text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    begun_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    data jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT chores_data_check CHECK ((jsonb_typeof(data) = 'object'::text)),
    CONSTRAINT chores_name_check CHECK ((name ~ '^[a-z_]{1,40}$'::text))
);

CREATE TABLE public.claims (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    sha256 text NOT NULL COLLATE pg_catalog."C",
    source text NOT NULL,
    source_id uuid NOT NULL,
    claimed_by uuid NOT NULL,
    claimed_at timestamp with time zone DEFAULT now() NOT NULL,
    settled_at timestamp with time zone,
    used boolean,
    CONSTRAINT claims_check CHECK (((settled_at IS NULL) = (used IS NULL))),
    CONSTRAINT claims_source_check CHECK ((source ~ '^[a-z_]{1,40}$'::text))
);

CREATE TABLE public.doomed (
    key text NOT NULL COLLATE pg_catalog."C",
    project_id uuid NOT NULL,
    tier public.storage_tier DEFAULT 'hot'::public.storage_tier NOT NULL,
    due_at timestamp with time zone NOT NULL,
    reason text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    CONSTRAINT doomed_reason_check CHECK ((reason ~ '^[a-z_]{1,40}$'::text))
);

CREATE TABLE public.followed (
    project_id uuid NOT NULL,
    source text NOT NULL,
    source_id uuid NOT NULL,
    version bigint NOT NULL,
    sha256 text COLLATE pg_catalog."C",
    CONSTRAINT followed_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT followed_source_check CHECK ((source ~ '^[a-z_]{1,40}$'::text)),
    CONSTRAINT followed_version_check CHECK ((version > 0))
);

CREATE TABLE public.imported_contents (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    user_id uuid NOT NULL,
    path text NOT NULL,
    file_name text,
    media_type text,
    asset_type public.asset_type DEFAULT 'attachment'::public.asset_type NOT NULL,
    content bytea NOT NULL,
    sha256 text COLLATE pg_catalog."C",
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    blob_sha256 text COLLATE pg_catalog."C",
    imported_at timestamp with time zone,
    CONSTRAINT imported_contents_check CHECK (((blob_sha256 IS NULL) = (imported_at IS NULL))),
    CONSTRAINT imported_contents_file_name_check CHECK (((length(file_name) >= 1) AND (length(file_name) <= 255))),
    CONSTRAINT imported_contents_media_type_check CHECK (((length(media_type) >= 1) AND (length(media_type) <= 127))),
    CONSTRAINT imported_contents_path_check CHECK (((length(path) >= 1) AND (length(path) <= 1024))),
    CONSTRAINT imported_contents_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text))
);
ALTER TABLE ONLY public.imported_contents ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE TABLE public.outbox (
    seq bigint NOT NULL,
    "position" bigint,
    event_id uuid NOT NULL,
    subject text NOT NULL,
    payload json NOT NULL,
    headers json NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    published_at timestamp with time zone
);

ALTER TABLE public.outbox ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outbox_seq_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.path_versions (
    project_id uuid NOT NULL,
    path text NOT NULL COLLATE pg_catalog."C",
    version bigint NOT NULL,
    sha256 text COLLATE pg_catalog."C",
    file_name text,
    asset_type public.asset_type,
    reason text DEFAULT ''::text NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_by uuid NOT NULL,
    CONSTRAINT path_versions_file_name_check CHECK (((length(file_name) >= 1) AND (length(file_name) <= 255))),
    CONSTRAINT path_versions_reason_check CHECK ((length(reason) <= 500)),
    CONSTRAINT path_versions_version_check CHECK ((version > 0))
);

CREATE TABLE public.paths (
    project_id uuid NOT NULL,
    path text NOT NULL COLLATE pg_catalog."C",
    id uuid NOT NULL,
    version bigint NOT NULL,
    sha256 text COLLATE pg_catalog."C",
    entity_id uuid,
    CONSTRAINT paths_path_check CHECK (((length(path) >= 1) AND (length(path) <= 1024))),
    CONSTRAINT paths_version_check CHECK ((version > 0))
);

CREATE TABLE public.quarantine (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    sha256 text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    tier public.storage_tier NOT NULL,
    frame integer NOT NULL,
    reason text NOT NULL,
    found_at timestamp with time zone DEFAULT now() NOT NULL,
    resolved_at timestamp with time zone,
    looked_at timestamp with time zone,
    CONSTRAINT quarantine_reason_check CHECK ((reason = ANY (ARRAY['missing'::text, 'short'::text, 'digest'::text, 'codec'::text, 'content'::text])))
);

CREATE TABLE public.refs (
    project_id uuid NOT NULL,
    sha256 text NOT NULL COLLATE pg_catalog."C",
    source text NOT NULL,
    source_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT refs_source_check CHECK ((source ~ '^[a-z_]{1,40}$'::text))
);

CREATE TABLE public.schema_migrations (
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.storages (
    tier public.storage_tier NOT NULL,
    mark text NOT NULL COLLATE pg_catalog."C",
    adopted_at timestamp with time zone,
    CONSTRAINT storages_mark_check CHECK (((length(mark) >= 1) AND (length(mark) <= 200)))
);

CREATE TABLE public.task_positions (
    name text NOT NULL COLLATE pg_catalog."C",
    "position" text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    begun_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone,
    report jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT task_positions_name_check CHECK ((name ~ '^[a-z_]{1,40}$'::text)),
    CONSTRAINT task_positions_report_check CHECK ((jsonb_typeof(report) = 'object'::text))
);

CREATE TABLE public.ticket_keys (
    id integer NOT NULL,
    secret bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT ticket_keys_secret_check CHECK ((length(secret) = 32))
);

ALTER TABLE public.ticket_keys ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ticket_keys_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.upload_pieces (
    upload_id uuid NOT NULL,
    project_id uuid NOT NULL,
    start bigint NOT NULL,
    length integer NOT NULL,
    digest bytea NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    CONSTRAINT upload_pieces_digest_check CHECK ((length(digest) = 32)),
    CONSTRAINT upload_pieces_length_check CHECK ((length > 0)),
    CONSTRAINT upload_pieces_start_check CHECK ((start >= 0))
);

CREATE TABLE public.uploads (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    user_id uuid NOT NULL,
    size bigint,
    sha256 text COLLATE pg_catalog."C",
    file_name text,
    media_type text,
    asset_type public.asset_type NOT NULL,
    resumable boolean NOT NULL,
    "offset" bigint DEFAULT 0 NOT NULL,
    direct_key text COLLATE pg_catalog."C",
    blob_sha256 text COLLATE pg_catalog."C",
    deduplicated boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    done_at timestamp with time zone,
    metadata text,
    refusal jsonb,
    attempts integer DEFAULT 0 NOT NULL,
    retry_at timestamp with time zone,
    CONSTRAINT uploads_attempts_check CHECK ((attempts >= 0)),
    CONSTRAINT uploads_check CHECK ((("offset" >= 0) AND ("offset" <= COALESCE(size, "offset")))),
    CONSTRAINT uploads_check1 CHECK (((blob_sha256 IS NULL) = (done_at IS NULL))),
    CONSTRAINT uploads_file_name_check CHECK (((length(file_name) >= 1) AND (length(file_name) <= 255))),
    CONSTRAINT uploads_media_type_check CHECK (((length(media_type) >= 1) AND (length(media_type) <= 127))),
    CONSTRAINT uploads_metadata_check CHECK (((length(metadata) >= 1) AND (length(metadata) <= 8192))),
    CONSTRAINT uploads_refusal_check CHECK ((jsonb_typeof(refusal) = 'object'::text)),
    CONSTRAINT uploads_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT uploads_size_check CHECK ((size >= 0))
);

ALTER TABLE ONLY public.accounts
    ADD CONSTRAINT accounts_pkey PRIMARY KEY (project_id);

ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.blob_frames
    ADD CONSTRAINT blob_frames_pkey PRIMARY KEY (project_id, sha256, number);

ALTER TABLE ONLY public.blob_uses
    ADD CONSTRAINT blob_uses_pkey PRIMARY KEY (project_id, sha256);

ALTER TABLE ONLY public.blobs
    ADD CONSTRAINT blobs_key_key UNIQUE (key);

ALTER TABLE ONLY public.blobs
    ADD CONSTRAINT blobs_pkey PRIMARY KEY (project_id, sha256);

ALTER TABLE ONLY public.chores
    ADD CONSTRAINT chores_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.claims
    ADD CONSTRAINT claims_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.doomed
    ADD CONSTRAINT doomed_pkey PRIMARY KEY (key);

ALTER TABLE ONLY public.followed
    ADD CONSTRAINT followed_pkey PRIMARY KEY (project_id, source, source_id);

ALTER TABLE ONLY public.imported_contents
    ADD CONSTRAINT imported_contents_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_event_id_key UNIQUE (event_id);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_position_key UNIQUE ("position");

ALTER TABLE ONLY public.path_versions
    ADD CONSTRAINT path_versions_pkey PRIMARY KEY (project_id, path, version);

ALTER TABLE public.paths
    ADD CONSTRAINT paths_entity_id_check CHECK (((entity_id IS NULL) OR (sha256 IS NOT NULL))) NOT VALID;

ALTER TABLE ONLY public.paths
    ADD CONSTRAINT paths_id_key UNIQUE (id);

ALTER TABLE ONLY public.paths
    ADD CONSTRAINT paths_pkey PRIMARY KEY (project_id, path);

ALTER TABLE ONLY public.quarantine
    ADD CONSTRAINT quarantine_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.refs
    ADD CONSTRAINT refs_pkey PRIMARY KEY (project_id, sha256, source, source_id);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.storages
    ADD CONSTRAINT storages_pkey PRIMARY KEY (tier);

ALTER TABLE ONLY public.task_positions
    ADD CONSTRAINT task_positions_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.ticket_keys
    ADD CONSTRAINT ticket_keys_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.upload_pieces
    ADD CONSTRAINT upload_pieces_key_key UNIQUE (key);

ALTER TABLE ONLY public.upload_pieces
    ADD CONSTRAINT upload_pieces_pkey PRIMARY KEY (upload_id, start);

ALTER TABLE ONLY public.uploads
    ADD CONSTRAINT uploads_pkey PRIMARY KEY (id);

ALTER TABLE public.uploads
    ADD CONSTRAINT uploads_refused_check CHECK (((refusal IS NULL) OR (blob_sha256 IS NULL))) NOT VALID;

CREATE INDEX audit_by_blob ON public.audit USING btree (project_id, sha256, at);

CREATE INDEX audit_by_project ON public.audit USING btree (project_id, at);

CREATE INDEX blobs_by_state ON public.blobs USING btree (state, project_id, sha256) WHERE (state <> ALL (ARRAY['live'::public.blob_state, 'condemned'::public.blob_state, 'collected'::public.blob_state]));

CREATE INDEX blobs_by_touch ON public.blobs USING btree (touched_at) WHERE (state = 'live'::public.blob_state);

CREATE INDEX blobs_condemned ON public.blobs USING btree (condemned_at) WHERE (state = 'condemned'::public.blob_state);

CREATE INDEX claims_open ON public.claims USING btree (project_id, sha256) WHERE (settled_at IS NULL);

CREATE INDEX claims_settled ON public.claims USING btree (settled_at) WHERE (settled_at IS NOT NULL);

CREATE INDEX doomed_by_due ON public.doomed USING btree (due_at);

CREATE INDEX outbox_due ON public.outbox USING btree ("position") WHERE (published_at IS NULL);

CREATE INDEX outbox_published ON public.outbox USING btree (published_at) WHERE (published_at IS NOT NULL);

CREATE INDEX outbox_unplaced ON public.outbox USING btree (seq) WHERE ("position" IS NULL);

CREATE INDEX paths_by_entity ON public.paths USING btree (project_id, entity_id) WHERE (entity_id IS NOT NULL);

CREATE INDEX quarantine_by_look ON public.quarantine USING btree (COALESCE(looked_at, found_at)) WHERE (resolved_at IS NULL);

CREATE UNIQUE INDEX quarantine_open ON public.quarantine USING btree (key) WHERE (resolved_at IS NULL);

CREATE INDEX refs_by_source ON public.refs USING btree (project_id, source, source_id);

CREATE INDEX uploads_by_expiry ON public.uploads USING btree (expires_at);

CREATE INDEX uploads_open ON public.uploads USING btree (project_id) WHERE (blob_sha256 IS NULL);

CREATE INDEX uploads_received ON public.uploads USING btree (COALESCE(retry_at, '-infinity'::timestamp with time zone)) WHERE (resumable AND (blob_sha256 IS NULL) AND (refusal IS NULL) AND ("offset" = size));

ALTER TABLE ONLY public.blob_frames
    ADD CONSTRAINT blob_frames_project_id_sha256_fkey FOREIGN KEY (project_id, sha256) REFERENCES public.blobs(project_id, sha256) ON DELETE CASCADE;

ALTER TABLE ONLY public.blob_uses
    ADD CONSTRAINT blob_uses_project_id_sha256_fkey FOREIGN KEY (project_id, sha256) REFERENCES public.blobs(project_id, sha256);

ALTER TABLE ONLY public.claims
    ADD CONSTRAINT claims_project_id_sha256_fkey FOREIGN KEY (project_id, sha256) REFERENCES public.blobs(project_id, sha256);

ALTER TABLE ONLY public.path_versions
    ADD CONSTRAINT path_versions_project_id_path_fkey FOREIGN KEY (project_id, path) REFERENCES public.paths(project_id, path);

ALTER TABLE ONLY public.path_versions
    ADD CONSTRAINT path_versions_project_id_sha256_fkey FOREIGN KEY (project_id, sha256) REFERENCES public.blobs(project_id, sha256);

ALTER TABLE ONLY public.paths
    ADD CONSTRAINT paths_project_id_sha256_fkey FOREIGN KEY (project_id, sha256) REFERENCES public.blobs(project_id, sha256);

ALTER TABLE ONLY public.quarantine
    ADD CONSTRAINT quarantine_project_id_sha256_fkey FOREIGN KEY (project_id, sha256) REFERENCES public.blobs(project_id, sha256);

ALTER TABLE ONLY public.refs
    ADD CONSTRAINT refs_project_id_sha256_fkey FOREIGN KEY (project_id, sha256) REFERENCES public.blobs(project_id, sha256);

ALTER TABLE ONLY public.upload_pieces
    ADD CONSTRAINT upload_pieces_upload_id_fkey FOREIGN KEY (upload_id) REFERENCES public.uploads(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.uploads
    ADD CONSTRAINT uploads_project_id_blob_sha256_fkey FOREIGN KEY (project_id, blob_sha256) REFERENCES public.blobs(project_id, sha256);

REVOKE USAGE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO blobs;

GRANT SELECT,INSERT,UPDATE ON TABLE public.accounts TO blobs;

GRANT SELECT,INSERT ON TABLE public.audit TO blobs;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.blob_frames TO blobs;

GRANT SELECT,INSERT,UPDATE ON TABLE public.blob_uses TO blobs;

GRANT SELECT,INSERT,UPDATE ON TABLE public.blobs TO blobs;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.chores TO blobs;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.claims TO blobs;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.doomed TO blobs;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.followed TO blobs;

GRANT SELECT ON TABLE public.imported_contents TO blobs;

GRANT UPDATE(blob_sha256) ON TABLE public.imported_contents TO blobs;

GRANT UPDATE(imported_at) ON TABLE public.imported_contents TO blobs;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.outbox TO blobs;

GRANT SELECT,INSERT ON TABLE public.path_versions TO blobs;

GRANT SELECT,INSERT,UPDATE ON TABLE public.paths TO blobs;

GRANT SELECT,INSERT,UPDATE ON TABLE public.quarantine TO blobs;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.refs TO blobs;

GRANT SELECT ON TABLE public.schema_migrations TO blobs;

GRANT SELECT,INSERT,UPDATE ON TABLE public.storages TO blobs;

GRANT SELECT,INSERT,UPDATE ON TABLE public.task_positions TO blobs;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.ticket_keys TO blobs;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.upload_pieces TO blobs;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.uploads TO blobs;
