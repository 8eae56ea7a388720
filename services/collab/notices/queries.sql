-- name: without_branches
-- A branch has a log of its own, and its text is not that of its scene until it is merged.
SELECT n.id FROM unnest($1::uuid[]) AS n (id)
WHERE NOT EXISTS (SELECT FROM branches b WHERE b.id = n.id);

-- name: note_told
-- In the order of ids, because two replicas may tell of the same scenes. Nothing comes back to a
-- scene that was purged meanwhile.
INSERT INTO text_notices AS known (scene_id, seq)
SELECT n.scene_id, n.seq FROM unnest($1::uuid[], $2::bigint[]) AS n (scene_id, seq)
WHERE NOT EXISTS (SELECT FROM purged_scenes p WHERE p.log_id = n.scene_id)
ORDER BY n.scene_id
ON CONFLICT (scene_id) DO UPDATE SET seq = excluded.seq, told_at = now()
WHERE known.seq < excluded.seq;

-- name: page
-- The next $2 scenes with a log after $1, by jumping from one to the next in its key, with the
-- version they are at; those that are branches or were told of already have none.
WITH RECURSIVE found AS (
    (SELECT scene_id FROM scene_versions WHERE scene_id > $1 ORDER BY scene_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT later.scene_id FROM scene_versions AS later WHERE later.scene_id > found.scene_id
        ORDER BY later.scene_id LIMIT 1
    ) FROM found WHERE found.scene_id IS NOT NULL
), page AS (
    SELECT scene_id FROM found WHERE scene_id IS NOT NULL LIMIT $2
), reached AS (
    SELECT page.scene_id, (
        SELECT seq FROM scene_versions WHERE scene_id = page.scene_id ORDER BY seq DESC LIMIT 1
    ) AS seq FROM page
)
SELECT reached.scene_id, CASE
    WHEN known.seq >= reached.seq THEN NULL
    WHEN EXISTS (SELECT FROM branches b WHERE b.id = reached.scene_id) THEN NULL
    ELSE reached.seq END AS seq
FROM reached LEFT JOIN text_notices AS known ON known.scene_id = reached.scene_id
ORDER BY reached.scene_id;
