-- name: begin_session
INSERT INTO sync_sessions (project_id, session_id, user_id) VALUES ($1, $2, $3)
ON CONFLICT (project_id, session_id) DO NOTHING;

-- name: lock_session
-- Checkpoints of one session come one at a time, however often they are sent at once.
SELECT user_id, last_checkpoint FROM sync_sessions
WHERE project_id = $1 AND session_id = $2 FOR UPDATE;

-- name: last_checkpoint
SELECT last_checkpoint FROM sync_sessions
WHERE project_id = $1 AND session_id = $2 AND user_id = $3;

-- name: advance_session
UPDATE sync_sessions SET last_checkpoint = $3, updated_at = now()
WHERE project_id = $1 AND session_id = $2;

-- name: answer
SELECT digest, answer FROM sync_checkpoints
WHERE project_id = $1 AND session_id = $2 AND checkpoint = $3;

-- name: keep_answer
INSERT INTO sync_checkpoints (project_id, session_id, checkpoint, digest, answer)
VALUES ($1, $2, $3, $4, $5);

-- name: note_operations
-- Returns those that are new. Another push of the same one waits here until this one has ended.
INSERT INTO sync_operations (operation_id, project_id)
SELECT id, $1 FROM unnest($2::uuid[]) AS n (id) ORDER BY id
ON CONFLICT (operation_id) DO NOTHING RETURNING operation_id;

-- name: strange_operations
-- Ids that stand for something else: another project's operation, or an event that no peer pushed.
SELECT operation_id FROM sync_operations WHERE operation_id = ANY ($2) AND project_id <> $1
UNION ALL
SELECT e.id FROM events e WHERE e.id = ANY ($2) AND e.source <> 'sync';

-- name: keep_conflicts
INSERT INTO sync_conflicts (
    conflict_id, project_id, user_id, session_id, checkpoint, operation, told)
SELECT n.id, $1, $2, $3, $4, n.operation, n.told
FROM unnest($5::uuid[], $6::jsonb[], $7::jsonb[]) AS n (id, operation, told);

-- name: open_conflicts
SELECT * FROM sync_conflicts
WHERE project_id = $1 AND resolved_at IS NULL AND ($2::uuid IS NULL OR conflict_id > $2)
ORDER BY conflict_id LIMIT $3;

-- name: past_conflicts
-- Those that were resolved, or when $4 all.
SELECT * FROM sync_conflicts
WHERE project_id = $1 AND ($4 OR resolved_at IS NOT NULL)
    AND ($2::uuid IS NULL OR conflict_id > $2)
ORDER BY conflict_id LIMIT $3;

-- name: lock_conflict
SELECT * FROM sync_conflicts WHERE project_id = $1 AND conflict_id = $2 FOR UPDATE;

-- name: resolve_conflict
UPDATE sync_conflicts SET resolved_at = now(), resolved_by = $3, bundle_id = $4
WHERE project_id = $1 AND conflict_id = $2;

-- name: is_ahead
-- Whether a position ($1) is behind the end of the whole log, where no peer was ever sent. A purge
-- takes positions away, and the outbox keeps the greatest.
SELECT $1::bigint > greatest(
    (SELECT max(position) FROM sync_positions), (SELECT max(position) FROM outbox), 0);

-- name: pull
-- In the order in which the relay placed them, so what committed late is after what was seen.
WITH page AS (
    SELECT position, event_id, "timestamp" FROM sync_positions
    WHERE project_id = $1 AND ($2::bigint IS NULL OR position > $2) ORDER BY position LIMIT $3
)
SELECT page.position, page.event_id, page."timestamp" AS placed_at, e.*
FROM page LEFT JOIN events e ON e.id = page.event_id AND e."timestamp" = page."timestamp"
ORDER BY page.position;

-- name: archived
SELECT u.* FROM event_archive a, unpacked(a) u
WHERE a.project_id = $1 AND a.to_at >= $3 AND a.from_at <= $4 AND u.id = ANY ($2);

-- name: forget_answers
DELETE FROM sync_checkpoints WHERE (project_id, session_id, checkpoint) IN (
    SELECT project_id, session_id, checkpoint FROM sync_checkpoints
    WHERE created_at < now() - make_interval(days => $1) ORDER BY created_at LIMIT $2);
