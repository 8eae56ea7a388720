-- name: next_blobs
-- The next blobs with bytes in storage after ($1, $2), only of project $4 if given.
SELECT * FROM blobs WHERE (project_id, sha256) > ($1, $2) AND state <> 'collected'
    AND ($4::uuid IS NULL OR project_id = $4)
ORDER BY project_id, sha256 LIMIT $3;

-- name: blob
SELECT * FROM blobs WHERE project_id = $1 AND sha256 = $2;

-- name: verified
INSERT INTO blob_uses (project_id, sha256, verified_at) VALUES ($1, $2, now())
ON CONFLICT (project_id, sha256) DO UPDATE SET verified_at = excluded.verified_at;

-- name: note_reads
-- Who read what; the same again within the hour changes nothing.
INSERT INTO blob_uses AS known (project_id, sha256, read_at)
SELECT b.project_id, b.sha256, now()
FROM unnest($1::uuid[], $2::text[]) AS f (project_id, sha256)
JOIN blobs AS b ON b.project_id = f.project_id AND b.sha256 = f.sha256
ORDER BY 1, 2
ON CONFLICT (project_id, sha256) DO UPDATE SET read_at = excluded.read_at
WHERE known.read_at IS NULL OR known.read_at < now() - interval '1 hour';

-- name: idle
-- Of the next $3 blobs after ($1, $2): large ones in the hot tier that nobody has read for $4.
WITH page AS MATERIALIZED (
    SELECT project_id, sha256, size, state, tier, touched_at FROM blobs
    WHERE (project_id, sha256) > ($1, $2) ORDER BY project_id, sha256 LIMIT $3
)
SELECT page.project_id, page.sha256,
    page.state = 'live' AND page.tier = 'hot' AND page.size >= $5
        AND greatest(page.touched_at, u.read_at) <= now() - $4::interval AS is_due
FROM page LEFT JOIN blob_uses AS u
    ON u.project_id = page.project_id AND u.sha256 = page.sha256
ORDER BY page.project_id, page.sha256;

-- name: restoring
-- Blobs that somebody waits for, the longest first.
SELECT b.project_id, b.sha256 FROM blobs AS b WHERE b.state = 'restoring'
ORDER BY b.project_id, b.sha256 LIMIT $1;

-- name: frames
SELECT start, length, digest FROM blob_frames WHERE project_id = $1 AND sha256 = $2
ORDER BY number;

-- name: release
DELETE FROM doomed WHERE key = $1 AND project_id = $2 RETURNING key;

-- name: doom
INSERT INTO doomed (key, project_id, tier, due_at, reason)
VALUES ($1, $2, $3, now() + $4::interval, 'moved');

-- name: lock_blob
SELECT * FROM blobs WHERE project_id = $1 AND sha256 = $2 FOR UPDATE;

-- name: move
-- The same bytes under another key in another tier.
UPDATE blobs SET key = $3, tier = $4, state = $5,
    archived_at = CASE WHEN $4 = 'cold'::storage_tier THEN now() END
WHERE project_id = $1 AND sha256 = $2;

-- name: ask_return
UPDATE blobs SET state = 'restoring' WHERE project_id = $1 AND sha256 = $2 AND state = 'archived';

-- name: damaged
-- Findings, the oldest first; $2 those that were mended, too.
SELECT q.id, q.project_id, q.sha256, q.tier::text, q.frame, q.reason, q.found_at, q.resolved_at,
    b.size, (SELECT count(*) FROM refs AS r
        WHERE r.project_id = q.project_id AND r.sha256 = q.sha256) AS references
FROM quarantine AS q JOIN blobs AS b ON b.project_id = q.project_id AND b.sha256 = q.sha256
WHERE ($1::uuid IS NULL OR q.project_id = $1) AND ($2 OR q.resolved_at IS NULL)
ORDER BY q.found_at, q.id LIMIT $3;

-- name: take_quarantined
-- Blobs in quarantine that were looked at longest ago, not within $1; they count as looked at now.
WITH due AS (
    SELECT id FROM quarantine
    WHERE resolved_at IS NULL AND coalesce(looked_at, '-infinity') < now() - $1::interval
    ORDER BY coalesce(looked_at, found_at) LIMIT $2 FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE quarantine AS q SET looked_at = now() FROM due WHERE q.id = due.id
    RETURNING q.project_id, q.sha256
)
SELECT b.* FROM blobs AS b
JOIN taken ON taken.project_id = b.project_id AND taken.sha256 = b.sha256
WHERE b.state = 'quarantined';

-- name: take_quarantined_blob
-- No row returned: it was looked at within $3, or nothing is wrong with it.
UPDATE quarantine SET looked_at = now()
WHERE project_id = $1 AND sha256 = $2 AND resolved_at IS NULL
    AND coalesce(looked_at, '-infinity') < now() - $3::interval
RETURNING id;

-- name: open_damage
SELECT count(*) FROM quarantine WHERE resolved_at IS NULL;

-- name: totals
SELECT coalesce(sum(bytes), 0)::bigint AS bytes, coalesce(sum(stored_bytes), 0)::bigint AS stored,
    coalesce(sum(blobs), 0)::bigint AS blobs FROM accounts;

-- name: archived_totals
SELECT count(*) AS blobs, coalesce(sum(stored_size), 0)::bigint AS stored FROM blobs
WHERE state IN ('archived', 'restoring');

