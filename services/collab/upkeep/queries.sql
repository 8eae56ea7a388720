-- name: span
-- Where the compacted part of a scene ends, and how far the rest is older than $2, and
-- whether it was compacted less than $3 ago.
WITH base AS (
    SELECT coalesce(max(seq), 0) AS seq FROM scene_versions AS row
    WHERE scene_id = $1 AND is_compacted AND NOT EXISTS (
        SELECT FROM quarantined_updates AS bad
        WHERE bad.scene_id = $1 AND bad.seq = row.seq AND bad.is_compacted
    )
), young AS (
    SELECT seq FROM scene_versions
    WHERE scene_id = $1 AND NOT is_compacted AND seq > (SELECT seq FROM base)
        AND created_at > now() - $2::interval
    ORDER BY seq LIMIT 1
), newest AS (
    SELECT seq FROM scene_versions WHERE scene_id = $1 AND NOT is_compacted
    ORDER BY seq DESC LIMIT 1
)
SELECT base.seq AS base, coalesce((SELECT seq - 1 FROM young), (SELECT seq FROM newest), 0) AS upto,
    coalesce((
        SELECT max(created_at) > now() - $3::interval FROM compactions WHERE scene_id = $1
    ), false) AS recent
FROM base;

-- name: put_compacted
-- Nothing when such a row is there: somebody else was here in between.
INSERT INTO scene_versions (
    scene_id, seq, yjs_update, client_id, created_by, checksum, is_compacted, compacted_count
) VALUES ($1, $2, $3, 0, '00000000-0000-0000-0000-000000000000', $4, true, $5)
ON CONFLICT DO NOTHING RETURNING seq;

-- name: note_compaction
INSERT INTO compactions (
    scene_id, seq, from_seq, updates, bytes_before, bytes_after, source, digest, took_ms, verified_at
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now());

-- name: keep_sessions
-- Sessions of the originals up to $2 that are not kept yet; the first may go on from the last kept.
WITH last AS (
    SELECT * FROM editing_sessions WHERE scene_id = $1 ORDER BY seq_from DESC LIMIT 1
), fresh AS (
    SELECT * FROM editing_sessions_of($1, coalesce((SELECT seq_to FROM last), 0), $3, $2)
), first AS (
    SELECT fresh.*, last.seq_from AS into_seq, last.authors AS known_authors FROM fresh, last
    WHERE fresh.seq_from = (SELECT min(seq_from) FROM fresh)
        AND fresh.started_at - last.ended_at <= $3
), joined AS (
    UPDATE editing_sessions AS kept SET
        seq_to = first.seq_to, ended_at = greatest(kept.ended_at, first.ended_at),
        updates = kept.updates + first.updates, bytes = kept.bytes + first.bytes,
        authors = (
            SELECT jsonb_object_agg(
                author, jsonb_build_object('updates', updates, 'bytes', bytes)
            ) FROM (
                SELECT each.key AS author, sum((each.value ->> 'updates')::bigint) AS updates,
                    sum((each.value ->> 'bytes')::bigint) AS bytes
                FROM (
                    SELECT * FROM jsonb_each(first.known_authors)
                    UNION ALL SELECT * FROM jsonb_each(first.authors)
                ) AS each GROUP BY each.key
            ) AS summed
        )
    FROM first WHERE kept.scene_id = $1 AND kept.seq_from = first.into_seq
)
INSERT INTO editing_sessions
SELECT $1, seq_from, seq_to, started_at, ended_at, authors, updates, bytes FROM fresh
WHERE seq_from NOT IN (SELECT seq_from FROM first);

-- name: unmarked
-- Compactions of which not all originals are marked: somebody died over it.
SELECT seq, from_seq FROM compactions WHERE scene_id = $1 AND marked_at IS NULL ORDER BY seq;

