-- Every statement repeats the project. Locks are taken in this order: upload, path, blobs by
-- SHA-256, doomed key, account.

-- name: blob
SELECT * FROM blobs WHERE project_id = $1 AND sha256 = $2;

-- name: lock_blobs
SELECT * FROM blobs WHERE project_id = $1 AND sha256 = ANY($2::text[]) ORDER BY sha256 FOR UPDATE;

-- name: put_blob
-- No row returned: the project has, or had, these bytes.
INSERT INTO blobs (project_id, sha256, size, stored_size, codec, level, media_type, asset_type, key, created_by, charset)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (project_id, sha256) DO NOTHING RETURNING *;

-- name: replace_bytes
-- The bytes are here again, under another key; used as $8, and as before unless they were gone.
UPDATE blobs SET stored_size = $3, codec = $4, level = $5, key = $6, tier = 'hot', state = 'live',
    media_type = $7, charset = $9, touched_at = now(), condemned_at = NULL, archived_at = NULL, collected_at = NULL,
    asset_type = CASE state WHEN 'collected' THEN $8::asset_type ELSE asset_type END,
    used_as = CASE WHEN state = 'collected' THEN '{}' WHEN $8 = ANY (used_as) THEN used_as
        ELSE used_as || $8::asset_type END
WHERE project_id = $1 AND sha256 = $2 RETURNING *;

-- name: touch_blob
-- What is condemned is rescued by whoever wants it; as $3, if that is said.
UPDATE blobs SET touched_at = now(), condemned_at = NULL,
    used_as = CASE WHEN $3::asset_type IS NULL OR $3 = asset_type OR $3 = ANY (used_as) THEN used_as
        ELSE used_as || $3 END,
    state = CASE WHEN state <> 'condemned' THEN state
        WHEN tier = 'cold' THEN 'archived' ELSE 'live' END
WHERE project_id = $1 AND sha256 = $2 RETURNING *;

-- name: ask_return
-- Somebody wants an archived blob.
UPDATE blobs SET state = 'restoring' WHERE project_id = $1 AND sha256 = $2 AND state = 'archived';

-- name: drop_frames
DELETE FROM blob_frames WHERE project_id = $1 AND sha256 = $2;

-- name: put_frames
INSERT INTO blob_frames (project_id, sha256, number, start, length, digest)
SELECT $1, $2, number - 1, start, length, digest
FROM unnest($3::bigint[], $4::integer[], $5::bytea[]) WITH ORDINALITY AS f (start, length, digest, number);

-- name: frames
SELECT start, length, digest FROM blob_frames
WHERE project_id = $1 AND sha256 = $2 AND number BETWEEN $3 AND $4 ORDER BY number;

-- name: account
SELECT coalesce(max(bytes), 0)::bigint AS bytes, coalesce(max(stored_bytes), 0)::bigint AS stored_bytes,
    coalesce(max(blobs), 0)::bigint AS blobs, coalesce(max(quota_bytes), $2::bigint) AS quota_bytes
FROM accounts WHERE project_id = $1;

-- name: charge
-- Adds to what a project keeps; says what it keeps then and what it may.
INSERT INTO accounts AS known (project_id, bytes, stored_bytes, blobs) VALUES ($1, $2, $3, $4)
ON CONFLICT (project_id) DO UPDATE SET bytes = known.bytes + $2,
    stored_bytes = known.stored_bytes + $3, blobs = known.blobs + $4
RETURNING bytes, quota_bytes;

-- name: set_quota
INSERT INTO accounts (project_id, quota_bytes) VALUES ($1, $2)
ON CONFLICT (project_id) DO UPDATE SET quota_bytes = excluded.quota_bytes;

