-- name: links
-- What facts hang on: checksums of given events ($1, $2), and which aggregates ($3) have facts that
-- wait; those have no version.
SELECT e.aggregate_id, e.version, e.checksum
FROM unnest($1::uuid[], $2::bigint[]) AS wanted (aggregate_id, version)
JOIN events e ON e.aggregate_id = wanted.aggregate_id AND e.version = wanted.version
UNION ALL
SELECT b.aggregate_id, b.version, b.checksum
FROM unnest($1::uuid[], $2::bigint[]) AS wanted (aggregate_id, version)
JOIN beginnings b ON b.aggregate_id = wanted.aggregate_id AND b.version = wanted.version
UNION ALL
SELECT DISTINCT aggregate_id, NULL::bigint, NULL FROM withheld_facts
WHERE aggregate_id = ANY($3::uuid[]) AND released_at IS NULL;

-- name: quarantine
-- Set aside what was found; what is known already stays as it is, a row is found once.
INSERT INTO quarantined_events (
    aggregate_id, version, project_id, event_id, flaw, stored, found_by)
SELECT aggregate_id, version, project_id, event_id, flaw::flaw, stored, $7
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[], $5::text[], $6::jsonb[])
    AS f (aggregate_id, version, project_id, event_id, flaw, stored)
ON CONFLICT (aggregate_id, version) DO UPDATE SET
    state = 'open', resolved_at = NULL, flaw = excluded.flaw, stored = excluded.stored,
    event_id = excluded.event_id, found_by = excluded.found_by, found_at = now()
    WHERE quarantined_events.state = 'cleared'
RETURNING aggregate_id, version, flaw;

-- name: clear
-- What was set aside and continues its chain after all, now that another event is recovered.
UPDATE quarantined_events SET state = 'cleared', resolved_at = now()
WHERE aggregate_id = $1 AND state = 'open' AND version <> ALL($2::bigint[])
RETURNING version;

-- name: quarantined
SELECT * FROM quarantined_events
WHERE ($1::uuid IS NULL OR project_id = $1) AND ($2 OR state = 'open')
ORDER BY found_at, aggregate_id, version LIMIT $3;

-- name: shown_quarantined
SELECT * FROM quarantined_events WHERE aggregate_id = $1 AND version = $2;

-- name: lock_quarantined
SELECT * FROM quarantined_events WHERE aggregate_id = $1 AND version = $2 FOR UPDATE;

-- name: resolve
UPDATE quarantined_events
SET state = $3::text::quarantine_state, recovered = $4, resolved_at = now()
WHERE aggregate_id = $1 AND version = $2;

-- name: note_decision
INSERT INTO quarantine_decisions (aggregate_id, version, decision, decided_by, reason, event)
VALUES ($1, $2, $3::text::quarantine_state, $4, $5, $6);

-- name: noted_decisions
SELECT decision, decided_by, reason, decided_at FROM quarantine_decisions
WHERE aggregate_id = $1 AND version = $2 ORDER BY id;

-- name: open_count
SELECT count(*) FROM quarantined_events WHERE state = 'open';

-- name: withheld
-- Aggregates some of whose facts wait; locked, so that none is released meanwhile.
SELECT aggregate_id FROM withheld_facts
WHERE aggregate_id = ANY($1::uuid[]) AND released_at IS NULL FOR UPDATE;

-- name: withhold
INSERT INTO withheld_facts (event_id, aggregate_id) SELECT * FROM unnest($1::uuid[], $2::uuid[])
ON CONFLICT (event_id) DO UPDATE SET released_at = NULL;

-- name: release
-- Facts of an aggregate go back into the line, at its end and in their order; see `place`. Again
-- until none is left: the relay may have withheld another one meanwhile.
WITH released AS (
    UPDATE withheld_facts SET released_at = now()
    WHERE aggregate_id = $1 AND released_at IS NULL RETURNING event_id
)
UPDATE outbox SET position = NULL, published_at = NULL FROM released
WHERE outbox.event_id = released.event_id RETURNING outbox.event_id;

-- name: wake_relay
-- To look for more than new facts.
SELECT pg_notify('outbox', 'more');

