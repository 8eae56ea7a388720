-- name: due_project
-- The next project after $2 that has events older than $1.
SELECT project_id FROM (
    (SELECT project_id FROM event_archive WHERE from_at < $1 AND project_id > $2
     ORDER BY project_id LIMIT 1)
    UNION ALL
    (SELECT project_id FROM events WHERE "timestamp" < $1 AND project_id > $2
     ORDER BY project_id LIMIT 1)
) due ORDER BY project_id LIMIT 1;

-- name: due_chains
-- The next chains of a project ($1), after $3, that have such events; not those that a person has
-- looked into or that end with a tombstone: they are few, and said to be whole.
SELECT a.aggregate_id, a.aggregate_type, a.project_id, a.version, a.checksum FROM aggregates a
WHERE a.project_id = $1 AND a.aggregate_id > $3
    AND (
        EXISTS (
            SELECT FROM event_archive c WHERE c.aggregates @> ARRAY[a.aggregate_id]
                AND c.project_id = $1 AND c.from_at < $2)
        OR EXISTS (
            SELECT FROM events e WHERE e.aggregate_id = a.aggregate_id AND e."timestamp" < $2))
    AND NOT EXISTS (SELECT FROM tombstones t WHERE t.aggregate_id = a.aggregate_id)
    AND NOT EXISTS (SELECT FROM quarantined_events q WHERE q.aggregate_id = a.aggregate_id)
ORDER BY a.aggregate_id LIMIT $4;

-- name: forget_events
SELECT forget_events($1, $2, $3, $4, $5, $6);

-- name: horizon
-- The last place in the commit order of a project that was forgotten.
SELECT position FROM horizons WHERE project_id = $1;
