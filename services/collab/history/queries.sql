-- name: standing
-- What is there of a document: how far its log reaches, and its horizon, the newest compacted row
-- of which originals are gone. Before it only compacted versions can be read; 0 when all can. A
-- gap is pruned from its start, and a quarantined row, which is never pruned, may be at one end.
WITH compacted AS (
    SELECT seq, lag(seq, 1, 0::bigint) OVER (ORDER BY seq) AS before
    FROM scene_versions WHERE scene_id = $1 AND is_compacted
), horizon AS (
    SELECT coalesce(max(c.seq), 0) AS seq FROM compacted AS c
    WHERE NOT EXISTS (
        SELECT FROM scene_versions
        WHERE scene_id = $1 AND seq = c.before + 1 AND NOT is_compacted
    ) OR NOT EXISTS (
        SELECT FROM scene_versions WHERE scene_id = $1 AND seq = c.seq AND NOT is_compacted
    )
)
SELECT
    coalesce((SELECT max(seq) FROM compacted), 0) AS compacted,
    horizon.seq AS horizon,
    (
        SELECT coalesce(
            (SELECT max(ended_at) FROM editing_sessions AS s
            WHERE s.scene_id = $1 AND s.seq_to <= horizon.seq),
            (SELECT created_at FROM scene_versions
            WHERE scene_id = $1 AND seq = horizon.seq AND is_compacted)
        ) WHERE horizon.seq > 0
    ) AS horizon_at,
    coalesce((
        SELECT seq FROM scene_versions WHERE scene_id = $1 ORDER BY seq DESC LIMIT 1
    ), 0) AS head
FROM horizon;

-- name: seq_at
SELECT seq_at($1, $2, $3, $4);

-- name: time_of
-- When a version came to be; of one whose original is gone, when its session last did something.
SELECT coalesce(
    (SELECT created_at FROM scene_versions
    WHERE scene_id = $1 AND seq = $2 AND NOT is_compacted),
    (SELECT max(ended_at) FROM editing_sessions WHERE scene_id = $1 AND seq_to <= $2)
);

-- name: session_ends
-- How far the log reaches, and how far sessions are kept beside it.
SELECT
    coalesce((SELECT seq FROM scene_versions WHERE scene_id = $1 ORDER BY seq DESC LIMIT 1), 0)
        AS head,
    coalesce((SELECT max(seq_to) FROM editing_sessions WHERE scene_id = $1), 0) AS kept;

-- name: live_sessions
-- By the one rule, of originals after $2 up to $4.
SELECT * FROM editing_sessions_of($1, $2, $3, $4);

-- name: kept_sessions
-- Of what is compacted, newest first, up to $2; at most $3.
SELECT seq_from, seq_to, started_at, ended_at, authors, updates, bytes FROM editing_sessions
WHERE scene_id = $1 AND seq_to <= $2 ORDER BY seq_from DESC LIMIT $3;

-- name: kept_authors
-- Who wrote in the compacted sessions that reach into $2 to $3.
SELECT DISTINCT jsonb_object_keys(authors) AS author FROM editing_sessions
WHERE scene_id = $1 AND seq_to >= $2 AND seq_from <= $3 ORDER BY author;

-- name: authors
-- Who wrote which originals after $2 up to $3: a row for each run of one author.
SELECT min(seq) AS seq_from, max(seq) AS seq_to, created_by, max(created_at) AS at FROM (
    SELECT seq, created_by, created_at, count(*) FILTER (WHERE changes) OVER (ORDER BY seq) AS run
    FROM (
        SELECT seq, created_by, created_at,
            created_by <> lag(created_by) OVER (ORDER BY seq) AS changes
        FROM scene_versions
        WHERE scene_id = $1 AND seq > $2 AND seq <= $3 AND NOT is_compacted
    ) AS edit
) AS numbered
GROUP BY run, created_by ORDER BY 1;

-- name: originals
-- Originals after $2 up to $3 with who and when, at most $4; quarantined ones without their bytes.
SELECT seq, created_by, created_at, checksum,
    CASE WHEN bad.reason IS NULL THEN yjs_update END AS body
FROM scene_versions LEFT JOIN quarantined_updates AS bad USING (scene_id, seq, is_compacted)
WHERE scene_id = $1 AND seq > $2 AND seq <= $3 AND NOT is_compacted
ORDER BY seq LIMIT $4;

