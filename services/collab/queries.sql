-- name: written_at
-- When the newest row up to $2 was written.
SELECT created_at FROM scene_versions WHERE scene_id = $1 AND seq <= $2 ORDER BY seq DESC LIMIT 1;

-- name: append
-- All updates of one flush, of any scenes, in one statement and so in one commit.
INSERT INTO scene_versions (scene_id, seq, yjs_update, client_id, created_by, checksum)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::bigint[], $5::uuid[], $6::bigint[]);

-- name: append_runs
-- The runs that made some of these updates, in the same transaction.
INSERT INTO row_runs (scene_id, seq, run_id)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[]);

-- name: heads
-- How far each log reaches, in the order asked; 0 for an empty one.
SELECT coalesce((
    SELECT seq FROM scene_versions WHERE scene_id = wanted.id ORDER BY seq DESC LIMIT 1
), 0) AS head
FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted(id, place) ORDER BY place;

-- name: load
-- A scene after $2 up to $4: what reaches furthest of its head and its compacted rows, then the rows
-- after that. One statement, so one moment: a roll-up in between cannot make a hole. Quarantined
-- rows come without their bytes: the state does reach beyond them. Quarantined compacted rows come
-- without is_base: what they held may be gone. At most $3 rows; ask again for the rest. $5 is how
-- much of what is derived may be used: 2 all, 1 no head, 0 originals only. The number of repairs
-- comes as the checksum of seq 0, when there were any.
WITH head AS (
    SELECT upto_seq AS seq, snapshot AS body, size, checksum FROM docs
    WHERE $5 > 1 AND scene_id = $1 AND upto_seq > $2 AND upto_seq <= $4
), compacted AS (
    SELECT seq, yjs_update AS body, NULL::integer AS size, checksum FROM scene_versions AS row
    WHERE $5 > 0 AND scene_id = $1 AND is_compacted AND seq <= $4
        AND seq > coalesce((SELECT seq FROM head), $2)
        AND NOT EXISTS (
            SELECT FROM quarantined_updates AS bad
            WHERE bad.scene_id = $1 AND bad.seq = row.seq AND bad.is_compacted
        )
    ORDER BY seq DESC LIMIT 1
), base AS (
    SELECT * FROM compacted
    UNION ALL
    SELECT * FROM head WHERE NOT EXISTS (SELECT FROM compacted)
)
SELECT true AS is_base, seq, body, size, checksum FROM base
UNION ALL
(
    SELECT false, seq, CASE WHEN bad.reason IS NULL THEN yjs_update END, NULL, checksum
    FROM scene_versions LEFT JOIN quarantined_updates AS bad USING (scene_id, seq, is_compacted)
    WHERE scene_id = $1 AND seq > coalesce((SELECT seq FROM base), $2) AND seq <= $4
        AND NOT is_compacted
    ORDER BY seq LIMIT $3
)
UNION ALL
SELECT NULL, seq, NULL, NULL, NULL FROM quarantined_updates
WHERE scene_id = $1 AND is_compacted AND seq > coalesce((SELECT seq FROM base), $2) AND seq <= $4
UNION ALL
SELECT NULL, 0, NULL, NULL, count(*) FROM repairs
WHERE scene_id = $1 AND outcome = 'repaired' AND kind IN ('head', 'compacted') HAVING count(*) > 0
ORDER BY seq;

-- name: rows
-- Originals $2 to $3 of a scene, both included; quarantined ones without their bytes.
SELECT false AS is_base, seq, CASE WHEN bad.reason IS NULL THEN yjs_update END AS body, checksum
FROM scene_versions LEFT JOIN quarantined_updates AS bad USING (scene_id, seq, is_compacted)
WHERE scene_id = $1 AND seq BETWEEN $2 AND $3 AND NOT is_compacted
ORDER BY seq;

-- name: put_head
-- A roll-up never replaces one that reaches further, unless that is version $7: a damaged one.
INSERT INTO docs AS known (scene_id, upto_seq, snapshot, size, state_vector, checksum)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (scene_id) DO UPDATE SET
    upto_seq = excluded.upto_seq, snapshot = excluded.snapshot, size = excluded.size,
    state_vector = excluded.state_vector, checksum = excluded.checksum,
    version = known.version + 1, updated_at = now()
WHERE known.upto_seq < excluded.upto_seq OR known.version = $7;

-- name: head
SELECT upto_seq, snapshot, size, state_vector, checksum, version, updated_at
FROM docs WHERE scene_id = $1;

-- name: quarantine
-- Only rows that are there: one that was pruned meanwhile hurts nobody.
INSERT INTO quarantined_updates (scene_id, seq, reason, is_compacted)
SELECT $1, bad.seq, bad.reason, $4
FROM unnest($2::bigint[], $3::text[]) AS bad(seq, reason)
WHERE EXISTS (
    SELECT FROM scene_versions AS row
    WHERE row.scene_id = $1 AND row.seq = bad.seq AND row.is_compacted = $4
)
ON CONFLICT DO NOTHING RETURNING seq;

-- name: ping
SELECT 1;
