-- The log in the long run: old events compressed in chunks, events counted by the hour; and its integrity: what was found corrupt, and what a person decided about it.

-- The archive ----------------------------------------------------------------------------------
-- One row holds up to a thousand events of one project, a column of theirs in an array each, so
-- that like lies beside like and the server's own compression has something to find. Read it
-- through `event_log`, which shows hot and archived events alike.
CREATE TABLE event_archive (
    chunk_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project_id uuid NOT NULL,
    events integer NOT NULL CHECK (events > 0),
    from_at timestamptz NOT NULL,
    to_at timestamptz NOT NULL CHECK (to_at >= from_at),
    aggregates uuid[] NOT NULL,
    ids uuid[] NOT NULL,
    aggregate_ids uuid[] NOT NULL,
    aggregate_types text[] NOT NULL,
    event_types text[] NOT NULL,
    user_ids uuid[] NOT NULL,
    data jsonb[] NOT NULL,
    metadata jsonb[] NOT NULL,
    timestamps timestamptz[] NOT NULL,
    versions integer[] NOT NULL,
    causation_ids uuid[] NOT NULL,
    correlation_ids text[] NOT NULL,
    sources event_source[] NOT NULL,
    bundle_ids uuid[] NOT NULL,
    checksums bytea[] NOT NULL
);
CREATE INDEX event_archive_by_project ON event_archive (project_id, to_at);
CREATE INDEX event_archive_by_aggregate ON event_archive USING gin (aggregates);

-- The events of a chunk, as rows.
CREATE FUNCTION unpacked(a event_archive) RETURNS TABLE (
    id uuid, aggregate_id uuid, aggregate_type text, event_type text, project_id uuid,
    user_id uuid, data jsonb, metadata jsonb, "timestamp" timestamptz, version bigint,
    causation_id uuid, correlation_id text, source event_source, bundle_id uuid, checksum text)
LANGUAGE sql IMMUTABLE AS $$
    SELECT u.id, u.aggregate_id, u.aggregate_type, u.event_type, a.project_id, u.user_id, u.data,
        u.metadata, u.at, u.version::bigint, u.causation_id, u.correlation_id, u.source,
        u.bundle_id, encode(u.checksum, 'hex')
    FROM unnest(a.ids, a.aggregate_ids, a.aggregate_types, a.event_types, a.user_ids, a.data,
        a.metadata, a.timestamps, a.versions, a.causation_ids, a.correlation_ids, a.sources,
        a.bundle_ids, a.checksums)
        AS u (id, aggregate_id, aggregate_type, event_type, user_id, data, metadata, at, version,
            causation_id, correlation_id, source, bundle_id, checksum)
$$;

CREATE VIEW event_log AS
SELECT id, aggregate_id, aggregate_type, event_type, project_id, user_id, data, metadata,
    "timestamp", version, causation_id, correlation_id, source, bundle_id, checksum
FROM events
UNION ALL
SELECT u.id, u.aggregate_id, u.aggregate_type, u.event_type, a.project_id, u.user_id, u.data,
    u.metadata, u."timestamp", u.version, u.causation_id, u.correlation_id, u.source, u.bundle_id,
    u.checksum
FROM event_archive a, unpacked(a) u;

-- The events of some aggregates, wherever they lie.
CREATE FUNCTION events_of(wanted uuid[]) RETURNS SETOF event_log
LANGUAGE sql STABLE AS $$
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

