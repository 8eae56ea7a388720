-- name: read
SELECT *, extract(epoch FROM clock_timestamp() - snapshot_at)::float8 AS age_s FROM scene_snapshots WHERE scene_id = $1;

-- name: put
-- Never replaces one that stands further, nor what Yjs gave by what an import brought.
INSERT INTO scene_snapshots AS known (
    scene_id, snapshot_id, content_blocks, content_bytes, block_count, snapshot_source, yjs_derived,
    yjs_checksum, yjs_position, seq, first_yjs_seq, rendering, editor)
VALUES ($1, $2, $3, $4, $5, $6, $9 > 0, $7, $8, $9, nullif($9, 0), $10, $12)
ON CONFLICT (scene_id) DO UPDATE SET
    snapshot_id = excluded.snapshot_id, content_blocks = excluded.content_blocks,
    content_bytes = excluded.content_bytes, block_count = excluded.block_count,
    snapshot_source = excluded.snapshot_source, snapshot_at = now(),
    yjs_derived = excluded.yjs_derived, yjs_checksum = excluded.yjs_checksum,
    yjs_position = excluded.yjs_position, seq = excluded.seq,
    first_yjs_seq = coalesce(known.first_yjs_seq, excluded.first_yjs_seq),
    rendering = excluded.rendering, editor = excluded.editor
WHERE known.seq <= excluded.seq OR $11
RETURNING snapshot_at;

-- name: keep_import
-- What an import brought, until it is migrated; the snapshot may be overwritten before that.
INSERT INTO imported_scenes (scene_id, content_blocks, content_bytes, block_count)
VALUES ($1, $2, $3, $4)
ON CONFLICT (scene_id) DO UPDATE SET
    content_blocks = excluded.content_blocks, content_bytes = excluded.content_bytes,
    block_count = excluded.block_count, imported_at = now();

-- name: note
-- The history gains a row ...
INSERT INTO scene_snapshot_metadata (
    snapshot_id, scene_id, snapshot_source, created_at, created_by, yjs_version_count,
    yjs_latest_version_id, yjs_checksum, generation_time_ms, snapshot_size_bytes)
VALUES ($1, $2, $3, $4, $5, $6, (
    SELECT version_id FROM scene_versions WHERE scene_id = $2 AND seq = $6 AND NOT is_compacted
), $7, $8, $9);

-- name: trim
-- ... and keeps the newest $2.
DELETE FROM scene_snapshot_metadata WHERE snapshot_id IN (
    SELECT snapshot_id FROM scene_snapshot_metadata WHERE scene_id = $1
    ORDER BY created_at DESC, snapshot_id DESC OFFSET $2
);

-- name: expect_check
-- A scene with a snapshot is one that sampling comes by.
INSERT INTO snapshot_checks (scene_id) VALUES ($1) ON CONFLICT DO NOTHING;

-- name: noted
-- The snapshot that a request made before: asked again, it is not made again.
SELECT * FROM scene_snapshot_metadata WHERE snapshot_id = $1 AND scene_id = $2;

-- name: history
-- The newest $2 snapshots of a scene, the last one first.
SELECT snapshot_id, snapshot_source AS source, created_at, created_by,
    yjs_version_count AS yjs_update_count, generation_time_ms, snapshot_size_bytes
FROM scene_snapshot_metadata WHERE scene_id = $1
ORDER BY created_at DESC, snapshot_id DESC LIMIT $2;

-- name: compacted_since
-- Whether the log was compacted after its snapshot was taken.
SELECT EXISTS (
    SELECT FROM compactions WHERE scene_id = $1 AND marked_at > coalesce((
        SELECT snapshot_at FROM scene_snapshots WHERE scene_id = $1
    ), '-infinity')
);

-- name: overview
-- What is stored of scenes, in the order asked, without content.
SELECT wanted.id AS scene_id, coalesce(newest.seq, 0) AS head, newest.created_at AS edited_at,
    kept.seq, kept.snapshot_at, kept.snapshot_source, kept.first_yjs_seq, now() AS now,
    EXISTS (
        SELECT FROM scene_versions WHERE scene_id = wanted.id AND is_compacted
    ) AS compacted,
    newest.seq IS NOT NULL AND NOT EXISTS (
        SELECT FROM scene_versions WHERE scene_id = wanted.id AND seq = 1 AND NOT is_compacted
    ) AS pruned
FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted(id, place)
LEFT JOIN scene_snapshots AS kept ON kept.scene_id = wanted.id
LEFT JOIN LATERAL (
    SELECT seq, created_at FROM scene_versions WHERE scene_id = wanted.id
    ORDER BY seq DESC, is_compacted LIMIT 1
) AS newest ON true
ORDER BY place;

-- name: begin_walk
-- No row: another replica walked, or began to, less than $1 seconds ago.
UPDATE persistence_counts SET walk_began_at = now()
WHERE walk_began_at < now() - make_interval(secs => $1) RETURNING true;

-- name: walk
-- The next $2 scenes with a log after $1, by jumping from one to the next in its key: how far each
-- reaches, how far its snapshot does, since when they differ, and whether it was compacted since.
WITH RECURSIVE found AS (
    (SELECT scene_id FROM scene_versions WHERE scene_id > $1 ORDER BY scene_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT later.scene_id FROM scene_versions AS later WHERE later.scene_id > found.scene_id
        ORDER BY later.scene_id LIMIT 1
    ) FROM found WHERE found.scene_id IS NOT NULL
), page AS (
    SELECT scene_id FROM found WHERE scene_id IS NOT NULL LIMIT $2
)
SELECT page.scene_id, newest.seq AS head, kept.seq, kept.rendering, kept.editor,
    extract(epoch FROM now() - kept.snapshot_at)::float8 AS age_s,
    waiting.since, extract(epoch FROM now() - waiting.since)::float8 AS waits_s,
    EXISTS (
        SELECT FROM compactions AS done
        WHERE done.scene_id = page.scene_id AND done.marked_at > kept.snapshot_at
    ) AS compacted
FROM page
LEFT JOIN scene_snapshots AS kept ON kept.scene_id = page.scene_id
CROSS JOIN LATERAL (
    SELECT seq FROM scene_versions WHERE scene_id = page.scene_id ORDER BY seq DESC LIMIT 1
) AS newest
LEFT JOIN LATERAL (
    SELECT created_at AS since FROM scene_versions
    WHERE scene_id = page.scene_id AND seq > coalesce(kept.seq, 0) ORDER BY seq LIMIT 1
) AS waiting ON true
ORDER BY page.scene_id;

-- name: end_walk
UPDATE persistence_counts SET counted_at = now(), scenes_with_updates = $1, scenes_behind = $2,
    age_s_average = $3, oldest_change_at = $4;

-- name: counts
SELECT * FROM persistence_counts;

