-- The schema of the collab database after migration 0040_text_notices.
-- Written by `python -m tools.schema`; do not edit. Change the schema by a new migration.

CREATE SCHEMA public;

COMMENT ON SCHEMA public IS 'standard public schema';

CREATE FUNCTION public.editing_sessions_of(scene uuid, after_seq bigint, pause interval, upto_seq bigint DEFAULT NULL::bigint) RETURNS TABLE(seq_from bigint, seq_to bigint, started_at timestamp with time zone, ended_at timestamp with time zone, authors jsonb, updates bigint, bytes bigint)
    LANGUAGE sql STABLE
    AS $$
    WITH edit AS (
        SELECT seq, created_at, created_by, octet_length(yjs_update) AS size,
            created_at - lag(created_at) OVER (ORDER BY seq) > pause AS begins
        FROM scene_versions
        WHERE scene_id = scene AND seq > after_seq AND NOT is_compacted
            AND (upto_seq IS NULL OR seq <= upto_seq)
    ), numbered AS (
        SELECT *, count(*) FILTER (WHERE begins) OVER (ORDER BY seq) AS session FROM edit
    ), share AS (
        SELECT session, created_by, min(seq) AS first, max(seq) AS last,
            min(created_at) AS started, max(created_at) AS ended,
            count(*) AS updates, sum(size)::bigint AS bytes
        FROM numbered GROUP BY session, created_by
    )
    SELECT min(share.first), max(share.last), min(share.started), max(share.ended),
        jsonb_object_agg(
            share.created_by,
            jsonb_build_object('updates', share.updates, 'bytes', share.bytes)
        ),
        sum(share.updates)::bigint, sum(share.bytes)::bigint
    FROM share GROUP BY share.session ORDER BY 1
$$;

CREATE FUNCTION public.erase_review(log uuid) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $_$
DECLARE
    gone bigint;
    more bigint;
    known text;
BEGIN
    IF NOT EXISTS (SELECT FROM purged_scenes WHERE log_id = log) THEN
        RAISE EXCEPTION 'scene % was not purged', log;
    END IF;
    -- The row with the greatest position stays, so that no other fact ever gets that position.
    DELETE FROM outbox WHERE payload -> 'data' ->> 'sceneId' = log::text
        AND position IS DISTINCT FROM (SELECT max(position) FROM outbox);
    GET DIAGNOSTICS gone = ROW_COUNT;
    UPDATE outbox SET payload = '{}', published_at = coalesce(published_at, now())
    WHERE payload -> 'data' ->> 'sceneId' = log::text;
    FOR known IN SELECT name FROM review_tables ORDER BY position, name LOOP
        EXECUTE format('DELETE FROM public.%I WHERE scene_id = $1', known) USING log;
        GET DIAGNOSTICS more = ROW_COUNT;
        gone := gone + more;
    END LOOP;
    RETURN gone;
END $_$;

