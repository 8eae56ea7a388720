-- name: mark
-- A scene and its branches; heard again it changes nothing.
INSERT INTO purged_scenes (log_id, scene_id, project_id, event_id)
SELECT $1::uuid, $1::uuid, $2::uuid, $3::uuid
UNION ALL
SELECT id, $1, $2, $3 FROM branches WHERE scene_id = $1
ON CONFLICT (log_id) DO NOTHING;

-- name: due
-- One that is not erased yet, or that somebody may have written to since: an edit that was under way
-- when the scene went, a head that was being made. Branches come before their scene, which knows
-- them. Who works on it keeps others off.
SELECT log_id, erased_at IS NULL AS fresh FROM purged_scenes
WHERE erased_at IS NULL
    OR (marked_at > now() - $1 * interval '1 second' AND swept_at < now() - $2 * interval '1 second')
ORDER BY erased_at NULLS FIRST, marked_at, log_id = scene_id, log_id
LIMIT 1 FOR UPDATE SKIP LOCKED;

-- name: erase
SELECT erase_scene($1, $2);

-- name: erased
UPDATE purged_scenes SET erased_at = coalesce(erased_at, now()), swept_at = now()
WHERE log_id = $1;

-- name: count
UPDATE purged_scenes SET erased_rows = erased_rows + $2 WHERE log_id = $1;

-- name: recent
SELECT log_id FROM purged_scenes WHERE marked_at > now() - $1 * interval '1 second';

-- name: measure
SELECT count(*) AS open,
    coalesce(extract(epoch FROM now() - min(marked_at)), 0)::float AS age_s
FROM purged_scenes WHERE erased_at IS NULL;