-- name: room
-- What a project keeps, may keep, and is about to: its open uploads and, added in `bytes`, what
-- arrived of them.
SELECT a.bytes AS kept, a.bytes + p.bytes AS bytes, a.quota_bytes, p.uploads
FROM (
    SELECT coalesce(max(bytes), 0)::bigint AS bytes,
        coalesce(max(quota_bytes), $2::bigint) AS quota_bytes
    FROM accounts WHERE project_id = $1
) a, (
    SELECT count(*) AS uploads, coalesce(sum("offset"), 0)::bigint AS bytes
    FROM uploads WHERE project_id = $1 AND blob_sha256 IS NULL AND refusal IS NULL
) p;

-- name: put_upload
INSERT INTO uploads (id, project_id, user_id, size, sha256, file_name, media_type, asset_type, resumable, direct_key, expires_at, metadata)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, now() + make_interval(secs => $11), $12)
ON CONFLICT (id) DO NOTHING RETURNING *;

-- name: upload
SELECT * FROM uploads WHERE id = $1 AND project_id = $2;

-- name: lock_upload
SELECT * FROM uploads WHERE id = $1 AND project_id = $2 FOR UPDATE;

-- name: finish_upload
UPDATE uploads SET blob_sha256 = $3, size = $4, "offset" = $4, deduplicated = $5, done_at = now(),
    expires_at = now() + make_interval(secs => $6)
WHERE id = $1 AND project_id = $2 RETURNING *;

-- name: move_offset
-- Who sent the last byte has it finished; when nothing came of that after $4 seconds, others do.
UPDATE uploads SET "offset" = $3, retry_at = now() + make_interval(secs => $4)
WHERE id = $1 AND project_id = $2 RETURNING *;

-- name: set_size
UPDATE uploads SET size = $3, retry_at = now() + make_interval(secs => $4)
WHERE id = $1 AND project_id = $2 RETURNING *;

-- name: refuse_upload
-- It is over; remembered for a while, to answer who asks again.
UPDATE uploads SET refusal = $3, expires_at = now() + make_interval(secs => $4)
WHERE id = $1 AND project_id = $2;

-- name: take_received
-- Uploads whose bytes are all here and of which nothing has become, the longest due first. Each is
-- due again later and later, $2 to $3 seconds from now, until it is finished or its time is over.
UPDATE uploads SET attempts = attempts + 1,
    retry_at = now() + make_interval(secs => least($3, $2 * 2 ^ least(attempts, 20)))
WHERE id IN (
    SELECT id FROM uploads
    WHERE resumable AND blob_sha256 IS NULL AND refusal IS NULL AND "offset" = size
        AND coalesce(retry_at, '-infinity'::timestamptz) <= now() AND expires_at > now()
    ORDER BY coalesce(retry_at, '-infinity'::timestamptz) LIMIT $1 FOR UPDATE SKIP LOCKED
) RETURNING id, project_id;

-- name: count_received
SELECT count(*) FROM uploads
WHERE resumable AND blob_sha256 IS NULL AND refusal IS NULL AND "offset" = size AND attempts > 0;

-- name: put_storage
INSERT INTO storages (tier, mark) VALUES ($1, $2) ON CONFLICT (tier) DO NOTHING;

-- name: lock_storage
SELECT mark, adopted_at FROM storages WHERE tier = $1 FOR UPDATE;

-- name: adopt_storage
UPDATE storages SET mark = $2, adopted_at = now() WHERE tier = $1;

-- name: is_mark_known
SELECT EXISTS (SELECT FROM storages WHERE mark = $1 AND adopted_at IS NOT NULL);

-- name: sample_keys
-- Objects that should be in a tier: of the newest blobs, and of open uploads.
(SELECT key FROM blobs WHERE tier = $1 AND key IS NOT NULL ORDER BY touched_at DESC LIMIT $2)
UNION ALL
(SELECT key FROM upload_pieces WHERE $1 = 'hot'::storage_tier LIMIT $2);

-- name: forget_upload
DELETE FROM uploads WHERE id = $1 AND project_id = $2;

-- name: put_piece
INSERT INTO upload_pieces (upload_id, project_id, start, length, digest, key)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: pieces
SELECT start, length, digest, key FROM upload_pieces
WHERE upload_id = $1 AND project_id = $2 ORDER BY start;

