-- name: page
SELECT id FROM imported_contents WHERE id > $1 ORDER BY id LIMIT $2;

-- name: count
SELECT count(*) FROM imported_contents;

-- name: row
SELECT id, project_id, user_id, path, file_name, media_type, asset_type, sha256, blob_sha256,
    length(content)::bigint AS size
FROM imported_contents WHERE id = $1;

-- name: part
SELECT substring(content FROM $2 FOR $3) FROM imported_contents WHERE id = $1;

-- name: finish
UPDATE imported_contents SET blob_sha256 = $2, imported_at = now()
WHERE id = $1 AND blob_sha256 IS NULL;