-- name: mark
-- The next $4 rows from $3 on that the compacted row $2 covers learn so. Returns the last of them.
WITH covering AS (
    SELECT version_id FROM scene_versions WHERE scene_id = $1 AND seq = $2 AND is_compacted
), chunk AS (
    SELECT seq, is_compacted FROM scene_versions
    WHERE scene_id = $1 AND seq >= $3 AND compacted_by IS NULL
        AND (seq < $2 OR (seq = $2 AND NOT is_compacted))
    ORDER BY seq LIMIT $4
), marked AS (
    UPDATE scene_versions AS row SET compacted_by = covering.version_id
    FROM chunk, covering
    WHERE row.scene_id = $1 AND row.seq = chunk.seq AND row.is_compacted = chunk.is_compacted
    RETURNING row.seq
)
SELECT max(seq) AS last, count(*) AS rows FROM marked;

-- name: end_marking
UPDATE compactions SET marked_at = now() WHERE scene_id = $1 AND seq = $2;

-- name: prunable
-- Marked compactions with originals left that nothing asks to keep, in order.
SELECT seq, from_seq, digest, source, created_at FROM compactions AS done
WHERE scene_id = $1 AND pruned_at IS NULL AND marked_at IS NOT NULL
    AND NOT EXISTS (
        SELECT FROM quarantined_updates AS bad
        WHERE bad.scene_id = $1 AND bad.seq = done.seq AND bad.is_compacted
    )
ORDER BY seq;

-- name: ledger
SELECT seq, from_seq, updates, bytes_before, bytes_after, source, digest, created_at,
    verified_at, pruned_at, pruned_rows
FROM compactions WHERE scene_id = $1 ORDER BY seq;

-- name: retained
-- The last original of $2 to $3 that is older than $4 and has none before it that is younger, and
-- whether there is any original left that may go at all.
WITH left_over AS (
    SELECT seq, created_at FROM scene_versions AS row
    WHERE scene_id = $1 AND seq BETWEEN $2 AND $3 AND NOT is_compacted AND NOT EXISTS (
        SELECT FROM quarantined_updates AS bad
        WHERE bad.scene_id = $1 AND bad.seq = row.seq AND NOT bad.is_compacted
    )
), young AS (
    SELECT seq FROM left_over WHERE created_at > now() - $4::interval ORDER BY seq LIMIT 1
)
SELECT coalesce((SELECT seq - 1 FROM young), $3) AS upto,
    (SELECT seq FROM left_over ORDER BY seq LIMIT 1) AS first;

-- name: prune
-- The oldest $4 originals of $2 to $3 go; the ledger counts them in the same breath. Quarantined
-- rows stay, and all do while their authors are not kept.
WITH chunk AS (
    SELECT seq FROM scene_versions AS row
    WHERE scene_id = $1 AND seq BETWEEN $2 AND $3 AND NOT is_compacted
        AND compacted_by IS NOT NULL AND NOT EXISTS (
            SELECT FROM quarantined_updates AS bad
            WHERE bad.scene_id = $1 AND bad.seq = row.seq AND NOT bad.is_compacted
        )
        AND EXISTS (SELECT FROM authorship WHERE scene_id = $1 AND seq = $5)
    ORDER BY seq LIMIT $4
), gone AS (
    DELETE FROM scene_versions AS row USING chunk
    WHERE row.scene_id = $1 AND row.seq = chunk.seq AND NOT row.is_compacted
    RETURNING row.seq, octet_length(row.yjs_update) AS size
), total AS (
    SELECT max(seq) AS last, count(*) AS rows, coalesce(sum(size), 0) AS bytes FROM gone
), counted AS (
    UPDATE compactions SET pruned_rows = pruned_rows + total.rows,
        pruned_bytes = pruned_bytes + total.bytes
    FROM total WHERE scene_id = $1 AND seq = $5 AND total.rows > 0
)
SELECT last, rows, bytes FROM total;

