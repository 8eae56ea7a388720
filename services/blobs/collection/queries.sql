-- name: unreferenced
-- Of the next $3 blobs by key after ($1, $2), only of project $7 if given: those that nothing refers
-- to, nobody has just claimed ($6 is the claim window), and that have been so for longer than the
-- retention of what they are used as, the longest. `last` is the newest key of the page, `is_due` whether it is one of those.
WITH page AS MATERIALIZED (
    SELECT project_id, sha256, size, stored_size, asset_type, used_as, state, touched_at FROM blobs
    WHERE (project_id, sha256) > ($1, $2) AND ($7::uuid IS NULL OR project_id = $7)
    ORDER BY project_id, sha256 LIMIT $3
)
SELECT page.*, due.is_due, count(*) OVER () AS looked_at
FROM page,
LATERAL (SELECT page.state IN ('live', 'archived')
    AND page.touched_at <= now() - (SELECT max(p.kept)
        FROM unnest($4::asset_type[], $5::interval[]) AS p (kind, kept)
        WHERE p.kind = page.asset_type OR p.kind = ANY (page.used_as))
    AND NOT EXISTS (SELECT FROM refs AS r
        WHERE r.project_id = page.project_id AND r.sha256 = page.sha256)
    AND NOT EXISTS (SELECT FROM claims AS c WHERE c.project_id = page.project_id
        AND c.sha256 = page.sha256 AND c.settled_at IS NULL
        AND c.claimed_at > now() - $6::interval) AS is_due) AS due
ORDER BY page.project_id, page.sha256;

-- name: lock_blobs
-- Those of the blobs ($1, $2) that nobody else works on, locked against everybody.
SELECT project_id, sha256 FROM blobs
WHERE (project_id, sha256) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
ORDER BY project_id, sha256 FOR UPDATE SKIP LOCKED;

-- name: condemn
-- Look again, now that they are locked and nothing can begin to refer to them.
UPDATE blobs AS b SET state = 'condemned', condemned_at = now()
FROM unnest($1::uuid[], $2::text[]) AS found (project_id, sha256)
WHERE b.project_id = found.project_id AND b.sha256 = found.sha256
    AND b.state IN ('live', 'archived')
    AND b.touched_at <= now() - (SELECT max(p.kept)
        FROM unnest($3::asset_type[], $4::interval[]) AS p (kind, kept)
        WHERE p.kind = b.asset_type OR p.kind = ANY (b.used_as))
    AND NOT EXISTS (SELECT FROM refs AS r
        WHERE r.project_id = b.project_id AND r.sha256 = b.sha256)
    AND NOT EXISTS (SELECT FROM claims AS c WHERE c.project_id = b.project_id
        AND c.sha256 = b.sha256 AND c.settled_at IS NULL AND c.claimed_at > now() - $5::interval)
RETURNING b.project_id, b.sha256, b.size, b.asset_type, b.used_as, b.touched_at;

-- name: condemned
-- The next blobs whose grace is over, the longest first, after ($2, $3, $4). Damaged ones are not
-- condemned, so that uploading them again mends them; their grace follows their retention.
SELECT * FROM (
    (SELECT project_id, sha256, size, asset_type, used_as, condemned_at AS since FROM blobs
    WHERE state = 'condemned' AND condemned_at <= now() - $1::interval
        AND (condemned_at, project_id, sha256) > ($2, $3, $4)
        AND ($6::uuid IS NULL OR project_id = $6)
    ORDER BY condemned_at, project_id, sha256 LIMIT $5)
    UNION ALL
    (SELECT project_id, sha256, size, asset_type, used_as, touched_at + kept AS since
    FROM blobs, LATERAL (SELECT max(p.kept) AS kept
        FROM unnest($7::asset_type[], $8::interval[]) AS p (kind, kept)
        WHERE p.kind = blobs.asset_type OR p.kind = ANY (blobs.used_as)) AS policy
    WHERE state = 'quarantined' AND touched_at + kept <= now() - $1::interval
        AND (touched_at + kept, project_id, sha256) > ($2, $3, $4)
        AND ($6::uuid IS NULL OR project_id = $6)
        AND NOT EXISTS (SELECT FROM refs AS r
            WHERE r.project_id = blobs.project_id AND r.sha256 = blobs.sha256)
    ORDER BY since, project_id, sha256 LIMIT $5)
) AS due ORDER BY since, project_id, sha256 LIMIT $5;

-- name: old_claims
-- Open claims on these blobs of the project that are older than the claim window.
SELECT id, sha256, source FROM claims
WHERE project_id = $1 AND sha256 = ANY ($2::text[]) AND settled_at IS NULL
    AND claimed_at <= now() - $3::interval ORDER BY id;

-- name: settle_claim
UPDATE claims SET settled_at = now(), used = $3
WHERE project_id = $1 AND id = $2 AND settled_at IS NULL;

-- name: rescue
-- What turned out to be referred to is kept.
UPDATE blobs SET state = (CASE tier WHEN 'cold' THEN 'archived' ELSE 'live' END)::blob_state,
    condemned_at = NULL, touched_at = now()
WHERE project_id = $1 AND sha256 = ANY ($2::text[]) AND state = 'condemned'
RETURNING sha256;

-- name: standing
-- Whether something refers to these blobs, or is about to.
SELECT b.sha256,
    EXISTS (SELECT FROM refs AS r
        WHERE r.project_id = b.project_id AND r.sha256 = b.sha256) AS is_referred,
    EXISTS (SELECT FROM claims AS c WHERE c.project_id = b.project_id AND c.sha256 = b.sha256
        AND c.settled_at IS NULL) AS is_claimed
FROM blobs AS b WHERE b.project_id = $1 AND b.sha256 = ANY ($2::text[]);

