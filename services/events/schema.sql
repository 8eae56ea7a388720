-- The schema of the events database after migration 0131_package_conversations.
-- Written by `python -m tools.schema`; do not edit. Change the schema by a new migration.

CREATE SCHEMA public;

COMMENT ON SCHEMA public IS 'standard public schema';

CREATE TYPE public.appearance_role AS ENUM (
    'POV',
    'SPEAKING',
    'MENTIONED',
    'PRESENT'
);

CREATE TYPE public.event_source AS ENUM (
    'api',
    'automation',
    'sync',
    'migration',
    'system'
);

CREATE TYPE public.appended_action AS (
	project_id uuid,
	user_id uuid,
	bundle_id uuid,
	at timestamp with time zone,
	source public.event_source,
	correlation_id text,
	causation_id uuid,
	metadata jsonb,
	headers text
);

CREATE TYPE public.appended_event AS (
	id uuid,
	aggregate_id uuid,
	aggregate_type text,
	event_type text,
	version bigint,
	data text,
	checksum text,
	subject text,
	payload text
);

CREATE TYPE public.appended_head AS (
	aggregate_id uuid,
	aggregate_type text,
	expected bigint,
	version bigint,
	checksum text
);

CREATE TYPE public.book_kind AS ENUM (
    'novel',
    'screenplay',
    'notes'
);

CREATE TYPE public.bundle_type AS ENUM (
    'user_edit',
    'job_output',
    'import',
    'merge_resolution'
);

CREATE TYPE public.claim_outcome AS ENUM (
    'used',
    'refused'
);

CREATE TYPE public.command_claim AS (
	command_id uuid,
	digest text,
	target_id uuid
);

CREATE TYPE public.entity_type AS ENUM (
    'character',
    'location',
    'item',
    'organization',
    'other',
    'note',
    'task',
    'project',
    'page',
    'event',
    'idea'
);

CREATE TYPE public.file_type AS ENUM (
    'markdown',
    'pdf',
    'audio',
    'video',
    'image',
    'other'
);

CREATE TYPE public.flaw AS ENUM (
    'altered',
    'missing',
    'forked'
);

CREATE TYPE public.job_status AS ENUM (
    'open',
    'committed',
    'abandoned'
);

CREATE TYPE public.member_role AS ENUM (
    'OWNER',
    'MAINTAINER',
    'WRITER',
    'READER'
);

CREATE TYPE public.pov AS ENUM (
    'FIRST',
    'SECOND',
    'THIRD_LIMITED',
    'THIRD_OMNISCIENT',
    'EPISTOLARY',
    'STREAM'
);

CREATE TYPE public.purge_reason AS ENUM (
    'asked',
    'retention',
    'operator'
);

CREATE TYPE public.purge_state AS ENUM (
    'gathering',
    'burying',
    'erasing',
    'done',
    'failed'
);

CREATE TYPE public.quarantine_state AS ENUM (
    'open',
    'recovered',
    'accepted',
    'cleared'
);

CREATE TYPE public.relation_type AS ENUM (
    'contains',
    'relates_to',
    'blocks',
    'duplicates',
    'mentions',
    'derived_from'
);

CREATE TYPE public.reveal_state AS ENUM (
    'HIDDEN',
    'HINTED',
    'REVEALED'
);

CREATE TYPE public.scene_status AS ENUM (
    'DRAFT',
    'REVISED',
    'FINAL'
);

CREATE TYPE public.task_status AS ENUM (
    'todo',
    'in_progress',
    'done',
    'cancelled'
);

CREATE TYPE public.tense AS ENUM (
    'PAST',
    'PRESENT',
    'FUTURE',
    'MIXED'
);

CREATE TYPE public.workspace_job_kind AS ENUM (
    'clone',
    'template',
    'instantiate',
    'import'
);

CREATE TYPE public.workspace_job_status AS ENUM (
    'running',
    'done',
    'failed'
);

CREATE TYPE public.workspace_job_step AS ENUM (
    'waiting',
    'reading',
    'checking',
    'writing',
    'finishing'
);

