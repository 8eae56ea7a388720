-- The schema of the indexer database after migration 0002_filters.
-- Written by `python -m tools.schema`; do not edit. Change the schema by a new migration.

CREATE SCHEMA public;

COMMENT ON SCHEMA public IS 'standard public schema';

CREATE TABLE public.documents (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    book_id uuid,
    chapter_id uuid,
    version bigint NOT NULL,
    seq bigint DEFAULT 0 NOT NULL,
    shown boolean NOT NULL,
    run_id uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    indexed_at timestamp with time zone DEFAULT now() NOT NULL,
    type text COLLATE pg_catalog."C",
    status text COLLATE pg_catalog."C",
    names text DEFAULT ''::text NOT NULL,
    updated_at timestamp with time zone,
    CONSTRAINT documents_check CHECK (((kind = 'scene'::text) = (book_id IS NOT NULL))),
    CONSTRAINT documents_check1 CHECK (((book_id IS NULL) = (chapter_id IS NULL))),
    CONSTRAINT documents_check2 CHECK (((kind = 'scene'::text) OR (seq = 0))),
    CONSTRAINT documents_check3 CHECK ((indexed_at >= created_at)),
    CONSTRAINT documents_kind_check CHECK ((kind = ANY (ARRAY['scene'::text, 'entity'::text, 'fact'::text]))),
    CONSTRAINT documents_seq_check CHECK ((seq >= 0)),
    CONSTRAINT documents_status_check CHECK (((length(status) >= 1) AND (length(status) <= 100))),
    CONSTRAINT documents_type_check CHECK (((length(type) >= 1) AND (length(type) <= 100))),
    CONSTRAINT documents_version_check CHECK ((version > 0))
);

CREATE TABLE public.due_documents (
    id uuid NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    notices bigint DEFAULT 1 NOT NULL,
    noticed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    due_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    rebuild_of uuid,
    CONSTRAINT due_documents_failures_check CHECK ((failures >= 0)),
    CONSTRAINT due_documents_kind_check CHECK ((kind = ANY (ARRAY['scene'::text, 'entity'::text, 'fact'::text]))),
    CONSTRAINT due_documents_notices_check CHECK ((notices > 0))
);

CREATE TABLE public.embeddings (
    project_id uuid NOT NULL,
    model text NOT NULL COLLATE pg_catalog."C",
    hash bytea NOT NULL,
    vector bytea NOT NULL,
    used_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT embeddings_hash_check CHECK ((octet_length(hash) = 32)),
    CONSTRAINT embeddings_model_check CHECK (((length(model) >= 1) AND (length(model) <= 200))),
    CONSTRAINT embeddings_vector_check CHECK ((((octet_length(vector) % 4) = 0) AND (octet_length(vector) > 0)))
);

