-- The schema of the ai database after migration 0001_runs.
-- Written by `python -m tools.schema`; do not edit. Change the schema by a new migration.

CREATE SCHEMA public;

COMMENT ON SCHEMA public IS 'standard public schema';

CREATE TABLE public.runs (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    status text DEFAULT 'queued'::text NOT NULL COLLATE pg_catalog."C",
    book_id uuid,
    scene_id uuid,
    parent_id uuid,
    engine text NOT NULL COLLATE pg_catalog."C",
    config jsonb NOT NULL,
    config_hash bytea NOT NULL,
    output jsonb,
    error jsonb,
    cost_microusd bigint DEFAULT 0 NOT NULL,
    tokens_in bigint DEFAULT 0 NOT NULL,
    tokens_out bigint DEFAULT 0 NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    lease_owner text COLLATE pg_catalog."C",
    lease_until timestamp with time zone,
    due_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    cancel_asked_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    created_by uuid NOT NULL,
    updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    updated_by uuid NOT NULL,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    erased_at timestamp with time zone,
    CONSTRAINT runs_attempt_check CHECK ((attempt >= 0)),
    CONSTRAINT runs_check CHECK (((status = ANY (ARRAY['completed'::text, 'failed'::text, 'cancelled'::text])) = (ended_at IS NOT NULL))),
    CONSTRAINT runs_check1 CHECK (((status = 'running'::text) = (lease_owner IS NOT NULL))),
    CONSTRAINT runs_check2 CHECK (((lease_owner IS NULL) = (lease_until IS NULL))),
    CONSTRAINT runs_check3 CHECK (((error IS NULL) OR (status = 'failed'::text))),
    CONSTRAINT runs_check4 CHECK (((output IS NULL) OR (status = 'completed'::text))),
    CONSTRAINT runs_config_check CHECK ((jsonb_typeof(config) = 'object'::text)),
    CONSTRAINT runs_config_hash_check CHECK ((octet_length(config_hash) = 32)),
    CONSTRAINT runs_cost_microusd_check CHECK ((cost_microusd >= 0)),
    CONSTRAINT runs_engine_check CHECK (((length(engine) >= 1) AND (length(engine) <= 100))),
    CONSTRAINT runs_kind_check CHECK ((kind ~ '^[a-z_]{1,40}$'::text)),
    CONSTRAINT runs_output_check CHECK ((octet_length((output)::text) <= 4194304)),
    CONSTRAINT runs_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'completed'::text, 'failed'::text, 'cancelled'::text]))),
    CONSTRAINT runs_tokens_in_check CHECK ((tokens_in >= 0)),
    CONSTRAINT runs_tokens_out_check CHECK ((tokens_out >= 0)),
    CONSTRAINT runs_version_check CHECK ((version > 0))
);

CREATE FUNCTION public.tell(run public.runs, kind text, data jsonb, fact text, fact_id uuid, more jsonb, headers json) RETURNS void
    LANGUAGE plpgsql
    AS $$
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

CREATE TABLE public.purged (
    id uuid NOT NULL,
    purged_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    looked_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE public.run_events (
    run_id uuid NOT NULL,
    version bigint NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    data jsonb NOT NULL,
    CONSTRAINT run_events_data_check CHECK ((jsonb_typeof(data) = 'object'::text)),
    CONSTRAINT run_events_kind_check CHECK ((kind ~ '^[a-z]{1,20}$'::text)),
    CONSTRAINT run_events_version_check CHECK ((version > 0))
);

CREATE TABLE public.run_scenes (
    run_id uuid NOT NULL,
    scene_id uuid NOT NULL,
    seq bigint NOT NULL,
    CONSTRAINT run_scenes_seq_check CHECK ((seq >= 0))
);

CREATE TABLE public.run_steps (
    run_id uuid NOT NULL,
    seq integer NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    memo jsonb NOT NULL,
    attempts integer NOT NULL,
    attempt integer NOT NULL,
    cost_microusd bigint DEFAULT 0 NOT NULL,
    tokens_in bigint DEFAULT 0 NOT NULL,
    tokens_out bigint DEFAULT 0 NOT NULL,
    started_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT run_steps_attempt_check CHECK ((attempt > 0)),
    CONSTRAINT run_steps_attempts_check CHECK ((attempts > 0)),
    CONSTRAINT run_steps_cost_microusd_check CHECK ((cost_microusd >= 0)),
    CONSTRAINT run_steps_memo_check CHECK ((octet_length((memo)::text) <= 1048576)),
    CONSTRAINT run_steps_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200))),
    CONSTRAINT run_steps_seq_check CHECK ((seq > 0)),
    CONSTRAINT run_steps_tokens_in_check CHECK ((tokens_in >= 0)),
    CONSTRAINT run_steps_tokens_out_check CHECK ((tokens_out >= 0))
);

