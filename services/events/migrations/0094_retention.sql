-- Retention of the log: what is older than a policy says may be forgotten. Of each aggregate a
-- beginning stays, from which the rest of its chain and its row follow.

CREATE TABLE beginnings (
    aggregate_id uuid PRIMARY KEY,
    aggregate_type text NOT NULL,
    project_id uuid NOT NULL,
    -- Of the last event that was forgotten.
    version bigint NOT NULL CHECK (version > 0),
    checksum text NOT NULL CHECK (length(checksum) = 64 AND checksum !~ '[^0-9a-f]'),
    -- What all that was forgotten folds into; null when it ended with its removal.
    "row" jsonb CHECK (jsonb_typeof("row") = 'object')
);
CREATE INDEX beginnings_by_project ON beginnings (project_id, aggregate_id);

-- The last place in the commit order of a project that was forgotten.
CREATE TABLE horizons (project_id uuid PRIMARY KEY, "position" bigint NOT NULL);

-- Takes events of some aggregates out of the log, and out of every copy that this database has.
-- Only for functions that have seen to it that these may go; they hold the archivist's lock.
CREATE FUNCTION take_out(project uuid, owners uuid[], doomed uuid[], bundles_of uuid[]) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
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
REVOKE ALL ON FUNCTION take_out(uuid, uuid[], uuid[], uuid[]) FROM PUBLIC;

-- As before, by `take_out`; also of what began late.
CREATE OR REPLACE FUNCTION erase_purged(
    purge uuid, aggregates_max integer,
    OUT erased integer, OUT removed bigint, OUT waiting boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
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

-- Forgets the first events of aggregates of one project: of each all up to a version whose checksum
-- is given with what they fold into; returns how many, 0 when this is not the time, as when one of
-- them waits to be announced. Runs as the owner, because the run-time role may not delete events: it
-- can lose none that is young, and none without knowing all of its chain before it.
CREATE FUNCTION forget_events(
    project uuid, older_than timestamptz, owners uuid[], upto bigint[], sums text[], rows_left jsonb[]
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
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
REVOKE ALL ON FUNCTION
    forget_events(uuid, timestamptz, uuid[], bigint[], text[], jsonb[]) FROM PUBLIC;

GRANT SELECT ON beginnings, horizons TO {role};
GRANT EXECUTE ON FUNCTION
    forget_events(uuid, timestamptz, uuid[], bigint[], text[], jsonb[]) TO {role};