-- name: claim_check
-- The snapshot that was not looked at for longest; whoever claims it is the only one.
UPDATE snapshot_checks SET checked_at = now() WHERE scene_id = (
    SELECT scene_id FROM snapshot_checks
    WHERE checked_at < now() - make_interval(secs => $1)
    ORDER BY checked_at LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING scene_id;

-- name: note_check
-- A difference stays on record until the next one, so that it counts in its window. Nothing is
-- noted of a snapshot that was replaced while it was looked at.
INSERT INTO snapshot_checks AS known (scene_id, checked_at, diverged_at, severity, report)
SELECT $1, now(), CASE WHEN $2::text IS NOT NULL THEN now() END, $2, $3
WHERE EXISTS (SELECT FROM scene_snapshots WHERE scene_id = $1 AND snapshot_id = $4)
ON CONFLICT (scene_id) DO UPDATE SET
    checked_at = now(),
    diverged_at = coalesce(excluded.diverged_at, known.diverged_at),
    severity = coalesce(excluded.severity, known.severity),
    report = coalesce(excluded.report, known.report),
    -- Well again, whoever replaced it.
    repaired_at = CASE WHEN excluded.diverged_at IS NULL AND known.diverged_at IS NOT NULL
        THEN coalesce(known.repaired_at, now()) END;

-- name: note_repair
UPDATE snapshot_checks SET repaired_at = now() WHERE scene_id = $1;

-- name: record_repair
-- The audit; nothing is ever taken out of it.
INSERT INTO repairs (
    repair_id, scene_id, found_at, kind, severity, detail, action, outcome, repaired_at, requested_by)
VALUES ($1, $2, $3, 'snapshot', $4, $5, $6, $7, CASE WHEN $8 THEN now() END, $9);

-- name: recent_repairs
SELECT * FROM repairs ORDER BY found_at DESC LIMIT $1;

-- name: compaction
-- What compaction did so far. It saves only what is gone: originals stay for their retention, and
-- until then the compacted row comes on top.
SELECT max(created_at) AS last_run, count(DISTINCT scene_id) AS scenes,
    coalesce(sum(pruned_bytes - bytes_after) FILTER (WHERE pruned_rows > 0), 0)::bigint
        AS saved_bytes
FROM compactions WHERE verified_at IS NOT NULL;

-- name: divergence
-- Scenes checked and scenes that diverged in the last $1 seconds: each counts once, however often it
-- was looked at.
SELECT count(*) FILTER (WHERE checked_at >= since OR diverged_at >= since) AS checked,
    count(*) FILTER (WHERE diverged_at >= since) AS diverged,
    count(*) FILTER (WHERE diverged_at >= since AND severity = 'MINOR') AS minor,
    count(*) FILTER (WHERE diverged_at >= since AND severity = 'MODERATE') AS moderate,
    count(*) FILTER (WHERE diverged_at >= since AND severity = 'CRITICAL') AS critical,
    nullif((SELECT max(checked_at) FROM snapshot_checks), '-infinity') AS last_check
FROM snapshot_checks, (SELECT now() - make_interval(secs => $1) AS since) AS bound
WHERE checked_at >= since OR diverged_at >= since;

-- name: worst
-- Those of the last $1 seconds, unrepaired and severe ones first.
SELECT scene_id, severity, diverged_at, repaired_at FROM snapshot_checks
WHERE diverged_at >= now() - make_interval(secs => $1)
ORDER BY repaired_at IS NOT NULL, severity = 'CRITICAL' DESC, severity = 'MODERATE' DESC,
    diverged_at DESC
LIMIT $2;

-- name: note_minute
INSERT INTO persistence_minutes AS known (
    replica, minute, loads, load_seconds, snapshots, snapshot_failures, sampling, working)
VALUES ($1, date_trunc('minute', now()), $2, $3, $4, $5, $6, $7)
ON CONFLICT (minute, replica) DO UPDATE SET
    loads = known.loads + excluded.loads,
    load_seconds = known.load_seconds + excluded.load_seconds,
    snapshots = known.snapshots + excluded.snapshots,
    snapshot_failures = known.snapshot_failures + excluded.snapshot_failures,
    sampling = excluded.sampling, working = excluded.working;

-- name: forget_minutes
DELETE FROM persistence_minutes WHERE minute < now() - make_interval(secs => $1);

-- name: minutes
-- Over all replicas in the last $1 seconds; of those that reported within $2, whether all take
-- snapshots, and whether any samples. Each takes those of its own scenes, so one that hangs counts.
WITH newest AS (
    SELECT DISTINCT ON (replica) sampling, working FROM persistence_minutes
    WHERE minute >= now() - make_interval(secs => $2) ORDER BY replica, minute DESC
)
SELECT coalesce(sum(loads), 0)::bigint AS loads, sum(load_seconds) AS load_seconds,
    coalesce(sum(snapshots), 0)::bigint AS snapshots,
    coalesce(sum(snapshot_failures), 0)::bigint AS failures,
    (SELECT coalesce(bool_and(working), false) FROM newest) AS working,
    (SELECT coalesce(bool_or(sampling), false) FROM newest) AS sampling
FROM persistence_minutes WHERE minute >= now() - make_interval(secs => $1);

-- name: newest_scene
-- A scene whose loading shows whether loading works.
SELECT scene_id FROM scene_snapshots WHERE yjs_derived ORDER BY snapshot_at DESC LIMIT 1;