CREATE FUNCTION public.erase_scene(log uuid, rows_max integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    gone bigint;
    more bigint;
BEGIN
    IF rows_max NOT BETWEEN 1 AND 100000 THEN
        RAISE EXCEPTION 'rows_max must be 1 to 100000';
    END IF;
    IF NOT EXISTS (SELECT FROM purged_scenes WHERE log_id = log) THEN
        RAISE EXCEPTION 'scene % was not purged', log;
    END IF;
    DELETE FROM quarantined_updates WHERE scene_id = log;
    GET DIAGNOSTICS gone = ROW_COUNT;
    DELETE FROM scene_versions WHERE (scene_id, seq, is_compacted) IN (
        SELECT scene_id, seq, is_compacted FROM scene_versions
        WHERE scene_id = log ORDER BY seq LIMIT rows_max);
    GET DIAGNOSTICS more = ROW_COUNT;
    gone := gone + more;
    IF more = rows_max THEN
        RETURN gone;
    END IF;
    gone := gone + erase_review(log);
    WITH heads AS (DELETE FROM docs WHERE scene_id = log RETURNING 1),
        lines AS (DELETE FROM compactions WHERE scene_id = log RETURNING 1),
        sessions AS (DELETE FROM editing_sessions WHERE scene_id = log RETURNING 1),
        findings AS (DELETE FROM repairs WHERE scene_id = log RETURNING 1),
        -- Their history and their checks go with them.
        snapshots AS (DELETE FROM scene_snapshots WHERE scene_id = log RETURNING 1),
        named AS (DELETE FROM named_snapshots WHERE scene_id = log RETURNING 1),
        restored AS (DELETE FROM restorations WHERE scene_id = log RETURNING 1),
        migrated AS (DELETE FROM migrated_scenes WHERE scene_id = log RETURNING 1),
        imported AS (DELETE FROM imported_scenes WHERE scene_id = log RETURNING 1),
        words AS (DELETE FROM word_counts WHERE scene_id = log RETURNING 1),
        merges AS (
            DELETE FROM branch_merges m USING branches b
            WHERE m.branch_id = b.id AND b.scene_id = log RETURNING 1)
    SELECT gone + (SELECT count(*) FROM heads) + (SELECT count(*) FROM lines)
        + (SELECT count(*) FROM sessions) + (SELECT count(*) FROM findings)
        + (SELECT count(*) FROM snapshots) + (SELECT count(*) FROM named)
        + (SELECT count(*) FROM restored) + (SELECT count(*) FROM migrated)
        + (SELECT count(*) FROM imported) + (SELECT count(*) FROM words)
        + (SELECT count(*) FROM merges)
    INTO gone;
    DELETE FROM branches WHERE scene_id = log;
    GET DIAGNOSTICS more = ROW_COUNT;
    RETURN gone + more;
END $$;

CREATE FUNCTION public.forget_refactors() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    DELETE FROM refactors r USING (SELECT DISTINCT refactor_id FROM gone) g
    WHERE r.id = g.refactor_id
        AND NOT EXISTS (SELECT FROM refactor_scenes s WHERE s.refactor_id = r.id);
    RETURN NULL;
END $$;

CREATE FUNCTION public.refuse_removal() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF EXISTS (SELECT FROM purged_scenes WHERE log_id = OLD.scene_id) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'row % of scene % is in no compacted row', OLD.seq, OLD.scene_id
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE FUNCTION public.refuse_rewriting() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF TG_OP = 'DELETE' AND EXISTS (SELECT FROM purged_scenes WHERE log_id = OLD.scene_id) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'row % of scene % is an original', OLD.seq, OLD.scene_id
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE FUNCTION public.scene_sessions(scene uuid, pause interval) RETURNS TABLE(seq_from bigint, seq_to bigint, started_at timestamp with time zone, ended_at timestamp with time zone, authors jsonb, updates bigint, bytes bigint)
    LANGUAGE sql STABLE
    AS $$
    WITH kept AS (
        SELECT s.seq_from, s.seq_to, s.started_at, s.ended_at, s.authors, s.updates, s.bytes
        FROM editing_sessions AS s WHERE s.scene_id = scene
    ), piece AS (
        SELECT * FROM kept
        UNION ALL
        SELECT * FROM editing_sessions_of(
            scene, coalesce((SELECT max(kept.seq_to) FROM kept), 0), pause
        )
    ), begun AS (
        SELECT *, piece.started_at - lag(piece.ended_at) OVER (ORDER BY piece.seq_from) > pause
            AS begins
        FROM piece
    ), numbered AS (
        SELECT *, count(*) FILTER (WHERE begun.begins) OVER (ORDER BY begun.seq_from) AS session
        FROM begun
    ), share AS (
        SELECT numbered.session, each.key AS author,
            sum((each.value ->> 'updates')::bigint)::bigint AS updates,
            sum((each.value ->> 'bytes')::bigint)::bigint AS bytes
        FROM numbered, jsonb_each(numbered.authors) AS each
        GROUP BY numbered.session, each.key
    ), who AS (
        SELECT share.session, jsonb_object_agg(
            share.author, jsonb_build_object('updates', share.updates, 'bytes', share.bytes)
        ) AS authors
        FROM share GROUP BY share.session
    )
    SELECT min(n.seq_from), max(n.seq_to), min(n.started_at), max(n.ended_at),
        (SELECT who.authors FROM who WHERE who.session = n.session),
        sum(n.updates)::bigint, sum(n.bytes)::bigint
    FROM numbered AS n GROUP BY n.session ORDER BY 1
$$;

CREATE FUNCTION public.seq_at(scene uuid, wanted timestamp with time zone, oldest bigint, newest bigint) RETURNS bigint
    LANGUAGE plpgsql STABLE
    AS $$
DECLARE
    low bigint := oldest - 1;
    high bigint := newest;
    middle bigint;
    found timestamptz;
BEGIN
    WHILE low < high LOOP
        middle := (low + high + 1) / 2;
        SELECT created_at INTO found FROM scene_versions
        WHERE scene_id = scene AND seq = middle AND NOT is_compacted;
        IF found <= wanted THEN low := middle; ELSE high := middle - 1; END IF;
    END LOOP;
    RETURN low;
END
$$;

CREATE TABLE public.anchored_scenes (
    scene_id uuid NOT NULL,
    followed_seq bigint NOT NULL,
    CONSTRAINT anchored_scenes_followed_seq_check CHECK ((followed_seq >= 0))
);

CREATE TABLE public.anchors (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    scene_id uuid NOT NULL,
    status text NOT NULL COLLATE pg_catalog."C",
    generation integer DEFAULT 0 NOT NULL,
    first_client bigint,
    first_clock bigint,
    last_client bigint,
    last_clock bigint,
    quote text NOT NULL,
    before text NOT NULL,
    after text NOT NULL,
    grams integer[] NOT NULL,
    from_offset integer NOT NULL,
    seq bigint NOT NULL,
    followed_seq bigint NOT NULL,
    pieces jsonb NOT NULL,
    cuts jsonb DEFAULT '[]'::jsonb NOT NULL,
    deleted_at timestamp with time zone,
    deleted_by uuid,
    run_id uuid,
    created_by uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    retired boolean DEFAULT false NOT NULL,
    CONSTRAINT anchors_after_check CHECK ((length(after) <= 64)),
    CONSTRAINT anchors_before_check CHECK ((length(before) <= 64)),
    CONSTRAINT anchors_check CHECK ((followed_seq >= seq)),
    CONSTRAINT anchors_check1 CHECK (((first_client IS NULL) = (first_clock IS NULL))),
    CONSTRAINT anchors_check2 CHECK (((first_client IS NULL) = (last_client IS NULL))),
    CONSTRAINT anchors_check3 CHECK (((last_client IS NULL) = (last_clock IS NULL))),
    CONSTRAINT anchors_check4 CHECK (((status = 'orphaned'::text) OR (first_client IS NOT NULL))),
    CONSTRAINT anchors_check5 CHECK (((status = 'orphaned'::text) OR (deleted_at IS NULL))),
    CONSTRAINT anchors_cuts_check CHECK ((jsonb_typeof(cuts) = 'array'::text)),
    CONSTRAINT anchors_first_client_check CHECK ((first_client >= 0)),
    CONSTRAINT anchors_first_clock_check CHECK ((first_clock >= 0)),
    CONSTRAINT anchors_from_offset_check CHECK ((from_offset >= 0)),
    CONSTRAINT anchors_generation_check CHECK ((generation >= 0)),
    CONSTRAINT anchors_last_client_check CHECK ((last_client >= 0)),
    CONSTRAINT anchors_last_clock_check CHECK ((last_clock >= 0)),
    CONSTRAINT anchors_pieces_check CHECK ((jsonb_typeof(pieces) = 'array'::text)),
    CONSTRAINT anchors_quote_check CHECK (((quote <> ''::text) AND (length(quote) <= 20000))),
    CONSTRAINT anchors_seq_check CHECK ((seq >= 0)),
    CONSTRAINT anchors_status_check CHECK ((status = ANY (ARRAY['exact'::text, 'recovered'::text, 'orphaned'::text])))
);

CREATE TABLE public.authorship (
    scene_id uuid NOT NULL,
    seq bigint NOT NULL,
    from_seq bigint NOT NULL,
    part bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT authorship_check CHECK (((from_seq >= 1) AND (from_seq <= seq)))
);
ALTER TABLE ONLY public.authorship ALTER COLUMN part SET STORAGE EXTERNAL;

CREATE TABLE public.branch_merges (
    id uuid NOT NULL,
    branch_id uuid NOT NULL,
    strategy text,
    conflicts integer NOT NULL,
    seq bigint,
    merged_by uuid NOT NULL,
    merged_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT branch_merges_conflicts_check CHECK ((conflicts >= 0)),
    CONSTRAINT branch_merges_seq_check CHECK ((seq > 0)),
    CONSTRAINT branch_merges_strategy_check CHECK ((strategy = ANY (ARRAY['merge'::text, 'ours'::text, 'theirs'::text])))
);

CREATE TABLE public.branches (
    id uuid NOT NULL,
    scene_id uuid NOT NULL,
    project_id uuid NOT NULL,
    name text NOT NULL,
    state text DEFAULT 'open'::text NOT NULL,
    base_seq bigint NOT NULL,
    base bytea NOT NULL,
    base_size integer NOT NULL,
    base_checksum bigint NOT NULL,
    merges integer DEFAULT 0 NOT NULL,
    merged_at timestamp with time zone,
    merged_by uuid,
    merged_seq bigint,
    created_by uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    kind text DEFAULT 'branch'::text NOT NULL COLLATE pg_catalog."C",
    followed_seq bigint DEFAULT 0 NOT NULL,
    hunks jsonb DEFAULT '[]'::jsonb NOT NULL,
    unexpressed integer DEFAULT 0 NOT NULL,
    CONSTRAINT branches_base_seq_check CHECK ((base_seq >= 0)),
    CONSTRAINT branches_base_size_check CHECK ((base_size >= 0)),
    CONSTRAINT branches_check CHECK (((merges > 0) = ((merged_at IS NOT NULL) AND (merged_by IS NOT NULL)))),
    CONSTRAINT branches_followed_seq_check CHECK ((followed_seq >= 0)),
    CONSTRAINT branches_hunks_check CHECK ((jsonb_typeof(hunks) = 'array'::text)),
    CONSTRAINT branches_kind_check CHECK ((kind = ANY (ARRAY['branch'::text, 'suggestion'::text]))),
    CONSTRAINT branches_merges_check CHECK ((merges >= 0)),
    CONSTRAINT branches_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200))),
    CONSTRAINT branches_state_check CHECK ((state = ANY (ARRAY['open'::text, 'merged'::text, 'closed'::text]))),
    CONSTRAINT branches_unexpressed_check CHECK ((unexpressed >= 0))
);
ALTER TABLE ONLY public.branches ALTER COLUMN base SET STORAGE EXTERNAL;

CREATE TABLE public.comments (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    scene_id uuid NOT NULL,
    thread_id uuid NOT NULL,
    number integer NOT NULL,
    body text NOT NULL,
    meta jsonb DEFAULT '{}'::jsonb NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by uuid NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_by uuid NOT NULL,
    edited_at timestamp with time zone,
    deleted_at timestamp with time zone,
    deleted_by uuid,
    CONSTRAINT comments_body_check CHECK ((length(body) <= 10000)),
    CONSTRAINT comments_check CHECK (((deleted_at IS NULL) = (deleted_by IS NULL))),
    CONSTRAINT comments_check1 CHECK (((deleted_at IS NOT NULL) = (body = ''::text))),
    CONSTRAINT comments_check2 CHECK (((deleted_at IS NULL) OR (meta = '{}'::jsonb))),
    CONSTRAINT comments_check3 CHECK ((updated_at >= created_at)),
    CONSTRAINT comments_meta_check CHECK ((jsonb_typeof(meta) = 'object'::text)),
    CONSTRAINT comments_number_check CHECK (((number >= 1) AND (number <= 1000))),
    CONSTRAINT comments_version_check CHECK ((version > 0))
);

CREATE TABLE public.compactions (
    scene_id uuid NOT NULL,
    seq bigint NOT NULL,
    from_seq bigint NOT NULL,
    updates bigint NOT NULL,
    bytes_before bigint NOT NULL,
    bytes_after bigint NOT NULL,
    source text NOT NULL,
    digest bytea NOT NULL,
    took_ms double precision NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    verified_at timestamp with time zone,
    marked_at timestamp with time zone,
    pruned_at timestamp with time zone,
    pruned_rows bigint DEFAULT 0 NOT NULL,
    pruned_bytes bigint DEFAULT 0 NOT NULL,
    CONSTRAINT compactions_from_seq_check CHECK ((from_seq > 0)),
    CONSTRAINT compactions_seq_check CHECK ((seq > 0)),
    CONSTRAINT compactions_source_check CHECK ((source = ANY (ARRAY['log'::text, 'head'::text]))),
    CONSTRAINT compactions_updates_check CHECK ((updates >= 0))
);

