-- name: refactor
SELECT * FROM refactors WHERE id = $1 AND project_id = $2;

-- name: where
SELECT project_id, deleted_at IS NOT NULL AS deleted FROM refactors WHERE id = $1;

-- name: lock
SELECT * FROM refactors WHERE id = $1 FOR UPDATE;

-- name: count
SELECT count(*) FROM refactors WHERE project_id = $1 AND deleted_at IS NULL;

-- name: add
INSERT INTO refactors (
    id, project_id, kind, title, asked, terms, scenes_total, run_id, created_by, updated_by
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) RETURNING *;

-- name: add_scenes
INSERT INTO refactor_scenes (refactor_id, project_id, scene_id, position, title)
SELECT $1, $2, n.scene_id, n.position, n.title
FROM unnest($3::uuid[], $4::integer[], $5::text[]) AS n (scene_id, position, title);

-- name: refactors
-- The newest first, after the refactor ($2, $3).
SELECT * FROM refactors
WHERE project_id = $1
    AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
    AND ($4::text IS NULL OR state = $4)
    AND (deleted_at IS NULL OR $5)
ORDER BY created_at DESC, id DESC LIMIT $6;

-- name: counts
SELECT r.refactor_id AS id, count(*) AS hits, count(*) FILTER (WHERE r.sure) AS sure,
    count(*) FILTER (WHERE r.chosen) AS chosen, count(*) FILTER (WHERE r.skipped) AS skipped
FROM (
    SELECT refactor_id, sure, chosen, skipped FROM refactor_hits WHERE refactor_id = ANY ($1)
    UNION ALL
    SELECT refactor_id, sure, chosen, skipped FROM refactor_fields WHERE refactor_id = ANY ($1)
) r GROUP BY r.refactor_id;