-- name: end_pruning
-- All originals of a compaction are gone, so no reading begins at an older compacted row any more.
WITH gone AS (
    DELETE FROM scene_versions AS row
    WHERE scene_id = $1 AND seq < $2 AND is_compacted AND compacted_by IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM quarantined_updates AS bad
            WHERE bad.scene_id = $1 AND bad.seq = row.seq AND bad.is_compacted
        )
        AND NOT EXISTS (
            SELECT FROM compactions AS later
            WHERE later.scene_id = $1 AND later.seq > row.seq AND later.seq < $2
                AND later.pruned_at IS NULL
        )
    RETURNING octet_length(yjs_update) AS size
)
UPDATE compactions SET pruned_at = now(),
    pruned_bytes = pruned_bytes + (SELECT coalesce(sum(size), 0) FROM gone)
WHERE scene_id = $1 AND seq = $2;

-- name: compacted
-- The bytes of one compacted row.
SELECT yjs_update AS body, checksum FROM scene_versions
WHERE scene_id = $1 AND seq = $2 AND is_compacted;

-- name: verified
UPDATE compactions SET verified_at = now() WHERE scene_id = $1 AND seq = $2;

-- name: rewrite_compacted
-- A damaged compacted row is written anew; what it was is kept by the audit record.
UPDATE scene_versions SET yjs_update = $3, checksum = $4
WHERE scene_id = $1 AND seq = $2 AND is_compacted;

-- name: release_compacted
DELETE FROM quarantined_updates WHERE scene_id = $1 AND seq = $2 AND is_compacted;

-- name: redigest
UPDATE compactions SET digest = $3, bytes_after = $4, verified_at = now()
WHERE scene_id = $1 AND seq = $2;

-- name: damaged_rows
-- Rows after $2 whose bytes are not those that were accepted, among the next $3; computed there, so
-- that no bytes travel. Also how far this looked and at how many.
WITH page AS (
    SELECT seq, is_compacted, crc32(yjs_update) <> checksum AS bad FROM scene_versions
    WHERE scene_id = $1 AND seq > $2 ORDER BY seq FETCH FIRST $3 ROWS WITH TIES
)
SELECT max(seq) AS last, count(*) AS rows,
    coalesce(array_agg(seq) FILTER (WHERE bad AND NOT is_compacted), '{}') AS log,
    coalesce(array_agg(seq) FILTER (WHERE bad AND is_compacted), '{}') AS compacted
FROM page;

-- name: quarantined
SELECT seq, is_compacted, reason, found_at FROM quarantined_updates
WHERE scene_id = $1 ORDER BY seq;

-- name: numbers
-- What is stored of a scene's log.
SELECT count(*) FILTER (WHERE NOT is_compacted) AS rows,
    min(seq) FILTER (WHERE NOT is_compacted) AS oldest, max(seq) AS newest,
    min(created_at) FILTER (WHERE NOT is_compacted) AS oldest_at,
    max(created_at) FILTER (WHERE NOT is_compacted) AS newest_at,
    coalesce(sum(octet_length(yjs_update)) FILTER (WHERE NOT is_compacted), 0)::bigint AS bytes,
    count(*) FILTER (WHERE is_compacted) AS compacted_rows,
    coalesce(sum(octet_length(yjs_update)) FILTER (WHERE is_compacted), 0)::bigint
        AS compacted_bytes
FROM scene_versions WHERE scene_id = $1;

-- name: report
-- One open finding for each damage, however many meet it.
INSERT INTO repairs (scene_id, kind, severity, detail, action, outcome, requested_by)
VALUES ($1, $2, $3, $4, 'none yet', 'open', $5)
ON CONFLICT DO NOTHING RETURNING repair_id;

-- name: findings
-- Findings of a scene that somebody could still do something about, $2: also those that failed
-- before. Compacted rows first, for heads are made from them.
SELECT repair_id, kind, (detail ->> 'seq')::bigint AS seq FROM repairs
WHERE scene_id = $1 AND kind <> 'snapshot' AND repaired_at IS NULL
    AND (outcome = 'open' OR (outcome = 'failed' AND $2))
ORDER BY kind, seq;