CREATE FUNCTION public.archive_events(older_than timestamp with time zone, chunk_events integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    due uuid;
    moved integer;
    kept integer;
    before numeric;
    after numeric;
    made bigint;
BEGIN
    IF older_than > now() - interval '1 hour' THEN
        RAISE EXCEPTION 'events of the last hour are not archived';
    END IF;
    IF chunk_events NOT BETWEEN 1 AND 10000 THEN
        RAISE EXCEPTION 'chunk_events must be 1 to 10000';
    END IF;
    -- One archivist at a time; the others have nothing to do.
    IF NOT pg_try_advisory_xact_lock(6111, 3) THEN
        RETURN 0;
    END IF;
    SELECT project_id INTO due FROM events WHERE "timestamp" < older_than LIMIT 1;
    IF due IS NULL THEN
        RETURN 0;
    END IF;
    WITH taken AS (
        DELETE FROM events e USING (
            SELECT id, "timestamp" FROM events
            WHERE project_id = due AND "timestamp" < older_than
            ORDER BY "timestamp" LIMIT chunk_events) oldest
        WHERE e.id = oldest.id AND e."timestamp" = oldest."timestamp" RETURNING e.*
    ), small AS (
        DELETE FROM event_archive a WHERE a.project_id = due AND a.events < chunk_events / 2
            AND a.chunk_id = (SELECT max(chunk_id) FROM event_archive WHERE project_id = due)
        RETURNING a.*
    ), lot AS (
        SELECT t.id, t.aggregate_id, t.aggregate_type, t.event_type, t.user_id, t.data, t.metadata,
            t."timestamp", t.version, t.causation_id, t.correlation_id, t.source, t.bundle_id,
            t.checksum, 1 AS fresh
        FROM taken t
        UNION ALL
        SELECT u.id, u.aggregate_id, u.aggregate_type, u.event_type, u.user_id, u.data, u.metadata,
            u."timestamp", u.version, u.causation_id, u.correlation_id, u.source, u.bundle_id,
            u.checksum, 0
        FROM small a, unpacked(a) u
    ), chunk AS (
        INSERT INTO event_archive (
            project_id, events, from_at, to_at, aggregates, ids, aggregate_ids, aggregate_types,
            event_types, user_ids, data, metadata, timestamps, versions, causation_ids,
            correlation_ids, sources, bundle_ids, checksums)
        SELECT due, count(*), min("timestamp"), max("timestamp"),
            array_agg(DISTINCT aggregate_id),
            array_agg(id ORDER BY aggregate_id, version),
            array_agg(aggregate_id ORDER BY aggregate_id, version),
            array_agg(aggregate_type ORDER BY aggregate_id, version),
            array_agg(event_type ORDER BY aggregate_id, version),
            array_agg(user_id ORDER BY aggregate_id, version),
            array_agg(data ORDER BY aggregate_id, version),
            array_agg(metadata ORDER BY aggregate_id, version),
            array_agg("timestamp" ORDER BY aggregate_id, version),
            array_agg(version::integer ORDER BY aggregate_id, version),
            array_agg(causation_id ORDER BY aggregate_id, version),
            array_agg(correlation_id ORDER BY aggregate_id, version),
            array_agg(source ORDER BY aggregate_id, version),
            array_agg(bundle_id ORDER BY aggregate_id, version),
            array_agg(decode(checksum, 'hex') ORDER BY aggregate_id, version)
        FROM lot RETURNING chunk_id
    )
    SELECT (SELECT chunk_id FROM chunk), sum(fresh), count(*), sum(hashtextextended(
        (id, aggregate_id, aggregate_type, event_type, user_id, data, metadata, "timestamp",
        version, causation_id, correlation_id, source, bundle_id, checksum)::text, 0))
    INTO made, moved, kept, before FROM lot;
    SELECT sum(hashtextextended(
        (u.id, u.aggregate_id, u.aggregate_type, u.event_type, u.user_id, u.data, u.metadata,
        u."timestamp", u.version, u.causation_id, u.correlation_id, u.source, u.bundle_id,
        u.checksum)::text, 0))
    INTO after FROM event_archive a, unpacked(a) u WHERE a.chunk_id = made;
    IF before IS DISTINCT FROM after THEN
        RAISE EXCEPTION 'an archived chunk of % events does not read as they did', kept;
    END IF;
    RETURN moved;
END $$;

CREATE FUNCTION public.bury_row(projection text, buried uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $_$
BEGIN
    IF NOT EXISTS (
        SELECT FROM tombstones t JOIN aggregates a USING (aggregate_id)
        JOIN events e ON e.aggregate_id = a.aggregate_id AND e.version = a.version
        WHERE t.aggregate_id = buried AND e.event_type = a.aggregate_type || '.purged'
    ) THEN
        RAISE EXCEPTION '% was not purged', buried;
    END IF;
    EXECUTE format('DELETE FROM %I WHERE id = $1', projection) USING buried;
    DELETE FROM word_counts WHERE scene_id = buried;
END $_$;

CREATE FUNCTION public.drop_archived_partitions(older_than timestamp with time zone) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $_$
DECLARE
    part record;
    held boolean;
    dropped integer := 0;
BEGIN
    FOR part IN
        SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'events'::regclass AND c.relname ~ '^events_\d{4}_\d{2}$'
            AND to_timestamp(right(c.relname, 7), 'YYYY_MM') + interval '1 month' < older_than
    LOOP
        BEGIN
            SET LOCAL lock_timeout = '100ms';
            EXECUTE format('LOCK TABLE events, %I IN ACCESS EXCLUSIVE MODE', part.name);
            EXECUTE format('SELECT EXISTS (SELECT FROM %I)', part.name) INTO held;
            IF NOT held THEN
                EXECUTE format('DROP TABLE %I', part.name);
                dropped := dropped + 1;
            END IF;
        EXCEPTION WHEN lock_not_available THEN
            RETURN dropped;
        END;
    END LOOP;
    RETURN dropped;
END $_$;

CREATE FUNCTION public.ensure_event_partitions(months_ahead integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $$
DECLARE
    first timestamptz;
    next timestamptz;
    name text;
    made integer := 0;
BEGIN
    IF months_ahead NOT BETWEEN 0 AND 120 THEN
        RAISE EXCEPTION 'months_ahead must be 0 to 120';
    END IF;
    -- Replicas start together; one makes the partitions and the others find them.
    PERFORM pg_advisory_xact_lock(6111, 2);
    FOR month IN 0..months_ahead LOOP
        first := date_trunc('month', now()) + make_interval(months => month);
        next := first + interval '1 month';
        name := 'events_' || to_char(first, 'YYYY_MM');
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING ALL)', name);
        EXECUTE format(
            'WITH strays AS (DELETE FROM events_default WHERE "timestamp" >= %L '
            'AND "timestamp" < %L RETURNING *) INSERT INTO %I SELECT * FROM strays',
            first, next, name);
        EXECUTE format(
            'ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            name, first, next);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;

CREATE FUNCTION public.erase_purged(purge uuid, aggregates_max integer, OUT erased integer, OUT removed bigint, OUT waiting boolean) RETURNS record
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    due uuid[];
    doomed uuid[];
    bundles_of uuid[];
    stones uuid[];
    project uuid;
BEGIN
    IF aggregates_max NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'aggregates_max must be 1 to 1000';
    END IF;
    erased := 0;
    removed := 0;
    waiting := false;
    -- Not while the archivist carries events from one table into the other.
    PERFORM pg_advisory_xact_lock(6111, 3);
    SELECT array_agg(aggregate_id) INTO due FROM (
        SELECT t.aggregate_id FROM tombstones t
        WHERE t.purge_id = purge AND t.buried_at IS NOT NULL AND t.erased_at IS NULL
        ORDER BY t.aggregate_id LIMIT aggregates_max FOR UPDATE) lot;
    IF due IS NULL THEN
        RETURN;
    END IF;
    SELECT project_id INTO project FROM purges WHERE purge_id = purge;
    SELECT coalesce(array_agg(e.id) FILTER (WHERE NOT is_stone), '{}'),
        coalesce(array_agg(e.bundle_id) FILTER (WHERE NOT is_stone), '{}'),
        coalesce(array_agg(e.id) FILTER (WHERE is_stone), '{}')
    INTO doomed, bundles_of, stones FROM (
        SELECT l.id, l.bundle_id,
            l.version = a.version AND l.event_type = a.aggregate_type || '.purged' AS is_stone
        FROM events_of(due) l JOIN aggregates a USING (aggregate_id)) e;
    IF cardinality(stones) <> cardinality(due) THEN
        RAISE EXCEPTION 'not all of these end with being purged';
    END IF;
    IF EXISTS (
        SELECT FROM outbox o
        WHERE o.event_id = ANY (doomed || stones) AND o.published_at IS NULL
    ) THEN
        waiting := true;
        RETURN;
    END IF;

    PERFORM take_out(project, due, doomed, bundles_of);
    DELETE FROM beginnings b WHERE b.aggregate_id = ANY (due);
    DELETE FROM horizons h WHERE h.project_id = ANY (due);
    DELETE FROM quarantined_events q WHERE q.aggregate_id = ANY (due);
    DELETE FROM quarantine_decisions q WHERE q.aggregate_id = ANY (due);
    DELETE FROM sync_conflicts c
    WHERE c.project_id = project AND c.operation #>> '{aggregate,id}' = ANY (due::text[]);
    -- A purge that was withheld with what was wrong before it goes out now.
    UPDATE outbox o SET position = NULL, published_at = NULL FROM withheld_facts w
    WHERE w.aggregate_id = ANY (due) AND w.released_at IS NULL
        AND o.event_id = w.event_id AND o.event_id = ANY (stones);
    DELETE FROM withheld_facts w WHERE w.aggregate_id = ANY (due);
    UPDATE tombstones t SET erased_at = now() WHERE t.aggregate_id = ANY (due);
    erased := cardinality(due);
    removed := cardinality(doomed);
END $$;

CREATE TABLE public.event_archive (
    chunk_id bigint NOT NULL,
    project_id uuid NOT NULL,
    events integer NOT NULL,
    from_at timestamp with time zone NOT NULL,
    to_at timestamp with time zone NOT NULL,
    aggregates uuid[] NOT NULL,
    ids uuid[] NOT NULL,
    aggregate_ids uuid[] NOT NULL,
    aggregate_types text[] NOT NULL,
    event_types text[] NOT NULL,
    user_ids uuid[] NOT NULL,
    data jsonb[] NOT NULL,
    metadata jsonb[] NOT NULL,
    timestamps timestamp with time zone[] NOT NULL,
    versions integer[] NOT NULL,
    causation_ids uuid[] NOT NULL,
    correlation_ids text[] NOT NULL,
    sources public.event_source[] NOT NULL,
    bundle_ids uuid[] NOT NULL,
    checksums bytea[] NOT NULL,
    CONSTRAINT event_archive_check CHECK ((to_at >= from_at)),
    CONSTRAINT event_archive_events_check CHECK ((events > 0))
);

CREATE FUNCTION public.unpacked(a public.event_archive) RETURNS TABLE(id uuid, aggregate_id uuid, aggregate_type text, event_type text, project_id uuid, user_id uuid, data jsonb, metadata jsonb, "timestamp" timestamp with time zone, version bigint, causation_id uuid, correlation_id text, source public.event_source, bundle_id uuid, checksum text)
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT u.id, u.aggregate_id, u.aggregate_type, u.event_type, a.project_id, u.user_id, u.data,
        u.metadata, u.at, u.version::bigint, u.causation_id, u.correlation_id, u.source,
        u.bundle_id, encode(u.checksum, 'hex')
    FROM unnest(a.ids, a.aggregate_ids, a.aggregate_types, a.event_types, a.user_ids, a.data,
        a.metadata, a.timestamps, a.versions, a.causation_ids, a.correlation_ids, a.sources,
        a.bundle_ids, a.checksums)
        AS u (id, aggregate_id, aggregate_type, event_type, user_id, data, metadata, at, version,
            causation_id, correlation_id, source, bundle_id, checksum)
$$;

CREATE TABLE public.events (
    id uuid NOT NULL,
    aggregate_id uuid NOT NULL,
    aggregate_type text NOT NULL,
    event_type text NOT NULL,
    project_id uuid NOT NULL,
    user_id uuid NOT NULL,
    data jsonb NOT NULL,
    metadata jsonb NOT NULL,
    "timestamp" timestamp with time zone NOT NULL,
    version bigint NOT NULL,
    causation_id uuid,
    correlation_id text NOT NULL,
    source public.event_source NOT NULL,
    bundle_id uuid NOT NULL,
    checksum text NOT NULL,
    CONSTRAINT events_aggregate_type_check CHECK (((length(aggregate_type) <= 40) AND (aggregate_type ~ '^[a-z][a-z_]*$'::text))),
    CONSTRAINT events_check CHECK ((event_type ~~ (aggregate_type || '.%'::text))),
    CONSTRAINT events_checksum_check CHECK (((length(checksum) = 64) AND (checksum !~ '[^0-9a-f]'::text))),
    CONSTRAINT events_correlation_id_check CHECK (((length(correlation_id) >= 1) AND (length(correlation_id) <= 64))),
    CONSTRAINT events_data_check CHECK ((jsonb_typeof(data) = 'object'::text)),
    CONSTRAINT events_event_type_check CHECK ((((length(event_type) - length(aggregate_type)) <= 61) AND (event_type ~ '^[a-z][a-z_]*\.[a-z][a-z_]*$'::text))),
    CONSTRAINT events_metadata_check CHECK ((jsonb_typeof(metadata) = 'object'::text)),
    CONSTRAINT events_version_check CHECK ((version > 0))
)
PARTITION BY RANGE ("timestamp");

CREATE VIEW public.event_log AS
 SELECT events.id,
    events.aggregate_id,
    events.aggregate_type,
    events.event_type,
    events.project_id,
    events.user_id,
    events.data,
    events.metadata,
    events."timestamp",
    events.version,
    events.causation_id,
    events.correlation_id,
    events.source,
    events.bundle_id,
    events.checksum
   FROM public.events
UNION ALL
 SELECT u.id,
    u.aggregate_id,
    u.aggregate_type,
    u.event_type,
    a.project_id,
    u.user_id,
    u.data,
    u.metadata,
    u."timestamp",
    u.version,
    u.causation_id,
    u.correlation_id,
    u.source,
    u.bundle_id,
    u.checksum
   FROM public.event_archive a,
    LATERAL public.unpacked(a.*) u(id, aggregate_id, aggregate_type, event_type, project_id, user_id, data, metadata, "timestamp", version, causation_id, correlation_id, source, bundle_id, checksum);

CREATE FUNCTION public.events_of(wanted uuid[]) RETURNS SETOF public.event_log
    LANGUAGE sql STABLE
    AS $$
    SELECT id, aggregate_id, aggregate_type, event_type, project_id, user_id, data, metadata,
        "timestamp", version, causation_id, correlation_id, source, bundle_id, checksum
    FROM events WHERE aggregate_id = ANY (wanted)
    UNION ALL
    SELECT u.id, u.aggregate_id, u.aggregate_type, u.event_type, u.project_id, u.user_id, u.data,
        u.metadata, u."timestamp", u.version, u.causation_id, u.correlation_id, u.source,
        u.bundle_id, u.checksum
    FROM event_archive a, unpacked(a) u
    WHERE a.aggregates && wanted AND u.aggregate_id = ANY (wanted)
$$;

CREATE FUNCTION public.forget_events(project uuid, older_than timestamp with time zone, owners uuid[], upto bigint[], sums text[], rows_left jsonb[]) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    doomed uuid[];
    bundles_of uuid[];
BEGIN
    IF older_than > now() - interval '1 day' THEN
        RAISE EXCEPTION 'events of the last day are not forgotten';
    END IF;
    -- Neither while the archivist or a purge carries events about, nor during a proof: another time.
    IF NOT pg_try_advisory_xact_lock(6111, 3) THEN
        RETURN 0;
    END IF;
    SELECT coalesce(array_agg(e.id), '{}'), coalesce(array_agg(e.bundle_id), '{}')
    INTO doomed, bundles_of
    FROM events_of(owners) e JOIN unnest(owners, upto) AS w (id, version) ON e.aggregate_id = w.id
    WHERE e.project_id = project AND e.version <= w.version AND e."timestamp" < older_than;
    IF EXISTS (
        SELECT FROM unnest(owners, upto, sums) AS w (id, version, checksum)
        LEFT JOIN beginnings b ON b.aggregate_id = w.id
        LEFT JOIN (
            SELECT e.aggregate_id, count(*) AS events,
                max(e.checksum) FILTER (WHERE e.version = n.version) AS checksum
            FROM events_of(owners) e JOIN unnest(owners, upto) AS n (id, version)
                ON e.aggregate_id = n.id
            WHERE e.id = ANY (doomed) GROUP BY 1
        ) found ON found.aggregate_id = w.id
        WHERE found.events IS DISTINCT FROM w.version - coalesce(b.version, 0)
            OR found.checksum IS DISTINCT FROM w.checksum
    ) OR EXISTS (SELECT FROM tombstones t WHERE t.aggregate_id = ANY (owners))
      OR EXISTS (SELECT FROM quarantined_events q WHERE q.aggregate_id = ANY (owners))
    THEN
        RAISE EXCEPTION 'these events are not the whole beginning of sound chains';
    END IF;
    IF EXISTS (
        SELECT FROM outbox o WHERE o.event_id = ANY (doomed) AND o.published_at IS NULL
    ) OR EXISTS (
        SELECT FROM withheld_facts w WHERE w.aggregate_id = ANY (owners) AND w.released_at IS NULL
    ) THEN
        RETURN 0;
    END IF;
    INSERT INTO horizons AS known (project_id, "position")
    SELECT project, max(p."position") FROM sync_positions p
    WHERE p.project_id = project AND p.event_id = ANY (doomed) HAVING count(*) > 0
    ON CONFLICT (project_id) DO UPDATE
        SET "position" = greatest(known."position", excluded."position");
    PERFORM take_out(project, owners, doomed, bundles_of);
    INSERT INTO beginnings AS known (
        aggregate_id, aggregate_type, project_id, version, checksum, "row")
    SELECT w.id, a.aggregate_type, project, w.version, w.checksum, w."row"
    FROM unnest(owners, upto, sums, rows_left) AS w (id, version, checksum, "row")
    JOIN aggregates a ON a.aggregate_id = w.id
    ON CONFLICT (aggregate_id) DO UPDATE SET version = excluded.version,
        checksum = excluded.checksum, "row" = excluded."row";
    RETURN cardinality(doomed);
END $$;

CREATE FUNCTION public.forget_project(purge uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    gone uuid;
BEGIN
    SELECT target_id INTO gone FROM purges p
    WHERE p.purge_id = purge AND p.kind = 'project'
        AND NOT EXISTS (SELECT FROM projects WHERE id = p.target_id);
    IF gone IS NULL THEN
        RAISE EXCEPTION 'no project was purged by this';
    END IF;
    DELETE FROM jobs WHERE project_id = gone;
    DELETE FROM sync_sessions WHERE project_id = gone;
    DELETE FROM sync_conflicts WHERE project_id = gone;
    DELETE FROM event_hours WHERE project_id = gone;
    DELETE FROM packages p WHERE p.project_id = gone
        AND NOT EXISTS (SELECT FROM templates t WHERE t.package_id = p.package_id);
END $$;

CREATE FUNCTION public.insist(ok boolean) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF ok IS NOT TRUE THEN
        RAISE EXCEPTION 'not as it was when this was decided' USING ERRCODE = 'serialization_failure';
    END IF;
END $$;

CREATE FUNCTION public.keep_positions() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO sync_positions (position, project_id, event_id, "timestamp")
    SELECT now_is.position, said."projectId", now_is.event_id, said."timestamp"
    FROM now_is JOIN was USING (seq),
        json_to_record(now_is.payload) AS said ("projectId" uuid, "timestamp" timestamptz)
    WHERE was.position IS NULL AND now_is.position IS NOT NULL AND said."projectId" IS NOT NULL;
    RETURN NULL;
END $$;

CREATE FUNCTION public.name_key(name text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN lower(NORMALIZE(name, NFC));

CREATE FUNCTION public.refuse_contains_cycle() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(NEW.project_id::text, 6111));
    IF EXISTS (
        WITH RECURSIVE below (id) AS (
            SELECT NEW.target_entity_id
            UNION
            SELECT r.target_entity_id FROM below b JOIN relations r
                ON r.project_id = NEW.project_id AND r.source_entity_id = b.id
                AND r.type = 'contains'
        )
        SELECT FROM below WHERE id = NEW.source_entity_id
    ) THEN
        RAISE EXCEPTION 'entity % would contain itself', NEW.source_entity_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'relations_contains_cycle';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION public.release_package() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    INSERT INTO released_places (place) VALUES (OLD.package_id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

CREATE FUNCTION public.take_out(project uuid, owners uuid[], doomed uuid[], bundles_of uuid[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    chunks bigint[];
    before numeric;
    after numeric;
BEGIN
    -- Chunks are made anew without them, and read again to see that the rest is as it was.
    DELETE FROM event_archive a WHERE a.aggregates && owners AND a.ids <@ doomed;
    SELECT coalesce(array_agg(a.chunk_id), '{}') INTO chunks
    FROM event_archive a WHERE a.aggregates && owners AND a.ids && doomed;
    SELECT sum(hashtextextended(u::text, 0)) INTO before
    FROM event_archive a, unpacked(a) u
    WHERE a.chunk_id = ANY (chunks) AND u.id <> ALL (doomed);
    UPDATE event_archive a SET (
        events, from_at, to_at, aggregates, ids, aggregate_ids, aggregate_types, event_types,
        user_ids, data, metadata, timestamps, versions, causation_ids, correlation_ids, sources,
        bundle_ids, checksums
    ) = (
        SELECT count(*), min(u."timestamp"), max(u."timestamp"),
            array_agg(DISTINCT u.aggregate_id),
            array_agg(u.id ORDER BY u.aggregate_id, u.version),
            array_agg(u.aggregate_id ORDER BY u.aggregate_id, u.version),
            array_agg(u.aggregate_type ORDER BY u.aggregate_id, u.version),
            array_agg(u.event_type ORDER BY u.aggregate_id, u.version),
            array_agg(u.user_id ORDER BY u.aggregate_id, u.version),
            array_agg(u.data ORDER BY u.aggregate_id, u.version),
            array_agg(u.metadata ORDER BY u.aggregate_id, u.version),
            array_agg(u."timestamp" ORDER BY u.aggregate_id, u.version),
            array_agg(u.version::integer ORDER BY u.aggregate_id, u.version),
            array_agg(u.causation_id ORDER BY u.aggregate_id, u.version),
            array_agg(u.correlation_id ORDER BY u.aggregate_id, u.version),
            array_agg(u.source ORDER BY u.aggregate_id, u.version),
            array_agg(u.bundle_id ORDER BY u.aggregate_id, u.version),
            array_agg(decode(u.checksum, 'hex') ORDER BY u.aggregate_id, u.version)
        FROM unpacked(a) u WHERE u.id <> ALL (doomed)
    ) WHERE a.chunk_id = ANY (chunks);
    SELECT sum(hashtextextended(u::text, 0)) INTO after
    FROM event_archive a, unpacked(a) u WHERE a.chunk_id = ANY (chunks);
    IF before IS DISTINCT FROM after THEN
        RAISE EXCEPTION 'the rest of a chunk does not read as it did';
    END IF;
    DELETE FROM events e WHERE e.aggregate_id = ANY (owners) AND e.id = ANY (doomed);

    -- Its copies: what waits, what was announced, what is known of its place. The newest place is
    -- kept, and nothing of what was said there, because others continue from it.
    DELETE FROM refill r WHERE r.event_id = ANY (doomed);
    DELETE FROM outbox o
    WHERE o.event_id = ANY (doomed) AND o."position" < (SELECT max("position") FROM outbox);
    UPDATE outbox o SET payload = '{}' WHERE o.event_id = ANY (doomed);
    DELETE FROM sync_positions p
    WHERE p.project_id = project AND p.event_id = ANY (doomed)
        AND p."position" < (SELECT max("position") FROM sync_positions);
    WITH lost AS (
        SELECT bundle_id, count(*) AS count FROM unnest(bundles_of) AS b (bundle_id) GROUP BY 1
    ), kept AS (
        -- As a fold of what is left of it.
        UPDATE bundles b SET operations = b.operations - lost.count, created_at = coalesce((
            SELECT min(at) FROM (
                SELECT e."timestamp" AS at FROM events e WHERE e.bundle_id = b.bundle_id
                UNION ALL
                SELECT u."timestamp" FROM event_archive a, unpacked(a) u
                WHERE a.project_id = project AND a.to_at >= b.created_at
                    AND a.from_at <= b.created_at + interval '1 day' AND u.bundle_id = b.bundle_id
            ) rest), b.created_at)
        FROM lost
        WHERE b.bundle_id = lost.bundle_id AND b.operations > lost.count RETURNING b.bundle_id
    )
    DELETE FROM bundles b USING lost
    WHERE b.bundle_id = lost.bundle_id AND b.operations <= lost.count;
END $$;

CREATE TABLE public.aggregates (
    aggregate_id uuid NOT NULL,
    aggregate_type text NOT NULL,
    project_id uuid NOT NULL,
    version bigint NOT NULL,
    checksum text NOT NULL,
    CONSTRAINT aggregates_checksum_check CHECK (((length(checksum) = 64) AND (checksum !~ '[^0-9a-f]'::text))),
    CONSTRAINT aggregates_version_check CHECK ((version > 0))
);

CREATE TABLE public.appearances (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    scene_id uuid NOT NULL,
    entity_id uuid NOT NULL,
    role public.appearance_role NOT NULL,
    anchor_id uuid,
    notes text,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    CONSTRAINT appearances_check CHECK ((updated_at >= created_at)),
    CONSTRAINT appearances_notes_check CHECK ((length(notes) <= 2000)),
    CONSTRAINT appearances_version_check CHECK ((version > 0))
);

CREATE TABLE public.books (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    rank text NOT NULL COLLATE pg_catalog."C",
    title text NOT NULL,
    kind public.book_kind NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamp with time zone,
    deleted_by uuid,
    editor text,
    CONSTRAINT books_check CHECK ((updated_at >= created_at)),
    CONSTRAINT books_check1 CHECK (((deleted_at IS NULL) = (deleted_by IS NULL))),
    CONSTRAINT books_editor_check CHECK (((length(editor) >= 1) AND (length(editor) <= 100))),
    CONSTRAINT books_rank_check CHECK (((rank ~ '^[0-9A-Za-z]+$'::text) AND (length(rank) <= 1000))),
    CONSTRAINT books_title_check CHECK (((length(title) >= 1) AND (length(title) <= 200))),
    CONSTRAINT books_version_check CHECK ((version > 0))
);

CREATE TABLE public.chapters (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    book_id uuid NOT NULL,
    rank text NOT NULL COLLATE pg_catalog."C",
    title text NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamp with time zone,
    deleted_by uuid,
    CONSTRAINT chapters_check CHECK ((updated_at >= created_at)),
    CONSTRAINT chapters_check1 CHECK (((deleted_at IS NULL) = (deleted_by IS NULL))),
    CONSTRAINT chapters_rank_check CHECK (((rank ~ '^[0-9A-Za-z]+$'::text) AND (length(rank) <= 1000))),
    CONSTRAINT chapters_title_check CHECK (((length(title) >= 1) AND (length(title) <= 200))),
    CONSTRAINT chapters_version_check CHECK ((version > 0))
);

CREATE TABLE public.entities (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    type public.entity_type NOT NULL,
    name text NOT NULL,
    slug text,
    description text,
    aliases text[] NOT NULL,
    traits jsonb NOT NULL,
    preview text,
    file_path text,
    file_url text,
    file_size bigint,
    file_type public.file_type,
    file_checksum text,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamp with time zone,
    deleted_by uuid,
    CONSTRAINT entities_aliases_check CHECK (((cardinality(aliases) <= 50) AND (array_position(aliases, NULL::text) IS NULL))),
    CONSTRAINT entities_check CHECK ((updated_at >= created_at)),
    CONSTRAINT entities_check1 CHECK (((deleted_at IS NULL) = (deleted_by IS NULL))),
    CONSTRAINT entities_check2 CHECK ((num_nonnulls(file_path, file_size, file_type, file_checksum) = ANY (ARRAY[0, 4]))),
    CONSTRAINT entities_check3 CHECK (((file_url IS NULL) OR (file_path IS NOT NULL))),
    CONSTRAINT entities_description_check CHECK ((length(description) <= 10000)),
    CONSTRAINT entities_file_checksum_check CHECK (((length(file_checksum) = 64) AND (file_checksum !~ '[^0-9a-f]'::text))),
    CONSTRAINT entities_file_path_check CHECK (((length(file_path) >= 1) AND (length(file_path) <= 1024))),
    CONSTRAINT entities_file_size_check CHECK ((file_size >= 0)),
    CONSTRAINT entities_file_url_check CHECK (((length(file_url) >= 1) AND (length(file_url) <= 4096))),
    CONSTRAINT entities_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200))),
    CONSTRAINT entities_preview_check CHECK ((length(preview) <= 200)),
    CONSTRAINT entities_slug_check CHECK (((length(slug) <= 64) AND (slug ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$'::text))),
    CONSTRAINT entities_traits_check CHECK ((jsonb_typeof(traits) = 'object'::text)),
    CONSTRAINT entities_version_check CHECK ((version > 0))
);

CREATE TABLE public.projects (
    id uuid NOT NULL,
    name text NOT NULL,
    slug text NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamp with time zone,
    deleted_by uuid,
    archived_at timestamp with time zone,
    archived_by uuid,
    editor text,
    CONSTRAINT projects_check CHECK ((updated_at >= created_at)),
    CONSTRAINT projects_check1 CHECK (((deleted_at IS NULL) = (deleted_by IS NULL))),
    CONSTRAINT projects_check2 CHECK (((archived_at IS NULL) = (archived_by IS NULL))),
    CONSTRAINT projects_editor_check CHECK (((length(editor) >= 1) AND (length(editor) <= 100))),
    CONSTRAINT projects_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200))),
    CONSTRAINT projects_slug_check CHECK ((slug ~ '^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$'::text)),
    CONSTRAINT projects_version_check CHECK ((version > 0))
);

CREATE TABLE public.scenes (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    chapter_id uuid NOT NULL,
    rank text NOT NULL COLLATE pg_catalog."C",
    title text,
    status public.scene_status NOT NULL,
    pov public.pov,
    tense public.tense,
    summary text,
    word_count integer NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamp with time zone,
    deleted_by uuid,
    schema_version integer,
    editor text,
    CONSTRAINT scenes_check CHECK ((updated_at >= created_at)),
    CONSTRAINT scenes_check1 CHECK (((deleted_at IS NULL) = (deleted_by IS NULL))),
    CONSTRAINT scenes_editor_check CHECK (((length(editor) >= 1) AND (length(editor) <= 100))),
    CONSTRAINT scenes_rank_check CHECK (((rank ~ '^[0-9A-Za-z]+$'::text) AND (length(rank) <= 1000))),
    CONSTRAINT scenes_schema_version_check CHECK ((schema_version >= 1)),
    CONSTRAINT scenes_summary_check CHECK ((length(summary) <= 10000)),
    CONSTRAINT scenes_title_check CHECK (((length(title) >= 1) AND (length(title) <= 200))),
    CONSTRAINT scenes_version_check CHECK ((version > 0)),
    CONSTRAINT scenes_word_count_check CHECK ((word_count >= 0))
);

CREATE VIEW public.appearances_read AS
 SELECT a.id,
    a.project_id,
    a.scene_id,
    a.entity_id,
    a.role,
    a.anchor_id,
    a.notes,
    a.version,
    a.created_at,
    a.updated_at,
    a.created_by,
    a.updated_by,
    a.project_id AS parent_id,
    NULL::timestamp with time zone AS deleted_at,
    ((p.deleted_at IS NOT NULL) OR (b.deleted_at IS NOT NULL) OR (c.deleted_at IS NOT NULL) OR (s.deleted_at IS NOT NULL) OR (e.deleted_at IS NOT NULL)) AS hidden,
    ((((b.rank || '/'::text) || c.rank) || '/'::text) || s.rank) AS manuscript_key
   FROM (((((public.appearances a
     JOIN public.projects p ON ((p.id = a.project_id)))
     JOIN public.entities e ON ((e.id = a.entity_id)))
     JOIN public.scenes s ON ((s.id = a.scene_id)))
     JOIN public.chapters c ON ((c.id = s.chapter_id)))
     JOIN public.books b ON ((b.id = c.book_id)));

CREATE TABLE public.beginnings (
    aggregate_id uuid NOT NULL,
    aggregate_type text NOT NULL,
    project_id uuid NOT NULL,
    version bigint NOT NULL,
    checksum text NOT NULL,
    "row" jsonb,
    CONSTRAINT beginnings_checksum_check CHECK (((length(checksum) = 64) AND (checksum !~ '[^0-9a-f]'::text))),
    CONSTRAINT beginnings_row_check CHECK ((jsonb_typeof("row") = 'object'::text)),
    CONSTRAINT beginnings_version_check CHECK ((version > 0))
);

CREATE TABLE public.word_counts (
    scene_id uuid NOT NULL,
    words integer NOT NULL,
    counted_at timestamp with time zone NOT NULL,
    CONSTRAINT word_counts_words_check CHECK ((words >= 0))
);

CREATE VIEW public.books_read AS
 SELECT b.id,
    b.project_id,
    b.rank,
    b.title,
    b.kind,
    b.version,
    b.created_at,
    b.updated_at,
    b.created_by,
    b.updated_by,
    b.deleted_at,
    b.deleted_by,
    b.project_id AS parent_id,
    (p.deleted_at IS NOT NULL) AS hidden,
    ( SELECT count(*) AS count
           FROM public.books s
          WHERE ((s.project_id = b.project_id) AND (s.deleted_at IS NULL) AND (s.rank < b.rank))) AS index,
    b.editor,
    ( SELECT COALESCE(sum(w.words), (0)::bigint) AS "coalesce"
           FROM ((public.chapters c
             JOIN public.scenes s ON ((s.chapter_id = c.id)))
             JOIN public.word_counts w ON ((w.scene_id = s.id)))
          WHERE ((c.book_id = b.id) AND (c.deleted_at IS NULL) AND (s.deleted_at IS NULL))) AS words
   FROM (public.books b
     JOIN public.projects p ON ((p.id = b.project_id)));

CREATE TABLE public.bundles (
    bundle_id uuid NOT NULL,
    project_id uuid NOT NULL,
    user_id uuid NOT NULL,
    type public.bundle_type NOT NULL,
    label text,
    source public.event_source NOT NULL,
    operations integer NOT NULL,
    created_at timestamp with time zone NOT NULL,
    causation_id uuid,
    reverses uuid,
    CONSTRAINT bundles_check CHECK ((reverses <> bundle_id)),
    CONSTRAINT bundles_label_check CHECK (((length(label) >= 1) AND (length(label) <= 200))),
    CONSTRAINT bundles_operations_check CHECK ((operations > 0))
);

CREATE TABLE public.canon_facts (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    entity_id uuid NOT NULL,
    fact text NOT NULL,
    reveal_state public.reveal_state NOT NULL,
    reveal_scene_id uuid,
    reveal_at timestamp with time zone,
    confidence double precision NOT NULL,
    provenance_scene_id uuid,
    provenance_anchor_id uuid,
    provenance_confidence double precision,
    provenance_snippet text,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamp with time zone,
    deleted_by uuid,
    CONSTRAINT canon_facts_check CHECK ((updated_at >= created_at)),
    CONSTRAINT canon_facts_check1 CHECK (((deleted_at IS NULL) = (deleted_by IS NULL))),
    CONSTRAINT canon_facts_confidence_check CHECK (((confidence >= (0)::double precision) AND (confidence <= (1)::double precision))),
    CONSTRAINT canon_facts_fact_check CHECK (((length(fact) >= 1) AND (length(fact) <= 2000))),
    CONSTRAINT canon_facts_provenance_confidence_check CHECK (((provenance_confidence >= (0)::double precision) AND (provenance_confidence <= (1)::double precision))),
    CONSTRAINT canon_facts_provenance_snippet_check CHECK ((length(provenance_snippet) <= 2000)),
    CONSTRAINT canon_facts_version_check CHECK ((version > 0))
);

CREATE VIEW public.canon_facts_read AS
 SELECT f.id,
    f.project_id,
    f.entity_id,
    f.fact,
    f.reveal_state,
    f.reveal_scene_id,
    f.reveal_at,
    f.confidence,
    f.provenance_scene_id,
    f.provenance_anchor_id,
    f.provenance_confidence,
    f.provenance_snippet,
    f.version,
    f.created_at,
    f.updated_at,
    f.created_by,
    f.updated_by,
    f.deleted_at,
    f.deleted_by,
    f.project_id AS parent_id,
    ((p.deleted_at IS NOT NULL) OR (e.deleted_at IS NOT NULL)) AS hidden
   FROM ((public.canon_facts f
     JOIN public.projects p ON ((p.id = f.project_id)))
     JOIN public.entities e ON ((e.id = f.entity_id)));

CREATE VIEW public.chapters_read AS
 SELECT c.id,
    c.project_id,
    c.book_id,
    c.rank,
    c.title,
    c.version,
    c.created_at,
    c.updated_at,
    c.created_by,
    c.updated_by,
    c.deleted_at,
    c.deleted_by,
    c.book_id AS parent_id,
    ((b.deleted_at IS NOT NULL) OR (p.deleted_at IS NOT NULL)) AS hidden,
    ( SELECT count(*) AS count
           FROM public.chapters s
          WHERE ((s.book_id = c.book_id) AND (s.deleted_at IS NULL) AND (s.rank < c.rank))) AS index,
    ( SELECT COALESCE(sum(w.words), (0)::bigint) AS "coalesce"
           FROM (public.scenes s
             JOIN public.word_counts w ON ((w.scene_id = s.id)))
          WHERE ((s.chapter_id = c.id) AND (s.deleted_at IS NULL))) AS words
   FROM ((public.chapters c
     JOIN public.books b ON ((b.id = c.book_id)))
     JOIN public.projects p ON ((p.id = c.project_id)));

CREATE TABLE public.commands (
    command_id uuid NOT NULL,
    user_id uuid NOT NULL,
    digest text NOT NULL,
    target_id uuid NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT commands_digest_check CHECK (((length(digest) = 64) AND (digest !~ '[^0-9a-f]'::text)))
);

CREATE TABLE public.context_rules (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    name text NOT NULL,
    enabled boolean NOT NULL,
    structure boolean NOT NULL,
    kb boolean NOT NULL,
    rag_k integer NOT NULL,
    max_input_tokens integer,
    style_guide_id uuid,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamp with time zone,
    deleted_by uuid,
    CONSTRAINT context_rules_check CHECK ((updated_at >= created_at)),
    CONSTRAINT context_rules_check1 CHECK (((deleted_at IS NULL) = (deleted_by IS NULL))),
    CONSTRAINT context_rules_max_input_tokens_check CHECK (((max_input_tokens >= 1) AND (max_input_tokens <= 10000000))),
    CONSTRAINT context_rules_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200))),
    CONSTRAINT context_rules_rag_k_check CHECK (((rag_k >= 0) AND (rag_k <= 100))),
    CONSTRAINT context_rules_version_check CHECK ((version > 0))
);

CREATE VIEW public.context_rules_read AS
 SELECT r.id,
    r.project_id,
    r.name,
    r.enabled,
    r.structure,
    r.kb,
    r.rag_k,
    r.max_input_tokens,
    r.style_guide_id,
    r.version,
    r.created_at,
    r.updated_at,
    r.created_by,
    r.updated_by,
    r.deleted_at,
    r.deleted_by,
    r.project_id AS parent_id,
    (p.deleted_at IS NOT NULL) AS hidden,
    (public.name_key(r.name) COLLATE "C") AS name_key
   FROM (public.context_rules r
     JOIN public.projects p ON ((p.id = r.project_id)));

CREATE TABLE public.editor_definitions (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    name text NOT NULL,
    definition jsonb NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamp with time zone,
    deleted_by uuid,
    CONSTRAINT editor_definitions_check CHECK ((updated_at >= created_at)),
    CONSTRAINT editor_definitions_check1 CHECK (((deleted_at IS NULL) = (deleted_by IS NULL))),
    CONSTRAINT editor_definitions_definition_check CHECK ((jsonb_typeof(definition) = 'object'::text)),
    CONSTRAINT editor_definitions_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
    CONSTRAINT editor_definitions_version_check CHECK ((version > 0))
);

CREATE VIEW public.editor_definitions_read AS
 SELECT d.id,
    d.project_id,
    d.name,
    d.definition,
    d.version,
    d.created_at,
    d.updated_at,
    d.created_by,
    d.updated_by,
    d.deleted_at,
    d.deleted_by,
    d.project_id AS parent_id,
    (p.deleted_at IS NOT NULL) AS hidden,
    (public.name_key(d.name) COLLATE "C") AS name_key
   FROM (public.editor_definitions d
     JOIN public.projects p ON ((p.id = d.project_id)));

CREATE TABLE public.story_details (
    entity_id uuid NOT NULL,
    project_id uuid NOT NULL,
    entity_type public.entity_type NOT NULL,
    role text,
    arc text,
    goals text[] NOT NULL,
    motivation text,
    conflict text,
    CONSTRAINT story_details_arc_check CHECK ((length(arc) <= 10000)),
    CONSTRAINT story_details_conflict_check CHECK ((length(conflict) <= 10000)),
    CONSTRAINT story_details_entity_type_check CHECK ((entity_type = ANY (ARRAY['character'::public.entity_type, 'location'::public.entity_type, 'item'::public.entity_type, 'organization'::public.entity_type, 'other'::public.entity_type]))),
    CONSTRAINT story_details_goals_check CHECK (((cardinality(goals) <= 20) AND (array_position(goals, NULL::text) IS NULL))),
    CONSTRAINT story_details_motivation_check CHECK ((length(motivation) <= 10000)),
    CONSTRAINT story_details_role_check CHECK (((length(role) >= 1) AND (length(role) <= 200)))
);

CREATE TABLE public.task_details (
    entity_id uuid NOT NULL,
    project_id uuid NOT NULL,
    entity_type public.entity_type NOT NULL,
    status public.task_status NOT NULL,
    due_date timestamp with time zone,
    priority integer NOT NULL,
    assignee_id uuid,
    completed_at timestamp with time zone,
    CONSTRAINT task_details_check CHECK (((status = 'done'::public.task_status) = (completed_at IS NOT NULL))),
    CONSTRAINT task_details_entity_type_check CHECK ((entity_type = 'task'::public.entity_type)),
    CONSTRAINT task_details_priority_check CHECK (((priority >= 0) AND (priority <= 3)))
);

CREATE VIEW public.entities_read AS
 SELECT e.id,
    e.project_id,
    e.type,
    e.name,
    e.slug,
    e.description,
    e.aliases,
    e.traits,
    e.preview,
    e.file_path,
    e.file_url,
    e.file_size,
    e.file_type,
    e.file_checksum,
    e.version,
    e.created_at,
    e.updated_at,
    e.created_by,
    e.updated_by,
    e.deleted_at,
    e.deleted_by,
    e.project_id AS parent_id,
    (p.deleted_at IS NOT NULL) AS hidden,
    (public.name_key(e.name) COLLATE "C") AS name_key,
    t.status AS task_status,
    t.due_date AS task_due_date,
    t.priority AS task_priority,
    t.assignee_id AS task_assignee_id,
    t.completed_at AS task_completed_at,
    s.role AS story_role,
    s.arc AS story_arc,
    s.goals AS story_goals,
    s.motivation AS story_motivation,
    s.conflict AS story_conflict
   FROM (((public.entities e
     JOIN public.projects p ON ((p.id = e.project_id)))
     LEFT JOIN public.task_details t ON ((t.entity_id = e.id)))
     LEFT JOIN public.story_details s ON ((s.entity_id = e.id)));

ALTER TABLE public.event_archive ALTER COLUMN chunk_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.event_archive_chunk_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.event_hours (
    project_id uuid NOT NULL,
    aggregate_type text NOT NULL,
    event_type text NOT NULL,
    hour timestamp with time zone NOT NULL,
    count bigint NOT NULL,
    CONSTRAINT event_hours_count_check CHECK ((count > 0))
);

CREATE TABLE public.event_hours_mark (
    "position" bigint NOT NULL
);

CREATE TABLE public.events_default (
    id uuid CONSTRAINT events_id_not_null NOT NULL,
    aggregate_id uuid CONSTRAINT events_aggregate_id_not_null NOT NULL,
    aggregate_type text CONSTRAINT events_aggregate_type_not_null NOT NULL,
    event_type text CONSTRAINT events_event_type_not_null NOT NULL,
    project_id uuid CONSTRAINT events_project_id_not_null NOT NULL,
    user_id uuid CONSTRAINT events_user_id_not_null NOT NULL,
    data jsonb CONSTRAINT events_data_not_null NOT NULL,
    metadata jsonb CONSTRAINT events_metadata_not_null NOT NULL,
    "timestamp" timestamp with time zone CONSTRAINT events_timestamp_not_null NOT NULL,
    version bigint CONSTRAINT events_version_not_null NOT NULL,
    causation_id uuid,
    correlation_id text CONSTRAINT events_correlation_id_not_null NOT NULL,
    source public.event_source CONSTRAINT events_source_not_null NOT NULL,
    bundle_id uuid CONSTRAINT events_bundle_id_not_null NOT NULL,
    checksum text CONSTRAINT events_checksum_not_null NOT NULL,
    CONSTRAINT events_aggregate_type_check CHECK (((length(aggregate_type) <= 40) AND (aggregate_type ~ '^[a-z][a-z_]*$'::text))),
    CONSTRAINT events_check CHECK ((event_type ~~ (aggregate_type || '.%'::text))),
    CONSTRAINT events_checksum_check CHECK (((length(checksum) = 64) AND (checksum !~ '[^0-9a-f]'::text))),
    CONSTRAINT events_correlation_id_check CHECK (((length(correlation_id) >= 1) AND (length(correlation_id) <= 64))),
    CONSTRAINT events_data_check CHECK ((jsonb_typeof(data) = 'object'::text)),
    CONSTRAINT events_event_type_check CHECK ((((length(event_type) - length(aggregate_type)) <= 61) AND (event_type ~ '^[a-z][a-z_]*\.[a-z][a-z_]*$'::text))),
    CONSTRAINT events_metadata_check CHECK ((jsonb_typeof(metadata) = 'object'::text)),
    CONSTRAINT events_version_check CHECK ((version > 0))
);

CREATE TABLE public.file_claims (
    claim_id uuid NOT NULL,
    project_id uuid NOT NULL,
    outcome public.claim_outcome NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.horizons (
    project_id uuid NOT NULL,
    "position" bigint NOT NULL
);

CREATE TABLE public.jobs (
    project_id uuid NOT NULL,
    job_id uuid NOT NULL,
    user_id uuid NOT NULL,
    bundle_id uuid NOT NULL,
    status public.job_status DEFAULT 'open'::public.job_status NOT NULL,
    parts integer DEFAULT 0 NOT NULL,
    operations integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT jobs_operations_check CHECK (((operations >= 0) AND (operations <= 10000))),
    CONSTRAINT jobs_parts_check CHECK (((parts >= 0) AND (parts <= 1000)))
);

CREATE TABLE public.libraries (
    user_id uuid NOT NULL,
    project_id uuid NOT NULL
);

CREATE TABLE public.members (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role public.member_role NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    CONSTRAINT members_check CHECK ((updated_at >= created_at)),
    CONSTRAINT members_version_check CHECK ((version > 0))
);

CREATE VIEW public.members_read AS
 SELECT m.id,
    m.project_id,
    m.user_id,
    m.role,
    m.version,
    m.created_at,
    m.updated_at,
    m.created_by,
    m.updated_by,
    NULL::uuid AS parent_id,
    (p.deleted_at IS NOT NULL) AS hidden,
    NULL::timestamp with time zone AS deleted_at
   FROM (public.members m
     JOIN public.projects p ON ((p.id = m.project_id)));

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

CREATE TABLE public.package_conversations (
    package_id uuid NOT NULL,
    number integer NOT NULL,
    page integer NOT NULL,
    packed bytea NOT NULL,
    size integer NOT NULL,
    CONSTRAINT package_conversations_number_check CHECK ((number > 0)),
    CONSTRAINT package_conversations_page_check CHECK ((page >= 0)),
    CONSTRAINT package_conversations_size_check CHECK ((size > 0))
);
ALTER TABLE ONLY public.package_conversations ALTER COLUMN packed SET STORAGE EXTERNAL;

CREATE TABLE public.package_files (
    package_id uuid NOT NULL,
    number integer NOT NULL,
    sha256 text NOT NULL COLLATE pg_catalog."C",
    size bigint NOT NULL,
    place uuid NOT NULL,
    CONSTRAINT package_files_number_check CHECK ((number > 0)),
    CONSTRAINT package_files_sha256_check CHECK (((length(sha256) = 64) AND (sha256 !~ '[^0-9a-f]'::text))),
    CONSTRAINT package_files_size_check CHECK ((size >= 0))
);

CREATE TABLE public.package_pages (
    package_id uuid NOT NULL,
    page integer NOT NULL,
    first integer NOT NULL,
    count integer NOT NULL,
    body bytea NOT NULL,
    CONSTRAINT package_pages_count_check CHECK ((count > 0)),
    CONSTRAINT package_pages_first_check CHECK ((first > 0)),
    CONSTRAINT package_pages_page_check CHECK ((page >= 0))
);
ALTER TABLE ONLY public.package_pages ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE TABLE public.package_texts (
    package_id uuid NOT NULL,
    number integer NOT NULL,
    scene_id uuid,
    packed bytea,
    size integer,
    CONSTRAINT package_texts_check CHECK (((packed IS NULL) = (size IS NULL))),
    CONSTRAINT package_texts_check1 CHECK (((scene_id IS NULL) = (packed IS NOT NULL))),
    CONSTRAINT package_texts_number_check CHECK ((number > 0)),
    CONSTRAINT package_texts_size_check CHECK ((size >= 0))
);
ALTER TABLE ONLY public.package_texts ALTER COLUMN packed SET STORAGE EXTERNAL;

CREATE TABLE public.packages (
    package_id uuid NOT NULL,
    owner_id uuid NOT NULL,
    project_id uuid,
    head jsonb NOT NULL,
    sealed boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT packages_head_check CHECK ((jsonb_typeof(head) = 'object'::text))
);

CREATE TABLE public.personas (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    name text NOT NULL,
    description text,
    prompt text NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamp with time zone,
    deleted_by uuid,
    CONSTRAINT personas_check CHECK ((updated_at >= created_at)),
    CONSTRAINT personas_check1 CHECK (((deleted_at IS NULL) = (deleted_by IS NULL))),
    CONSTRAINT personas_description_check CHECK ((length(description) <= 10000)),
    CONSTRAINT personas_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200))),
    CONSTRAINT personas_prompt_check CHECK ((length(prompt) <= 20000)),
    CONSTRAINT personas_version_check CHECK ((version > 0))
);

