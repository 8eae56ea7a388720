-- name: lock_scenes
-- Every transaction that changes anchors takes their scenes first, as following does: two that took
-- anchors and scenes in different orders would wait for each other.
SELECT FROM anchored_scenes WHERE scene_id = ANY ($1) ORDER BY scene_id FOR UPDATE;

-- name: lock_scenes_of
SELECT FROM anchored_scenes
WHERE scene_id IN (SELECT scene_id FROM anchors WHERE project_id = $1 AND id = ANY ($2))
ORDER BY scene_id FOR UPDATE;

-- name: insert
INSERT INTO anchors (
    id, project_id, scene_id, status, first_client, first_clock, last_client, last_clock,
    quote, before, after, grams, from_offset, seq, followed_seq, pieces, run_id, created_by
) VALUES ($1, $2, $3, 'exact', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13, $14, $15, $16);

-- name: settle
-- Anchors that were followed with their scene are as new as their scene, before its version may be
-- set back by anchors that were made at an older one.
UPDATE anchors AS a SET followed_seq = s.followed_seq
FROM anchored_scenes AS s
WHERE s.scene_id = $1 AND a.scene_id = $1 AND s.followed_seq > $2
    AND a.followed_seq < s.followed_seq;

-- name: begin_following
INSERT INTO anchored_scenes AS s (scene_id, followed_seq) VALUES ($1, $2)
ON CONFLICT (scene_id) DO UPDATE SET followed_seq = least(s.followed_seq, excluded.followed_seq);

-- name: replace
UPDATE anchors SET
    status = 'exact', generation = generation + 1, first_client = $4, first_clock = $5,
    last_client = $6, last_clock = $7, quote = $8, before = $9, after = $10, grams = $11,
    from_offset = $12, seq = $13, followed_seq = $13, pieces = $14, cuts = '[]',
    deleted_at = NULL, deleted_by = NULL
WHERE id = $1 AND project_id = $2 AND scene_id = $3;

-- name: remove
DELETE FROM anchors WHERE project_id = $1 AND id = ANY ($2);

-- name: retire
UPDATE anchors SET retired = true WHERE project_id = $1 AND id = ANY ($2);

-- name: read
SELECT id, status, generation, first_client, first_clock, last_client, last_clock, quote,
    deleted_at, deleted_by
FROM anchors WHERE project_id = $1 AND scene_id = $2 AND id = ANY ($3);

-- name: scene_of
SELECT scene_id FROM anchors WHERE id = $1 AND project_id = $2 AND NOT retired;

-- name: count
SELECT count(*) FROM anchors WHERE scene_id = $1;

-- name: followed
SELECT followed_seq FROM anchored_scenes WHERE scene_id = $1;

-- name: to_follow
-- Anchors that an edit can change: they live, or wait for what was cut out of them.
SELECT id, status, generation, first_client, first_clock, last_client, last_clock, quote,
    before, after, followed_seq, pieces, cuts, deleted_at, deleted_by
FROM anchors
WHERE scene_id = $1 AND NOT retired AND (status <> 'orphaned' OR cuts <> '[]') ORDER BY id;

-- name: follow
UPDATE anchored_scenes SET followed_seq = $3 WHERE scene_id = $1 AND followed_seq = $2
RETURNING scene_id;

-- name: change
UPDATE anchors SET
    status = $2, generation = $3, first_client = $4, first_clock = $5, last_client = $6,
    last_clock = $7, followed_seq = $8, pieces = $9, cuts = $10, deleted_at = $11, deleted_by = $12
WHERE id = $1;

-- name: anchored
SELECT scene_id FROM anchored_scenes WHERE scene_id = ANY ($1);

-- name: behind
-- Scenes whose anchors were not followed to the end of their log, by the order of their ids.
SELECT a.scene_id FROM anchored_scenes AS a
WHERE a.scene_id > $1 AND a.followed_seq < (
    SELECT seq FROM scene_versions AS v WHERE v.scene_id = a.scene_id ORDER BY seq DESC LIMIT 1
)
ORDER BY a.scene_id LIMIT $2;
