-- The end of things: projects closed against changes, and what is deleted for ever.

-- Archived projects ------------------------------------------------------------------------------
ALTER TABLE projects
    ADD COLUMN archived_at timestamptz,
    ADD COLUMN archived_by uuid,
    ADD CHECK ((archived_at IS NULL) = (archived_by IS NULL));

-- Made anew, because a view names the columns that its table had.
DROP VIEW projects_read;
CREATE VIEW projects_read AS
SELECT p.*, p.id AS project_id, NULL::uuid AS parent_id, false AS hidden
FROM projects p;
GRANT SELECT ON projects_read TO {role};

-- Purges -----------------------------------------------------------------------------------------
-- What was ordered to be removed for ever, and how far that has come; kept for ever, as the record of
-- who had what removed. It names nothing of what was in it.
CREATE TYPE purge_state AS ENUM ('gathering', 'burying', 'erasing', 'done', 'failed');
CREATE TYPE purge_reason AS ENUM ('asked', 'retention', 'operator');
CREATE TABLE purges (
    purge_id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    kind text NOT NULL,
    target_id uuid NOT NULL UNIQUE,
    reason purge_reason NOT NULL,
    requested_by uuid NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    state purge_state NOT NULL DEFAULT 'gathering',
    tries integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
    failure text CHECK (length(failure) <= 200),
    not_before timestamptz NOT NULL DEFAULT now(),
    things integer NOT NULL DEFAULT 0 CHECK (things >= 0),
    buried integer NOT NULL DEFAULT 0 CHECK (buried >= 0),
    erased integer NOT NULL DEFAULT 0 CHECK (erased >= 0),
    events bigint NOT NULL DEFAULT 0 CHECK (events >= 0),
    finished_at timestamptz,
    CHECK ((state = 'done') = (finished_at IS NOT NULL))
);
CREATE INDEX purges_open ON purges (requested_at, purge_id) WHERE state NOT IN ('done', 'failed');
CREATE INDEX purges_by_person ON purges (requested_by, requested_at);

-- One row for each aggregate that goes; from its insertion on the aggregate cannot come back, and it
-- stays for ever. `depth` is the order in which they go, the greatest first. Buried: it has its
-- `purged` event and no row any more. Erased: the log holds nothing of it but that event.
CREATE TABLE tombstones (
    aggregate_id uuid PRIMARY KEY,
    purge_id uuid NOT NULL REFERENCES purges,
    project_id uuid NOT NULL,
    kind text NOT NULL,
    depth integer NOT NULL,
    buried_at timestamptz,
    erased_at timestamptz,
    CHECK (erased_at IS NULL OR buried_at IS NOT NULL)
);
CREATE INDEX tombstones_to_bury ON tombstones (purge_id, depth, aggregate_id)
    WHERE buried_at IS NULL;
CREATE INDEX tombstones_to_erase ON tombstones (purge_id, aggregate_id)
    WHERE buried_at IS NOT NULL AND erased_at IS NULL;

