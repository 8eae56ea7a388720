-- name: bounds
-- The greatest position up to which every fact was announced or is withheld ($1: up to where the
-- asker heard), and the positions that there ever were. In one statement, so of one moment.
SELECT greatest(
        least((SELECT min(position) - 1 FROM outbox
               WHERE published_at IS NULL AND position IS NOT NULL), last.position),
        least($1::bigint, last.position)) AS upto,
    first.position AS first, last.position AS last
FROM (SELECT coalesce(max(position), 0) AS position FROM sync_positions) last,
    (SELECT coalesce(min(position), 1) AS position FROM sync_positions) first;

-- name: page
-- As `pull` in services.events.sync, but what is withheld from subscribers is left out. What was
-- withheld once stands where it was announced at last, not where it was placed at first.
WITH page AS (
    SELECT p.position, p.event_id, p."timestamp" FROM sync_positions p
    WHERE p.project_id = $1 AND p.position > $2 AND p.position <= $3
        AND NOT EXISTS (
            SELECT FROM withheld_facts w WHERE w.event_id = p.event_id AND (
                w.released_at IS NULL
                OR EXISTS (
                    SELECT FROM sync_positions q WHERE q.project_id = p.project_id
                        AND q.event_id = p.event_id AND q.position > p.position)
                OR EXISTS (
                    SELECT FROM outbox o WHERE o.event_id = p.event_id
                        AND o.position IS DISTINCT FROM p.position)))
    ORDER BY p.position LIMIT $4
)
SELECT page.position, page.event_id, page."timestamp" AS placed_at, e.*
FROM page LEFT JOIN events e ON e.id = page.event_id AND e."timestamp" = page."timestamp"
ORDER BY page.position;
