-- The schema of the gateway database after migration 0011_consent.
-- Written by `python -m tools.schema`; do not edit. Change the schema by a new migration.

CREATE SCHEMA public;

COMMENT ON SCHEMA public IS 'standard public schema';

CREATE TYPE public.team_role AS ENUM (
    'OWNER',
    'MEMBER'
);

CREATE TABLE public.external_identities (
    issuer text NOT NULL,
    subject text NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT external_identities_issuer_check CHECK ((length(issuer) <= 500)),
    CONSTRAINT external_identities_subject_check CHECK ((length(subject) <= 500))
);

CREATE TABLE public.idempotency_keys (
    user_id uuid NOT NULL,
    key_hash bytea NOT NULL,
    request_hash bytea NOT NULL,
    command_id uuid NOT NULL,
    new_id uuid NOT NULL,
    claimed_until timestamp with time zone NOT NULL,
    sealed_answer bytea,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT idempotency_keys_key_hash_check CHECK ((octet_length(key_hash) = 32)),
    CONSTRAINT idempotency_keys_request_hash_check CHECK ((octet_length(request_hash) = 32))
);

CREATE TABLE public.personal_tokens (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    name text NOT NULL,
    token_hash bytea NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    made_by uuid,
    CONSTRAINT personal_tokens_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200))),
    CONSTRAINT personal_tokens_scopes_check CHECK (((cardinality(scopes) > 0) AND (scopes <@ ARRAY['read'::text, 'write'::text, 'admin'::text]))),
    CONSTRAINT personal_tokens_token_hash_check CHECK ((octet_length(token_hash) = 32))
);

CREATE TABLE public.refresh_tokens (
    token_hash bytea NOT NULL,
    session_id uuid NOT NULL,
    issued_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    spent_at timestamp with time zone,
    parent_hash bytea,
    CONSTRAINT refresh_tokens_parent_hash_check CHECK ((octet_length(parent_hash) = 32)),
    CONSTRAINT refresh_tokens_token_hash_check CHECK ((octet_length(token_hash) = 32))
);

CREATE TABLE public.schema_migrations (
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.sessions (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone,
    opened_from bytea,
    CONSTRAINT sessions_opened_from_check CHECK ((octet_length(opened_from) = 32))
);

CREATE TABLE public.stale_teams (
    user_id uuid NOT NULL,
    version bigint NOT NULL
);

CREATE TABLE public.team_members (
    team_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role public.team_role NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    accepted_at timestamp with time zone
);

CREATE TABLE public.teams (
    id uuid NOT NULL,
    name text NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    deleted_at timestamp with time zone,
    CONSTRAINT teams_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200))),
    CONSTRAINT teams_version_check CHECK ((version > 0))
);

CREATE TABLE public.users (
    id uuid NOT NULL,
    email text,
    display_name text NOT NULL,
    password_hash text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    teams_version bigint DEFAULT 0 NOT NULL,
    email_normal text,
    CONSTRAINT users_display_name_check CHECK (((length(display_name) >= 1) AND (length(display_name) <= 200))),
    CONSTRAINT users_email_check CHECK (((length(email) >= 3) AND (length(email) <= 254)))
);

ALTER TABLE ONLY public.external_identities
    ADD CONSTRAINT external_identities_pkey PRIMARY KEY (issuer, subject);

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (user_id, key_hash);

ALTER TABLE ONLY public.personal_tokens
    ADD CONSTRAINT personal_tokens_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.personal_tokens
    ADD CONSTRAINT personal_tokens_token_hash_key UNIQUE (token_hash);

ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT refresh_tokens_pkey PRIMARY KEY (token_hash);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.stale_teams
    ADD CONSTRAINT stale_teams_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY public.team_members
    ADD CONSTRAINT team_members_pkey PRIMARY KEY (team_id, user_id);

ALTER TABLE ONLY public.teams
    ADD CONSTRAINT teams_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

CREATE INDEX external_identities_user_idx ON public.external_identities USING btree (user_id);

CREATE INDEX idempotency_keys_created_idx ON public.idempotency_keys USING btree (created_at);

CREATE INDEX personal_tokens_made_by_idx ON public.personal_tokens USING btree (made_by) WHERE (made_by IS NOT NULL);

CREATE INDEX personal_tokens_user_idx ON public.personal_tokens USING btree (user_id, id);

CREATE INDEX refresh_tokens_parent_idx ON public.refresh_tokens USING btree (parent_hash) WHERE (parent_hash IS NOT NULL);

CREATE INDEX refresh_tokens_session_idx ON public.refresh_tokens USING btree (session_id);

CREATE INDEX sessions_expires_idx ON public.sessions USING btree (expires_at);

CREATE INDEX sessions_revoked_idx ON public.sessions USING btree (revoked_at) WHERE (revoked_at IS NOT NULL);

CREATE INDEX sessions_user_idx ON public.sessions USING btree (user_id);

CREATE INDEX team_members_unasked_idx ON public.team_members USING btree (user_id, created_at, team_id) WHERE (accepted_at IS NULL);

CREATE INDEX team_members_user_idx ON public.team_members USING btree (user_id, team_id);

CREATE UNIQUE INDEX users_email_key ON public.users USING btree (lower(email));

CREATE UNIQUE INDEX users_email_normal_key ON public.users USING btree (email_normal);

ALTER TABLE ONLY public.external_identities
    ADD CONSTRAINT external_identities_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.personal_tokens
    ADD CONSTRAINT personal_tokens_made_by_fkey FOREIGN KEY (made_by) REFERENCES public.personal_tokens(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.personal_tokens
    ADD CONSTRAINT personal_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.refresh_tokens
    ADD CONSTRAINT refresh_tokens_session_id_fkey FOREIGN KEY (session_id) REFERENCES public.sessions(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.stale_teams
    ADD CONSTRAINT stale_teams_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.team_members
    ADD CONSTRAINT team_members_team_id_fkey FOREIGN KEY (team_id) REFERENCES public.teams(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.team_members
    ADD CONSTRAINT team_members_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;

REVOKE USAGE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO gateway;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.external_identities TO gateway;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.idempotency_keys TO gateway;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.personal_tokens TO gateway;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.refresh_tokens TO gateway;

GRANT SELECT ON TABLE public.schema_migrations TO gateway;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.sessions TO gateway;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.stale_teams TO gateway;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.team_members TO gateway;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.teams TO gateway;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.users TO gateway;
