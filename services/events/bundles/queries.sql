-- Statements with {table} or {parent} are written once for every kind of aggregate, as in
-- services/events/queries.sql.

-- name: parents
-- Under what aggregates hang now, before anything is locked.
SELECT id, {parent} AS parent_id FROM {table} WHERE project_id = $1 AND id = ANY ($2);

-- name: children
SELECT {parent} AS parent_id, id, rank, {living} AS living
FROM {table} WHERE project_id = $1 AND {parent} = ANY ($2) ORDER BY rank;

-- name: last_changes
-- The last event that gave a field what it holds: one of these types, or the first of all.
SELECT DISTINCT ON (wanted.number) wanted.number, e.*
FROM unnest($2::integer[], $3::uuid[], $4::text[]) AS wanted (number, id, types),
    LATERAL events_of(ARRAY[wanted.id]) e
WHERE e.project_id = $1
    AND (e.event_type = ANY (string_to_array(wanted.types, ',')) OR e.version = 1)
ORDER BY wanted.number, e.version DESC;

-- name: bundle
SELECT * FROM bundles WHERE project_id = $1 AND bundle_id = ANY ($2);

-- name: project_of
SELECT project_id FROM bundles WHERE bundle_id = $1;

-- name: list
SELECT b.* FROM bundles b
WHERE b.project_id = $1
    AND ($2::timestamptz IS NULL OR (b.created_at, b.bundle_id) < ($2, $3))
    AND ($4::uuid IS NULL OR b.user_id = $4)
    AND ($5::bundle_type IS NULL OR b.type = $5)
    AND ($6::timestamptz IS NULL OR b.created_at >= $6)
    AND ($7::timestamptz IS NULL OR b.created_at < $7)
    AND ($8::uuid IS NULL OR b.bundle_id IN (SELECT bundle_id FROM events_of(ARRAY[$8])))
ORDER BY b.created_at DESC, b.bundle_id DESC LIMIT $9;

-- name: undone
-- What reverses these bundles, what reverses that, and so on.
WITH RECURSIVE reversal AS (
    SELECT reverses, bundle_id FROM bundles WHERE project_id = $1 AND reverses = ANY ($2)
    UNION
    SELECT b.reverses, b.bundle_id
    FROM reversal r JOIN bundles b ON b.reverses = r.bundle_id AND b.project_id = $1
)
SELECT reverses, bundle_id FROM reversal;

-- name: events_of_bundle
SELECT * FROM events WHERE project_id = $1 AND bundle_id = $2 ORDER BY id;

-- name: archived_events_of_bundle
-- The same, once they have been archived.
SELECT u.* FROM event_archive a, unpacked(a) u
WHERE a.project_id = $1 AND u.bundle_id = $2 AND a.to_at >= $3 AND a.from_at <= $4 ORDER BY u.id;

-- name: recovered
-- What people brought back of a bundle in the place of damaged or lost events.
SELECT recovered FROM quarantined_events
WHERE project_id = $1 AND state = 'recovered' AND recovered ->> 'bundleId' = $2;

-- name: versions
-- At which version a bundle left each aggregate, and by how many events; without archived ones.
SELECT aggregate_id, max(version) AS version, count(*) AS events FROM events
WHERE project_id = $1 AND bundle_id = $2 GROUP BY aggregate_id;

-- name: begin_job
INSERT INTO jobs (project_id, job_id, user_id, bundle_id) VALUES ($1, $2, $3, $4)
ON CONFLICT (project_id, job_id) DO NOTHING RETURNING job_id;

-- name: open_jobs
SELECT count(*) FROM jobs WHERE project_id = $1 AND status = 'open';

-- name: lock_job
SELECT * FROM jobs WHERE project_id = $1 AND job_id = $2 FOR UPDATE;

-- name: part
SELECT digest FROM staged WHERE project_id = $1 AND job_id = $2 AND part = $3;

-- name: stage
INSERT INTO staged (project_id, job_id, part, digest, operations) VALUES ($1, $2, $3, $4, $5);

-- name: advance_job
UPDATE jobs SET parts = parts + 1, operations = operations + $3, updated_at = now()
WHERE project_id = $1 AND job_id = $2;

-- name: staged
SELECT operations FROM staged WHERE project_id = $1 AND job_id = $2 ORDER BY part;

-- name: end_job
UPDATE jobs SET status = $3, updated_at = now() WHERE project_id = $1 AND job_id = $2;

-- name: drop_staged
DELETE FROM staged WHERE project_id = $1 AND job_id = $2;

-- name: expire_jobs
-- Jobs that have not been heard of since: what they staged goes with the second statement.
UPDATE jobs SET status = 'abandoned', updated_at = now() WHERE (project_id, job_id) IN (
    SELECT project_id, job_id FROM jobs
    WHERE status = 'open' AND updated_at < now() - make_interval(secs => $1)
    ORDER BY updated_at LIMIT $2 FOR UPDATE SKIP LOCKED);

-- name: expire_staged
DELETE FROM staged s USING jobs j
WHERE j.project_id = s.project_id AND j.job_id = s.job_id AND j.status <> 'open';

-- name: forget_jobs
DELETE FROM jobs WHERE (project_id, job_id) IN (
    SELECT project_id, job_id FROM jobs
    WHERE status <> 'open' AND updated_at < now() - make_interval(days => $1)
    ORDER BY updated_at LIMIT $2);

-- name: bundles_of_log
-- The rows of a project's bundles as its log has them, to make the table again or to prove it.
SELECT DISTINCT ON (bundle_id)
    bundle_id, project_id, user_id,
    coalesce(metadata #>> '{bundle,type}', 'user_edit')::bundle_type AS type,
    metadata #>> '{bundle,label}' AS label, source,
    (count(*) OVER (PARTITION BY bundle_id))::integer AS operations,
    min("timestamp") OVER (PARTITION BY bundle_id) AS created_at,
    causation_id, (metadata #>> '{bundle,reverses}')::uuid AS reverses
FROM event_log WHERE project_id = $1 ORDER BY bundle_id, id;