CREATE VIEW public.personas_read AS
 SELECT n.id,
    n.project_id,
    n.name,
    n.description,
    n.prompt,
    n.version,
    n.created_at,
    n.updated_at,
    n.created_by,
    n.updated_by,
    n.deleted_at,
    n.deleted_by,
    n.project_id AS parent_id,
    (p.deleted_at IS NOT NULL) AS hidden,
    (public.name_key(n.name) COLLATE "C") AS name_key
   FROM (public.personas n
     JOIN public.projects p ON ((p.id = n.project_id)));

CREATE VIEW public.projects_read AS
 SELECT id,
    name,
    slug,
    version,
    created_at,
    updated_at,
    created_by,
    updated_by,
    deleted_at,
    deleted_by,
    archived_at,
    archived_by,
    id AS project_id,
    NULL::uuid AS parent_id,
    false AS hidden,
    editor
   FROM public.projects p;

CREATE TABLE public.prompt_presets (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    name text NOT NULL,
    prompt text NOT NULL,
    persona_id uuid,
    context_rule_id uuid,
    model_profile_ref text,
    constraints jsonb NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamp with time zone,
    deleted_by uuid,
    CONSTRAINT prompt_presets_check CHECK ((updated_at >= created_at)),
    CONSTRAINT prompt_presets_check1 CHECK (((deleted_at IS NULL) = (deleted_by IS NULL))),
    CONSTRAINT prompt_presets_constraints_check CHECK ((jsonb_typeof(constraints) = 'object'::text)),
    CONSTRAINT prompt_presets_model_profile_ref_check CHECK (((length(model_profile_ref) >= 1) AND (length(model_profile_ref) <= 200))),
    CONSTRAINT prompt_presets_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200))),
    CONSTRAINT prompt_presets_prompt_check CHECK ((length(prompt) <= 20000)),
    CONSTRAINT prompt_presets_version_check CHECK ((version > 0))
);