-- name: count_pieces
SELECT count(*) FROM upload_pieces WHERE upload_id = $1 AND project_id = $2;

-- name: doom_pieces
WITH gone AS (
    DELETE FROM upload_pieces WHERE upload_id = $1 AND project_id = $2 RETURNING key, project_id
)
INSERT INTO doomed (key, project_id, due_at, reason) SELECT key, project_id, now(), $3 FROM gone;

-- name: expired_uploads
-- Done ones are kept a while, to answer who asks again.
SELECT id, project_id FROM uploads WHERE expires_at < now() ORDER BY expires_at LIMIT $1
FOR UPDATE SKIP LOCKED;

-- name: lease
-- Before the first byte of a key is stored.
INSERT INTO doomed (key, project_id, tier, due_at, reason)
VALUES ($1, $2, $3, now() + make_interval(secs => $4), $5);

-- name: renew
UPDATE doomed SET due_at = now() + make_interval(secs => $3)
WHERE key = $1 AND project_id = $2 RETURNING key;

-- name: release
-- The key has been given a row of its own. No row returned: its lease was over.
DELETE FROM doomed WHERE key = $1 AND project_id = $2 RETURNING key;

-- name: doom
-- A key that no row names from now on; it is deleted after a while, for those who read it.
INSERT INTO doomed (key, project_id, tier, due_at, reason)
VALUES ($1, $2, $3, now() + make_interval(secs => $4), $5)
ON CONFLICT (key) DO UPDATE SET due_at = excluded.due_at, reason = excluded.reason;

-- name: doom_strays
-- Of the keys $1, those that no row knows.
INSERT INTO doomed (key, project_id, tier, due_at, reason)
SELECT k, split_part(k, '/', 1)::uuid, $2, now() + make_interval(secs => $3), 'stray'
FROM unnest($1::text[]) AS k
WHERE NOT EXISTS (SELECT FROM blobs WHERE key = k)
    AND NOT EXISTS (SELECT FROM upload_pieces WHERE key = k)
ON CONFLICT (key) DO NOTHING RETURNING key;

-- name: due
-- Held while they are deleted, so that none is given a row meanwhile.
SELECT key FROM doomed WHERE due_at < now() AND tier = $1 ORDER BY due_at LIMIT $2
FOR UPDATE SKIP LOCKED;

-- name: forget_doomed
DELETE FROM doomed WHERE key = ANY($1::text[]);

-- name: postpone
-- Storage would not delete them now.
UPDATE doomed SET attempts = attempts + 1,
    due_at = now() + make_interval(secs => least(3600, 10 * 2 ^ least(attempts, 10)))
WHERE key = ANY($1::text[]);

-- name: doomed_backlog
SELECT count(*) FROM doomed WHERE due_at < now();

-- name: put_claim
INSERT INTO claims (id, project_id, sha256, source, source_id, claimed_by)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING;

-- name: claim
SELECT * FROM claims WHERE id = $1 AND project_id = $2;

-- name: put_ref
INSERT INTO refs (project_id, sha256, source, source_id) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING;

-- name: drop_ref
DELETE FROM refs WHERE project_id = $1 AND sha256 = $2 AND source = $3 AND source_id = $4;

-- name: add_path
-- No row returned: the path is there, or was.
INSERT INTO paths (project_id, path, id, version, sha256, entity_id) VALUES ($1, $2, $3, 1, $4, $5)
ON CONFLICT (project_id, path) DO NOTHING RETURNING id, version, sha256;

-- name: lock_path
SELECT path, id, version, sha256, entity_id FROM paths
WHERE project_id = $1 AND path = $2 FOR UPDATE;

-- name: lock_paths_of_entity
-- The names of an entity's file, $3 apart.
SELECT path, id, version, sha256, entity_id FROM paths
WHERE project_id = $1 AND entity_id = $2 AND path IS DISTINCT FROM $3 ORDER BY path FOR UPDATE;

-- name: move_path
UPDATE paths SET version = version + 1, sha256 = $3, entity_id = $4
WHERE project_id = $1 AND path = $2;

