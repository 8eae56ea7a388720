-- name: drawn_anchors
-- Those of the anchors $2 of a scene that editors draw: on which threads, open suggestions and open
-- hunks of patches stand.
SELECT a.id, a.project_id FROM anchors a
WHERE a.scene_id = $1 AND a.id = ANY($2::uuid[])
    AND (
        EXISTS (SELECT FROM threads t WHERE t.anchor_id = a.id AND t.deleted_at IS NULL)
        OR EXISTS (SELECT FROM suggestions s WHERE s.anchor_id = a.id AND s.status = 'OPEN')
        OR EXISTS (
            SELECT FROM patch_hunks h JOIN patches p ON p.id = h.patch_id
            WHERE h.anchor_id = a.id AND h.state = 'OPEN' AND p.deleted_at IS NULL)
    );
