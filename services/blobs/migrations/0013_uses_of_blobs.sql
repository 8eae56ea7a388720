-- What a blob was used as besides `asset_type`, which is what its first uploader said: by other
-- uploads and by paths. It is kept as long as the longest kept of these.
ALTER TABLE blobs ADD COLUMN used_as asset_type[] NOT NULL DEFAULT '{}';
UPDATE blobs AS b SET used_as = v.types
FROM (
    SELECT project_id, sha256, array_agg(DISTINCT asset_type) AS types FROM path_versions
    WHERE sha256 IS NOT NULL AND asset_type IS NOT NULL GROUP BY project_id, sha256
) AS v
WHERE b.project_id = v.project_id AND b.sha256 = v.sha256 AND v.types <> ARRAY[b.asset_type];