CREATE TABLE public.docs (
    scene_id uuid NOT NULL,
    upto_seq bigint NOT NULL,
    snapshot bytea NOT NULL,
    size integer NOT NULL,
    state_vector bytea NOT NULL,
    checksum bigint NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT docs_size_check CHECK ((size >= 0)),
    CONSTRAINT docs_upto_seq_check CHECK ((upto_seq > 0)),
    CONSTRAINT docs_version_check CHECK ((version > 0))
);
ALTER TABLE ONLY public.docs ALTER COLUMN snapshot SET STORAGE EXTERNAL;

CREATE TABLE public.editing_sessions (
    scene_id uuid NOT NULL,
    seq_from bigint NOT NULL,
    seq_to bigint NOT NULL,
    started_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone NOT NULL,
    authors jsonb NOT NULL,
    updates bigint NOT NULL,
    bytes bigint NOT NULL,
    CONSTRAINT editing_sessions_check CHECK ((seq_to >= seq_from))
);

CREATE TABLE public.imported_scenes (
    scene_id uuid NOT NULL,
    content_blocks bytea NOT NULL,
    content_bytes integer NOT NULL,
    block_count integer NOT NULL,
    imported_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT imported_scenes_block_count_check CHECK ((block_count >= 0)),
    CONSTRAINT imported_scenes_content_bytes_check CHECK ((content_bytes > 0))
);
ALTER TABLE ONLY public.imported_scenes ALTER COLUMN content_blocks SET STORAGE EXTERNAL;

CREATE TABLE public.mentions (
    comment_id uuid NOT NULL,
    person_id uuid NOT NULL
);

CREATE TABLE public.migrated_scenes (
    scene_id uuid NOT NULL,
    content_blocks bytea NOT NULL,
    content_bytes integer NOT NULL,
    block_count integer NOT NULL,
    yjs_update bytea NOT NULL,
    seq bigint,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    migrated_at timestamp with time zone,
    CONSTRAINT migrated_scenes_block_count_check CHECK ((block_count >= 0)),
    CONSTRAINT migrated_scenes_check CHECK (((seq IS NULL) = (migrated_at IS NULL))),
    CONSTRAINT migrated_scenes_content_bytes_check CHECK ((content_bytes > 0)),
    CONSTRAINT migrated_scenes_seq_check CHECK ((seq > 0))
);

CREATE TABLE public.named_snapshots (
    id uuid NOT NULL,
    scene_id uuid NOT NULL,
    project_id uuid NOT NULL,
    name text NOT NULL,
    description text,
    seq bigint NOT NULL,
    at timestamp with time zone,
    state bytea NOT NULL,
    size integer NOT NULL,
    checksum bigint NOT NULL,
    version integer DEFAULT 1 NOT NULL,
    created_by uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_by uuid NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT named_snapshots_description_check CHECK ((char_length(description) <= 10000)),
    CONSTRAINT named_snapshots_name_check CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200))),
    CONSTRAINT named_snapshots_seq_check CHECK ((seq >= 0)),
    CONSTRAINT named_snapshots_size_check CHECK ((size >= 0)),
    CONSTRAINT named_snapshots_version_check CHECK ((version > 0))
);
ALTER TABLE ONLY public.named_snapshots ALTER COLUMN state SET STORAGE EXTERNAL;

CREATE TABLE public.notifications (
    id uuid NOT NULL,
    person_id uuid NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    actor_id uuid NOT NULL,
    project_id uuid NOT NULL,
    scene_id uuid NOT NULL,
    thread_id uuid,
    comment_id uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    read_at timestamp with time zone,
    CONSTRAINT notifications_check CHECK ((actor_id <> person_id)),
    CONSTRAINT notifications_check1 CHECK ((read_at >= created_at)),
    CONSTRAINT notifications_check2 CHECK (((kind = ANY (ARRAY['mention'::text, 'reply'::text])) = (comment_id IS NOT NULL))),
    CONSTRAINT notifications_check3 CHECK (((kind = 'decision'::text) = (thread_id IS NULL))),
    CONSTRAINT notifications_kind_check CHECK ((kind = ANY (ARRAY['mention'::text, 'reply'::text, 'decision'::text, 'resolved'::text])))
);

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

CREATE TABLE public.patch_hunks (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    scene_id uuid NOT NULL,
    patch_id uuid NOT NULL,
    number integer NOT NULL,
    state text DEFAULT 'OPEN'::text NOT NULL COLLATE pg_catalog."C",
    anchor_id uuid NOT NULL,
    written_id uuid,
    kind text NOT NULL COLLATE pg_catalog."C",
    side text DEFAULT 'after'::text NOT NULL COLLATE pg_catalog."C",
    base text NOT NULL,
    text text NOT NULL,
    applied jsonb,
    CONSTRAINT patch_hunks_applied_check CHECK ((jsonb_typeof(applied) = 'object'::text)),
    CONSTRAINT patch_hunks_base_check CHECK (((length(base) >= 1) AND (length(base) <= 20000))),
    CONSTRAINT patch_hunks_check CHECK (((kind = 'delete'::text) = (text = ''::text))),
    CONSTRAINT patch_hunks_check1 CHECK (((state = 'APPLIED'::text) = (applied IS NOT NULL))),
    CONSTRAINT patch_hunks_check2 CHECK (((written_id IS NULL) OR (state = 'APPLIED'::text))),
    CONSTRAINT patch_hunks_kind_check CHECK ((kind = ANY (ARRAY['replace'::text, 'insert'::text, 'delete'::text]))),
    CONSTRAINT patch_hunks_number_check CHECK (((number >= 1) AND (number <= 200))),
    CONSTRAINT patch_hunks_side_check CHECK ((side = ANY (ARRAY['before'::text, 'after'::text]))),
    CONSTRAINT patch_hunks_state_check CHECK ((state = ANY (ARRAY['OPEN'::text, 'APPLIED'::text, 'REVERTED'::text]))),
    CONSTRAINT patch_hunks_text_check CHECK ((length(text) <= 40000))
);

CREATE TABLE public.patches (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    scene_id uuid NOT NULL,
    state text DEFAULT 'OPEN'::text NOT NULL COLLATE pg_catalog."C",
    base_version bigint NOT NULL,
    applied_version bigint,
    reverted_version bigint,
    rebase_strategy text COLLATE pg_catalog."C",
    conflict_log jsonb DEFAULT '[]'::jsonb NOT NULL,
    title text,
    note text,
    run_id uuid,
    decided_at timestamp with time zone,
    decided_by uuid,
    version bigint DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by uuid NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamp with time zone,
    deleted_by uuid,
    CONSTRAINT patches_applied_version_check CHECK ((applied_version >= 0)),
    CONSTRAINT patches_base_version_check CHECK ((base_version >= 0)),
    CONSTRAINT patches_check CHECK ((reverted_version >= applied_version)),
    CONSTRAINT patches_check1 CHECK (((decided_at IS NULL) = (decided_by IS NULL))),
    CONSTRAINT patches_check2 CHECK (((deleted_at IS NULL) = (deleted_by IS NULL))),
    CONSTRAINT patches_check3 CHECK (((state = 'OPEN'::text) OR (decided_at IS NOT NULL))),
    CONSTRAINT patches_check4 CHECK (((state = 'OPEN'::text) = (applied_version IS NULL))),
    CONSTRAINT patches_check5 CHECK (((state <> 'REVERTED'::text) OR (reverted_version IS NOT NULL))),
    CONSTRAINT patches_check6 CHECK ((updated_at >= created_at)),
    CONSTRAINT patches_conflict_log_check CHECK ((jsonb_typeof(conflict_log) = 'array'::text)),
    CONSTRAINT patches_note_check CHECK ((length(note) <= 2000)),
    CONSTRAINT patches_rebase_strategy_check CHECK ((rebase_strategy = ANY (ARRAY['merge'::text, 'rebase'::text, 'override'::text]))),
    CONSTRAINT patches_state_check CHECK ((state = ANY (ARRAY['OPEN'::text, 'PARTLY_APPLIED'::text, 'APPLIED'::text, 'REVERTED'::text]))),
    CONSTRAINT patches_title_check CHECK (((length(title) >= 1) AND (length(title) <= 200))),
    CONSTRAINT patches_version_check CHECK ((version > 0))
);

