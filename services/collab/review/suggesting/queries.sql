-- name: begin
-- One branch of each author on a scene; a closed one is opened again. At most $9 of one scene.
INSERT INTO branches (
    id, scene_id, project_id, name, kind, base_seq, base, base_size, base_checksum, followed_seq,
    created_by
)
SELECT $1, $2, $3, 'Suggestions ' || $8::uuid, 'suggestion', $4, $5, $6, $7, 1, $8
WHERE (SELECT count(*) FROM branches WHERE scene_id = $2 AND kind = 'suggestion') < $9
ON CONFLICT DO NOTHING RETURNING id;

-- name: own
SELECT id, state FROM branches
WHERE scene_id = $1 AND project_id = $2 AND created_by = $3 AND kind = 'suggestion';

-- name: reopen
UPDATE branches SET state = 'open' WHERE id = $1 AND state = 'closed';

-- name: concerned
-- Branches of suggestions that are, or whose scene is, among the documents $1.
SELECT id FROM branches
WHERE kind = 'suggestion' AND state <> 'closed' AND (id = ANY ($1) OR scene_id = ANY ($1));

-- name: behind
-- Branches whose changes were not told to the end of their log, or of their scene's, by their ids.
SELECT b.id FROM branches AS b
WHERE b.kind = 'suggestion' AND b.state <> 'closed' AND b.id > $1 AND (
    b.followed_seq < (
        SELECT seq FROM scene_versions AS v WHERE v.scene_id = b.id ORDER BY seq DESC LIMIT 1)
    OR b.base_seq < (
        SELECT seq FROM scene_versions AS v WHERE v.scene_id = b.scene_id ORDER BY seq DESC LIMIT 1)
    OR EXISTS (
        SELECT FROM jsonb_array_elements(b.hunks) AS hunk JOIN suggestions AS s
            ON s.id = (hunk ->> 0)::uuid WHERE s.status <> 'OPEN')
)
ORDER BY b.id LIMIT $2;

-- name: branch
SELECT id, scene_id, project_id, base_seq, base, base_size, base_checksum, followed_seq, hunks,
    unexpressed, created_by
FROM branches WHERE id = $1 AND kind = 'suggestion' AND state <> 'closed';

-- name: told
SELECT id, status, version FROM suggestions WHERE id = ANY ($1);

-- name: lock
SELECT s.*, a.first_client, a.first_clock, a.last_client, a.last_clock
FROM suggestions AS s JOIN anchors AS a ON a.id = s.anchor_id
WHERE s.id = ANY ($1) ORDER BY s.id FOR UPDATE OF s;

-- name: count_open
SELECT count(*) FROM suggestions WHERE scene_id = $1 AND status = 'OPEN';

-- name: add
INSERT INTO suggestions (
    id, project_id, scene_id, anchor_id, branch_id, kind, base, text, side, created_by,
    updated_by, attributes
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11) RETURNING *;

-- name: change
UPDATE suggestions SET version = version + 1, kind = $2, base = $3, text = $4, side = $5,
    attributes = $6, updated_at = greatest(now(), updated_at)
WHERE id = $1 RETURNING *;

-- name: withdraw
UPDATE suggestions SET version = version + 1, status = 'WITHDRAWN', decided_at = now(),
    decided_by = created_by, updated_at = greatest(now(), updated_at), updated_by = created_by
WHERE id = $1 RETURNING *;

-- name: follow
UPDATE branches SET followed_seq = $4, hunks = $5, unexpressed = $6
WHERE id = $1 AND base_seq = $2 AND followed_seq = $3 AND state <> 'closed' RETURNING id;

-- name: rebase
UPDATE branches SET base_seq = $2, base = $3, base_size = $4, base_checksum = $5 WHERE id = $1;