-- name: verifier_mark
-- Locked for one round: replicas take turns.
SELECT project_id, aggregate_id, began_at, whole_at FROM verifier_mark FOR UPDATE SKIP LOCKED;

-- name: move_verifier_mark
UPDATE verifier_mark SET project_id = $1, aggregate_id = $2;

-- name: finish_verifier_round
UPDATE verifier_mark SET project_id = NULL, aggregate_id = NULL, whole_at = now(),
    began_at = now();

-- name: since_whole
SELECT extract(epoch FROM now() - coalesce(whole_at, began_at))::float FROM verifier_mark;

-- name: event_by_id
SELECT aggregate_id FROM events WHERE id = $1
UNION ALL
SELECT u.aggregate_id FROM event_archive a, unpacked(a) u
WHERE a.ids @> ARRAY[$1::uuid] AND u.id = $1 LIMIT 1;

-- name: search
-- Newest first. `text` is looked for in the data as it is written, case-insensitively.
SELECT * FROM event_log
WHERE ($1::uuid IS NULL OR project_id = $1) AND ($2::uuid IS NULL OR user_id = $2)
    AND ($3::text IS NULL OR event_type = $3 OR aggregate_type = $3)
    AND ($4::text IS NULL OR strpos(lower(data::text), lower($4)) > 0)
    AND ($5::timestamptz IS NULL OR "timestamp" >= $5)
    AND ($6::timestamptz IS NULL OR "timestamp" < $6)
ORDER BY "timestamp" DESC, version DESC LIMIT $7;

-- name: activity
SELECT aggregate_type, event_type, hour, count FROM event_hours
WHERE project_id = $1 AND hour >= $2 AND hour < $3 ORDER BY hour, event_type LIMIT $4;

-- name: queue_refill
-- The next facts in the commit order since a time ($1), after a position ($2); returns the last
-- position, null when there are no more. As `content` in services.events.model.log writes them.
WITH due AS (
    SELECT p.position, p.event_id, p.project_id, p."timestamp" FROM sync_positions p
    WHERE ($1::timestamptz IS NULL OR p."timestamp" >= $1)
        AND ($2::bigint IS NULL OR p.position > $2)
        AND NOT EXISTS (
            SELECT FROM outbox o WHERE o.event_id = p.event_id AND o.published_at IS NULL)
    ORDER BY p.position LIMIT $3
), hot AS (
    SELECT d.position, e.* FROM due d
    JOIN events e ON e.id = d.event_id AND e."timestamp" = d."timestamp"
), cold AS (
    SELECT d.position, u.* FROM (SELECT DISTINCT project_id FROM due) projects
    JOIN event_archive a ON a.project_id = projects.project_id
        AND a.to_at >= (SELECT min("timestamp") FROM due)
        AND a.from_at <= (SELECT max("timestamp") FROM due)
    CROSS JOIN LATERAL unpacked(a) u JOIN due d ON d.event_id = u.id
), facts AS (
    SELECT position, id, aggregate_id, aggregate_type, event_type, project_id, user_id, data,
        metadata, "timestamp", version, causation_id, correlation_id, source, bundle_id, checksum
    FROM hot
    UNION ALL
    SELECT position, id, aggregate_id, aggregate_type, event_type, project_id, user_id, data,
        metadata, "timestamp", version, causation_id, correlation_id, source, bundle_id, checksum
    FROM cold
), queued AS (
    INSERT INTO refill (position, event_id, subject, payload)
    SELECT position, id, $4 || '.' || event_type || '.' || project_id, jsonb_build_object(
        'id', id, 'aggregateId', aggregate_id, 'aggregateType', aggregate_type,
        'eventType', event_type, 'projectId', project_id, 'userId', user_id, 'data', data,
        'metadata', metadata, 'timestamp',
        to_char("timestamp" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'version', version, 'causationId', causation_id, 'correlationId', correlation_id,
        'source', source, 'bundleId', bundle_id, 'checksum', checksum)
    FROM facts ON CONFLICT (position) DO NOTHING
)
SELECT max(position) FROM due;

-- name: refill_due
SELECT position, event_id, subject, payload::text FROM refill ORDER BY position LIMIT $1;

-- name: refill_done
DELETE FROM refill WHERE position = ANY($1::bigint[]);

-- name: refill_count
SELECT count(*) FROM refill;