CREATE TABLE public.persistence_counts (
    single boolean DEFAULT true NOT NULL,
    walk_began_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    counted_at timestamp with time zone,
    scenes_with_updates bigint,
    scenes_behind bigint,
    age_s_average double precision,
    oldest_change_at timestamp with time zone,
    CONSTRAINT persistence_counts_single_check CHECK (single)
);

CREATE TABLE public.persistence_minutes (
    replica text NOT NULL,
    minute timestamp with time zone NOT NULL,
    loads bigint NOT NULL,
    load_seconds double precision NOT NULL,
    snapshots bigint NOT NULL,
    snapshot_failures bigint NOT NULL,
    sampling boolean DEFAULT false NOT NULL,
    working boolean DEFAULT true NOT NULL
);

CREATE TABLE public.purged_scenes (
    log_id uuid NOT NULL,
    scene_id uuid NOT NULL,
    project_id uuid NOT NULL,
    event_id uuid NOT NULL,
    marked_at timestamp with time zone DEFAULT now() NOT NULL,
    erased_at timestamp with time zone,
    swept_at timestamp with time zone,
    erased_rows bigint DEFAULT 0 NOT NULL,
    CONSTRAINT purged_scenes_erased_rows_check CHECK ((erased_rows >= 0))
);

CREATE TABLE public.quarantined_updates (
    scene_id uuid NOT NULL,
    seq bigint NOT NULL,
    reason text NOT NULL,
    found_at timestamp with time zone DEFAULT now() NOT NULL,
    is_compacted boolean DEFAULT false NOT NULL,
    CONSTRAINT quarantined_updates_reason_check CHECK (((octet_length(reason) >= 1) AND (octet_length(reason) <= 1000)))
);

CREATE TABLE public.reactions (
    comment_id uuid NOT NULL,
    emoji text NOT NULL COLLATE pg_catalog."C",
    person_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT reactions_emoji_check CHECK (((length(emoji) >= 1) AND (length(emoji) <= 32)))
);

CREATE TABLE public.refactor_fields (
    id uuid NOT NULL,
    refactor_id uuid NOT NULL,
    project_id uuid NOT NULL,
    scene_id uuid,
    number integer NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    aggregate_id uuid NOT NULL,
    field text NOT NULL COLLATE pg_catalog."C",
    old_value jsonb,
    new_value jsonb,
    sure boolean NOT NULL,
    chosen boolean NOT NULL,
    reason text,
    skipped boolean DEFAULT false NOT NULL,
    CONSTRAINT refactor_fields_check CHECK (((kind = 'scene'::text) = (scene_id IS NOT NULL))),
    CONSTRAINT refactor_fields_kind_check CHECK ((kind = ANY (ARRAY['scene'::text, 'chapter'::text, 'book'::text, 'entity'::text]))),
    CONSTRAINT refactor_fields_number_check CHECK ((number >= 0))
);

CREATE TABLE public.refactor_hits (
    id uuid NOT NULL,
    refactor_id uuid NOT NULL,
    project_id uuid NOT NULL,
    scene_id uuid NOT NULL,
    number integer NOT NULL,
    anchor_id uuid,
    kind text NOT NULL COLLATE pg_catalog."C",
    base text NOT NULL,
    text text NOT NULL,
    side text DEFAULT 'after'::text NOT NULL COLLATE pg_catalog."C",
    before text NOT NULL,
    after text NOT NULL,
    sure boolean NOT NULL,
    chosen boolean NOT NULL,
    reason text,
    skipped boolean DEFAULT false NOT NULL,
    CONSTRAINT refactor_hits_base_check CHECK ((length(base) <= 20000)),
    CONSTRAINT refactor_hits_check CHECK (((anchor_id IS NOT NULL) OR (NOT chosen))),
    CONSTRAINT refactor_hits_kind_check CHECK ((kind = ANY (ARRAY['replace'::text, 'insert'::text, 'delete'::text]))),
    CONSTRAINT refactor_hits_number_check CHECK ((number >= 0)),
    CONSTRAINT refactor_hits_side_check CHECK ((side = ANY (ARRAY['before'::text, 'after'::text]))),
    CONSTRAINT refactor_hits_text_check CHECK ((length(text) <= 20000))
);

CREATE TABLE public.refactor_scenes (
    refactor_id uuid NOT NULL,
    project_id uuid NOT NULL,
    scene_id uuid NOT NULL,
    "position" integer NOT NULL,
    title text,
    found_seq bigint,
    left_out integer DEFAULT 0 NOT NULL,
    planned_seq bigint,
    planned_update bytea,
    fits boolean DEFAULT true NOT NULL,
    plan jsonb,
    applied_seq bigint,
    reverted_seq bigint,
    CONSTRAINT refactor_scenes_applied_seq_check CHECK ((applied_seq > 0)),
    CONSTRAINT refactor_scenes_check CHECK (((planned_seq IS NULL) = (planned_update IS NULL))),
    CONSTRAINT refactor_scenes_found_seq_check CHECK ((found_seq >= 0)),
    CONSTRAINT refactor_scenes_left_out_check CHECK ((left_out >= 0)),
    CONSTRAINT refactor_scenes_plan_check CHECK ((jsonb_typeof(plan) = 'object'::text)),
    CONSTRAINT refactor_scenes_planned_seq_check CHECK ((planned_seq >= 0)),
    CONSTRAINT refactor_scenes_position_check CHECK (("position" >= 0)),
    CONSTRAINT refactor_scenes_reverted_seq_check CHECK ((reverted_seq > 0))
);

CREATE TABLE public.refactors (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    kind text NOT NULL COLLATE pg_catalog."C",
    title text,
    asked jsonb NOT NULL,
    terms jsonb DEFAULT '{}'::jsonb NOT NULL,
    state text DEFAULT 'FINDING'::text NOT NULL COLLATE pg_catalog."C",
    scenes_total integer DEFAULT 0 NOT NULL,
    scenes_done integer DEFAULT 0 NOT NULL,
    hits_found integer DEFAULT 0 NOT NULL,
    attempt integer DEFAULT 0 NOT NULL,
    ordered jsonb,
    written jsonb,
    failure jsonb,
    bundle_id uuid,
    run_id uuid,
    applied_at timestamp with time zone,
    applied_by uuid,
    reverted_at timestamp with time zone,
    reverted_by uuid,
    looked_at timestamp with time zone DEFAULT now() NOT NULL,
    version bigint DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by uuid NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamp with time zone,
    deleted_by uuid,
    CONSTRAINT refactors_asked_check CHECK ((jsonb_typeof(asked) = 'object'::text)),
    CONSTRAINT refactors_attempt_check CHECK ((attempt >= 0)),
    CONSTRAINT refactors_check CHECK (((scenes_done >= 0) AND (scenes_done <= scenes_total))),
    CONSTRAINT refactors_check1 CHECK (((state = ANY (ARRAY['APPLYING'::text, 'REVERTING'::text])) <= (ordered IS NOT NULL))),
    CONSTRAINT refactors_check2 CHECK (((applied_at IS NULL) = (applied_by IS NULL))),
    CONSTRAINT refactors_check3 CHECK (((reverted_at IS NULL) = (reverted_by IS NULL))),
    CONSTRAINT refactors_check4 CHECK (((deleted_at IS NULL) = (deleted_by IS NULL))),
    CONSTRAINT refactors_check5 CHECK ((updated_at >= created_at)),
    CONSTRAINT refactors_failure_check CHECK ((jsonb_typeof(failure) = 'object'::text)),
    CONSTRAINT refactors_hits_found_check CHECK ((hits_found >= 0)),
    CONSTRAINT refactors_kind_check CHECK ((kind = ANY (ARRAY['rename_entity'::text, 'replace'::text, 'attributes'::text, 'hunks'::text]))),
    CONSTRAINT refactors_ordered_check CHECK ((jsonb_typeof(ordered) = 'object'::text)),
    CONSTRAINT refactors_scenes_total_check CHECK ((scenes_total >= 0)),
    CONSTRAINT refactors_state_check CHECK ((state = ANY (ARRAY['FINDING'::text, 'READY'::text, 'APPLYING'::text, 'APPLIED'::text, 'REVERTING'::text, 'REVERTED'::text, 'FAILED'::text]))),
    CONSTRAINT refactors_terms_check CHECK ((jsonb_typeof(terms) = 'object'::text)),
    CONSTRAINT refactors_title_check CHECK (((length(title) >= 1) AND (length(title) <= 200))),
    CONSTRAINT refactors_version_check CHECK ((version > 0)),
    CONSTRAINT refactors_written_check CHECK ((jsonb_typeof(written) = 'object'::text))
);

