-- Names in braces are filled in from services.events.model; nothing comes from a request.

-- name: order
-- Once for each thing; one that failed goes on where it stopped.
INSERT INTO purges AS known (purge_id, project_id, kind, target_id, reason, requested_by)
VALUES ($1, $2, $3, $4, $5::text::purge_reason, $6)
ON CONFLICT (target_id) DO UPDATE
SET state = CASE WHEN known.things > 0 THEN 'burying' ELSE 'gathering' END::purge_state,
    tries = 0, failure = NULL, not_before = now()
WHERE known.state = 'failed' RETURNING purge_id;

-- name: purge_of
SELECT * FROM purges WHERE project_id = $1 AND target_id = $2;

-- name: purge_of_person
SELECT * FROM purges WHERE purge_id = $1 AND requested_by = $2;

-- name: purges
SELECT * FROM purges WHERE $1::uuid IS NULL OR project_id = $1
ORDER BY requested_at DESC, purge_id DESC LIMIT $2;

-- name: lay
-- From now on these cannot come back. What another purge was to bury goes with this one.
INSERT INTO tombstones (aggregate_id, purge_id, project_id, kind, depth)
SELECT id, $1, $2, kind, depth FROM unnest($3::uuid[], $4::text[], $5::integer[])
    AS n (id, kind, depth)
ON CONFLICT (aggregate_id) DO UPDATE SET purge_id = excluded.purge_id
WHERE tombstones.buried_at IS NULL;

-- name: lay_project
-- All that a project has had, also what was removed from it long ago.
INSERT INTO tombstones (aggregate_id, purge_id, project_id, kind, depth)
SELECT a.aggregate_id, $1, $2, a.aggregate_type, k.depth
FROM aggregates a JOIN unnest($3::text[], $4::integer[]) AS k (kind, depth)
    ON k.kind = a.aggregate_type
WHERE a.project_id = $2
ON CONFLICT (aggregate_id) DO UPDATE SET purge_id = excluded.purge_id
WHERE tombstones.buried_at IS NULL;

-- name: next
SELECT * FROM purges WHERE state NOT IN ('done', 'failed') AND not_before <= now()
ORDER BY requested_at, purge_id LIMIT 1;

-- name: advance
UPDATE purges p SET state = $2::text::purge_state, tries = 0, not_before = now(),
    things = (SELECT count(*) FROM tombstones t WHERE t.purge_id = p.purge_id),
    finished_at = CASE WHEN $2 = 'done' THEN now() END
WHERE purge_id = $1;

-- name: count_buried
UPDATE purges SET buried = buried + $2, tries = 0 WHERE purge_id = $1;

-- name: count_things
UPDATE purges p SET tries = 0,
    things = (SELECT count(*) FROM tombstones t WHERE t.purge_id = p.purge_id)
WHERE purge_id = $1;

-- name: count_erased
UPDATE purges SET erased = erased + $2, events = events + $3, tries = 0 WHERE purge_id = $1;

-- name: fail
-- Later, a little later each time, and after so many tries not before somebody asks.
UPDATE purges SET tries = tries + 1, failure = $2,
    not_before = now() + least(300, 2 ^ tries) * interval '1 second',
    state = CASE WHEN tries + 1 >= $3 THEN 'failed' ELSE state END
WHERE purge_id = $1 RETURNING state::text;

-- name: wait
UPDATE purges SET not_before = now() + $2 * interval '1 second' WHERE purge_id = $1;

-- name: to_bury
-- The lowest first, of one kind.
SELECT aggregate_id, kind FROM tombstones
WHERE purge_id = $1 AND buried_at IS NULL AND depth = (
    SELECT max(depth) FROM tombstones WHERE purge_id = $1 AND buried_at IS NULL)
ORDER BY aggregate_id LIMIT $2;

-- name: buried
UPDATE tombstones SET buried_at = now() WHERE aggregate_id = ANY ($1::uuid[]);

-- name: erase
SELECT * FROM erase_purged($1, $2);

-- name: forget_project
SELECT forget_project($1);

-- name: hold_rows
-- Waits for everybody who is adding something below these, as the foreign keys do.
SELECT id FROM {table} WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE;

-- name: naming
-- Rows of one kind that name some ids in a column.
SELECT id FROM {table} WHERE project_id = $1 AND {column} = ANY ($2::uuid[]);

-- name: calling
-- Rows of one kind that call something by one of these names in a column.
SELECT id FROM {table}_read WHERE project_id = $1 AND {column} = ANY ($2::text[]);

-- name: names_that_end
-- The names of these that no other of the kind has, not even a deleted one.
SELECT DISTINCT t.name FROM {table} t
WHERE t.project_id = $1 AND t.id = ANY ($2::uuid[]) AND NOT EXISTS (
    SELECT FROM {table} o WHERE o.project_id = $1 AND o.name = t.name AND o.id <> ALL ($2::uuid[]));

-- name: due
-- What is deleted since before a time, of one kind; not in archived projects, where nothing changes,
-- nor in deleted ones, which go as a whole; nor what is on its way already.
SELECT t.project_id, t.id, t.deleted_at, t.deleted_by
FROM {table} t JOIN projects p ON p.id = t.project_id
WHERE t.deleted_at <= $1 AND p.deleted_at IS NULL AND p.archived_at IS NULL
    AND ($2::uuid IS NULL OR t.project_id = $2)
    AND NOT EXISTS (SELECT FROM tombstones s WHERE s.aggregate_id = t.id)
ORDER BY t.deleted_at, t.id LIMIT $3;

-- name: due_projects
SELECT p.id AS project_id, p.id, p.deleted_at, p.deleted_by FROM projects p
WHERE p.deleted_at <= $1 AND ($2::uuid IS NULL OR p.id = $2)
    AND NOT EXISTS (SELECT FROM tombstones s WHERE s.aggregate_id = p.id)
ORDER BY p.deleted_at, p.id LIMIT $3;

-- name: measure
SELECT count(*) FILTER (WHERE state <> 'failed') AS open,
    count(*) FILTER (WHERE state = 'failed') AS failed,
    coalesce(extract(epoch FROM now() - min(requested_at) FILTER (WHERE state <> 'failed')), 0)::float
        AS age_s
FROM purges WHERE state <> 'done';
