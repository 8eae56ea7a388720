-- name: kept
-- Which stretches of a log up to $2 are kept, in order.
SELECT from_seq, seq FROM authorship WHERE scene_id = $1 AND from_seq <= $2 ORDER BY seq;

-- name: parts
SELECT part FROM authorship WHERE scene_id = $1 AND seq = ANY($2::bigint[]) ORDER BY seq;

-- name: first_original
-- The oldest original that is part of its document; null when there is none.
SELECT seq FROM scene_versions AS row
WHERE scene_id = $1 AND NOT is_compacted AND NOT EXISTS (
    SELECT FROM quarantined_updates AS bad
    WHERE bad.scene_id = $1 AND bad.seq = row.seq AND NOT bad.is_compacted
)
ORDER BY seq LIMIT 1;

-- name: edits
-- Originals after $2 up to $3, at most $4, with author and run; damaged ones are in no document. The
-- first row of a branch is a copy of its scene: its creator wrote nothing of it.
SELECT seq, created_by, (extract(epoch FROM created_at) * 1000)::bigint AS time_ms, run_id,
    yjs_update AS body
FROM scene_versions AS row
LEFT JOIN row_runs USING (scene_id, seq)
WHERE scene_id = $1 AND seq > $2 AND seq <= $3 AND NOT is_compacted
    AND crc32(yjs_update) = checksum
    AND NOT EXISTS (
        SELECT FROM quarantined_updates AS bad
        WHERE bad.scene_id = $1 AND bad.seq = row.seq AND NOT bad.is_compacted
    )
    AND NOT (seq = 1 AND EXISTS (SELECT FROM branches WHERE id = $1))
ORDER BY seq LIMIT $4;

-- name: keep
INSERT INTO authorship (scene_id, seq, from_seq, part) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING;

-- name: is_kept
SELECT EXISTS (SELECT FROM authorship WHERE scene_id = $1 AND seq = $2);

-- name: merged_branches
-- Branches of scene $1 that were merged up to its version $2, except branch $3, with their newest
-- versions.
SELECT b.id, coalesce((
    SELECT seq FROM scene_versions WHERE scene_id = b.id ORDER BY seq DESC LIMIT 1
), 0) AS head
FROM branches AS b WHERE b.scene_id = $1 AND b.id <> $3 AND EXISTS (
    SELECT FROM branch_merges AS done WHERE done.branch_id = b.id AND done.seq <= $2
)
ORDER BY b.id;

-- name: base_seq
-- Up to which version of its scene a branch has it.
SELECT base_seq FROM branches WHERE id = $1;

-- name: lost
-- Authors of the compacted sessions that reach into $2 to $3, and the end of the last.
SELECT max(seq_to) AS seq, (extract(epoch FROM max(ended_at)) * 1000)::bigint AS time_ms,
    array(
        SELECT DISTINCT jsonb_object_keys(authors) FROM editing_sessions
        WHERE scene_id = $1 AND seq_to >= $2 AND seq_from <= $3
    ) AS authors
FROM editing_sessions WHERE scene_id = $1 AND seq_to >= $2 AND seq_from <= $3;
