-- name: lock_blob
SELECT * FROM blobs WHERE project_id = $1 AND sha256 = $2 FOR UPDATE;

-- name: inspect
SELECT b.*, u.read_at, u.verified_at, (SELECT count(*) FROM blob_frames AS f
    WHERE f.project_id = b.project_id AND f.sha256 = b.sha256) AS frames
FROM blobs AS b LEFT JOIN blob_uses AS u ON u.project_id = b.project_id AND u.sha256 = b.sha256
WHERE b.project_id = $1 AND b.sha256 = $2;

-- name: references
SELECT r.source, r.source_id, p.path, r.created_at AS since FROM refs AS r
LEFT JOIN paths AS p ON r.source = 'path' AND p.project_id = r.project_id AND p.id = r.source_id
WHERE r.project_id = $1 AND r.sha256 = $2 ORDER BY r.created_at, r.source_id LIMIT $3;

-- name: open_claims
SELECT id AS claim_id, source, source_id, claimed_at FROM claims
WHERE project_id = $1 AND sha256 = $2 AND settled_at IS NULL ORDER BY claimed_at LIMIT $3;

-- name: deeds
SELECT at, action, user_id, data FROM audit
WHERE project_id = $1 AND sha256 = $2 ORDER BY at DESC, id DESC LIMIT $3;

-- name: by_state
SELECT state::text, count(*) AS blobs, coalesce(sum(size), 0)::bigint AS bytes,
    coalesce(sum(stored_size), 0)::bigint AS stored FROM blobs GROUP BY state;

-- name: waiting
SELECT (SELECT count(*) FROM doomed) AS doomed,
    (SELECT count(*) FROM claims WHERE settled_at IS NULL) AS open_claims,
    (SELECT count(*) FROM quarantine WHERE resolved_at IS NULL) AS quarantined;

-- name: referenced
-- Plain content once for each reference, and once for each blob that has any. The path that is the
-- name of an entity's file is no reference of its own.
SELECT coalesce(sum(b.size * used.times), 0)::bigint AS bytes,
    coalesce(sum(b.size), 0)::bigint AS once
FROM (
    SELECT r.project_id, r.sha256, greatest(1, count(*) FILTER (WHERE p.entity_id IS NULL)) AS times
    FROM refs AS r
    LEFT JOIN paths AS p ON r.source = 'path' AND p.project_id = r.project_id AND p.id = r.source_id
    GROUP BY r.project_id, r.sha256
) AS used
JOIN blobs AS b ON b.project_id = used.project_id AND b.sha256 = used.sha256;

-- name: put_audit
INSERT INTO audit (id, project_id, action, sha256, data) VALUES ($1, $2, 'mend_begun', $3, $4);