CREATE TABLE public.repairs (
    repair_id uuid DEFAULT uuidv7() NOT NULL,
    scene_id uuid NOT NULL,
    found_at timestamp with time zone DEFAULT now() NOT NULL,
    kind text NOT NULL,
    severity text NOT NULL,
    detail jsonb NOT NULL,
    action text NOT NULL,
    outcome text NOT NULL,
    repaired_at timestamp with time zone,
    requested_by uuid,
    evidence bytea,
    CONSTRAINT repairs_kind_check CHECK ((kind = ANY (ARRAY['head'::text, 'compacted'::text, 'log'::text, 'snapshot'::text]))),
    CONSTRAINT repairs_severity_check CHECK ((severity = ANY (ARRAY['MINOR'::text, 'MODERATE'::text, 'CRITICAL'::text])))
);
ALTER TABLE ONLY public.repairs ALTER COLUMN evidence SET STORAGE EXTERNAL;

CREATE TABLE public.restorations (
    id uuid NOT NULL,
    scene_id uuid NOT NULL,
    from_at text NOT NULL,
    from_seq bigint NOT NULL,
    seq bigint,
    restored_by uuid NOT NULL,
    restored_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT restorations_from_at_check CHECK ((char_length(from_at) <= 64)),
    CONSTRAINT restorations_from_seq_check CHECK ((from_seq >= 0)),
    CONSTRAINT restorations_seq_check CHECK ((seq > 0))
);

CREATE TABLE public.review_tables (
    name text NOT NULL COLLATE pg_catalog."C",
    "position" smallint NOT NULL
);

CREATE TABLE public.row_runs (
    scene_id uuid NOT NULL,
    seq bigint NOT NULL,
    run_id uuid NOT NULL,
    CONSTRAINT row_runs_seq_check CHECK ((seq > 0))
);

