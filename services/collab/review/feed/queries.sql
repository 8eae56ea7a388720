-- name: bounds
-- The greatest position up to which every fact was announced ($1: up to where the asker heard), and
-- the positions that are there.
SELECT greatest(
        least((SELECT min(position) - 1 FROM outbox
               WHERE published_at IS NULL AND position IS NOT NULL), last.position),
        least($1::bigint, last.position)) AS upto,
    first.position AS first, last.position AS last
FROM (SELECT coalesce(max(position), 0) AS position FROM outbox) last,
    (SELECT coalesce(min(position), 1) AS position FROM outbox) first;

-- name: page
-- The facts of a project ($1, as text) after $2 up to $3. An erased one keeps its place alone.
SELECT position, payload::text AS payload FROM outbox
WHERE split_part(subject, '.', 6) = $1 AND position > $2 AND position <= $3
    AND payload::text <> '{}'
ORDER BY position LIMIT $4;

-- name: forget
-- The newest row stays, because positions continue from the greatest one.
DELETE FROM outbox WHERE seq IN (
    SELECT seq FROM outbox
    WHERE created_at < now() - make_interval(days => $1) AND published_at IS NOT NULL
        AND position < (SELECT max(position) FROM outbox)
    ORDER BY created_at LIMIT $2);
