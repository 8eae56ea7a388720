-- name: suggestion
SELECT * FROM suggestions WHERE id = $1 AND project_id = $2;

-- name: lock
SELECT * FROM suggestions WHERE id = $1 AND project_id = $2 FOR UPDATE;

-- name: count_open
SELECT count(*) FROM suggestions WHERE scene_id = $1 AND status = 'OPEN';

-- name: add
INSERT INTO suggestions (
    id, project_id, scene_id, anchor_id, kind, base, text, side, note, run_id, created_by,
    updated_by, blocks, attributes
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12, $13) RETURNING *;

-- name: suggestions
-- The newest first, after the suggestion ($3, $4).
SELECT * FROM suggestions
WHERE scene_id = $1 AND project_id = $2
    AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4::uuid))
    AND ($5::text IS NULL OR status = $5)
    AND ($6::uuid IS NULL OR created_by = $6)
ORDER BY created_at DESC, id DESC LIMIT $7;

-- name: decide
UPDATE suggestions SET version = version + 1, status = $2, decided_at = now(), decided_by = $3,
    updated_at = greatest(now(), updated_at), updated_by = $3
WHERE id = $1 RETURNING *;

-- name: accepted
UPDATE suggestions SET version = version + 1, status = 'ACCEPTED', decided_at = now(),
    decided_by = $2, updated_at = greatest(now(), updated_at), updated_by = $2,
    applied_seq = $3, applied = $4
WHERE id = $1 RETURNING *;

-- name: reverted
UPDATE suggestions SET version = version + 1, status = 'REVERTED', decided_at = now(),
    decided_by = $2, updated_at = greatest(now(), updated_at), updated_by = $2, reverted_seq = $3
WHERE id = $1 RETURNING *;

-- name: notify
-- The author hears of a decision that somebody else made; the label of a person in a copy (version
-- 8) is nobody's account.
INSERT INTO notifications (id, person_id, kind, actor_id, project_id, scene_id)
SELECT $1, s.created_by, 'decision', $3, s.project_id, s.scene_id FROM suggestions s
WHERE s.id = $2 AND s.created_by <> $3
    AND substr(s.created_by::text, 15, 1) <> '8';