-- name: add_restoration
INSERT INTO restorations (id, scene_id, from_at, from_seq, restored_by)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING;

-- name: end_restoration
UPDATE restorations SET seq = $2 WHERE id = $1;

-- name: add_snapshot
-- A retry finds what its first attempt made. No more than $12 of one scene.
INSERT INTO named_snapshots (
    id, scene_id, project_id, name, description, seq, at, state, size, checksum,
    created_by, updated_by
)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11
WHERE (SELECT count(*) FROM named_snapshots WHERE scene_id = $2) < $12
ON CONFLICT (id) DO NOTHING;

-- name: snapshots
SELECT id, scene_id, name, description, seq, at, size, version,
    created_by, created_at, updated_by, updated_at
FROM named_snapshots WHERE scene_id = $1 AND project_id = $2 ORDER BY created_at DESC, id DESC;

-- name: snapshot
SELECT id, scene_id, name, description, seq, at, size, version,
    created_by, created_at, updated_by, updated_at
FROM named_snapshots WHERE id = $1 AND scene_id = $2 AND project_id = $3;

-- name: snapshot_state
SELECT seq, at, state, size, checksum FROM named_snapshots
WHERE id = $1 AND scene_id = $2 AND project_id = $3;

-- name: change_snapshot
-- $5 and $7 tell whether name and description are given.
UPDATE named_snapshots SET
    name = CASE WHEN $5 THEN $6 ELSE name END,
    description = CASE WHEN $7 THEN $8 ELSE description END,
    version = version + 1, updated_by = $4, updated_at = now()
WHERE id = $1 AND scene_id = $2 AND project_id = $3
RETURNING id, scene_id, name, description, seq, at, size, version,
    created_by, created_at, updated_by, updated_at;

-- name: delete_snapshot
DELETE FROM named_snapshots WHERE id = $1 AND scene_id = $2 AND project_id = $3;

-- name: add_branch
-- A retry finds what its first attempt made. No more than $10 of one scene.
INSERT INTO branches (
    id, scene_id, project_id, name, base_seq, base, base_size, base_checksum, created_by
)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9
WHERE (SELECT count(*) FROM branches WHERE scene_id = $2 AND kind = 'branch') < $10
ON CONFLICT (id) DO NOTHING RETURNING id;

-- name: begin_branch
-- The first row of a branch: all that it begins with. Nobody listens yet, so nothing is announced.
INSERT INTO scene_versions (scene_id, seq, yjs_update, client_id, created_by, checksum)
VALUES ($1, 1, $2, $3, $4, $5);

-- name: branches
SELECT id, scene_id, name, state, base_seq, merges, merged_at, merged_by, merged_seq,
    created_by, created_at, kind, unexpressed, (
        SELECT seq FROM scene_versions WHERE scene_id = b.id ORDER BY seq DESC LIMIT 1
    ) AS seq
FROM branches AS b WHERE scene_id = $1 AND project_id = $2 ORDER BY created_at DESC, id DESC;

-- name: branch
SELECT id, scene_id, name, state, base_seq, merges, merged_at, merged_by, merged_seq,
    created_by, created_at, kind, unexpressed, (
        SELECT seq FROM scene_versions WHERE scene_id = b.id ORDER BY seq DESC LIMIT 1
    ) AS seq
FROM branches AS b WHERE id = $1 AND scene_id = $2 AND project_id = $3;

-- name: branch_base
-- The same, with the state that both sides began from.
SELECT b.*, (
    SELECT seq FROM scene_versions WHERE scene_id = b.id ORDER BY seq DESC LIMIT 1
) AS seq
FROM branches AS b WHERE id = $1 AND scene_id = $2 AND project_id = $3;

-- name: close_branch
UPDATE branches SET state = 'closed' WHERE id = $1 AND scene_id = $2 AND project_id = $3;

-- name: add_merge
INSERT INTO branch_merges (id, branch_id, strategy, conflicts, merged_by)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING;

-- name: end_merge
UPDATE branch_merges SET seq = $2 WHERE id = $1;

-- name: rebase
-- What was merged is the base of the next merge.
UPDATE branches SET
    state = 'merged', base_seq = $2, base = $3, base_size = $4, base_checksum = $5,
    merges = merges + 1, merged_at = now(), merged_by = $6, merged_seq = $2
WHERE id = $1;