-- name: add_path_version
INSERT INTO path_versions (project_id, path, version, sha256, file_name, asset_type, reason, updated_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: path
-- What a path points at, or pointed at in version $3.
SELECT v.path, v.version, v.sha256, b.size, b.media_type, v.file_name, v.asset_type,
    v.updated_at, v.updated_by
FROM paths p
JOIN path_versions v ON v.project_id = p.project_id AND v.path = p.path
    AND v.version = coalesce($3::bigint, p.version)
LEFT JOIN blobs b ON b.project_id = v.project_id AND b.sha256 = v.sha256
WHERE p.project_id = $1 AND p.path = $2;

-- name: list_paths
-- Of users, only the one who asks. The bounds of the range keep the scan to what may match.
SELECT v.path, v.version, v.sha256, b.size, b.media_type, v.file_name, v.asset_type,
    v.updated_at, v.updated_by
FROM paths p
JOIN path_versions v ON v.project_id = p.project_id AND v.path = p.path AND v.version = p.version
LEFT JOIN blobs b ON b.project_id = v.project_id AND b.sha256 = v.sha256
WHERE p.project_id = $1 AND p.path >= $2 AND starts_with(p.path, $2) AND p.path > $3
    AND ($4 OR p.sha256 IS NOT NULL)
    AND (starts_with(p.path, 'project/') OR starts_with(p.path, 'users/' || $5 || '/'))
ORDER BY p.path LIMIT $6;

-- name: path_history
SELECT v.path, v.version, v.sha256, b.size, b.media_type, v.file_name, v.asset_type,
    v.updated_at, v.updated_by
FROM path_versions v
LEFT JOIN blobs b ON b.project_id = v.project_id AND b.sha256 = v.sha256
WHERE v.project_id = $1 AND v.path = $2 AND v.version < coalesce($3::bigint, v.version + 1)
ORDER BY v.version DESC LIMIT $4;

-- name: ticket_keys
SELECT id, secret, created_at FROM ticket_keys ORDER BY created_at DESC, id DESC;

-- name: lock_ticket_keys
LOCK TABLE ticket_keys IN SHARE ROW EXCLUSIVE MODE;

-- name: put_ticket_key
INSERT INTO ticket_keys (secret) SELECT $1
WHERE NOT EXISTS (SELECT FROM ticket_keys WHERE created_at > now() - make_interval(secs => $2));

-- name: forget_ticket_keys
DELETE FROM ticket_keys WHERE created_at < now() - make_interval(secs => $1);

-- name: put_damage
-- Found twice, it is one finding.
INSERT INTO quarantine (id, project_id, sha256, key, tier, frame, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (key) WHERE resolved_at IS NULL DO NOTHING RETURNING id;

-- name: quarantine_blob
UPDATE blobs SET state = 'quarantined', condemned_at = NULL
WHERE project_id = $1 AND sha256 = $2 AND key = $3 AND state <> 'quarantined' RETURNING sha256;

-- name: resolve_damage
UPDATE quarantine SET resolved_at = now() WHERE project_id = $1 AND sha256 = $2 AND resolved_at IS NULL;

-- name: mend_blob
-- The object of a blob in quarantine is what was stored, after all.
UPDATE blobs SET state = CASE tier WHEN 'cold' THEN 'archived' ELSE 'live' END::blob_state,
    touched_at = now()
WHERE project_id = $1 AND sha256 = $2 AND key = $3 AND state = 'quarantined' RETURNING *;

-- name: put_audit
INSERT INTO audit (id, project_id, user_id, action, sha256, data) VALUES ($1, $2, $3, $4, $5, $6);

-- name: forget_announced
-- The newest row stays, because positions continue from the greatest one.
DELETE FROM outbox WHERE seq IN (
    SELECT seq FROM outbox WHERE published_at < now() - make_interval(days => $1)
        AND position < (SELECT max(position) FROM outbox)
    ORDER BY published_at LIMIT $2);