CREATE VIEW public.prompt_presets_read AS
 SELECT n.id,
    n.project_id,
    n.name,
    n.prompt,
    n.persona_id,
    n.context_rule_id,
    n.model_profile_ref,
    n.constraints,
    n.version,
    n.created_at,
    n.updated_at,
    n.created_by,
    n.updated_by,
    n.deleted_at,
    n.deleted_by,
    n.project_id AS parent_id,
    (p.deleted_at IS NOT NULL) AS hidden,
    (public.name_key(n.name) COLLATE "C") AS name_key
   FROM (public.prompt_presets n
     JOIN public.projects p ON ((p.id = n.project_id)));

CREATE TABLE public.purges (
    purge_id uuid NOT NULL,
    project_id uuid NOT NULL,
    kind text NOT NULL,
    target_id uuid NOT NULL,
    reason public.purge_reason NOT NULL,
    requested_by uuid NOT NULL,
    requested_at timestamp with time zone DEFAULT now() NOT NULL,
    state public.purge_state DEFAULT 'gathering'::public.purge_state NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    failure text,
    not_before timestamp with time zone DEFAULT now() NOT NULL,
    things integer DEFAULT 0 NOT NULL,
    buried integer DEFAULT 0 NOT NULL,
    erased integer DEFAULT 0 NOT NULL,
    events bigint DEFAULT 0 NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT purges_buried_check CHECK ((buried >= 0)),
    CONSTRAINT purges_check CHECK (((state = 'done'::public.purge_state) = (finished_at IS NOT NULL))),
    CONSTRAINT purges_erased_check CHECK ((erased >= 0)),
    CONSTRAINT purges_events_check CHECK ((events >= 0)),
    CONSTRAINT purges_failure_check CHECK ((length(failure) <= 200)),
    CONSTRAINT purges_things_check CHECK ((things >= 0)),
    CONSTRAINT purges_tries_check CHECK ((tries >= 0))
);

