-- name: drawn_anchors
-- Those of the anchors $2 of a scene that editors draw: threads stand on them.
SELECT a.id, a.project_id FROM anchors a
WHERE a.scene_id = $1 AND a.id = ANY($2::uuid[])
    AND EXISTS (SELECT FROM threads t WHERE t.anchor_id = a.id AND t.deleted_at IS NULL);