CREATE TABLE public.schema_migrations (
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_event_id_key UNIQUE (event_id);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY public.purged
    ADD CONSTRAINT purged_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.run_events
    ADD CONSTRAINT run_events_pkey PRIMARY KEY (run_id, version);

ALTER TABLE ONLY public.run_scenes
    ADD CONSTRAINT run_scenes_pkey PRIMARY KEY (run_id, scene_id);

ALTER TABLE ONLY public.run_steps
    ADD CONSTRAINT run_steps_pkey PRIMARY KEY (run_id, seq);

ALTER TABLE ONLY public.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (number);

CREATE INDEX outbox_by_age ON public.outbox USING btree (created_at);

CREATE UNIQUE INDEX outbox_placed ON public.outbox USING btree ("position") WHERE ("position" IS NOT NULL);

CREATE INDEX outbox_to_announce ON public.outbox USING btree ("position") WHERE ((published_at IS NULL) AND ("position" IS NOT NULL));

CREATE INDEX outbox_unplaced ON public.outbox USING btree (seq) WHERE ("position" IS NULL);

CREATE INDEX purged_by_age ON public.purged USING btree (purged_at);

CREATE INDEX run_scenes_by_scene ON public.run_scenes USING btree (scene_id);

CREATE INDEX runs_by_parent ON public.runs USING btree (parent_id) WHERE (parent_id IS NOT NULL);

CREATE INDEX runs_by_project ON public.runs USING btree (project_id, created_at DESC, id DESC);

CREATE INDEX runs_open ON public.runs USING btree (due_at) WHERE (status = ANY (ARRAY['queued'::text, 'running'::text]));

CREATE INDEX runs_open_by_project ON public.runs USING btree (project_id) WHERE (status = ANY (ARRAY['queued'::text, 'running'::text]));

ALTER TABLE ONLY public.run_events
    ADD CONSTRAINT run_events_run_id_fkey FOREIGN KEY (run_id) REFERENCES public.runs(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.run_scenes
    ADD CONSTRAINT run_scenes_run_id_fkey FOREIGN KEY (run_id) REFERENCES public.runs(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.run_steps
    ADD CONSTRAINT run_steps_run_id_fkey FOREIGN KEY (run_id) REFERENCES public.runs(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.runs
    ADD CONSTRAINT runs_parent_id_fkey FOREIGN KEY (parent_id) REFERENCES public.runs(id) ON DELETE SET NULL;

REVOKE USAGE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO ai;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.runs TO ai;

REVOKE ALL ON FUNCTION public.tell(run public.runs, kind text, data jsonb, fact text, fact_id uuid, more jsonb, headers json) FROM PUBLIC;
GRANT ALL ON FUNCTION public.tell(run public.runs, kind text, data jsonb, fact text, fact_id uuid, more jsonb, headers json) TO ai;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.outbox TO ai;

GRANT SELECT,INSERT,UPDATE ON TABLE public.purged TO ai;

GRANT SELECT,INSERT,DELETE ON TABLE public.run_events TO ai;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.run_scenes TO ai;

GRANT SELECT,INSERT,DELETE ON TABLE public.run_steps TO ai;

GRANT SELECT ON TABLE public.schema_migrations TO ai;