CREATE TABLE public.scene_snapshot_metadata (
    snapshot_id uuid NOT NULL,
    scene_id uuid NOT NULL,
    snapshot_source text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by uuid,
    yjs_version_count bigint NOT NULL,
    yjs_latest_version_id uuid,
    yjs_checksum text NOT NULL,
    generation_time_ms integer NOT NULL,
    snapshot_size_bytes integer NOT NULL,
    CONSTRAINT scene_snapshot_metadata_generation_time_ms_check CHECK ((generation_time_ms >= 0)),
    CONSTRAINT scene_snapshot_metadata_snapshot_size_bytes_check CHECK ((snapshot_size_bytes >= 0)),
    CONSTRAINT scene_snapshot_metadata_snapshot_source_check CHECK ((snapshot_source = ANY (ARRAY['yjs'::text, 'manual'::text, 'import'::text, 'migrated'::text, 'compacted'::text]))),
    CONSTRAINT scene_snapshot_metadata_yjs_checksum_check CHECK ((yjs_checksum ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT scene_snapshot_metadata_yjs_version_count_check CHECK ((yjs_version_count >= 0))
);

CREATE TABLE public.scene_snapshots (
    scene_id uuid NOT NULL,
    snapshot_id uuid NOT NULL,
    content_blocks bytea NOT NULL,
    content_bytes integer NOT NULL,
    block_count integer NOT NULL,
    snapshot_source text NOT NULL,
    snapshot_at timestamp with time zone DEFAULT now() NOT NULL,
    yjs_derived boolean NOT NULL,
    yjs_checksum text NOT NULL,
    yjs_position text NOT NULL,
    seq bigint NOT NULL,
    first_yjs_seq bigint,
    rendering integer NOT NULL,
    editor text DEFAULT ''::text NOT NULL,
    CONSTRAINT scene_snapshots_block_count_check CHECK ((block_count >= 0)),
    CONSTRAINT scene_snapshots_check CHECK ((first_yjs_seq <= seq)),
    CONSTRAINT scene_snapshots_check1 CHECK ((yjs_derived = (seq > 0))),
    CONSTRAINT scene_snapshots_check2 CHECK ((yjs_derived = (first_yjs_seq IS NOT NULL))),
    CONSTRAINT scene_snapshots_content_bytes_check CHECK ((content_bytes > 0)),
    CONSTRAINT scene_snapshots_seq_check CHECK ((seq >= 0)),
    CONSTRAINT scene_snapshots_snapshot_source_check CHECK ((snapshot_source = ANY (ARRAY['yjs'::text, 'manual'::text, 'import'::text, 'migrated'::text, 'compacted'::text]))),
    CONSTRAINT scene_snapshots_yjs_checksum_check CHECK ((yjs_checksum ~ '^[0-9a-f]{64}$'::text))
);
ALTER TABLE ONLY public.scene_snapshots ALTER COLUMN content_blocks SET STORAGE EXTERNAL;

CREATE TABLE public.scene_versions (
    scene_id uuid NOT NULL,
    seq bigint NOT NULL,
    yjs_update bytea NOT NULL,
    client_id bigint NOT NULL,
    created_by uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    is_compacted boolean DEFAULT false NOT NULL,
    compacted_count integer DEFAULT 1 NOT NULL,
    compacted_by uuid,
    checksum bigint NOT NULL,
    version_id uuid GENERATED ALWAYS AS ((md5(((uuid_send(scene_id) || int8send(seq)) ||
CASE
    WHEN is_compacted THEN '\x63'::bytea
    ELSE '\x'::bytea
END)))::uuid),
    CONSTRAINT compacted_count_positive CHECK ((compacted_count > 0)),
    CONSTRAINT scene_versions_seq_check CHECK ((seq > 0)),
    CONSTRAINT yjs_update_not_empty CHECK ((octet_length(yjs_update) > 0))
);
ALTER TABLE ONLY public.scene_versions ALTER COLUMN yjs_update SET STORAGE EXTERNAL;

CREATE TABLE public.schema_migrations (
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.snapshot_checks (
    scene_id uuid NOT NULL,
    checked_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    diverged_at timestamp with time zone,
    severity text,
    report jsonb,
    repaired_at timestamp with time zone,
    CONSTRAINT snapshot_checks_check CHECK (((diverged_at IS NULL) = (severity IS NULL))),
    CONSTRAINT snapshot_checks_severity_check CHECK ((severity = ANY (ARRAY['MINOR'::text, 'MODERATE'::text, 'CRITICAL'::text])))
);

CREATE TABLE public.suggestions (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    scene_id uuid NOT NULL,
    anchor_id uuid NOT NULL,
    status text DEFAULT 'OPEN'::text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    base text NOT NULL,
    text text NOT NULL,
    side text DEFAULT 'after'::text NOT NULL COLLATE pg_catalog."C",
    note text,
    run_id uuid,
    applied_seq bigint,
    applied jsonb,
    reverted_seq bigint,
    decided_at timestamp with time zone,
    decided_by uuid,
    version bigint DEFAULT 1 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by uuid NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_by uuid NOT NULL,
    branch_id uuid,
    blocks jsonb,
    attributes jsonb,
    CONSTRAINT suggestions_applied_check CHECK ((jsonb_typeof(applied) = 'object'::text)),
    CONSTRAINT suggestions_applied_seq_check CHECK ((applied_seq > 0)),
    CONSTRAINT suggestions_attributes CHECK (((kind = 'attributes'::text) = (attributes IS NOT NULL))),
    CONSTRAINT suggestions_attributes_check CHECK ((jsonb_typeof(attributes) = 'object'::text)),
    CONSTRAINT suggestions_base_check CHECK (((length(base) >= 1) AND (length(base) <= 20000))),
    CONSTRAINT suggestions_blocks CHECK (((blocks IS NULL) OR (kind = ANY (ARRAY['replace'::text, 'insert'::text])))),
    CONSTRAINT suggestions_blocks_check CHECK ((jsonb_typeof(blocks) = 'array'::text)),
    CONSTRAINT suggestions_check2 CHECK (((status = 'OPEN'::text) = (decided_at IS NULL))),
    CONSTRAINT suggestions_check3 CHECK (((decided_at IS NULL) = (decided_by IS NULL))),
    CONSTRAINT suggestions_check4 CHECK (((status = ANY (ARRAY['ACCEPTED'::text, 'REVERTED'::text])) = (applied_seq IS NOT NULL))),
    CONSTRAINT suggestions_check5 CHECK (((applied IS NULL) = (applied_seq IS NULL))),
    CONSTRAINT suggestions_check6 CHECK (((status = 'REVERTED'::text) = (reverted_seq IS NOT NULL))),
    CONSTRAINT suggestions_check7 CHECK ((updated_at >= created_at)),
    CONSTRAINT suggestions_kind_check CHECK ((kind = ANY (ARRAY['replace'::text, 'insert'::text, 'delete'::text, 'attributes'::text]))),
    CONSTRAINT suggestions_note_check CHECK ((length(note) <= 2000)),
    CONSTRAINT suggestions_reverted_later CHECK ((reverted_seq >= applied_seq)),
    CONSTRAINT suggestions_says_something CHECK (((kind = ANY (ARRAY['delete'::text, 'attributes'::text])) = (text = ''::text))),
    CONSTRAINT suggestions_side_check CHECK ((side = ANY (ARRAY['before'::text, 'after'::text]))),
    CONSTRAINT suggestions_status_check CHECK ((status = ANY (ARRAY['OPEN'::text, 'ACCEPTED'::text, 'REJECTED'::text, 'WITHDRAWN'::text, 'REVERTED'::text]))),
    CONSTRAINT suggestions_text_check CHECK ((length(text) <= 20000)),
    CONSTRAINT suggestions_version_check CHECK ((version > 0))
);

CREATE TABLE public.sweeps (
    name text NOT NULL,
    after_scene uuid NOT NULL,
    begun_at timestamp with time zone DEFAULT now() NOT NULL,
    ended_at timestamp with time zone
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

CREATE TABLE public.text_notices (
    scene_id uuid NOT NULL,
    seq bigint NOT NULL,
    told_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT text_notices_seq_check CHECK ((seq > 0))
);

CREATE TABLE public.threads (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    scene_id uuid NOT NULL,
    anchor_id uuid NOT NULL,
    state text DEFAULT 'open'::text NOT NULL COLLATE pg_catalog."C",
    version bigint DEFAULT 1 NOT NULL,
    comment_count integer DEFAULT 0 NOT NULL,
    resolved_at timestamp with time zone,
    resolved_by uuid,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    created_by uuid NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamp with time zone,
    deleted_by uuid,
    CONSTRAINT threads_check CHECK (((state = 'resolved'::text) = (resolved_at IS NOT NULL))),
    CONSTRAINT threads_check1 CHECK (((resolved_at IS NULL) = (resolved_by IS NULL))),
    CONSTRAINT threads_check2 CHECK (((deleted_at IS NULL) = (deleted_by IS NULL))),
    CONSTRAINT threads_check3 CHECK ((updated_at >= created_at)),
    CONSTRAINT threads_comment_count_check CHECK (((comment_count >= 0) AND (comment_count <= 1000))),
    CONSTRAINT threads_state_check CHECK ((state = ANY (ARRAY['open'::text, 'resolved'::text]))),
    CONSTRAINT threads_version_check CHECK ((version > 0))
);

CREATE TABLE public.word_counts (
    scene_id uuid NOT NULL,
    seq bigint NOT NULL,
    words integer NOT NULL,
    rules smallint NOT NULL,
    counted_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    told_at timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    CONSTRAINT word_counts_rules_check CHECK ((rules > 0)),
    CONSTRAINT word_counts_seq_check CHECK ((seq >= 0)),
    CONSTRAINT word_counts_words_check CHECK ((words >= 0))
);

ALTER TABLE ONLY public.anchored_scenes
    ADD CONSTRAINT anchored_scenes_pkey PRIMARY KEY (scene_id);

ALTER TABLE ONLY public.anchors
    ADD CONSTRAINT anchors_of_scene UNIQUE (project_id, scene_id, id);

ALTER TABLE ONLY public.anchors
    ADD CONSTRAINT anchors_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.authorship
    ADD CONSTRAINT authorship_pkey PRIMARY KEY (scene_id, seq);

ALTER TABLE ONLY public.branch_merges
    ADD CONSTRAINT branch_merges_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.branches
    ADD CONSTRAINT branches_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.comments
    ADD CONSTRAINT comments_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.comments
    ADD CONSTRAINT comments_project_id_scene_id_id_key UNIQUE (project_id, scene_id, id);

ALTER TABLE ONLY public.comments
    ADD CONSTRAINT comments_thread_id_number_key UNIQUE (thread_id, number);

ALTER TABLE ONLY public.compactions
    ADD CONSTRAINT compactions_pkey PRIMARY KEY (scene_id, seq);

ALTER TABLE ONLY public.docs
    ADD CONSTRAINT docs_pkey PRIMARY KEY (scene_id);

ALTER TABLE ONLY public.editing_sessions
    ADD CONSTRAINT editing_sessions_pkey PRIMARY KEY (scene_id, seq_from);

ALTER TABLE ONLY public.imported_scenes
    ADD CONSTRAINT imported_scenes_pkey PRIMARY KEY (scene_id);

ALTER TABLE ONLY public.mentions
    ADD CONSTRAINT mentions_pkey PRIMARY KEY (comment_id, person_id);

ALTER TABLE ONLY public.migrated_scenes
    ADD CONSTRAINT migrated_scenes_pkey PRIMARY KEY (scene_id);

ALTER TABLE ONLY public.named_snapshots
    ADD CONSTRAINT named_snapshots_name UNIQUE (scene_id, name);

ALTER TABLE ONLY public.named_snapshots
    ADD CONSTRAINT named_snapshots_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT notifications_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_event_id_key UNIQUE (event_id);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY public.patch_hunks
    ADD CONSTRAINT patch_hunks_anchor_id_key UNIQUE (anchor_id);

ALTER TABLE ONLY public.patch_hunks
    ADD CONSTRAINT patch_hunks_patch_id_number_key UNIQUE (patch_id, number);

ALTER TABLE ONLY public.patch_hunks
    ADD CONSTRAINT patch_hunks_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.patch_hunks
    ADD CONSTRAINT patch_hunks_written_id_key UNIQUE (written_id);

ALTER TABLE ONLY public.patches
    ADD CONSTRAINT patches_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.patches
    ADD CONSTRAINT patches_project_id_scene_id_id_key UNIQUE (project_id, scene_id, id);

ALTER TABLE ONLY public.persistence_counts
    ADD CONSTRAINT persistence_counts_pkey PRIMARY KEY (single);

ALTER TABLE ONLY public.persistence_minutes
    ADD CONSTRAINT persistence_minutes_pkey PRIMARY KEY (minute, replica);

ALTER TABLE ONLY public.purged_scenes
    ADD CONSTRAINT purged_scenes_pkey PRIMARY KEY (log_id);

ALTER TABLE ONLY public.quarantined_updates
    ADD CONSTRAINT quarantined_updates_pkey PRIMARY KEY (scene_id, seq, is_compacted);

ALTER TABLE ONLY public.reactions
    ADD CONSTRAINT reactions_pkey PRIMARY KEY (comment_id, emoji, person_id);

ALTER TABLE ONLY public.refactor_fields
    ADD CONSTRAINT refactor_fields_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.refactor_fields
    ADD CONSTRAINT refactor_fields_refactor_id_aggregate_id_field_key UNIQUE (refactor_id, aggregate_id, field);

ALTER TABLE ONLY public.refactor_hits
    ADD CONSTRAINT refactor_hits_anchor_id_key UNIQUE (anchor_id);

ALTER TABLE ONLY public.refactor_hits
    ADD CONSTRAINT refactor_hits_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.refactor_hits
    ADD CONSTRAINT refactor_hits_refactor_id_scene_id_number_key UNIQUE (refactor_id, scene_id, number);

ALTER TABLE ONLY public.refactor_scenes
    ADD CONSTRAINT refactor_scenes_pkey PRIMARY KEY (refactor_id, scene_id);

ALTER TABLE ONLY public.refactors
    ADD CONSTRAINT refactors_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.refactors
    ADD CONSTRAINT refactors_project_id_id_key UNIQUE (project_id, id);

ALTER TABLE ONLY public.repairs
    ADD CONSTRAINT repairs_pkey PRIMARY KEY (repair_id);

ALTER TABLE ONLY public.restorations
    ADD CONSTRAINT restorations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.review_tables
    ADD CONSTRAINT review_tables_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.row_runs
    ADD CONSTRAINT row_runs_pkey PRIMARY KEY (scene_id, seq);

ALTER TABLE ONLY public.scene_snapshot_metadata
    ADD CONSTRAINT scene_snapshot_metadata_pkey PRIMARY KEY (snapshot_id);

ALTER TABLE ONLY public.scene_snapshots
    ADD CONSTRAINT scene_snapshots_pkey PRIMARY KEY (scene_id);

ALTER TABLE ONLY public.scene_versions
    ADD CONSTRAINT scene_versions_pkey PRIMARY KEY (scene_id, seq, is_compacted);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.snapshot_checks
    ADD CONSTRAINT snapshot_checks_pkey PRIMARY KEY (scene_id);

ALTER TABLE ONLY public.suggestions
    ADD CONSTRAINT suggestions_anchor_id_key UNIQUE (anchor_id);

ALTER TABLE ONLY public.suggestions
    ADD CONSTRAINT suggestions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.suggestions
    ADD CONSTRAINT suggestions_project_id_scene_id_id_key UNIQUE (project_id, scene_id, id);

ALTER TABLE ONLY public.sweeps
    ADD CONSTRAINT sweeps_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.task_positions
    ADD CONSTRAINT task_positions_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.text_notices
    ADD CONSTRAINT text_notices_pkey PRIMARY KEY (scene_id);

ALTER TABLE ONLY public.threads
    ADD CONSTRAINT threads_anchor_id_key UNIQUE (anchor_id);

ALTER TABLE ONLY public.threads
    ADD CONSTRAINT threads_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.threads
    ADD CONSTRAINT threads_project_id_scene_id_id_key UNIQUE (project_id, scene_id, id);

ALTER TABLE ONLY public.word_counts
    ADD CONSTRAINT word_counts_pkey PRIMARY KEY (scene_id);

CREATE INDEX anchors_by_scene ON public.anchors USING btree (scene_id, id);

CREATE INDEX branch_merges_of_branch ON public.branch_merges USING btree (branch_id, merged_at);

CREATE UNIQUE INDEX branches_name ON public.branches USING btree (scene_id, name) WHERE ((state <> 'closed'::text) AND (kind = 'branch'::text));

CREATE INDEX branches_of_scene ON public.branches USING btree (scene_id, created_at);

CREATE UNIQUE INDEX branches_suggesting ON public.branches USING btree (scene_id, created_by) WHERE (kind = 'suggestion'::text);

CREATE INDEX comments_by_scene ON public.comments USING btree (scene_id, created_by);

CREATE INDEX compactions_created ON public.compactions USING btree (created_at);

CREATE INDEX notifications_by_age ON public.notifications USING btree (created_at);

CREATE INDEX notifications_by_scene ON public.notifications USING btree (scene_id);

CREATE INDEX notifications_by_thread ON public.notifications USING btree (thread_id);

CREATE INDEX notifications_newest ON public.notifications USING btree (person_id, created_at DESC, id DESC);

CREATE UNIQUE INDEX notifications_of_comment ON public.notifications USING btree (comment_id, person_id);

CREATE INDEX notifications_unread ON public.notifications USING btree (person_id, project_id) WHERE (read_at IS NULL);

CREATE INDEX outbox_by_age ON public.outbox USING btree (created_at);

CREATE INDEX outbox_by_project ON public.outbox USING btree (split_part(subject, '.'::text, 6), "position") WHERE ("position" IS NOT NULL);

CREATE INDEX outbox_by_scene ON public.outbox USING btree ((((payload -> 'data'::text) ->> 'sceneId'::text)));

CREATE UNIQUE INDEX outbox_placed ON public.outbox USING btree ("position") WHERE ("position" IS NOT NULL);

CREATE INDEX outbox_to_announce ON public.outbox USING btree ("position") WHERE ((published_at IS NULL) AND ("position" IS NOT NULL));

CREATE INDEX outbox_unplaced ON public.outbox USING btree (seq) WHERE ("position" IS NULL);

CREATE INDEX patch_hunks_by_scene ON public.patch_hunks USING btree (scene_id);

CREATE INDEX patches_newest ON public.patches USING btree (scene_id, created_at DESC, id DESC);

CREATE INDEX patches_there ON public.patches USING btree (scene_id) WHERE (deleted_at IS NULL);

CREATE INDEX purged_scenes_open ON public.purged_scenes USING btree (marked_at) WHERE (erased_at IS NULL);

CREATE INDEX purged_scenes_recent ON public.purged_scenes USING btree (marked_at);

CREATE INDEX refactor_fields_by_scene ON public.refactor_fields USING btree (scene_id);

CREATE INDEX refactor_hits_by_scene ON public.refactor_hits USING btree (scene_id);

CREATE INDEX refactor_scenes_by_scene ON public.refactor_scenes USING btree (scene_id);

CREATE INDEX refactor_scenes_in_order ON public.refactor_scenes USING btree (refactor_id, "position");

CREATE INDEX refactors_at_work ON public.refactors USING btree (looked_at) WHERE (state = ANY (ARRAY['FINDING'::text, 'APPLYING'::text, 'REVERTING'::text]));

CREATE INDEX refactors_newest ON public.refactors USING btree (project_id, created_at DESC, id DESC);

CREATE INDEX refactors_to_plan ON public.refactors USING btree (updated_at) WHERE (state = 'READY'::text);

CREATE INDEX repairs_found ON public.repairs USING btree (found_at);

CREATE UNIQUE INDEX repairs_open ON public.repairs USING btree (scene_id, kind, COALESCE(((detail ->> 'seq'::text))::bigint, (0)::bigint)) WHERE ((repaired_at IS NULL) AND (kind <> 'snapshot'::text));

CREATE INDEX repairs_scene ON public.repairs USING btree (scene_id, found_at);

CREATE INDEX restorations_of_scene ON public.restorations USING btree (scene_id, restored_at);

CREATE INDEX scene_snapshots_newest ON public.scene_snapshots USING btree (snapshot_at) WHERE yjs_derived;

CREATE INDEX scene_versions_compacted ON public.scene_versions USING btree (scene_id, seq) WHERE is_compacted;

CREATE INDEX snapshot_checks_diverged ON public.snapshot_checks USING btree (diverged_at) WHERE (diverged_at IS NOT NULL);

CREATE INDEX snapshot_checks_oldest ON public.snapshot_checks USING btree (checked_at);

CREATE INDEX snapshot_metadata_scene ON public.scene_snapshot_metadata USING btree (scene_id, created_at DESC);

CREATE INDEX suggestions_newest ON public.suggestions USING btree (scene_id, created_at DESC, id DESC);

CREATE INDEX suggestions_of_branch ON public.suggestions USING btree (branch_id) WHERE (branch_id IS NOT NULL);

CREATE INDEX suggestions_open ON public.suggestions USING btree (scene_id) WHERE (status = 'OPEN'::text);

CREATE INDEX threads_newest ON public.threads USING btree (scene_id, created_at DESC, id DESC) WHERE (deleted_at IS NULL);

CREATE INDEX word_counts_by_told_at ON public.word_counts USING btree (told_at);

CREATE TRIGGER forget_refactors AFTER DELETE ON public.refactor_scenes REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION public.forget_refactors();

CREATE TRIGGER release BEFORE DELETE ON public.quarantined_updates FOR EACH ROW WHEN ((NOT old.is_compacted)) EXECUTE FUNCTION public.refuse_rewriting();

CREATE TRIGGER removal BEFORE DELETE ON public.scene_versions FOR EACH ROW WHEN ((old.compacted_by IS NULL)) EXECUTE FUNCTION public.refuse_removal();

CREATE TRIGGER rewriting BEFORE UPDATE OF yjs_update, checksum ON public.scene_versions FOR EACH ROW WHEN ((NOT old.is_compacted)) EXECUTE FUNCTION public.refuse_rewriting();

ALTER TABLE ONLY public.branch_merges
    ADD CONSTRAINT branch_merges_branch_id_fkey FOREIGN KEY (branch_id) REFERENCES public.branches(id);

ALTER TABLE ONLY public.comments
    ADD CONSTRAINT comments_project_id_scene_id_thread_id_fkey FOREIGN KEY (project_id, scene_id, thread_id) REFERENCES public.threads(project_id, scene_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.mentions
    ADD CONSTRAINT mentions_comment_id_fkey FOREIGN KEY (comment_id) REFERENCES public.comments(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT notifications_project_id_scene_id_comment_id_fkey FOREIGN KEY (project_id, scene_id, comment_id) REFERENCES public.comments(project_id, scene_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.notifications
    ADD CONSTRAINT notifications_project_id_scene_id_thread_id_fkey FOREIGN KEY (project_id, scene_id, thread_id) REFERENCES public.threads(project_id, scene_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.patch_hunks
    ADD CONSTRAINT patch_hunks_project_id_scene_id_anchor_id_fkey FOREIGN KEY (project_id, scene_id, anchor_id) REFERENCES public.anchors(project_id, scene_id, id);

ALTER TABLE ONLY public.patch_hunks
    ADD CONSTRAINT patch_hunks_project_id_scene_id_patch_id_fkey FOREIGN KEY (project_id, scene_id, patch_id) REFERENCES public.patches(project_id, scene_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.patch_hunks
    ADD CONSTRAINT patch_hunks_project_id_scene_id_written_id_fkey FOREIGN KEY (project_id, scene_id, written_id) REFERENCES public.anchors(project_id, scene_id, id);

ALTER TABLE ONLY public.quarantined_updates
    ADD CONSTRAINT quarantined_updates_scene_id_seq_is_compacted_fkey FOREIGN KEY (scene_id, seq, is_compacted) REFERENCES public.scene_versions(scene_id, seq, is_compacted);

ALTER TABLE ONLY public.reactions
    ADD CONSTRAINT reactions_comment_id_fkey FOREIGN KEY (comment_id) REFERENCES public.comments(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.refactor_fields
    ADD CONSTRAINT refactor_fields_project_id_refactor_id_fkey FOREIGN KEY (project_id, refactor_id) REFERENCES public.refactors(project_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.refactor_hits
    ADD CONSTRAINT refactor_hits_project_id_scene_id_anchor_id_fkey FOREIGN KEY (project_id, scene_id, anchor_id) REFERENCES public.anchors(project_id, scene_id, id);

ALTER TABLE ONLY public.refactor_hits
    ADD CONSTRAINT refactor_hits_refactor_id_scene_id_fkey FOREIGN KEY (refactor_id, scene_id) REFERENCES public.refactor_scenes(refactor_id, scene_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.refactor_scenes
    ADD CONSTRAINT refactor_scenes_project_id_refactor_id_fkey FOREIGN KEY (project_id, refactor_id) REFERENCES public.refactors(project_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.scene_snapshot_metadata
    ADD CONSTRAINT scene_snapshot_metadata_scene_id_fkey FOREIGN KEY (scene_id) REFERENCES public.scene_snapshots(scene_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.snapshot_checks
    ADD CONSTRAINT snapshot_checks_scene_id_fkey FOREIGN KEY (scene_id) REFERENCES public.scene_snapshots(scene_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.suggestions
    ADD CONSTRAINT suggestions_branch_id_fkey FOREIGN KEY (branch_id) REFERENCES public.branches(id);

ALTER TABLE ONLY public.suggestions
    ADD CONSTRAINT suggestions_project_id_scene_id_anchor_id_fkey FOREIGN KEY (project_id, scene_id, anchor_id) REFERENCES public.anchors(project_id, scene_id, id);

ALTER TABLE ONLY public.threads
    ADD CONSTRAINT threads_project_id_scene_id_anchor_id_fkey FOREIGN KEY (project_id, scene_id, anchor_id) REFERENCES public.anchors(project_id, scene_id, id);

REVOKE USAGE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO collab;

REVOKE ALL ON FUNCTION public.erase_review(log uuid) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.erase_scene(log uuid, rows_max integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.erase_scene(log uuid, rows_max integer) TO collab;

REVOKE ALL ON FUNCTION public.forget_refactors() FROM PUBLIC;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.anchored_scenes TO collab;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.anchors TO collab;

GRANT SELECT,INSERT ON TABLE public.authorship TO collab;

GRANT SELECT,INSERT ON TABLE public.branch_merges TO collab;

GRANT UPDATE(seq) ON TABLE public.branch_merges TO collab;

GRANT SELECT,INSERT ON TABLE public.branches TO collab;

GRANT UPDATE(state) ON TABLE public.branches TO collab;

GRANT UPDATE(base_seq) ON TABLE public.branches TO collab;

GRANT UPDATE(base) ON TABLE public.branches TO collab;

GRANT UPDATE(base_size) ON TABLE public.branches TO collab;

GRANT UPDATE(base_checksum) ON TABLE public.branches TO collab;

GRANT UPDATE(merges) ON TABLE public.branches TO collab;

GRANT UPDATE(merged_at) ON TABLE public.branches TO collab;

GRANT UPDATE(merged_by) ON TABLE public.branches TO collab;

GRANT UPDATE(merged_seq) ON TABLE public.branches TO collab;

GRANT UPDATE(followed_seq) ON TABLE public.branches TO collab;

GRANT UPDATE(hunks) ON TABLE public.branches TO collab;

GRANT UPDATE(unexpressed) ON TABLE public.branches TO collab;

GRANT SELECT,INSERT,UPDATE ON TABLE public.comments TO collab;

GRANT SELECT,INSERT,UPDATE ON TABLE public.compactions TO collab;

GRANT SELECT,INSERT,UPDATE ON TABLE public.docs TO collab;

GRANT SELECT,INSERT,UPDATE ON TABLE public.editing_sessions TO collab;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.imported_scenes TO collab;

GRANT SELECT,INSERT,DELETE ON TABLE public.mentions TO collab;

GRANT SELECT,INSERT,UPDATE ON TABLE public.migrated_scenes TO collab;

GRANT SELECT,INSERT,DELETE ON TABLE public.named_snapshots TO collab;

GRANT UPDATE(name) ON TABLE public.named_snapshots TO collab;

GRANT UPDATE(description) ON TABLE public.named_snapshots TO collab;

GRANT UPDATE(version) ON TABLE public.named_snapshots TO collab;

GRANT UPDATE(updated_by) ON TABLE public.named_snapshots TO collab;

GRANT UPDATE(updated_at) ON TABLE public.named_snapshots TO collab;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.notifications TO collab;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.outbox TO collab;

GRANT SELECT,INSERT,UPDATE ON TABLE public.patch_hunks TO collab;

GRANT SELECT,INSERT,UPDATE ON TABLE public.patches TO collab;

GRANT SELECT,UPDATE ON TABLE public.persistence_counts TO collab;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.persistence_minutes TO collab;

GRANT SELECT,INSERT ON TABLE public.purged_scenes TO collab;

GRANT UPDATE(erased_at) ON TABLE public.purged_scenes TO collab;

GRANT UPDATE(swept_at) ON TABLE public.purged_scenes TO collab;

GRANT UPDATE(erased_rows) ON TABLE public.purged_scenes TO collab;

GRANT SELECT,INSERT,DELETE ON TABLE public.quarantined_updates TO collab;

GRANT SELECT,INSERT,DELETE ON TABLE public.reactions TO collab;

GRANT SELECT,INSERT,UPDATE ON TABLE public.refactor_fields TO collab;

GRANT SELECT,INSERT,UPDATE ON TABLE public.refactor_hits TO collab;

GRANT SELECT,INSERT,UPDATE ON TABLE public.refactor_scenes TO collab;

GRANT SELECT,INSERT,UPDATE ON TABLE public.refactors TO collab;

GRANT SELECT,INSERT,UPDATE ON TABLE public.repairs TO collab;

GRANT SELECT,INSERT ON TABLE public.restorations TO collab;

GRANT UPDATE(seq) ON TABLE public.restorations TO collab;

GRANT SELECT,INSERT ON TABLE public.row_runs TO collab;

GRANT SELECT,INSERT,DELETE ON TABLE public.scene_snapshot_metadata TO collab;

GRANT SELECT,INSERT,UPDATE ON TABLE public.scene_snapshots TO collab;

GRANT SELECT,INSERT,DELETE ON TABLE public.scene_versions TO collab;

GRANT UPDATE(yjs_update) ON TABLE public.scene_versions TO collab;

GRANT UPDATE(compacted_by) ON TABLE public.scene_versions TO collab;

GRANT UPDATE(checksum) ON TABLE public.scene_versions TO collab;

GRANT SELECT ON TABLE public.schema_migrations TO collab;

GRANT SELECT,INSERT,UPDATE ON TABLE public.snapshot_checks TO collab;

GRANT SELECT,INSERT,UPDATE ON TABLE public.suggestions TO collab;

GRANT SELECT,INSERT,UPDATE ON TABLE public.sweeps TO collab;

GRANT SELECT,INSERT,UPDATE ON TABLE public.task_positions TO collab;

GRANT SELECT,INSERT,UPDATE ON TABLE public.text_notices TO collab;

GRANT SELECT,INSERT,UPDATE ON TABLE public.threads TO collab;

GRANT SELECT,INSERT,UPDATE ON TABLE public.word_counts TO collab;