CREATE TABLE public.quarantine_decisions (
    id bigint NOT NULL,
    aggregate_id uuid NOT NULL,
    version bigint NOT NULL,
    decision public.quarantine_state NOT NULL,
    decided_by text NOT NULL,
    reason text NOT NULL,
    decided_at timestamp with time zone DEFAULT now() NOT NULL,
    event jsonb NOT NULL,
    CONSTRAINT quarantine_decisions_decided_by_check CHECK (((length(decided_by) >= 1) AND (length(decided_by) <= 200))),
    CONSTRAINT quarantine_decisions_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 2000)))
);

ALTER TABLE public.quarantine_decisions ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.quarantine_decisions_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.quarantined_events (
    aggregate_id uuid NOT NULL,
    version bigint NOT NULL,
    project_id uuid NOT NULL,
    event_id uuid,
    flaw public.flaw NOT NULL,
    state public.quarantine_state DEFAULT 'open'::public.quarantine_state NOT NULL,
    found_by text NOT NULL,
    found_at timestamp with time zone DEFAULT now() NOT NULL,
    stored jsonb,
    recovered jsonb,
    resolved_at timestamp with time zone,
    CONSTRAINT quarantined_events_check CHECK (((flaw = 'missing'::public.flaw) = (stored IS NULL))),
    CONSTRAINT quarantined_events_check1 CHECK (((state = 'recovered'::public.quarantine_state) = (recovered IS NOT NULL))),
    CONSTRAINT quarantined_events_check2 CHECK (((state = 'open'::public.quarantine_state) = (resolved_at IS NULL))),
    CONSTRAINT quarantined_events_check3 CHECK (((state <> 'accepted'::public.quarantine_state) OR (stored IS NOT NULL))),
    CONSTRAINT quarantined_events_version_check CHECK ((version > 0))
);

CREATE TABLE public.refill (
    "position" bigint NOT NULL,
    event_id uuid NOT NULL,
    subject text NOT NULL,
    payload jsonb NOT NULL
);

CREATE TABLE public.relations (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    source_entity_id uuid NOT NULL,
    target_entity_id uuid NOT NULL,
    type public.relation_type NOT NULL,
    note text,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    CONSTRAINT relations_check CHECK ((updated_at >= created_at)),
    CONSTRAINT relations_note_check CHECK ((length(note) <= 2000)),
    CONSTRAINT relations_self_cycle CHECK ((source_entity_id <> target_entity_id)),
    CONSTRAINT relations_version_check CHECK ((version > 0))
);

CREATE VIEW public.relations_read AS
 SELECT r.id,
    r.project_id,
    r.source_entity_id,
    r.target_entity_id,
    r.type,
    r.note,
    r.version,
    r.created_at,
    r.updated_at,
    r.created_by,
    r.updated_by,
    r.project_id AS parent_id,
    NULL::timestamp with time zone AS deleted_at,
    ((p.deleted_at IS NOT NULL) OR (a.deleted_at IS NOT NULL) OR (b.deleted_at IS NOT NULL)) AS hidden
   FROM (((public.relations r
     JOIN public.projects p ON ((p.id = r.project_id)))
     JOIN public.entities a ON ((a.id = r.source_entity_id)))
     JOIN public.entities b ON ((b.id = r.target_entity_id)));

CREATE TABLE public.released_places (
    place uuid NOT NULL,
    noted_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE VIEW public.scenes_read AS
 SELECT s.id,
    s.project_id,
    s.chapter_id,
    s.rank,
    s.title,
    s.status,
    s.pov,
    s.tense,
    s.summary,
    s.word_count,
    s.version,
    s.created_at,
    s.updated_at,
    s.created_by,
    s.updated_by,
    s.deleted_at,
    s.deleted_by,
    s.chapter_id AS parent_id,
    c.book_id,
    ((c.deleted_at IS NOT NULL) OR (b.deleted_at IS NOT NULL) OR (p.deleted_at IS NOT NULL)) AS hidden,
    ( SELECT count(*) AS count
           FROM public.scenes t
          WHERE ((t.chapter_id = s.chapter_id) AND (t.deleted_at IS NULL) AND (t.rank < s.rank))) AS index,
    s.schema_version,
    s.editor,
    COALESCE(s.editor, b.editor, p.editor) AS editor_in_use,
    COALESCE(( SELECT w.words
           FROM public.word_counts w
          WHERE (w.scene_id = s.id)), 0) AS words
   FROM (((public.scenes s
     JOIN public.chapters c ON ((c.id = s.chapter_id)))
     JOIN public.books b ON ((b.id = c.book_id)))
     JOIN public.projects p ON ((p.id = s.project_id)));

CREATE VIEW public.scenes_in_order AS
 SELECT v.id,
    v.project_id,
    v.chapter_id,
    v.rank,
    v.title,
    v.status,
    v.pov,
    v.tense,
    v.summary,
    v.word_count,
    v.version,
    v.created_at,
    v.updated_at,
    v.created_by,
    v.updated_by,
    v.deleted_at,
    v.deleted_by,
    v.parent_id,
    v.book_id,
    v.hidden,
    v.index,
    v.schema_version,
    ((((b.rank || '/'::text) || c.rank) || '/'::text) || v.rank) AS manuscript_key,
    v.editor,
    v.words
   FROM ((public.scenes_read v
     JOIN public.chapters c ON ((c.id = v.chapter_id)))
     JOIN public.books b ON ((b.id = c.book_id)));

CREATE TABLE public.schema_migrations (
    number integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.staged (
    project_id uuid NOT NULL,
    job_id uuid NOT NULL,
    part integer NOT NULL,
    digest text NOT NULL,
    operations jsonb NOT NULL,
    CONSTRAINT staged_digest_check CHECK (((length(digest) = 64) AND (digest !~ '[^0-9a-f]'::text))),
    CONSTRAINT staged_operations_check CHECK ((jsonb_typeof(operations) = 'array'::text)),
    CONSTRAINT staged_part_check CHECK (((part >= 1) AND (part <= 1000)))
);

CREATE TABLE public.style_guides (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    name text NOT NULL,
    guide jsonb NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamp with time zone,
    deleted_by uuid,
    CONSTRAINT style_guides_check CHECK ((updated_at >= created_at)),
    CONSTRAINT style_guides_check1 CHECK (((deleted_at IS NULL) = (deleted_by IS NULL))),
    CONSTRAINT style_guides_guide_check CHECK ((jsonb_typeof(guide) = 'object'::text)),
    CONSTRAINT style_guides_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200))),
    CONSTRAINT style_guides_version_check CHECK ((version > 0))
);

