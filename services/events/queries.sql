-- Statements with {table}, {view}, {parent}, {columns}, {shown} or {schema} are written once for every kind of
-- aggregate; the store fills in names from services.events.model, never from a request.

-- name: claim
-- One user action. Its retry gets no row: it waits here until the first try has ended, and
-- claims again when that one failed.
INSERT INTO commands (command_id, user_id, digest, target_id) VALUES ($1, $2, $3, $4)
ON CONFLICT (command_id) DO NOTHING RETURNING command_id;

-- name: claimed
SELECT user_id, digest, target_id FROM commands WHERE command_id = $1;

-- name: lock
-- The head of one aggregate's chain. Order of locks: what is above first, siblings by id.
SELECT version, checksum FROM aggregates
WHERE project_id = $1 AND aggregate_type = $2 AND aggregate_id = $3 FOR UPDATE;

-- name: begin_heads
-- The first events of new aggregates; fewer rows than given when an id is taken.
INSERT INTO aggregates (aggregate_id, aggregate_type, project_id, version, checksum)
SELECT id, type, $5, version, checksum
FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[]) AS n (id, type, version, checksum)
ON CONFLICT (aggregate_id) DO NOTHING RETURNING aggregate_id;

-- name: advance_heads
-- Fewer rows than given when one was not at its expected version.
UPDATE aggregates SET version = n.version, checksum = n.checksum
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[])
    AS n (id, expected, version, checksum)
WHERE aggregate_id = n.id AND aggregates.version = n.expected AND project_id = $5
RETURNING aggregate_id;

-- name: append
-- The events of one user action, of one project, user, cause and moment.
INSERT INTO events (
    id, aggregate_id, aggregate_type, event_type, data, version, checksum,
    project_id, user_id, metadata, "timestamp", causation_id, correlation_id, source, bundle_id)
SELECT n.*, $8, $9, $10, $11, $12, $13, $14, $15
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::jsonb[], $6::bigint[], $7::text[])
    AS n;

-- name: field_history
-- Of each named kind of event the first and the last after a version, in order.
SELECT * FROM (
    (SELECT DISTINCT ON (event_type) * FROM events
     WHERE project_id = $1 AND aggregate_id = $2 AND version > $3 AND event_type = ANY($4::text[])
     ORDER BY event_type, version)
    UNION
    (SELECT DISTINCT ON (event_type) * FROM events
     WHERE project_id = $1 AND aggregate_id = $2 AND version > $3 AND event_type = ANY($4::text[])
     ORDER BY event_type, version DESC)
) AS ends ORDER BY version;

-- name: insert_row
INSERT INTO {table} ({columns}) VALUES ({values});

-- name: update_row
UPDATE {table} SET ({columns}) = ROW ({values}) WHERE id = $1;

-- name: delete_row
DELETE FROM {table} WHERE id = $1;

-- name: read
SELECT * FROM {view} WHERE project_id = $1 AND id = $2;

-- name: page
-- Children in their order, after a rank; `index` counts the living ones before each.
WITH numbered AS (
    SELECT id, rank, deleted_at, count(*) FILTER (WHERE deleted_at IS NULL) OVER (
        ORDER BY rank ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS place
    FROM {table} WHERE project_id = $1 AND {parent} = $2
), page AS (
    SELECT id, rank, place FROM numbered
    WHERE ($3::text IS NULL OR rank > $3) AND ($4 OR deleted_at IS NULL)
    ORDER BY rank LIMIT $5
)
SELECT {shown}, page.rank, page.place AS index
FROM page JOIN {view} v ON v.id = page.id ORDER BY page.rank;

-- name: book_scenes
-- Scenes of a book in reading order, after a chapter's rank and a scene's; `place` counts the living
-- ones before each, of the whole book.
WITH numbered AS (
    SELECT s.id, c.rank AS chapter_rank, s.rank,
        row_number() OVER (ORDER BY c.rank, s.rank) - 1 AS place
    FROM chapters c JOIN scenes s ON s.chapter_id = c.id
    WHERE c.project_id = $1 AND c.book_id = $2 AND c.deleted_at IS NULL AND s.deleted_at IS NULL
), page AS (
    SELECT * FROM numbered WHERE $3::text IS NULL OR (chapter_rank, rank) > ($3, $4)
    ORDER BY chapter_rank, rank LIMIT $5
)
SELECT v.*, page.place, page.chapter_rank FROM page JOIN scenes_read v ON v.id = page.id
ORDER BY page.chapter_rank, page.rank;

-- name: gap
-- Where a child ($3) comes to stand at index $4: between which ranks, and at which index indeed.
-- Deleted siblings keep their ranks, so that restoring one never meets another's.
WITH siblings AS (
    SELECT rank, deleted_at FROM {table} WHERE project_id = $1 AND {parent} = $2 AND id <> $3
), living AS (
    SELECT count(*) AS count FROM siblings WHERE deleted_at IS NULL
), below AS (
    SELECT CASE
        WHEN $4 >= count THEN (SELECT max(rank) FROM siblings)
        WHEN $4 > 0 THEN (
            SELECT rank FROM siblings WHERE deleted_at IS NULL ORDER BY rank OFFSET $4 - 1 LIMIT 1)
        END AS rank
    FROM living
)
SELECT below.rank AS low, least($4, count)::integer AS index,
    (SELECT min(rank) FROM siblings WHERE below.rank IS NULL OR rank > below.rank) AS high
FROM below, living;

-- name: siblings
-- All children, deleted ones too, in the order in which they are locked.
SELECT id FROM {table} WHERE project_id = $1 AND {parent} = $2 ORDER BY id;

-- name: projects_of
SELECT p.*, m.role FROM members m JOIN projects p ON p.id = m.project_id
WHERE m.user_id = $1 AND ($2::uuid IS NULL OR p.id > $2) AND ($3 OR p.deleted_at IS NULL)
ORDER BY p.id LIMIT $4;

-- name: standing
-- Where a thing belongs and what a person is there: on the path of every join.
SELECT v.project_id, m.role, v.hidden OR v.deleted_at IS NOT NULL AS deleted,
    {schema} AS schema_version
FROM {view} v LEFT JOIN members m ON m.project_id = v.project_id AND m.user_id = $2
WHERE v.id = $1;

-- name: role
SELECT role FROM members WHERE project_id = $1 AND user_id = $2;

-- name: members
SELECT * FROM members WHERE project_id = $1 ORDER BY created_at, id;

-- name: member_id
SELECT id FROM members WHERE project_id = $1 AND user_id = $2;

-- name: other_owners
SELECT count(*) FROM members WHERE project_id = $1 AND role = 'OWNER' AND user_id <> $2;

-- name: free_slug
-- The first of these that no project has, not even a deleted one.
SELECT slug FROM unnest($1::text[]) WITH ORDINALITY AS wish (slug, place)
WHERE NOT EXISTS (SELECT FROM projects p WHERE p.slug = wish.slug) ORDER BY place LIMIT 1;

-- name: ensure_partitions
SELECT ensure_event_partitions($1);

-- name: forget_announced
-- The newest row stays, because positions continue from the greatest one.
DELETE FROM outbox WHERE seq IN (
    SELECT seq FROM outbox
    WHERE published_at < now() - make_interval(days => $1)
        AND position < (SELECT max(position) FROM outbox)
    ORDER BY published_at LIMIT $2);

-- name: forget_commands
DELETE FROM commands WHERE command_id IN (
    SELECT command_id FROM commands WHERE created_at < now() - make_interval(days => $1)
    ORDER BY created_at LIMIT $2);