-- What retention looks for.
CREATE INDEX projects_deleted ON projects (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX books_deleted ON books (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX chapters_deleted ON chapters (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX scenes_deleted ON scenes (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX entities_deleted ON entities (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX tags_deleted ON tags (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX canon_facts_deleted ON canon_facts (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX style_guides_deleted ON style_guides (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX context_rules_deleted ON context_rules (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX personas_deleted ON personas (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX prompt_presets_deleted ON prompt_presets (deleted_at) WHERE deleted_at IS NOT NULL;

-- Removes from the log what came before `purged`, of some buried aggregates of a purge, and every
-- copy of it that this database has. Runs as the owner, because the run-time role may not delete
-- events: it can lose none of an aggregate whose last event is not that one. `waiting` says that
-- something of theirs is not announced yet, and that nothing was done.
CREATE FUNCTION erase_purged(
    purge uuid, aggregates_max integer,
    OUT erased integer, OUT removed bigint, OUT waiting boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    due uuid[];
    doomed uuid[];
    bundles_of uuid[];
    stones uuid[];
    chunks bigint[];
    before numeric;
    after numeric;
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

    -- Chunks are made anew without them, and read again to see that the rest is as it was.
    DELETE FROM event_archive a WHERE a.aggregates && due AND a.ids <@ doomed;
    SELECT coalesce(array_agg(a.chunk_id), '{}') INTO chunks
    FROM event_archive a WHERE a.aggregates && due AND a.ids && doomed;
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
    DELETE FROM events e WHERE e.aggregate_id = ANY (due) AND e.id = ANY (doomed);

    -- Its copies: what waits, what was announced, what is known of its place and its flaws.
    DELETE FROM outbox o WHERE o.event_id = ANY (doomed);
    DELETE FROM refill r WHERE r.event_id = ANY (doomed);
    DELETE FROM sync_positions p
    WHERE p.project_id = (SELECT project_id FROM purges WHERE purge_id = purge)
        AND p.event_id = ANY (doomed);
    DELETE FROM quarantined_events q WHERE q.aggregate_id = ANY (due);
    DELETE FROM quarantine_decisions q WHERE q.aggregate_id = ANY (due);
    DELETE FROM sync_conflicts c
    WHERE c.project_id = (SELECT project_id FROM purges WHERE purge_id = purge)
        AND c.operation #>> '{aggregate,id}' = ANY (due::text[]);
    -- A purge that was withheld with what was wrong before it goes out now.
    UPDATE outbox o SET position = NULL, published_at = NULL FROM withheld_facts w
    WHERE w.aggregate_id = ANY (due) AND w.released_at IS NULL
        AND o.event_id = w.event_id AND o.event_id = ANY (stones);
    DELETE FROM withheld_facts w WHERE w.aggregate_id = ANY (due);
    WITH lost AS (
        SELECT bundle_id, count(*) AS count FROM unnest(bundles_of) AS b (bundle_id) GROUP BY 1
    ), kept AS (
        -- As a fold of what is left of it.
        UPDATE bundles b SET operations = b.operations - lost.count, created_at = coalesce(
            (SELECT min(e."timestamp") FROM events e WHERE e.bundle_id = b.bundle_id), b.created_at)
        FROM lost
        WHERE b.bundle_id = lost.bundle_id AND b.operations > lost.count RETURNING b.bundle_id
    )
    DELETE FROM bundles b USING lost
    WHERE b.bundle_id = lost.bundle_id AND b.operations <= lost.count;

    UPDATE tombstones t SET erased_at = now() WHERE t.aggregate_id = ANY (due);
    erased := cardinality(due);
    removed := cardinality(doomed);
END $$;
REVOKE ALL ON FUNCTION erase_purged(uuid, integer) FROM PUBLIC;

-- What else was kept for a project that is purged.
CREATE FUNCTION forget_project(purge uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
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
END $$;
REVOKE ALL ON FUNCTION forget_project(uuid) FROM PUBLIC;

-- `forget_purged` is called no more: the log of what is purged goes with the purge, and ids are never
-- forgotten. It is to be dropped with the next release, because the one before this calls it.

GRANT SELECT, INSERT, UPDATE ON purges, tombstones TO {role};
GRANT EXECUTE ON FUNCTION erase_purged(uuid, integer), forget_project(uuid) TO {role};

-- Takes away the row of something that lasts: only once its log ends with `purged`, and what is below
-- it has gone before it. The run-time role may delete none by itself.
CREATE FUNCTION bury_row(projection text, buried uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM tombstones t JOIN aggregates a USING (aggregate_id)
        JOIN events e ON e.aggregate_id = a.aggregate_id AND e.version = a.version
        WHERE t.aggregate_id = buried AND e.event_type = a.aggregate_type || '.purged'
    ) THEN
        RAISE EXCEPTION '% was not purged', buried;
    END IF;
    EXECUTE format('DELETE FROM %I WHERE id = $1', projection) USING buried;
END $$;
REVOKE ALL ON FUNCTION bury_row(text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bury_row(text, uuid) TO {role};