CREATE TABLE public.engines (
    name text NOT NULL COLLATE pg_catalog."C",
    mark uuid NOT NULL,
    model text NOT NULL COLLATE pg_catalog."C",
    known_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.gone_points (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    gone_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE public.purged_documents (
    id uuid NOT NULL,
    purged_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.purged_projects (
    project_id uuid NOT NULL,
    purged_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.rebuilds (
    project_id uuid NOT NULL,
    begun_at timestamp with time zone DEFAULT now() NOT NULL,
    total integer NOT NULL,
    done_at timestamp with time zone,
    CONSTRAINT rebuilds_check CHECK ((done_at >= begun_at)),
    CONSTRAINT rebuilds_total_check CHECK ((total >= 0))
);

CREATE TABLE public.schema_migrations (
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.text_chunks (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    document_id uuid NOT NULL,
    chunk_type text NOT NULL COLLATE pg_catalog."C",
    block_type text NOT NULL COLLATE pg_catalog."C",
    part smallint NOT NULL,
    index integer NOT NULL,
    text text NOT NULL,
    hash bytea NOT NULL,
    from_offset integer NOT NULL,
    to_offset integer NOT NULL,
    first_client bigint,
    first_clock bigint,
    last_client bigint,
    last_clock bigint,
    run_id uuid,
    changed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    point_hash bytea,
    vector_hash bytea,
    failures smallint DEFAULT 0 NOT NULL,
    CONSTRAINT text_chunks_block_type_check CHECK (((length(block_type) >= 1) AND (length(block_type) <= 100))),
    CONSTRAINT text_chunks_check CHECK ((to_offset >= from_offset)),
    CONSTRAINT text_chunks_check1 CHECK ((num_nonnulls(first_client, first_clock, last_client, last_clock) = ANY (ARRAY[0, 4]))),
    CONSTRAINT text_chunks_check2 CHECK (((chunk_type = 'CARD'::text) = (first_client IS NULL))),
    CONSTRAINT text_chunks_check3 CHECK (((vector_hash IS NULL) OR (point_hash IS NOT NULL))),
    CONSTRAINT text_chunks_chunk_type_check CHECK ((chunk_type = ANY (ARRAY['PARAGRAPH'::text, 'CARD'::text]))),
    CONSTRAINT text_chunks_failures_check CHECK ((failures >= 0)),
    CONSTRAINT text_chunks_from_offset_check CHECK ((from_offset >= 0)),
    CONSTRAINT text_chunks_hash_check CHECK ((octet_length(hash) = 32)),
    CONSTRAINT text_chunks_index_check CHECK ((index >= 0)),
    CONSTRAINT text_chunks_part_check CHECK ((part >= 0)),
    CONSTRAINT text_chunks_point_hash_check CHECK ((octet_length(point_hash) = 32)),
    CONSTRAINT text_chunks_text_check CHECK (((length(text) >= 1) AND (length(text) <= 2000))),
    CONSTRAINT text_chunks_vector_hash_check CHECK ((octet_length(vector_hash) = 32))
);

ALTER TABLE ONLY public.documents
    ADD CONSTRAINT documents_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.documents
    ADD CONSTRAINT documents_project_id_id_key UNIQUE (project_id, id);

ALTER TABLE ONLY public.due_documents
    ADD CONSTRAINT due_documents_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.embeddings
    ADD CONSTRAINT embeddings_pkey PRIMARY KEY (project_id, model, hash);

ALTER TABLE ONLY public.engines
    ADD CONSTRAINT engines_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.gone_points
    ADD CONSTRAINT gone_points_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.purged_documents
    ADD CONSTRAINT purged_documents_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.purged_projects
    ADD CONSTRAINT purged_projects_pkey PRIMARY KEY (project_id);

ALTER TABLE ONLY public.rebuilds
    ADD CONSTRAINT rebuilds_pkey PRIMARY KEY (project_id);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.text_chunks
    ADD CONSTRAINT text_chunks_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.text_chunks
    ADD CONSTRAINT text_chunks_place UNIQUE (document_id, chunk_type, index) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY public.text_chunks
    ADD CONSTRAINT text_chunks_project_id_id_key UNIQUE (project_id, id);

CREATE INDEX documents_by_book ON public.documents USING btree (book_id) WHERE (book_id IS NOT NULL);

CREATE INDEX documents_by_change ON public.documents USING btree (project_id, updated_at);

CREATE INDEX documents_by_chapter ON public.documents USING btree (chapter_id) WHERE (chapter_id IS NOT NULL);

CREATE INDEX due_documents_by_time ON public.due_documents USING btree (due_at);

CREATE INDEX due_documents_of_rebuild ON public.due_documents USING btree (rebuild_of) WHERE (rebuild_of IS NOT NULL);

CREATE INDEX embeddings_by_age ON public.embeddings USING btree (used_at);

CREATE INDEX gone_points_by_age ON public.gone_points USING btree (gone_at);

CREATE INDEX rebuilds_running ON public.rebuilds USING btree (begun_at) WHERE (done_at IS NULL);

CREATE INDEX text_chunks_of_document ON public.text_chunks USING btree (project_id, document_id);

CREATE INDEX text_chunks_unembedded ON public.text_chunks USING btree (changed_at) WHERE ((point_hash = hash) AND (vector_hash IS DISTINCT FROM hash));

CREATE INDEX text_chunks_unwritten ON public.text_chunks USING btree (changed_at) WHERE (point_hash IS DISTINCT FROM hash);

ALTER TABLE ONLY public.text_chunks
    ADD CONSTRAINT text_chunks_project_id_document_id_fkey FOREIGN KEY (project_id, document_id) REFERENCES public.documents(project_id, id) ON DELETE CASCADE;

REVOKE USAGE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO indexer;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.documents TO indexer;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.due_documents TO indexer;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.embeddings TO indexer;

GRANT SELECT,INSERT,UPDATE ON TABLE public.engines TO indexer;

GRANT SELECT,INSERT,DELETE ON TABLE public.gone_points TO indexer;

GRANT SELECT,INSERT ON TABLE public.purged_documents TO indexer;

GRANT SELECT,INSERT ON TABLE public.purged_projects TO indexer;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.rebuilds TO indexer;

GRANT SELECT ON TABLE public.schema_migrations TO indexer;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.text_chunks TO indexer;
