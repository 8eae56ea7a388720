-- name: patch
-- A deleted one only with $3.
SELECT * FROM patches WHERE id = $1 AND project_id = $2 AND ($3::boolean OR deleted_at IS NULL);

-- name: lock
SELECT * FROM patches WHERE id = $1 AND project_id = $2 FOR UPDATE;

-- name: count
SELECT count(*) FROM patches WHERE scene_id = $1 AND deleted_at IS NULL;

-- name: add
INSERT INTO patches (
    id, project_id, scene_id, base_version, rebase_strategy, title, note, run_id, created_by,
    updated_by
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) RETURNING *;

-- name: add_hunk
INSERT INTO patch_hunks (
    id, project_id, scene_id, patch_id, number, anchor_id, kind, side, base, text
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: count_hunks
SELECT count(*) FROM patch_hunks WHERE patch_id = $1;

-- name: hunks
-- With the text that was beside their anchors when these were made.
SELECT h.*, a.before, a.after, w.before AS written_before, w.after AS written_after
FROM patch_hunks h JOIN anchors a ON a.id = h.anchor_id LEFT JOIN anchors w ON w.id = h.written_id
WHERE h.patch_id = ANY($1::uuid[]) AND h.project_id = $2 ORDER BY h.patch_id, h.number;

-- name: patches
-- The newest first, after the patch ($3, $4); with how many hunks they have, and their size.
SELECT p.*, h.hunk_count, h.bytes + octet_length(p.conflict_log::text) AS bytes
FROM patches p CROSS JOIN LATERAL (
    SELECT count(*) AS hunk_count,
        coalesce(sum(octet_length(base) + octet_length(text)), 0)::bigint AS bytes
    FROM patch_hunks h WHERE h.patch_id = p.id
) AS h
WHERE p.scene_id = $1 AND p.project_id = $2
    AND ($3::timestamptz IS NULL OR (p.created_at, p.id) < ($3, $4::uuid))
    AND ($5::text IS NULL OR p.state = $5)
    AND ($6::uuid IS NULL OR p.created_by = $6)
    AND ($7::boolean OR p.deleted_at IS NULL)
ORDER BY p.created_at DESC, p.id DESC LIMIT $8;

-- name: applied
UPDATE patches SET version = version + 1, state = $3, applied_version = $4, reverted_version = NULL,
    conflict_log = $5, decided_at = now(), decided_by = $2,
    updated_at = greatest(now(), updated_at), updated_by = $2
WHERE id = $1 RETURNING *;

-- name: rebased
-- Nothing of it came into the text: its hunks were renewed, or its conflicts are other ones.
UPDATE patches SET version = version + 1, base_version = $3, conflict_log = $4,
    updated_at = greatest(now(), updated_at), updated_by = $2
WHERE id = $1 RETURNING *;

-- name: reverted
UPDATE patches SET version = version + 1, state = 'REVERTED', reverted_version = $3,
    conflict_log = '[]', decided_at = now(), decided_by = $2,
    updated_at = greatest(now(), updated_at), updated_by = $2
WHERE id = $1 RETURNING *;

-- name: apply_hunk
UPDATE patch_hunks SET state = 'APPLIED', applied = $2, written_id = $3 WHERE id = $1;

-- name: revert_hunk
UPDATE patch_hunks SET state = 'REVERTED', applied = NULL, written_id = NULL WHERE id = $1;

-- name: renew_hunk
UPDATE patch_hunks SET kind = $2, base = $3, text = $4 WHERE id = $1;

-- name: delete
UPDATE patches SET version = version + 1, deleted_at = now(), deleted_by = $2,
    updated_at = greatest(now(), updated_at), updated_by = $2
WHERE id = $1 RETURNING *;

-- name: restore
UPDATE patches SET version = version + 1, deleted_at = NULL, deleted_by = NULL,
    updated_at = greatest(now(), updated_at), updated_by = $2
WHERE id = $1 RETURNING *;

-- name: notify
-- The author hears of a decision that somebody else made.
INSERT INTO notifications (id, person_id, kind, actor_id, project_id, scene_id)
SELECT $1, p.created_by, 'decision', $3, p.project_id, p.scene_id FROM patches p
WHERE p.id = $2 AND p.created_by <> $3;