CREATE VIEW public.style_guides_read AS
 SELECT g.id,
    g.project_id,
    g.name,
    g.guide,
    g.version,
    g.created_at,
    g.updated_at,
    g.created_by,
    g.updated_by,
    g.deleted_at,
    g.deleted_by,
    g.project_id AS parent_id,
    (p.deleted_at IS NOT NULL) AS hidden,
    (public.name_key(g.name) COLLATE "C") AS name_key
   FROM (public.style_guides g
     JOIN public.projects p ON ((p.id = g.project_id)));

CREATE TABLE public.sync_checkpoints (
    project_id uuid NOT NULL,
    session_id uuid NOT NULL,
    checkpoint integer NOT NULL,
    digest text NOT NULL,
    answer jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT sync_checkpoints_checkpoint_check CHECK ((checkpoint > 0)),
    CONSTRAINT sync_checkpoints_digest_check CHECK (((length(digest) = 64) AND (digest !~ '[^0-9a-f]'::text)))
);

CREATE TABLE public.sync_conflicts (
    conflict_id uuid NOT NULL,
    project_id uuid NOT NULL,
    user_id uuid NOT NULL,
    session_id uuid NOT NULL,
    checkpoint integer NOT NULL,
    operation jsonb NOT NULL,
    told jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    resolved_at timestamp with time zone,
    resolved_by uuid,
    bundle_id uuid,
    CONSTRAINT sync_conflicts_check CHECK (((resolved_at IS NULL) = (resolved_by IS NULL)))
);

CREATE TABLE public.sync_operations (
    operation_id uuid NOT NULL,
    project_id uuid NOT NULL
);

CREATE TABLE public.sync_positions (
    "position" bigint NOT NULL,
    project_id uuid NOT NULL,
    event_id uuid NOT NULL,
    "timestamp" timestamp with time zone NOT NULL
);

CREATE TABLE public.sync_sessions (
    project_id uuid NOT NULL,
    session_id uuid NOT NULL,
    user_id uuid NOT NULL,
    last_checkpoint integer DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT sync_sessions_last_checkpoint_check CHECK ((last_checkpoint >= 0))
);

CREATE TABLE public.taggings (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    entity_id uuid NOT NULL,
    tag_id uuid NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    CONSTRAINT taggings_check CHECK ((updated_at >= created_at)),
    CONSTRAINT taggings_version_check CHECK ((version > 0))
);

CREATE TABLE public.tags (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    name text NOT NULL,
    colour text,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamp with time zone,
    deleted_by uuid,
    CONSTRAINT tags_check CHECK ((updated_at >= created_at)),
    CONSTRAINT tags_check1 CHECK (((deleted_at IS NULL) = (deleted_by IS NULL))),
    CONSTRAINT tags_colour_check CHECK ((colour ~ '^#[0-9a-f]{6}$'::text)),
    CONSTRAINT tags_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200))),
    CONSTRAINT tags_version_check CHECK ((version > 0))
);

CREATE VIEW public.taggings_read AS
 SELECT g.id,
    g.project_id,
    g.entity_id,
    g.tag_id,
    g.version,
    g.created_at,
    g.updated_at,
    g.created_by,
    g.updated_by,
    g.project_id AS parent_id,
    NULL::timestamp with time zone AS deleted_at,
    ((p.deleted_at IS NOT NULL) OR (e.deleted_at IS NOT NULL) OR (t.deleted_at IS NOT NULL)) AS hidden
   FROM (((public.taggings g
     JOIN public.projects p ON ((p.id = g.project_id)))
     JOIN public.entities e ON ((e.id = g.entity_id)))
     JOIN public.tags t ON ((t.id = g.tag_id)));

CREATE VIEW public.tags_read AS
 SELECT t.id,
    t.project_id,
    t.name,
    t.colour,
    t.version,
    t.created_at,
    t.updated_at,
    t.created_by,
    t.updated_by,
    t.deleted_at,
    t.deleted_by,
    t.project_id AS parent_id,
    (p.deleted_at IS NOT NULL) AS hidden,
    (public.name_key(t.name) COLLATE "C") AS name_key
   FROM (public.tags t
     JOIN public.projects p ON ((p.id = t.project_id)));

CREATE TABLE public.team_grants (
    id uuid NOT NULL,
    project_id uuid NOT NULL,
    team_id uuid NOT NULL,
    role public.member_role NOT NULL,
    version bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    CONSTRAINT team_grants_check CHECK ((updated_at >= created_at)),
    CONSTRAINT team_grants_role_check CHECK ((role <> 'OWNER'::public.member_role)),
    CONSTRAINT team_grants_version_check CHECK ((version > 0))
);

CREATE VIEW public.team_grants_read AS
 SELECT g.id,
    g.project_id,
    g.team_id,
    g.role,
    g.version,
    g.created_at,
    g.updated_at,
    g.created_by,
    g.updated_by,
    NULL::uuid AS parent_id,
    (p.deleted_at IS NOT NULL) AS hidden,
    NULL::timestamp with time zone AS deleted_at
   FROM (public.team_grants g
     JOIN public.projects p ON ((p.id = g.project_id)));

CREATE TABLE public.templates (
    template_id uuid NOT NULL,
    package_id uuid NOT NULL,
    owner_id uuid NOT NULL,
    project_id uuid NOT NULL,
    shared boolean NOT NULL,
    name text NOT NULL,
    description text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT templates_description_check CHECK ((length(description) <= 2000)),
    CONSTRAINT templates_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200)))
);

CREATE TABLE public.tombstones (
    aggregate_id uuid NOT NULL,
    purge_id uuid NOT NULL,
    project_id uuid NOT NULL,
    kind text NOT NULL,
    depth integer NOT NULL,
    buried_at timestamp with time zone,
    erased_at timestamp with time zone,
    CONSTRAINT tombstones_check CHECK (((erased_at IS NULL) OR (buried_at IS NOT NULL)))
);

CREATE TABLE public.verifier_mark (
    single boolean DEFAULT true NOT NULL,
    project_id uuid,
    aggregate_id uuid,
    began_at timestamp with time zone DEFAULT now() NOT NULL,
    whole_at timestamp with time zone,
    CONSTRAINT verifier_mark_single_check CHECK (single)
);

CREATE TABLE public.withheld_facts (
    event_id uuid NOT NULL,
    aggregate_id uuid NOT NULL,
    released_at timestamp with time zone
);

CREATE TABLE public.workspace_jobs (
    job_id uuid NOT NULL,
    user_id uuid NOT NULL,
    kind public.workspace_job_kind NOT NULL,
    project_id uuid,
    package_id uuid NOT NULL,
    target_id uuid NOT NULL,
    details jsonb NOT NULL,
    status public.workspace_job_status DEFAULT 'running'::public.workspace_job_status NOT NULL,
    step public.workspace_job_step DEFAULT 'waiting'::public.workspace_job_step NOT NULL,
    done integer DEFAULT 0 NOT NULL,
    total integer DEFAULT 0 NOT NULL,
    written integer DEFAULT 0 NOT NULL,
    tries integer DEFAULT 0 NOT NULL,
    due_at timestamp with time zone DEFAULT now() NOT NULL,
    error jsonb,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    missing_files integer DEFAULT 0 NOT NULL,
    CONSTRAINT workspace_jobs_check CHECK (((status = 'failed'::public.workspace_job_status) = (error IS NOT NULL))),
    CONSTRAINT workspace_jobs_details_check CHECK ((jsonb_typeof(details) = 'object'::text)),
    CONSTRAINT workspace_jobs_done_check CHECK ((done >= 0)),
    CONSTRAINT workspace_jobs_missing_files_check CHECK ((missing_files >= 0)),
    CONSTRAINT workspace_jobs_total_check CHECK ((total >= 0)),
    CONSTRAINT workspace_jobs_tries_check CHECK ((tries >= 0)),
    CONSTRAINT workspace_jobs_written_check CHECK ((written >= 0))
);

ALTER TABLE ONLY public.events ATTACH PARTITION public.events_default DEFAULT;

ALTER TABLE ONLY public.aggregates
    ADD CONSTRAINT aggregates_pkey PRIMARY KEY (aggregate_id);

ALTER TABLE ONLY public.appearances
    ADD CONSTRAINT appearances_exists UNIQUE (scene_id, entity_id);

ALTER TABLE ONLY public.appearances
    ADD CONSTRAINT appearances_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.appearances
    ADD CONSTRAINT appearances_project_id_id_key UNIQUE (project_id, id);

ALTER TABLE ONLY public.beginnings
    ADD CONSTRAINT beginnings_pkey PRIMARY KEY (aggregate_id);

ALTER TABLE ONLY public.books
    ADD CONSTRAINT books_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.books
    ADD CONSTRAINT books_project_id_id_key UNIQUE (project_id, id);

ALTER TABLE ONLY public.books
    ADD CONSTRAINT books_project_id_rank_key UNIQUE (project_id, rank);

ALTER TABLE ONLY public.bundles
    ADD CONSTRAINT bundles_pkey PRIMARY KEY (bundle_id);

ALTER TABLE ONLY public.canon_facts
    ADD CONSTRAINT canon_facts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.canon_facts
    ADD CONSTRAINT canon_facts_project_id_id_key UNIQUE (project_id, id);

ALTER TABLE ONLY public.chapters
    ADD CONSTRAINT chapters_book_id_rank_key UNIQUE (book_id, rank);

ALTER TABLE ONLY public.chapters
    ADD CONSTRAINT chapters_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.chapters
    ADD CONSTRAINT chapters_project_id_id_key UNIQUE (project_id, id);

ALTER TABLE ONLY public.commands
    ADD CONSTRAINT commands_pkey PRIMARY KEY (command_id);

ALTER TABLE ONLY public.context_rules
    ADD CONSTRAINT context_rules_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.context_rules
    ADD CONSTRAINT context_rules_project_id_id_key UNIQUE (project_id, id);

ALTER TABLE ONLY public.editor_definitions
    ADD CONSTRAINT editor_definitions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.editor_definitions
    ADD CONSTRAINT editor_definitions_project_id_id_key UNIQUE (project_id, id);

ALTER TABLE ONLY public.entities
    ADD CONSTRAINT entities_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.entities
    ADD CONSTRAINT entities_project_id_id_key UNIQUE (project_id, id);

ALTER TABLE ONLY public.entities
    ADD CONSTRAINT entities_project_id_id_type_key UNIQUE (project_id, id, type);

ALTER TABLE ONLY public.entities
    ADD CONSTRAINT entities_slug_taken UNIQUE (project_id, slug);

ALTER TABLE ONLY public.event_archive
    ADD CONSTRAINT event_archive_pkey PRIMARY KEY (chunk_id);

ALTER TABLE ONLY public.event_hours
    ADD CONSTRAINT event_hours_pkey PRIMARY KEY (project_id, hour, event_type);

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_aggregate_id_version_timestamp_key UNIQUE (aggregate_id, version, "timestamp");

ALTER TABLE ONLY public.events_default
    ADD CONSTRAINT events_default_aggregate_id_version_timestamp_key UNIQUE (aggregate_id, version, "timestamp");

ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (id, "timestamp");

ALTER TABLE ONLY public.events_default
    ADD CONSTRAINT events_default_pkey PRIMARY KEY (id, "timestamp");

ALTER TABLE ONLY public.file_claims
    ADD CONSTRAINT file_claims_pkey PRIMARY KEY (claim_id);

ALTER TABLE ONLY public.horizons
    ADD CONSTRAINT horizons_pkey PRIMARY KEY (project_id);

ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_bundle_id_key UNIQUE (bundle_id);

ALTER TABLE ONLY public.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (project_id, job_id);

ALTER TABLE ONLY public.libraries
    ADD CONSTRAINT libraries_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY public.libraries
    ADD CONSTRAINT libraries_project_id_key UNIQUE (project_id);

ALTER TABLE ONLY public.members
    ADD CONSTRAINT members_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.members
    ADD CONSTRAINT members_project_id_user_id_key UNIQUE (project_id, user_id);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_event_id_key UNIQUE (event_id);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (seq);

ALTER TABLE ONLY public.package_conversations
    ADD CONSTRAINT package_conversations_pkey PRIMARY KEY (package_id, number, page);

ALTER TABLE ONLY public.package_files
    ADD CONSTRAINT package_files_pkey PRIMARY KEY (package_id, number);

ALTER TABLE ONLY public.package_pages
    ADD CONSTRAINT package_pages_pkey PRIMARY KEY (package_id, page);

ALTER TABLE ONLY public.package_texts
    ADD CONSTRAINT package_texts_pkey PRIMARY KEY (package_id, number);

ALTER TABLE ONLY public.packages
    ADD CONSTRAINT packages_pkey PRIMARY KEY (package_id);