-- Moves the oldest events of one project into one chunk, with the small chunk it had last, and
-- returns how many were moved; 0 when nothing is due. Runs as the owner, because the run-time role
-- may not delete events: it cannot lose one, for what it takes away it must find in the chunk.
CREATE FUNCTION archive_events(older_than timestamptz, chunk_events integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
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
REVOKE ALL ON FUNCTION archive_events(timestamptz, integer) FROM PUBLIC;

-- Gives back the space of months that are archived whole; returns how many. Waits for nobody: a
-- partition that is in use goes another time.
CREATE FUNCTION drop_archived_partitions(older_than timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
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
END $$;
REVOKE ALL ON FUNCTION drop_archived_partitions(timestamptz) FROM PUBLIC;

-- Retention: the log of projects that were purged goes when its last event is that old; returns
-- how many projects went. The log of a project that is there is never cut: its rows are its fold.
CREATE FUNCTION forget_purged(older_than timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    gone uuid[];
BEGIN
    IF older_than > now() - interval '1 day' THEN
        RAISE EXCEPTION 'what was purged today is not forgotten';
    END IF;
    SELECT array_agg(project_id) INTO gone FROM (
        SELECT DISTINCT project_id FROM aggregates a
        WHERE NOT EXISTS (SELECT FROM projects p WHERE p.id = a.project_id) LIMIT 100) purged
    WHERE NOT EXISTS (
            SELECT FROM events e WHERE e.project_id = purged.project_id
                AND e."timestamp" >= older_than)
        AND NOT EXISTS (
            SELECT FROM event_archive e WHERE e.project_id = purged.project_id
                AND e.to_at >= older_than);
    DELETE FROM events WHERE project_id = ANY (gone);
    DELETE FROM event_archive WHERE project_id = ANY (gone);
    DELETE FROM aggregates WHERE project_id = ANY (gone);
    RETURN coalesce(cardinality(gone), 0);
END $$;
REVOKE ALL ON FUNCTION forget_purged(timestamptz) FROM PUBLIC;

-- Reading the whole log in the order of projects keeps to a few chunks at a time.
CREATE INDEX aggregates_by_project ON aggregates (project_id, aggregate_id);

-- Events by the hour ------------------------------------------------------------------------------
-- Counted from the outbox behind a mark in the commit order, so that writers never meet here and
-- a late commit is counted late, once.
CREATE TABLE event_hours (
    project_id uuid NOT NULL,
    aggregate_type text NOT NULL,
    event_type text NOT NULL,
    hour timestamptz NOT NULL,
    count bigint NOT NULL CHECK (count > 0),
    PRIMARY KEY (project_id, hour, event_type)
);
CREATE TABLE event_hours_mark ("position" bigint NOT NULL);

INSERT INTO event_hours (project_id, aggregate_type, event_type, hour, count)
SELECT project_id, aggregate_type, event_type, date_trunc('hour', "timestamp", 'UTC'), count(*)
FROM events e
WHERE NOT EXISTS (SELECT FROM outbox o WHERE o.event_id = e.id AND o."position" IS NULL)
GROUP BY 1, 2, 3, 4;
INSERT INTO event_hours_mark SELECT coalesce(max("position"), 0) FROM outbox;

-- Integrity ---------------------------------------------------------------------------------------
-- What did not continue its aggregate's chain. The row of the log itself is never touched: what a
-- person decides is kept here and laid over it by whoever reads.
CREATE TYPE flaw AS ENUM ('altered', 'missing', 'forked');
CREATE TYPE quarantine_state AS ENUM ('open', 'recovered', 'accepted', 'cleared');
CREATE TABLE quarantined_events (
    aggregate_id uuid NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    project_id uuid NOT NULL,
    event_id uuid,
    flaw flaw NOT NULL,
    state quarantine_state NOT NULL DEFAULT 'open',
    found_by text NOT NULL,
    found_at timestamptz NOT NULL DEFAULT now(),
    stored jsonb,
    recovered jsonb,
    resolved_at timestamptz,
    PRIMARY KEY (aggregate_id, version),
    CHECK ((flaw = 'missing') = (stored IS NULL)),
    CHECK ((state = 'recovered') = (recovered IS NOT NULL)),
    CHECK ((state = 'open') = (resolved_at IS NULL)),
    CHECK (state <> 'accepted' OR stored IS NOT NULL)
);
CREATE INDEX quarantined_open ON quarantined_events (found_at) WHERE state = 'open';

-- Who decided what about a quarantined event, and why. Append-only.
CREATE TABLE quarantine_decisions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    aggregate_id uuid NOT NULL,
    version bigint NOT NULL,
    decision quarantine_state NOT NULL,
    decided_by text NOT NULL CHECK (length(decided_by) BETWEEN 1 AND 200),
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 2000),
    decided_at timestamptz NOT NULL DEFAULT now(),
    event jsonb NOT NULL
);

-- Announcements that wait for such a decision: of the corrupt event and what follows it.
CREATE TABLE withheld_facts (
    event_id uuid PRIMARY KEY,
    aggregate_id uuid NOT NULL,
    released_at timestamptz
);
CREATE INDEX withheld_by_aggregate ON withheld_facts (aggregate_id) WHERE released_at IS NULL;

-- How far the background verifier has come, for all replicas.
CREATE TABLE verifier_mark (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    project_id uuid,
    aggregate_id uuid,
    began_at timestamptz NOT NULL DEFAULT now(),
    whole_at timestamptz
);
INSERT INTO verifier_mark DEFAULT VALUES;

-- Facts to be announced once more, to refill the stream.
CREATE TABLE refill (
    "position" bigint PRIMARY KEY,
    event_id uuid NOT NULL,
    subject text NOT NULL,
    payload jsonb NOT NULL
);

GRANT SELECT ON event_archive, event_log, events_default TO {role};
GRANT EXECUTE ON FUNCTION archive_events(timestamptz, integer),
    drop_archived_partitions(timestamptz), forget_purged(timestamptz) TO {role};
GRANT SELECT, INSERT ON quarantine_decisions TO {role};
GRANT SELECT, INSERT, UPDATE ON event_hours, event_hours_mark, quarantined_events, withheld_facts,
    verifier_mark TO {role};
GRANT SELECT, INSERT, DELETE ON refill TO {role};
