-- name: without_branches
-- A branch has a log of its own, and its words are not those of its scene until it is merged.
SELECT n.id FROM unnest($1::uuid[]) AS n (id)
WHERE NOT EXISTS (SELECT FROM branches b WHERE b.id = n.id);

-- name: imported
SELECT content_blocks, content_bytes FROM imported_scenes WHERE scene_id = $1;

-- name: put
-- Another number of words is to be told; the same one is known already. Nothing comes back to a
-- scene that was purged while it was counted.
INSERT INTO word_counts AS known (scene_id, seq, words, rules)
SELECT n.scene_id, n.seq, n.words, $4 FROM unnest($1::uuid[], $2::bigint[], $3::integer[])
    AS n (scene_id, seq, words)
WHERE NOT EXISTS (SELECT FROM purged_scenes p WHERE p.log_id = n.scene_id)
ON CONFLICT (scene_id) DO UPDATE SET
    seq = excluded.seq, words = excluded.words, rules = excluded.rules,
    counted_at = CASE WHEN known.words = excluded.words THEN known.counted_at
        ELSE clock_timestamp() END,
    told_at = CASE WHEN known.words = excluded.words THEN known.told_at ELSE '-infinity' END
WHERE known.seq <= excluded.seq;

-- name: untold
SELECT scene_id, words, counted_at FROM word_counts
WHERE told_at < now() - make_interval(secs => $1) ORDER BY told_at LIMIT $2;

-- name: note_told
-- In the order of ids: two replicas may note the same.
WITH told AS (
    SELECT known.scene_id FROM word_counts known
    JOIN unnest($1::uuid[], $2::timestamptz[]) AS n (scene_id, counted_at)
        ON n.scene_id = known.scene_id AND n.counted_at = known.counted_at
    ORDER BY known.scene_id FOR UPDATE OF known
)
UPDATE word_counts SET told_at = now() WHERE scene_id IN (SELECT scene_id FROM told);

-- name: page
-- The next $2 scenes with a log after $1, by jumping from one to the next in its key, and whether
-- the log reaches further than what was counted, or the rules ($3) were others then.
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
SELECT page.scene_id,
    known.scene_id IS NULL OR known.rules <> $3 OR known.seq < (
        SELECT seq FROM scene_versions WHERE scene_id = page.scene_id ORDER BY seq DESC LIMIT 1
    ) AS behind
FROM page LEFT JOIN word_counts AS known ON known.scene_id = page.scene_id
ORDER BY page.scene_id;

-- name: uncounted_imports
SELECT scene_id FROM imported_scenes i
WHERE NOT EXISTS (SELECT FROM word_counts w WHERE w.scene_id = i.scene_id)
ORDER BY scene_id LIMIT $1;
