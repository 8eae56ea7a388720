-- name: imported
-- Scenes that have blocks from elsewhere, migrated or not, by id after $1.
SELECT scene_id FROM (
    SELECT scene_id FROM imported_scenes UNION SELECT scene_id FROM migrated_scenes
) AS found WHERE scene_id > $1 ORDER BY scene_id LIMIT $2;

-- name: imported_count
SELECT count(*) FROM (
    SELECT scene_id FROM imported_scenes UNION SELECT scene_id FROM migrated_scenes
) AS found;

-- name: waiting
-- What an import brought and nobody began to migrate.
SELECT content_blocks, content_bytes, block_count FROM imported_scenes WHERE scene_id = $1;

-- name: read
SELECT content_blocks, content_bytes, block_count, yjs_update, seq FROM migrated_scenes
WHERE scene_id = $1;

-- name: begin
-- Whoever comes second goes on with what the first one made. The blocks move from where they waited,
-- unless others came meanwhile.
WITH moved AS (
    DELETE FROM imported_scenes WHERE scene_id = $1 AND content_blocks = $2
)
INSERT INTO migrated_scenes (scene_id, content_blocks, content_bytes, block_count, yjs_update)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING;

-- name: finish
UPDATE migrated_scenes SET seq = $2, migrated_at = now() WHERE scene_id = $1 AND seq IS NULL;