ALTER TABLE ONLY public.personas
    ADD CONSTRAINT personas_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.personas
    ADD CONSTRAINT personas_project_id_id_key UNIQUE (project_id, id);

ALTER TABLE ONLY public.projects
    ADD CONSTRAINT projects_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.projects
    ADD CONSTRAINT projects_slug_taken UNIQUE (slug);

ALTER TABLE ONLY public.prompt_presets
    ADD CONSTRAINT prompt_presets_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.prompt_presets
    ADD CONSTRAINT prompt_presets_project_id_id_key UNIQUE (project_id, id);

ALTER TABLE ONLY public.purges
    ADD CONSTRAINT purges_pkey PRIMARY KEY (purge_id);

ALTER TABLE ONLY public.purges
    ADD CONSTRAINT purges_target_id_key UNIQUE (target_id);

ALTER TABLE ONLY public.quarantine_decisions
    ADD CONSTRAINT quarantine_decisions_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.quarantined_events
    ADD CONSTRAINT quarantined_events_pkey PRIMARY KEY (aggregate_id, version);

ALTER TABLE ONLY public.refill
    ADD CONSTRAINT refill_pkey PRIMARY KEY ("position");

ALTER TABLE ONLY public.relations
    ADD CONSTRAINT relations_exists UNIQUE (source_entity_id, target_entity_id, type);

ALTER TABLE ONLY public.relations
    ADD CONSTRAINT relations_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.relations
    ADD CONSTRAINT relations_project_id_id_key UNIQUE (project_id, id);

ALTER TABLE ONLY public.released_places
    ADD CONSTRAINT released_places_pkey PRIMARY KEY (place);

ALTER TABLE ONLY public.scenes
    ADD CONSTRAINT scenes_chapter_id_rank_key UNIQUE (chapter_id, rank);

ALTER TABLE ONLY public.scenes
    ADD CONSTRAINT scenes_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.scenes
    ADD CONSTRAINT scenes_project_id_id_key UNIQUE (project_id, id);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (number);

ALTER TABLE ONLY public.staged
    ADD CONSTRAINT staged_pkey PRIMARY KEY (project_id, job_id, part);

ALTER TABLE ONLY public.story_details
    ADD CONSTRAINT story_details_pkey PRIMARY KEY (entity_id);

ALTER TABLE ONLY public.style_guides
    ADD CONSTRAINT style_guides_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.style_guides
    ADD CONSTRAINT style_guides_project_id_id_key UNIQUE (project_id, id);

ALTER TABLE ONLY public.sync_checkpoints
    ADD CONSTRAINT sync_checkpoints_pkey PRIMARY KEY (project_id, session_id, checkpoint);

ALTER TABLE ONLY public.sync_conflicts
    ADD CONSTRAINT sync_conflicts_pkey PRIMARY KEY (conflict_id);

ALTER TABLE ONLY public.sync_operations
    ADD CONSTRAINT sync_operations_pkey PRIMARY KEY (operation_id);

ALTER TABLE ONLY public.sync_positions
    ADD CONSTRAINT sync_positions_pkey PRIMARY KEY ("position");

ALTER TABLE ONLY public.sync_sessions
    ADD CONSTRAINT sync_sessions_pkey PRIMARY KEY (project_id, session_id);

ALTER TABLE ONLY public.taggings
    ADD CONSTRAINT taggings_exists UNIQUE (entity_id, tag_id);

ALTER TABLE ONLY public.taggings
    ADD CONSTRAINT taggings_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.taggings
    ADD CONSTRAINT taggings_project_id_id_key UNIQUE (project_id, id);

ALTER TABLE ONLY public.tags
    ADD CONSTRAINT tags_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.tags
    ADD CONSTRAINT tags_project_id_id_key UNIQUE (project_id, id);

ALTER TABLE ONLY public.task_details
    ADD CONSTRAINT task_details_pkey PRIMARY KEY (entity_id);

ALTER TABLE ONLY public.team_grants
    ADD CONSTRAINT team_grants_exists UNIQUE (project_id, team_id);

ALTER TABLE ONLY public.team_grants
    ADD CONSTRAINT team_grants_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.templates
    ADD CONSTRAINT templates_package_id_key UNIQUE (package_id);

ALTER TABLE ONLY public.templates
    ADD CONSTRAINT templates_pkey PRIMARY KEY (template_id);

ALTER TABLE ONLY public.tombstones
    ADD CONSTRAINT tombstones_pkey PRIMARY KEY (aggregate_id);

ALTER TABLE ONLY public.verifier_mark
    ADD CONSTRAINT verifier_mark_pkey PRIMARY KEY (single);

ALTER TABLE ONLY public.withheld_facts
    ADD CONSTRAINT withheld_facts_pkey PRIMARY KEY (event_id);

ALTER TABLE ONLY public.word_counts
    ADD CONSTRAINT word_counts_pkey PRIMARY KEY (scene_id);

ALTER TABLE ONLY public.workspace_jobs
    ADD CONSTRAINT workspace_jobs_pkey PRIMARY KEY (job_id);

CREATE INDEX aggregates_by_project ON public.aggregates USING btree (project_id, aggregate_id);

CREATE INDEX appearances_by_entity ON public.appearances USING btree (project_id, entity_id, role);

CREATE INDEX appearances_by_scene ON public.appearances USING btree (project_id, scene_id);

CREATE INDEX beginnings_by_project ON public.beginnings USING btree (project_id, aggregate_id);

CREATE INDEX books_deleted ON public.books USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);

CREATE INDEX bundles_by_project ON public.bundles USING btree (project_id, created_at, bundle_id);

CREATE INDEX bundles_by_reversed ON public.bundles USING btree (reverses) WHERE (reverses IS NOT NULL);

CREATE INDEX bundles_by_user ON public.bundles USING btree (project_id, user_id, created_at, bundle_id);

CREATE INDEX canon_facts_by_entity ON public.canon_facts USING btree (project_id, entity_id, reveal_state);

CREATE INDEX canon_facts_by_provenance ON public.canon_facts USING btree (provenance_scene_id);

CREATE INDEX canon_facts_by_reveal ON public.canon_facts USING btree (project_id, reveal_state, reveal_scene_id);

CREATE INDEX canon_facts_by_reveal_scene ON public.canon_facts USING btree (reveal_scene_id);

CREATE INDEX canon_facts_deleted ON public.canon_facts USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);

CREATE INDEX chapters_by_book ON public.chapters USING btree (project_id, book_id);

CREATE INDEX chapters_deleted ON public.chapters USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);

CREATE INDEX commands_by_age ON public.commands USING btree (created_at);

CREATE INDEX context_rules_by_project ON public.context_rules USING btree (project_id, created_at, id);

CREATE INDEX context_rules_by_style_guide ON public.context_rules USING btree (style_guide_id);

CREATE INDEX context_rules_deleted ON public.context_rules USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);

CREATE INDEX editor_definitions_by_name ON public.editor_definitions USING btree (project_id, name);

CREATE INDEX editor_definitions_by_project ON public.editor_definitions USING btree (project_id, created_at, id);

CREATE INDEX editor_definitions_deleted ON public.editor_definitions USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);

CREATE UNIQUE INDEX editor_definitions_name_exists ON public.editor_definitions USING btree (project_id, public.name_key(name)) WHERE (deleted_at IS NULL);

CREATE INDEX entities_by_creation ON public.entities USING btree (project_id, created_at, id);

CREATE INDEX entities_by_file ON public.entities USING btree (project_id, file_checksum) WHERE (file_checksum IS NOT NULL);

CREATE INDEX entities_by_name ON public.entities USING btree (project_id, lower(name) COLLATE "C", id);

CREATE INDEX entities_by_name_key ON public.entities USING btree (project_id, public.name_key(name) COLLATE "C", id);

CREATE INDEX entities_by_type ON public.entities USING btree (project_id, type);

CREATE INDEX entities_deleted ON public.entities USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);

CREATE INDEX entities_with_file ON public.entities USING btree (project_id, id) WHERE (file_checksum IS NOT NULL);

CREATE INDEX event_archive_by_aggregate ON public.event_archive USING gin (aggregates);

CREATE INDEX event_archive_by_project ON public.event_archive USING btree (project_id, to_at);

CREATE INDEX events_by_bundle ON ONLY public.events USING btree (bundle_id);

CREATE INDEX events_by_person ON ONLY public.events USING btree (project_id, user_id, "timestamp");

CREATE INDEX events_by_project ON ONLY public.events USING btree (project_id, "timestamp");

CREATE INDEX events_by_type ON ONLY public.events USING btree (project_id, event_type, "timestamp");

CREATE INDEX events_default_bundle_id_idx ON public.events_default USING btree (bundle_id);

CREATE INDEX events_default_project_id_event_type_timestamp_idx ON public.events_default USING btree (project_id, event_type, "timestamp");

CREATE INDEX events_default_project_id_timestamp_idx ON public.events_default USING btree (project_id, "timestamp");

CREATE INDEX events_default_project_id_user_id_timestamp_idx ON public.events_default USING btree (project_id, user_id, "timestamp");

CREATE INDEX file_claims_by_project ON public.file_claims USING btree (project_id);

CREATE INDEX file_claims_refused ON public.file_claims USING btree (at) WHERE (outcome = 'refused'::public.claim_outcome);

CREATE INDEX jobs_by_age ON public.jobs USING btree (status, updated_at);

CREATE INDEX members_by_user ON public.members USING btree (user_id, project_id);

CREATE UNIQUE INDEX outbox_placed ON public.outbox USING btree ("position") WHERE ("position" IS NOT NULL);

CREATE INDEX outbox_published ON public.outbox USING btree (published_at) WHERE (published_at IS NOT NULL);

CREATE INDEX outbox_to_announce ON public.outbox USING btree ("position") WHERE ((published_at IS NULL) AND ("position" IS NOT NULL));

CREATE INDEX outbox_unplaced ON public.outbox USING btree (seq) WHERE ("position" IS NULL);

CREATE INDEX package_files_by_bytes ON public.package_files USING btree (package_id, sha256);

CREATE INDEX packages_by_age ON public.packages USING btree (created_at);

CREATE INDEX packages_by_owner ON public.packages USING btree (owner_id);

CREATE INDEX personas_by_project ON public.personas USING btree (project_id, created_at, id);

CREATE INDEX personas_deleted ON public.personas USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);

CREATE INDEX projects_deleted ON public.projects USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);

CREATE INDEX prompt_presets_by_context_rule ON public.prompt_presets USING btree (context_rule_id);

CREATE INDEX prompt_presets_by_persona ON public.prompt_presets USING btree (persona_id);

CREATE INDEX prompt_presets_by_project ON public.prompt_presets USING btree (project_id, created_at, id);

CREATE INDEX prompt_presets_deleted ON public.prompt_presets USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);

CREATE INDEX purges_by_person ON public.purges USING btree (requested_by, requested_at);

CREATE INDEX purges_open ON public.purges USING btree (requested_at, purge_id) WHERE (state <> ALL (ARRAY['done'::public.purge_state, 'failed'::public.purge_state]));

CREATE INDEX quarantined_open ON public.quarantined_events USING btree (found_at) WHERE (state = 'open'::public.quarantine_state);

CREATE INDEX relations_by_source ON public.relations USING btree (project_id, source_entity_id, type);

CREATE INDEX relations_by_target ON public.relations USING btree (project_id, target_entity_id, type);

CREATE INDEX scenes_by_chapter ON public.scenes USING btree (project_id, chapter_id);

CREATE INDEX scenes_deleted ON public.scenes USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);

CREATE INDEX style_guides_by_project ON public.style_guides USING btree (project_id, created_at, id);

CREATE INDEX style_guides_deleted ON public.style_guides USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);

CREATE INDEX sync_checkpoints_by_age ON public.sync_checkpoints USING btree (created_at);

CREATE INDEX sync_conflicts_by_project ON public.sync_conflicts USING btree (project_id, conflict_id);

CREATE INDEX sync_conflicts_open ON public.sync_conflicts USING btree (project_id, conflict_id) WHERE (resolved_at IS NULL);

CREATE INDEX sync_positions_by_project ON public.sync_positions USING btree (project_id, "position");

CREATE INDEX taggings_by_entity ON public.taggings USING btree (project_id, entity_id);

CREATE INDEX taggings_by_tag ON public.taggings USING btree (project_id, tag_id);

CREATE INDEX tags_by_name ON public.tags USING btree (project_id, lower(name) COLLATE "C", id);

CREATE INDEX tags_by_name_key ON public.tags USING btree (project_id, public.name_key(name) COLLATE "C", id);

CREATE INDEX tags_deleted ON public.tags USING btree (deleted_at) WHERE (deleted_at IS NOT NULL);

CREATE UNIQUE INDEX tags_name_exists ON public.tags USING btree (project_id, lower(name)) WHERE (deleted_at IS NULL);

CREATE UNIQUE INDEX tags_named_exists ON public.tags USING btree (project_id, public.name_key(name)) WHERE (deleted_at IS NULL);

CREATE INDEX task_details_by_assignee ON public.task_details USING btree (project_id, assignee_id, status);

