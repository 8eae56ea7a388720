-- name: begin_pass
-- Where task $1 goes on, '' at the beginning; no row while the last pass ended less than $2 ago.
INSERT INTO task_positions AS known (name) VALUES ($1)
ON CONFLICT (name) DO UPDATE SET
    begun_at = CASE WHEN known.ended_at IS NULL THEN known.begun_at ELSE now() END,
    position = CASE WHEN known.ended_at IS NULL THEN known.position ELSE '' END,
    ended_at = NULL
WHERE known.ended_at IS NULL OR known.ended_at <= now() - $2::interval
RETURNING position;

-- name: keep_position
UPDATE task_positions SET position = $2 WHERE name = $1;

-- name: end_pass
UPDATE task_positions SET ended_at = now(), report = $2 WHERE name = $1;

-- name: positions
SELECT name, begun_at, ended_at, report FROM task_positions ORDER BY name;

-- name: age_s
SELECT extract(epoch FROM now() - coalesce(ended_at, begun_at))::float FROM task_positions
WHERE name = $1;