-- name: due
-- One at which there is something to do and that nobody looked at for a moment, or that waits for
-- edits to be made anew after a choice.
UPDATE refactors SET looked_at = now() WHERE id = (
    SELECT id FROM refactors
    WHERE state IN ('FINDING', 'APPLYING', 'REVERTING') AND deleted_at IS NULL
        AND NOT id = ANY ($1::uuid[])
    ORDER BY looked_at LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING id;

-- name: unplanned
-- A refactor with a scene whose chosen hits have no edit yet.
SELECT s.refactor_id, s.scene_id FROM refactors r
JOIN refactor_scenes s ON s.refactor_id = r.id
WHERE r.state = 'READY' AND r.deleted_at IS NULL AND r.updated_at > now() - interval '1 day'
    AND s.planned_seq IS NULL AND s.found_seq IS NOT NULL AND NOT s.scene_id = ANY ($1::uuid[])
    AND EXISTS (SELECT FROM refactor_hits h
        WHERE h.refactor_id = r.id AND h.scene_id = s.scene_id AND h.chosen)
LIMIT 1;

-- name: to_find
SELECT scene_id, title, position FROM refactor_scenes
WHERE refactor_id = $1 AND found_seq IS NULL ORDER BY position LIMIT $2;

-- name: found
UPDATE refactor_scenes SET found_seq = $3, left_out = $4, title = $5, planned_seq = $6,
    planned_update = $7, fits = $8, plan = $9
WHERE refactor_id = $1 AND scene_id = $2 AND found_seq IS NULL RETURNING scene_id;

-- name: add_hit
INSERT INTO refactor_hits (
    id, refactor_id, project_id, scene_id, number, anchor_id, kind, base, text, side, before,
    after, sure, chosen, reason
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15);

-- name: add_field
INSERT INTO refactor_fields (
    id, refactor_id, project_id, scene_id, number, kind, aggregate_id, field, old_value, new_value,
    sure, chosen, reason
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12)
ON CONFLICT (refactor_id, aggregate_id, field) DO NOTHING;

-- name: progressed
UPDATE refactors SET scenes_done = scenes_done + 1, hits_found = hits_found + $2,
    looked_at = now()
WHERE id = $1 RETURNING *;

-- name: set_state
UPDATE refactors SET state = $2, version = version + 1, updated_at = greatest(now(), updated_at),
    failure = $3
WHERE id = $1 RETURNING *;

-- name: order_given
UPDATE refactors SET state = $2, version = version + 1, updated_at = greatest(now(), updated_at),
    updated_by = $3, attempt = attempt + 1, ordered = $4, written = NULL, failure = NULL,
    looked_at = now()
WHERE id = $1 RETURNING *;

-- name: texts_written
UPDATE refactors SET written = $2 WHERE id = $1;

-- name: scenes_applied
UPDATE refactor_scenes s SET applied_seq = n.value::bigint, reverted_seq = NULL
FROM refactors r, jsonb_each_text(r.written -> 'seqs') AS n (key, value)
WHERE r.id = $1 AND s.refactor_id = $1 AND s.scene_id = n.key::uuid;

-- name: scenes_reverted
-- What was applied is gone, so the next edit is made from what is there then.
UPDATE refactor_scenes s
SET reverted_seq = n.value::bigint, planned_seq = NULL, planned_update = NULL,
    plan = jsonb_build_object('back', coalesce(r.written -> 'back' -> n.key, '{}'))
FROM refactors r, jsonb_each_text(r.written -> 'seqs') AS n (key, value)
WHERE r.id = $1 AND s.refactor_id = $1 AND s.scene_id = n.key::uuid;

-- name: plans_of
SELECT scene_id, planned_seq, planned_update, plan FROM refactor_scenes
WHERE refactor_id = $1 AND scene_id = ANY ($2);

-- name: plan_of
SELECT plan FROM refactor_scenes WHERE refactor_id = $1 AND scene_id = $2;

-- name: hits_skipped
UPDATE refactor_hits h SET skipped = true FROM refactors r
WHERE r.id = $1 AND h.refactor_id = $1 AND r.written -> 'skipped' ? h.id::text;

-- name: fields_skipped
UPDATE refactor_fields SET skipped = true WHERE refactor_id = $1 AND id = ANY ($2);

-- name: unskip_hits
UPDATE refactor_hits SET skipped = false WHERE refactor_id = $1 AND skipped;

-- name: unskip_fields
UPDATE refactor_fields SET skipped = false WHERE refactor_id = $1 AND skipped;

-- name: applied
UPDATE refactors SET state = 'APPLIED', version = version + 1, bundle_id = $2,
    updated_at = greatest(now(), updated_at), applied_at = now(), applied_by = updated_by,
    reverted_at = NULL, reverted_by = NULL, failure = NULL
WHERE id = $1 AND state = 'APPLYING' RETURNING *;

-- name: reverted
UPDATE refactors SET state = 'REVERTED', version = version + 1,
    updated_at = greatest(now(), updated_at), reverted_at = now(), reverted_by = updated_by,
    failure = NULL
WHERE id = $1 AND state = 'REVERTING' RETURNING *;

-- name: chosen_scenes
-- The scenes with chosen hits, and the edits that are made for them.
SELECT s.scene_id, s.planned_seq, s.planned_update, s.fits FROM refactor_scenes s
WHERE s.refactor_id = $1 AND EXISTS (SELECT FROM refactor_hits h
    WHERE h.refactor_id = $1 AND h.scene_id = s.scene_id AND h.chosen)
ORDER BY s.position;

-- name: chosen_hits
SELECT id, scene_id, anchor_id, kind, base, text, side FROM refactor_hits
WHERE refactor_id = $1 AND scene_id = $2 AND chosen ORDER BY number;

-- name: hits_named
SELECT id, scene_id, base, text FROM refactor_hits WHERE refactor_id = $1 AND id = ANY ($2);

-- name: keep_plan
UPDATE refactor_scenes SET planned_seq = $3, planned_update = $4, fits = $5, plan = $6
WHERE refactor_id = $1 AND scene_id = $2;

-- name: applied_scenes
SELECT scene_id, plan FROM refactor_scenes
WHERE refactor_id = $1 AND applied_seq IS NOT NULL AND reverted_seq IS NULL ORDER BY position;

-- name: chosen_fields
SELECT id, kind, aggregate_id, field, old_value, new_value FROM refactor_fields
WHERE refactor_id = $1 AND chosen AND NOT skipped ORDER BY number, kind, id;

-- name: behind
-- Those of scenes whose anchors were not followed to these versions.
SELECT a.scene_id FROM anchored_scenes a
JOIN unnest($1::uuid[], $2::bigint[]) AS n (scene_id, head) ON n.scene_id = a.scene_id
WHERE a.followed_seq < n.head;

-- name: choose_hits
-- $2 on, off or sure; of these hits, of a scene, or all.
UPDATE refactor_hits SET chosen = CASE $2 WHEN 'on' THEN true WHEN 'off' THEN false ELSE sure END
WHERE refactor_id = $1 AND ($3::uuid[] IS NULL OR id = ANY ($3))
    AND ($4::uuid IS NULL OR scene_id = $4) AND anchor_id IS NOT NULL
RETURNING scene_id;

-- name: choose_fields
UPDATE refactor_fields
SET chosen = CASE $2 WHEN 'on' THEN true WHEN 'off' THEN false ELSE sure END
WHERE refactor_id = $1 AND ($3::uuid[] IS NULL OR id = ANY ($3))
    AND ($4::uuid IS NULL OR scene_id = $4)
RETURNING id;

-- name: known_ids
SELECT id FROM refactor_hits WHERE refactor_id = $1 AND id = ANY ($2)
UNION ALL SELECT id FROM refactor_fields WHERE refactor_id = $1 AND id = ANY ($2);

-- name: forget_plans
UPDATE refactor_scenes SET planned_seq = NULL, planned_update = NULL,
    plan = CASE WHEN plan ? 'back' THEN jsonb_build_object('back', plan -> 'back') END
WHERE refactor_id = $1 AND scene_id = ANY ($2);

-- name: changed
UPDATE refactors SET version = version + 1, updated_at = greatest(now(), updated_at),
    updated_by = $2, title = CASE WHEN $4::boolean THEN $3::text ELSE title END
WHERE id = $1 RETURNING *;

-- name: set_deleted
UPDATE refactors SET version = version + 1, updated_at = greatest(now(), updated_at),
    updated_by = $2, deleted_at = CASE WHEN $3::boolean THEN now() END,
    deleted_by = CASE WHEN $3 THEN $2::uuid END
WHERE id = $1 RETURNING *;

-- name: lock_anchored_scenes
-- Scenes before their anchors, as everywhere.
SELECT FROM anchored_scenes
WHERE scene_id IN (SELECT scene_id FROM refactor_scenes WHERE refactor_id = $1)
ORDER BY scene_id FOR UPDATE;

-- name: retire_anchors
-- Nobody asks where the hits of a deleted refactor are; restored, it has what its words were then.
UPDATE anchors a SET retired = true FROM refactor_hits h
WHERE h.refactor_id = $1 AND a.id = h.anchor_id;

-- name: page_of_scenes
-- Scenes that have hits, or whose title or another field changes.
SELECT s.* FROM refactor_scenes s
WHERE s.refactor_id = $1 AND s.position > $2 AND (
    EXISTS (SELECT FROM refactor_hits h
        WHERE h.refactor_id = s.refactor_id AND h.scene_id = s.scene_id)
    OR EXISTS (SELECT FROM refactor_fields f
        WHERE f.refactor_id = s.refactor_id AND f.aggregate_id = s.scene_id))
ORDER BY s.position LIMIT $3;

-- name: hits_of_scenes
SELECT * FROM refactor_hits WHERE refactor_id = $1 AND scene_id = ANY ($2)
ORDER BY scene_id, number;

-- name: fields_of_scenes
SELECT * FROM refactor_fields WHERE refactor_id = $1 AND scene_id = ANY ($2) ORDER BY field;

-- name: other_fields
SELECT * FROM refactor_fields WHERE refactor_id = $1 AND scene_id IS NULL
ORDER BY number, kind, id LIMIT $2;

-- name: refactor_by_id
SELECT * FROM refactors WHERE id = $1;