-- name: settle
-- What came of a finding.
UPDATE repairs SET outcome = $2, action = $3, severity = coalesce($4, severity),
    requested_by = coalesce($5, requested_by),
    repaired_at = CASE WHEN $2 = 'repaired' THEN now() END
WHERE repair_id = $1;

-- name: keep_evidence
-- The first are those that were found; a repair may be done again after a crash.
UPDATE repairs SET evidence = coalesce(evidence, $2) WHERE repair_id = $1;

-- name: history
-- All findings of a scene, the newest first.
SELECT repair_id, found_at, kind, severity, detail, action, outcome, repaired_at, requested_by
FROM repairs WHERE scene_id = $1 ORDER BY found_at DESC, repair_id DESC LIMIT $2;

-- name: scenes_after
-- The next $2 scenes after $1 that have a log, by one look into the key for each.
WITH RECURSIVE found AS (
    (SELECT scene_id FROM scene_versions WHERE scene_id > $1 ORDER BY scene_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT scene_id FROM scene_versions AS row WHERE row.scene_id > found.scene_id
        ORDER BY scene_id LIMIT 1
    ) FROM found WHERE found.scene_id IS NOT NULL
)
SELECT scene_id FROM found WHERE scene_id IS NOT NULL LIMIT $2;

-- name: due
-- What there is to do for scenes $1: the tail beyond the head and whether nobody wrote for $6, whether $2 rows beyond the compacted
-- part are older than $3 and the last compaction older than $4, whether some compaction was left
-- half done, whether originals are older than $5, and whether a finding was left open. A few looks into keys for each scene.
SELECT scene.id,
    newest.seq - coalesce(head.upto_seq, 0) AS tail,
    coalesce(newest.created_at <= now() - $6::interval, false) AS quiet,
    coalesce(ripe.created_at <= now() - $3::interval, false)
        AND coalesce(last.created_at <= now() - $4::interval, true) AS ripe,
    EXISTS (SELECT FROM compactions WHERE scene_id = scene.id AND marked_at IS NULL) AS unmarked,
    EXISTS (
        SELECT FROM compactions AS done
        WHERE done.scene_id = scene.id AND done.pruned_at IS NULL AND done.marked_at IS NOT NULL
            AND coalesce((
                SELECT created_at FROM scene_versions AS row
                WHERE row.scene_id = scene.id AND row.seq BETWEEN done.from_seq AND done.seq
                    AND NOT row.is_compacted AND NOT EXISTS (
                        SELECT FROM quarantined_updates AS bad
                        WHERE bad.scene_id = scene.id AND bad.seq = row.seq
                            AND NOT bad.is_compacted
                    )
                ORDER BY row.seq LIMIT 1
            ), '-infinity') <= now() - $5::interval
    ) AS prunable,
    EXISTS (
        SELECT FROM repairs
        WHERE repairs.scene_id = scene.id AND kind <> 'snapshot' AND outcome = 'open'
    ) AS broken
FROM unnest($1::uuid[]) AS scene(id)
LEFT JOIN LATERAL (
    SELECT seq, created_at FROM scene_versions WHERE scene_id = scene.id
    ORDER BY seq DESC LIMIT 1
) AS newest ON true
LEFT JOIN docs AS head ON head.scene_id = scene.id
LEFT JOIN LATERAL (
    SELECT max(seq) AS seq FROM scene_versions WHERE scene_id = scene.id AND is_compacted
) AS base ON true
LEFT JOIN LATERAL (
    SELECT created_at FROM scene_versions
    WHERE scene_id = scene.id AND seq = coalesce(base.seq, 0) + $2 AND NOT is_compacted
) AS ripe ON true
LEFT JOIN LATERAL (
    SELECT max(created_at) AS created_at FROM compactions WHERE scene_id = scene.id
) AS last ON true;

-- name: open_findings
SELECT kind, count(*) AS findings FROM repairs WHERE repaired_at IS NULL GROUP BY kind;