CREATE INDEX task_details_by_due_date ON public.task_details USING btree (project_id, due_date);

CREATE INDEX team_grants_by_team ON public.team_grants USING btree (team_id, project_id);

CREATE INDEX templates_by_owner ON public.templates USING btree (owner_id, template_id);

CREATE INDEX templates_by_project ON public.templates USING btree (project_id, template_id) WHERE shared;

CREATE INDEX tombstones_to_bury ON public.tombstones USING btree (purge_id, depth, aggregate_id) WHERE (buried_at IS NULL);

CREATE INDEX tombstones_to_erase ON public.tombstones USING btree (purge_id, aggregate_id) WHERE ((buried_at IS NOT NULL) AND (erased_at IS NULL));

CREATE INDEX withheld_by_aggregate ON public.withheld_facts USING btree (aggregate_id) WHERE (released_at IS NULL);

CREATE INDEX workspace_jobs_by_age ON public.workspace_jobs USING btree (updated_at) WHERE (status <> 'running'::public.workspace_job_status);

CREATE INDEX workspace_jobs_by_user ON public.workspace_jobs USING btree (user_id) WHERE (status = 'running'::public.workspace_job_status);

CREATE INDEX workspace_jobs_due ON public.workspace_jobs USING btree (due_at) WHERE (status = 'running'::public.workspace_job_status);

ALTER INDEX public.events_aggregate_id_version_timestamp_key ATTACH PARTITION public.events_default_aggregate_id_version_timestamp_key;

ALTER INDEX public.events_by_bundle ATTACH PARTITION public.events_default_bundle_id_idx;

ALTER INDEX public.events_pkey ATTACH PARTITION public.events_default_pkey;

ALTER INDEX public.events_by_type ATTACH PARTITION public.events_default_project_id_event_type_timestamp_idx;

ALTER INDEX public.events_by_project ATTACH PARTITION public.events_default_project_id_timestamp_idx;

ALTER INDEX public.events_by_person ATTACH PARTITION public.events_default_project_id_user_id_timestamp_idx;

CREATE TRIGGER keep_positions AFTER UPDATE ON public.outbox REFERENCING OLD TABLE AS was NEW TABLE AS now_is FOR EACH STATEMENT EXECUTE FUNCTION public.keep_positions();

CREATE TRIGGER package_files_released AFTER DELETE ON public.package_files FOR EACH ROW WHEN ((old.place = old.package_id)) EXECUTE FUNCTION public.release_package();

CREATE TRIGGER relations_contains_cycle AFTER INSERT OR UPDATE OF source_entity_id, target_entity_id, type ON public.relations FOR EACH ROW WHEN ((new.type = 'contains'::public.relation_type)) EXECUTE FUNCTION public.refuse_contains_cycle();

ALTER TABLE ONLY public.appearances
    ADD CONSTRAINT appearances_project_id_entity_id_fkey FOREIGN KEY (project_id, entity_id) REFERENCES public.entities(project_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.appearances
    ADD CONSTRAINT appearances_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.appearances
    ADD CONSTRAINT appearances_project_id_scene_id_fkey FOREIGN KEY (project_id, scene_id) REFERENCES public.scenes(project_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.books
    ADD CONSTRAINT books_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.canon_facts
    ADD CONSTRAINT canon_facts_project_id_entity_id_fkey FOREIGN KEY (project_id, entity_id) REFERENCES public.entities(project_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.canon_facts
    ADD CONSTRAINT canon_facts_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.canon_facts
    ADD CONSTRAINT canon_facts_project_id_provenance_scene_id_fkey FOREIGN KEY (project_id, provenance_scene_id) REFERENCES public.scenes(project_id, id) ON DELETE SET NULL (provenance_scene_id);

ALTER TABLE ONLY public.canon_facts
    ADD CONSTRAINT canon_facts_project_id_reveal_scene_id_fkey FOREIGN KEY (project_id, reveal_scene_id) REFERENCES public.scenes(project_id, id) ON DELETE SET NULL (reveal_scene_id);

ALTER TABLE ONLY public.chapters
    ADD CONSTRAINT chapters_project_id_book_id_fkey FOREIGN KEY (project_id, book_id) REFERENCES public.books(project_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.chapters
    ADD CONSTRAINT chapters_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.context_rules
    ADD CONSTRAINT context_rules_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.context_rules
    ADD CONSTRAINT context_rules_project_id_style_guide_id_fkey FOREIGN KEY (project_id, style_guide_id) REFERENCES public.style_guides(project_id, id) ON DELETE SET NULL (style_guide_id);

ALTER TABLE ONLY public.editor_definitions
    ADD CONSTRAINT editor_definitions_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.entities
    ADD CONSTRAINT entities_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.members
    ADD CONSTRAINT members_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.package_conversations
    ADD CONSTRAINT package_conversations_package_id_fkey FOREIGN KEY (package_id) REFERENCES public.packages(package_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.package_files
    ADD CONSTRAINT package_files_package_id_fkey FOREIGN KEY (package_id) REFERENCES public.packages(package_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.package_pages
    ADD CONSTRAINT package_pages_package_id_fkey FOREIGN KEY (package_id) REFERENCES public.packages(package_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.package_texts
    ADD CONSTRAINT package_texts_package_id_fkey FOREIGN KEY (package_id) REFERENCES public.packages(package_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.personas
    ADD CONSTRAINT personas_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.prompt_presets
    ADD CONSTRAINT prompt_presets_project_id_context_rule_id_fkey FOREIGN KEY (project_id, context_rule_id) REFERENCES public.context_rules(project_id, id) ON DELETE SET NULL (context_rule_id);

ALTER TABLE ONLY public.prompt_presets
    ADD CONSTRAINT prompt_presets_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.prompt_presets
    ADD CONSTRAINT prompt_presets_project_id_persona_id_fkey FOREIGN KEY (project_id, persona_id) REFERENCES public.personas(project_id, id) ON DELETE SET NULL (persona_id);

ALTER TABLE ONLY public.relations
    ADD CONSTRAINT relations_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.relations
    ADD CONSTRAINT relations_project_id_source_entity_id_fkey FOREIGN KEY (project_id, source_entity_id) REFERENCES public.entities(project_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.relations
    ADD CONSTRAINT relations_project_id_target_entity_id_fkey FOREIGN KEY (project_id, target_entity_id) REFERENCES public.entities(project_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.scenes
    ADD CONSTRAINT scenes_project_id_chapter_id_fkey FOREIGN KEY (project_id, chapter_id) REFERENCES public.chapters(project_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.scenes
    ADD CONSTRAINT scenes_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.staged
    ADD CONSTRAINT staged_project_id_job_id_fkey FOREIGN KEY (project_id, job_id) REFERENCES public.jobs(project_id, job_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.story_details
    ADD CONSTRAINT story_details_project_id_entity_id_entity_type_fkey FOREIGN KEY (project_id, entity_id, entity_type) REFERENCES public.entities(project_id, id, type) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.style_guides
    ADD CONSTRAINT style_guides_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.sync_checkpoints
    ADD CONSTRAINT sync_checkpoints_project_id_session_id_fkey FOREIGN KEY (project_id, session_id) REFERENCES public.sync_sessions(project_id, session_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.taggings
    ADD CONSTRAINT taggings_project_id_entity_id_fkey FOREIGN KEY (project_id, entity_id) REFERENCES public.entities(project_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.taggings
    ADD CONSTRAINT taggings_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.taggings
    ADD CONSTRAINT taggings_project_id_tag_id_fkey FOREIGN KEY (project_id, tag_id) REFERENCES public.tags(project_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY public.tags
    ADD CONSTRAINT tags_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.task_details
    ADD CONSTRAINT task_details_project_id_entity_id_entity_type_fkey FOREIGN KEY (project_id, entity_id, entity_type) REFERENCES public.entities(project_id, id, type) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.team_grants
    ADD CONSTRAINT team_grants_project_id_fkey FOREIGN KEY (project_id) REFERENCES public.projects(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.templates
    ADD CONSTRAINT templates_package_id_fkey FOREIGN KEY (package_id) REFERENCES public.packages(package_id);

ALTER TABLE ONLY public.tombstones
    ADD CONSTRAINT tombstones_purge_id_fkey FOREIGN KEY (purge_id) REFERENCES public.purges(purge_id);

REVOKE USAGE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO events;

REVOKE ALL ON FUNCTION public.archive_events(older_than timestamp with time zone, chunk_events integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.archive_events(older_than timestamp with time zone, chunk_events integer) TO events;

REVOKE ALL ON FUNCTION public.bury_row(projection text, buried uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.bury_row(projection text, buried uuid) TO events;

REVOKE ALL ON FUNCTION public.drop_archived_partitions(older_than timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION public.drop_archived_partitions(older_than timestamp with time zone) TO events;

REVOKE ALL ON FUNCTION public.ensure_event_partitions(months_ahead integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.ensure_event_partitions(months_ahead integer) TO events;

REVOKE ALL ON FUNCTION public.erase_purged(purge uuid, aggregates_max integer, OUT erased integer, OUT removed bigint, OUT waiting boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION public.erase_purged(purge uuid, aggregates_max integer, OUT erased integer, OUT removed bigint, OUT waiting boolean) TO events;

GRANT SELECT ON TABLE public.event_archive TO events;

GRANT SELECT,INSERT ON TABLE public.events TO events;

GRANT SELECT ON TABLE public.event_log TO events;

REVOKE ALL ON FUNCTION public.forget_events(project uuid, older_than timestamp with time zone, owners uuid[], upto bigint[], sums text[], rows_left jsonb[]) FROM PUBLIC;
GRANT ALL ON FUNCTION public.forget_events(project uuid, older_than timestamp with time zone, owners uuid[], upto bigint[], sums text[], rows_left jsonb[]) TO events;

REVOKE ALL ON FUNCTION public.forget_project(purge uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.forget_project(purge uuid) TO events;

REVOKE ALL ON FUNCTION public.take_out(project uuid, owners uuid[], doomed uuid[], bundles_of uuid[]) FROM PUBLIC;

GRANT SELECT,INSERT,UPDATE ON TABLE public.aggregates TO events;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.appearances TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.books TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.chapters TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.entities TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.projects TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.scenes TO events;

GRANT SELECT ON TABLE public.appearances_read TO events;

GRANT SELECT ON TABLE public.beginnings TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.word_counts TO events;

GRANT SELECT ON TABLE public.books_read TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.bundles TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.canon_facts TO events;

GRANT SELECT ON TABLE public.canon_facts_read TO events;

GRANT SELECT ON TABLE public.chapters_read TO events;

GRANT SELECT,INSERT,DELETE ON TABLE public.commands TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.context_rules TO events;

GRANT SELECT ON TABLE public.context_rules_read TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.editor_definitions TO events;

GRANT SELECT ON TABLE public.editor_definitions_read TO events;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.story_details TO events;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.task_details TO events;

GRANT SELECT ON TABLE public.entities_read TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.event_hours TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.event_hours_mark TO events;

GRANT SELECT ON TABLE public.events_default TO events;

GRANT SELECT,INSERT,DELETE ON TABLE public.file_claims TO events;

GRANT SELECT ON TABLE public.horizons TO events;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.jobs TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.libraries TO events;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.members TO events;

GRANT SELECT ON TABLE public.members_read TO events;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.outbox TO events;

GRANT SELECT,INSERT,DELETE ON TABLE public.package_conversations TO events;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.package_files TO events;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.package_pages TO events;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.package_texts TO events;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.packages TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.personas TO events;

GRANT SELECT ON TABLE public.personas_read TO events;

GRANT SELECT ON TABLE public.projects_read TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.prompt_presets TO events;

GRANT SELECT ON TABLE public.prompt_presets_read TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.purges TO events;

GRANT SELECT,INSERT ON TABLE public.quarantine_decisions TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.quarantined_events TO events;

GRANT SELECT,INSERT,DELETE ON TABLE public.refill TO events;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.relations TO events;

GRANT SELECT ON TABLE public.relations_read TO events;

GRANT SELECT,INSERT,DELETE ON TABLE public.released_places TO events;

GRANT SELECT ON TABLE public.scenes_read TO events;

GRANT SELECT ON TABLE public.scenes_in_order TO events;

GRANT SELECT ON TABLE public.schema_migrations TO events;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.staged TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.style_guides TO events;

GRANT SELECT ON TABLE public.style_guides_read TO events;

GRANT SELECT,INSERT,DELETE ON TABLE public.sync_checkpoints TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.sync_conflicts TO events;

GRANT SELECT,INSERT ON TABLE public.sync_operations TO events;

GRANT SELECT,INSERT ON TABLE public.sync_positions TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.sync_sessions TO events;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.taggings TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.tags TO events;

GRANT SELECT ON TABLE public.taggings_read TO events;

GRANT SELECT ON TABLE public.tags_read TO events;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.team_grants TO events;

GRANT SELECT ON TABLE public.team_grants_read TO events;

GRANT SELECT,INSERT,DELETE ON TABLE public.templates TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.tombstones TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.verifier_mark TO events;

GRANT SELECT,INSERT,UPDATE ON TABLE public.withheld_facts TO events;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.workspace_jobs TO events;