-- name: collect
-- The last look, under the locks: grace is over, no reference, no open claim. The key is
-- doomed in the same statement that unnames it.
WITH going AS (
    SELECT b.project_id, b.sha256, b.key, b.tier, b.size, b.stored_size, b.asset_type, b.state,
        b.condemned_at, b.touched_at
    FROM blobs AS b, LATERAL (SELECT max(p.kept) AS kept
        FROM unnest($5::asset_type[], $6::interval[]) AS p (kind, kept)
        WHERE p.kind = b.asset_type OR p.kind = ANY (b.used_as)) AS policy
    WHERE b.project_id = $1 AND b.sha256 = ANY ($2::text[])
        AND (b.state = 'condemned' AND b.condemned_at <= now() - $3::interval
            OR b.state = 'quarantined' AND b.touched_at + policy.kept <= now() - $3::interval)
        AND NOT EXISTS (SELECT FROM refs AS r
            WHERE r.project_id = b.project_id AND r.sha256 = b.sha256)
        AND NOT EXISTS (SELECT FROM claims AS c WHERE c.project_id = b.project_id
            AND c.sha256 = b.sha256 AND c.settled_at IS NULL)
), doom AS (
    INSERT INTO doomed (key, project_id, tier, due_at, reason)
    SELECT key, project_id, tier, now() + $4::interval, 'collected' FROM going
), frames AS (
    DELETE FROM blob_frames AS f USING going AS g
    WHERE f.project_id = g.project_id AND f.sha256 = g.sha256
), damage AS (
    UPDATE quarantine AS q SET resolved_at = now() FROM going AS g
    WHERE q.project_id = g.project_id AND q.key = g.key AND q.resolved_at IS NULL
), account AS (
    UPDATE accounts AS a SET bytes = a.bytes - s.bytes, stored_bytes = a.stored_bytes - s.stored,
        blobs = a.blobs - s.blobs
    FROM (SELECT project_id, sum(size) AS bytes, sum(stored_size) AS stored, count(*) AS blobs
        FROM going GROUP BY project_id) AS s
    WHERE a.project_id = s.project_id
), gone AS (
    UPDATE blobs AS b SET state = 'collected', key = NULL, condemned_at = NULL, collected_at = now()
    FROM going AS g WHERE b.project_id = g.project_id AND b.sha256 = g.sha256
)
SELECT * FROM going;

-- name: backlog
-- What waits: condemned blobs, claims, the next collection.
SELECT count(*) AS condemned, coalesce(sum(size), 0)::bigint AS condemned_bytes,
    coalesce(extract(epoch FROM now() - min(condemned_at)), 0)::float AS oldest_s,
    (SELECT count(*) FROM claims WHERE settled_at IS NULL) AS claims,
    coalesce((SELECT extract(epoch FROM now() - coalesce(ended_at, begun_at))
        FROM task_positions WHERE name = 'collect'), 0)::float AS round_age_s
FROM blobs WHERE state = 'condemned';

-- name: forget_claims
-- Settled claims are no longer asked about.
DELETE FROM claims WHERE id IN (SELECT id FROM claims
    WHERE settled_at <= now() - $1::interval LIMIT $2);

-- name: learn
-- What a thing refers to as of a version of it; no row when a newer one is known already. The same
-- version again is taken, so that what could not be done the first time is.
INSERT INTO followed AS known (project_id, source, source_id, version, sha256)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (project_id, source, source_id) DO UPDATE
SET version = excluded.version, sha256 = excluded.sha256
WHERE known.version <= excluded.version RETURNING version;

-- name: end_refs
-- A thing no longer refers to what it did, $4 apart; the retention of that begins now.
WITH ended AS (
    DELETE FROM refs WHERE project_id = $1 AND source = $2 AND source_id = $3
        AND sha256 IS DISTINCT FROM $4 RETURNING project_id, sha256
)
UPDATE blobs AS b SET touched_at = now() FROM ended AS e
WHERE b.project_id = e.project_id AND b.sha256 = e.sha256 RETURNING b.sha256;

-- name: begin_ref
-- No row when it is known, or when there is no such blob.
INSERT INTO refs (project_id, sha256, source, source_id)
SELECT project_id, sha256, $3, $4 FROM blobs WHERE project_id = $1 AND sha256 = $2
ON CONFLICT DO NOTHING RETURNING sha256;

-- name: lock_blob
SELECT state::text, key FROM blobs WHERE project_id = $1 AND sha256 = $2 FOR UPDATE;

-- name: touch
UPDATE blobs SET touched_at = now() WHERE project_id = $1 AND sha256 = $2;

-- name: followed
-- What we believe things of a project refer to, by id after $3.
SELECT source_id, version, sha256 FROM followed
WHERE project_id = $1 AND source = $2 AND source_id > $3 AND sha256 IS NOT NULL
ORDER BY source_id LIMIT $4;

-- name: end_all_refs
-- The project is gone: nothing in it refers to anything, and nothing need be kept.
DELETE FROM refs WHERE project_id = $1;

-- name: forget_followed
DELETE FROM followed WHERE project_id = $1;

-- name: end_paths
WITH ended AS (
    UPDATE paths SET sha256 = NULL, entity_id = NULL, version = version + 1
    WHERE project_id = $1 AND sha256 IS NOT NULL RETURNING project_id, path, version
)
INSERT INTO path_versions (project_id, path, version, reason, updated_by)
SELECT project_id, path, version, 'the project was purged', $2 FROM ended;

-- name: end_retention
UPDATE blobs SET touched_at = 'epoch' WHERE project_id = $1 AND state <> 'collected';

-- name: states
SELECT sha256, state::text FROM blobs WHERE project_id = $1 AND sha256 = ANY ($2::text[]);
