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
-- The head of one aggregate's chain, and its row as it was when the wait for the lock began: of
-- another version when it had to wait. Order of locks: what is above first, siblings by id.
SELECT a.version AS head_version, a.checksum AS head_checksum, v.*
FROM aggregates a LEFT JOIN {view} v ON v.id = a.aggregate_id AND v.project_id = a.project_id
WHERE a.project_id = $1 AND a.aggregate_type = $2 AND a.aggregate_id = $3 FOR UPDATE OF a;

-- name: glance
-- As `lock`, without waiting and without holding anything.
SELECT a.version AS head_version, a.checksum AS head_checksum, v.*
FROM aggregates a JOIN {view} v ON v.id = a.aggregate_id AND v.project_id = a.project_id
WHERE a.project_id = $1 AND a.aggregate_type = $2 AND a.aggregate_id = $3;

-- name: lock_all
-- Many at once, in the order of locks. The sort comes below the locking, so it is kept. IS TRUE keeps
-- the planner from reading all of a project, which it takes for small before it has counted.
SELECT a.aggregate_id, a.version, a.checksum
FROM unnest($2::uuid[], $3::text[], $4::integer[]) AS wanted (id, type, depth)
JOIN aggregates a ON a.aggregate_id = wanted.id AND a.aggregate_type = wanted.type
WHERE (a.project_id = $1) IS TRUE ORDER BY wanted.depth, a.aggregate_id FOR UPDATE OF a;

-- name: hold_project
-- Whether a project may change, kept so until the commit: who archives or purges it waits for the
-- writers that came before, and those after it see what it did.
SELECT archived_at IS NOT NULL AS archived, deleted_at IS NOT NULL AS deleted, false AS purged
FROM projects WHERE id = $1 FOR KEY SHARE;

-- name: close_project
-- Waits for all who hold it, and lets nobody hold it until the commit.
SELECT FROM projects WHERE id = $1 FOR UPDATE;

-- name: appending
-- The events of one action: of one project, user, moment and bundle. With them go the ends of their
-- chains, their announcements and the claim of the command. Parameters are named groups (see
-- migration 0121): $1 is the action, $2 its events, $3 the ends of the chains after it, $4 the
-- aggregates that begin or return, $5 the claim or null. An action may append more than once. The
-- caller wakes the relay after the commit. `append` or `insist` completes the statement.
WITH action AS (
    SELECT ($1::appended_action).*
), project AS (
    SELECT p.archived_at IS NOT NULL AS archived, p.deleted_at IS NOT NULL AS deleted,
        EXISTS (
            SELECT FROM tombstones t
            WHERE t.project_id = p.id AND t.aggregate_id = ANY ($4::uuid[])
        ) AS purged
    FROM projects p WHERE p.id = ($1::appended_action).project_id FOR KEY SHARE OF p
), begun AS (
    INSERT INTO aggregates (aggregate_id, aggregate_type, project_id, version, checksum)
    SELECT h.aggregate_id, h.aggregate_type, action.project_id, h.version, h.checksum
    FROM unnest($3::appended_head[]) h, action WHERE h.expected IS NULL
    ON CONFLICT (aggregate_id) DO NOTHING RETURNING aggregate_id
), advanced AS (
    UPDATE aggregates a SET version = h.version, checksum = h.checksum
    FROM unnest($3::appended_head[]) h
    WHERE a.aggregate_id = h.aggregate_id AND a.version = h.expected
        AND (a.project_id = ($1::appended_action).project_id) IS TRUE
    RETURNING a.aggregate_id
), bundle AS (
    INSERT INTO bundles AS known (
        bundle_id, project_id, user_id, type, label, source, operations, created_at, causation_id,
        reverses)
    SELECT bundle_id, project_id, user_id,
        coalesce(metadata #>> '{bundle,type}', 'user_edit')::bundle_type,
        metadata #>> '{bundle,label}', source, cardinality($2::appended_event[]), at, causation_id,
        (metadata #>> '{bundle,reverses}')::uuid
    FROM action
    ON CONFLICT (bundle_id) DO UPDATE SET operations = known.operations + excluded.operations
), logged AS (
    INSERT INTO events (
        id, aggregate_id, aggregate_type, event_type, data, version, checksum,
        project_id, user_id, metadata, "timestamp", causation_id, correlation_id, source, bundle_id)
    SELECT e.id, e.aggregate_id, e.aggregate_type, e.event_type, e.data::jsonb, e.version,
        e.checksum, action.project_id, action.user_id, action.metadata, action.at,
        action.causation_id, action.correlation_id, action.source, action.bundle_id
    FROM unnest($2::appended_event[]) e, action
), announced AS (
    INSERT INTO outbox (event_id, subject, payload, headers)
    SELECT e.id, e.subject, e.payload::json, action.headers::json
    FROM unnest($2::appended_event[]) e, action
), claimed AS (
    INSERT INTO commands (command_id, user_id, digest, target_id)
    SELECT c.command_id, action.user_id, c.digest, c.target_id
    FROM (SELECT ($5::command_claim).*) c, action WHERE c.command_id IS NOT NULL
    ON CONFLICT (command_id) DO NOTHING RETURNING command_id
)
-- name: append
-- `heads` is fewer than given when an aggregate is not at its expected version or the id of a new
-- one is taken. `claimed` is false when the command was recorded before. In both cases nothing of
-- this may be kept.
SELECT $5::command_claim IS NULL OR EXISTS (SELECT FROM claimed) AS claimed,
    (SELECT count(*) FROM begun) + (SELECT count(*) FROM advanced) AS heads, project.*
FROM (VALUES (1)) AS one LEFT JOIN project ON true;

-- name: changing
-- The new row ($6, as JSON) of the one aggregate that the events are about.
changed AS (
    UPDATE {table} AS t SET ({columns}) = ROW ({new_columns})
    FROM jsonb_populate_record(NULL::{table}, $6::text::jsonb) AS n WHERE t.id = n.id RETURNING t.id
)

-- name: insist
-- Undoes the whole statement when `append` or `changing` would have reported anything unusual.
SELECT insist(
    NOT (archived OR deleted OR purged)
    AND ($5::command_claim IS NULL OR EXISTS (SELECT FROM claimed))
    AND (SELECT count(*) FROM begun) + (SELECT count(*) FROM advanced) = 1
    AND EXISTS (SELECT FROM changed))
FROM (VALUES (1)) AS one LEFT JOIN project ON true;

-- name: update_row
-- One row ($1, as JSON) with all its columns.
UPDATE {table} AS t SET ({columns}) = ROW ({new_columns})
FROM jsonb_populate_record(NULL::{table}, $1::text::jsonb) AS n WHERE t.id = n.id;

-- name: insert_rows
-- Many rows of one kind, as JSON; the table's own types read them.
INSERT INTO {table} ({columns})
SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, $1::text::jsonb);

-- name: update_rows
-- Only what has changed in one of them.
UPDATE {table} AS t SET ({changed}) = ROW ({new_changed})
FROM jsonb_populate_recordset(NULL::{table}, $1::text::jsonb) AS n WHERE t.id = n.id;

-- name: delete_row
DELETE FROM {table} WHERE id = $1;

-- name: bury_row
SELECT bury_row('{table}', $1);

-- name: read
SELECT * FROM {view} WHERE project_id = $1 AND id = $2;

-- name: read_all
-- Without what the view computes, which costs something for each row.
SELECT {whole}, parent_id, hidden FROM {view} WHERE project_id = $1 AND id = ANY ($2);

-- name: read_many
SELECT * FROM {view} WHERE project_id = $1 AND id = ANY ($2);

-- name: called
-- Those of a kind that live under these names.
SELECT name, id FROM {table} WHERE project_id = $1 AND name = ANY ($2::text[]) AND deleted_at IS NULL;

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
-- A person's own and those of their teams ($5), each with the strongest role they have there;
-- libraries are in no list.
SELECT p.*, mine.role FROM (
    SELECT project_id, min(role) AS role FROM (
        SELECT project_id, role FROM members WHERE user_id = $1
        UNION ALL
        SELECT project_id, role FROM team_grants WHERE team_id = ANY ($5::uuid[])) roles
    GROUP BY project_id) mine
JOIN projects p ON p.id = mine.project_id
WHERE ($2::uuid IS NULL OR p.id > $2) AND ($3 OR p.deleted_at IS NULL)
    AND NOT EXISTS (SELECT FROM libraries l WHERE l.project_id = p.id)
ORDER BY p.id LIMIT $4;

-- name: standing
-- Where a thing belongs and what a person is there, the strongest of their own role and those of
-- their teams ($3): on the path of every join. Roles sort from the strongest. A scene needs the
-- greater of two schema versions: its own, and that of its editor if that is the team's own. A
-- deleted definition counts, because texts of it are still there, but a living one counts more.
SELECT v.project_id, v.hidden OR v.deleted_at IS NOT NULL AS deleted,
    (SELECT p.archived_at IS NOT NULL FROM projects p WHERE p.id = v.project_id) AS archived,
    greatest({schema}, (d.definition ->> 'version')::integer) AS schema_version,
    {editor} AS editor, d.id AS definition_id, d.version AS definition_version,
    least(
        (SELECT m.role FROM members m WHERE m.project_id = v.project_id AND m.user_id = $2),
        (SELECT min(g.role) FROM team_grants g
         WHERE g.project_id = v.project_id AND g.team_id = ANY ($3::uuid[]))) AS role
FROM {view} v LEFT JOIN LATERAL (
    SELECT * FROM editor_definitions e WHERE e.project_id = v.project_id AND e.name = {editor}
    ORDER BY e.deleted_at DESC NULLS FIRST LIMIT 1
) d ON true
WHERE v.id = $1;

-- name: editors_of_scenes
-- What scenes of any projects are written with; the definition as in `standing`, itself if $2.
SELECT v.id AS scene_id, v.editor_in_use AS editor, d.id AS definition_id,
    d.version AS definition_version, CASE WHEN $2 THEN d.definition END AS definition
FROM scenes_read v LEFT JOIN LATERAL (
    SELECT * FROM editor_definitions e WHERE e.project_id = v.project_id AND e.name = v.editor_in_use
    ORDER BY e.deleted_at DESC NULLS FIRST LIMIT 1
) d ON true
WHERE v.id = ANY ($1::uuid[]);

-- name: role
SELECT role FROM members WHERE project_id = $1 AND user_id = $2;

-- name: grants
SELECT * FROM team_grants WHERE project_id = $1 ORDER BY created_at, id;

-- name: grant_id
SELECT id FROM team_grants WHERE project_id = $1 AND team_id = $2;

-- name: members
-- Those after a moment and an id ($3, $4), of one role ($2) or of all.
SELECT * FROM members
WHERE project_id = $1 AND ($2::text IS NULL OR role = $2::member_role)
    AND ($3::timestamptz IS NULL OR (created_at, id) > ($3, $4::uuid))
ORDER BY created_at, id LIMIT $5;

-- name: member_id
SELECT id FROM members WHERE project_id = $1 AND user_id = $2;

-- name: people
-- Who of these people ($2) is in a project: by themselves, or by a team that they ($3) are in ($4).
SELECT user_id FROM members WHERE project_id = $1 AND user_id = ANY ($2::uuid[])
UNION
SELECT t.user_id FROM unnest($3::uuid[], $4::uuid[]) AS t (user_id, team_id)
JOIN team_grants g ON g.project_id = $1 AND g.team_id = t.team_id
WHERE t.user_id = ANY ($2::uuid[]);

-- name: other_owners
SELECT count(*) FROM members WHERE project_id = $1 AND role = 'OWNER' AND user_id <> $2;

-- name: free_slug
-- The first of these that no project has, not even a deleted one.
SELECT slug FROM unnest($1::text[]) WITH ORDINALITY AS wish (slug, place)
WHERE NOT EXISTS (SELECT FROM projects p WHERE p.slug = wish.slug) ORDER BY place LIMIT 1;

-- name: ensure_partitions
SELECT ensure_event_partitions($1);

-- name: archive_events
SELECT archive_events($1, $2);

-- name: drop_archived_partitions
SELECT drop_archived_partitions($1);

-- name: strays
SELECT count(*) FROM events_default;

-- name: count_hours
-- What was placed after the mark, once: whoever counts holds the mark. A fact that was withheld
-- and placed anew is not counted again.
WITH mark AS (
    SELECT position FROM event_hours_mark FOR UPDATE
), due AS (
    SELECT o.position, o.event_id, o.payload FROM outbox o
    WHERE o.position > (SELECT position FROM mark) ORDER BY o.position LIMIT $1
), counted AS (
    INSERT INTO event_hours AS known (project_id, aggregate_type, event_type, hour, count)
    SELECT (payload ->> 'projectId')::uuid, payload ->> 'aggregateType', payload ->> 'eventType',
        date_trunc('hour', (payload ->> 'timestamp')::timestamptz, 'UTC'), count(*)
    FROM due
    WHERE payload ->> 'aggregateType' IS NOT NULL AND NOT EXISTS (
        SELECT FROM withheld_facts w
        WHERE w.event_id = due.event_id AND w.released_at IS NOT NULL)
    GROUP BY 1, 2, 3, 4
    ON CONFLICT (project_id, hour, event_type) DO UPDATE SET count = known.count + excluded.count
), moved AS (
    UPDATE event_hours_mark SET position = (SELECT max(position) FROM due)
    WHERE EXISTS (SELECT FROM due)
)
SELECT count(*) FROM due;

-- name: forget_announced
-- The newest row stays, because positions continue from the greatest one; and what has not been
-- counted by the hour.
DELETE FROM outbox WHERE seq IN (
    SELECT seq FROM outbox
    WHERE published_at < now() - make_interval(days => $1)
        AND position <= coalesce((SELECT position FROM event_hours_mark), position)
        AND position < (SELECT max(position) FROM outbox)
    ORDER BY published_at LIMIT $2);

-- name: forget_commands
DELETE FROM commands WHERE command_id IN (
    SELECT command_id FROM commands WHERE created_at < now() - make_interval(days => $1)
    ORDER BY created_at LIMIT $2);

-- name: look_up_by_id
-- For the rest of a transaction that writes many rows: each is found by its index. A plan that was
-- made while a table was small would read all of it for each batch, until the server looks at the
-- table's size again, a minute later or much later. Statements that are run under this are marked
-- (`marked_by_id` in statements.py), so that they share no plan with those that are not.
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
    set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true),
    set_config('enable_material', 'off', true);

-- name: hold_all
-- As `lock_all`, but shared, like `hold`.
SELECT a.aggregate_id FROM unnest($2::uuid[], $3::text[]) AS wanted (id, type)
JOIN aggregates a ON a.aggregate_id = wanted.id AND a.aggregate_type = wanted.type
WHERE (a.project_id = $1) IS TRUE ORDER BY a.aggregate_id FOR SHARE OF a;

-- name: hold
-- As `lock`, but shared: many may refer to one thing at once, and none while it is deleted.
SELECT version FROM aggregates
WHERE project_id = $1 AND aggregate_type = $2 AND aggregate_id = $3 FOR SHARE;

-- name: delete_component
DELETE FROM {table} WHERE {key} = ANY ($1);

-- name: put_component
-- Rows of one component, as JSON; the table's own types read them.
INSERT INTO {table} ({columns})
SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, $1::text::jsonb)
ON CONFLICT ({key}) DO UPDATE SET ({columns}) = ROW ({new_columns});

-- name: list
-- With those `where_...` that a request asks for. The names filled in are those of the model; what
-- a client sent is always a parameter.
SELECT v.* FROM {view} v
WHERE v.project_id = $1 AND NOT v.hidden AND ($2 OR v.deleted_at IS NULL) {conditions}
ORDER BY v.{key} {direction} NULLS LAST, v.id {direction} LIMIT $3;

-- name: where_is
v.{column} = {value};

-- name: where_ignoring_case
-- The column is a name_key already.
v.{column} = name_key({value}::text);

-- name: where_prefix
-- The column is a name_key already, and sorts by bytes, so that an index finds it.
starts_with(v.{column}, name_key({value}::text));

-- name: where_contains
strpos(name_key(v.{column}), name_key({value}::text)) > 0;

-- name: where_before
v.{column} < {value};

-- name: where_from
v.{column} >= {value};

-- name: where_holds
EXISTS (SELECT FROM unnest(v.{column}) AS each (text)
    WHERE name_key(each.text) = name_key({value}::text));

-- name: where_called
(v.{column} = name_key({value}::text)
    OR EXISTS (SELECT FROM unnest(v.aliases) AS each (text)
        WHERE name_key(each.text) = name_key({value}::text)));

-- name: where_tagged
EXISTS (SELECT FROM taggings g JOIN tags t ON t.id = g.tag_id
    WHERE g.entity_id = v.{column} AND g.tag_id = {value} AND t.deleted_at IS NULL);

-- name: where_tag_of
EXISTS (SELECT FROM taggings g WHERE g.tag_id = v.{column} AND g.entity_id = {value});

-- name: where_overdue
coalesce(v.{column} < now() AND v.task_status IN ('todo', 'in_progress'), false) = {value};

-- name: where_either_end
{value} IN (v.source_entity_id, v.target_entity_id);

-- name: after_value
((v.{key}, v.id) > ({value}::{type}, {id}::uuid) OR v.{key} IS NULL);

-- name: after_nothing
(v.{key} IS NULL AND v.id > {id}::uuid);

-- name: before_value
((v.{key}, v.id) < ({value}::{type}, {id}::uuid) OR v.{key} IS NULL);

-- name: before_nothing
(v.{key} IS NULL AND v.id < {id}::uuid);

-- name: appearances_of
-- Where an entity is, in manuscript order, with the scenes.
SELECT v.*, s.title AS scene_title, s.status AS scene_status, s.pov AS scene_pov,
    s.tense AS scene_tense, s.summary AS scene_summary, s.words AS scene_word_count,
    s.chapter_id AS scene_chapter_id, s.book_id AS scene_book_id, s.index AS scene_index
FROM appearances_read v JOIN scenes_read s ON s.id = v.scene_id
WHERE v.project_id = $1 AND v.entity_id = $2 AND NOT v.hidden
    AND ($3::text IS NULL OR v.role::text = $3)
    AND ($4::text IS NULL OR (v.manuscript_key, v.id) > ($4, $5::uuid))
ORDER BY v.manuscript_key, v.id LIMIT $6;

-- name: knowledge_at
-- The facts revealed in scenes up to one scene, in the order in which they are told, and who was
-- there when each was. With $3, only what that entity was there for.
WITH here AS (
    SELECT manuscript_key FROM scenes_in_order WHERE project_id = $1 AND id = $2
)
SELECT f.*, told.manuscript_key, told.title AS scene_title,
    coalesce((
        SELECT jsonb_agg(jsonb_build_object('id', e.id, 'name', e.name, 'role', a.role)
            ORDER BY e.name, e.id)
        FROM appearances a JOIN entities e ON e.id = a.entity_id
        WHERE a.scene_id = f.reveal_scene_id AND a.role <> 'MENTIONED'
            AND e.type = 'character' AND e.deleted_at IS NULL), '[]') AS known_by
FROM canon_facts_read f
JOIN scenes_in_order told ON told.id = f.reveal_scene_id
JOIN here ON told.manuscript_key <= here.manuscript_key
WHERE f.project_id = $1 AND NOT f.hidden AND f.deleted_at IS NULL
    AND f.reveal_state = 'REVEALED' AND NOT told.hidden AND told.deleted_at IS NULL
    AND ($3::uuid IS NULL OR EXISTS (
        SELECT FROM appearances a JOIN entities e ON e.id = a.entity_id
        WHERE a.scene_id = f.reveal_scene_id AND a.entity_id = $3 AND a.role <> 'MENTIONED'
            AND e.deleted_at IS NULL AND e.type = 'character'))
    AND ($4::text IS NULL OR (told.manuscript_key, f.id) > ($4, $5::uuid))
ORDER BY told.manuscript_key, f.id LIMIT $6;

-- name: tree
-- The living books, chapters and scenes of a project in order, as the JSON of `libs.contracts.events.tree`;
-- null when there are more scenes than $2. No row when the project is deleted. What is below each
-- is looked up by its own index: joined, all scenes were put together anew for every chapter.
SELECT CASE WHEN (SELECT count(*) FROM scenes WHERE project_id = $1 AND deleted_at IS NULL) <= $2
    THEN (SELECT json_build_object('books', coalesce(json_agg(shown ORDER BY rank), '[]'))::text
    FROM (
        SELECT b.rank, json_build_object(
            'id', b.id, 'version', b.version, 'title', b.title, 'kind', b.kind,
            'wordCount', coalesce(chapter.words, 0),
            'chapters', coalesce(chapter.shown, '[]')) AS shown
        FROM books b CROSS JOIN LATERAL (
            SELECT sum(scene.words) AS words, json_agg(json_build_object(
                'id', c.id, 'version', c.version, 'title', c.title,
                'wordCount', coalesce(scene.words, 0),
                'scenes', coalesce(scene.shown, '[]')) ORDER BY c.rank) AS shown
            FROM chapters c CROSS JOIN LATERAL (
                SELECT sum(s.words) AS words, json_agg(json_build_object(
                    'id', s.id, 'version', s.version, 'title', s.title, 'status', s.status,
                    'wordCount', s.words) ORDER BY s.rank) AS shown
                FROM (
                    SELECT *, coalesce((
                        SELECT w.words FROM word_counts w WHERE w.scene_id = scenes.id), 0) AS words FROM scenes
                    WHERE project_id = $1 AND chapter_id = c.id AND deleted_at IS NULL
                ) s
            ) scene
            WHERE c.project_id = $1 AND c.book_id = b.id AND c.deleted_at IS NULL
        ) chapter
        WHERE b.project_id = $1 AND b.deleted_at IS NULL) book) END AS tree
FROM projects WHERE id = $1 AND deleted_at IS NULL;

-- name: record_word_counts
-- In the order of ids, so that two such statements do not wait for each other in a circle. What was
-- purged has no words any more.
INSERT INTO word_counts AS known (scene_id, words, counted_at)
SELECT id, words, counted_at FROM unnest($1::uuid[], $2::integer[], $3::timestamptz[])
    AS n (id, words, counted_at)
WHERE NOT EXISTS (SELECT FROM tombstones t WHERE t.aggregate_id = n.id)
ORDER BY id
ON CONFLICT (scene_id) DO UPDATE SET words = excluded.words, counted_at = excluded.counted_at
WHERE known.counted_at < excluded.counted_at;

-- name: record_file_claim
-- No row when its outcome is known already; waits for a transaction that is deciding it.
INSERT INTO file_claims (claim_id, project_id, outcome) VALUES ($1, $2, $3::claim_outcome)
ON CONFLICT (claim_id) DO NOTHING RETURNING claim_id;

-- name: file_claim
SELECT outcome::text FROM file_claims WHERE claim_id = $1 AND project_id = $2;

-- name: forget_refused_claims
-- Only of claims that are refused by their age anyway.
DELETE FROM file_claims WHERE claim_id IN (
    SELECT claim_id FROM file_claims
    WHERE outcome = 'refused' AND at < now() - make_interval(days => $1) ORDER BY at LIMIT $2);

-- name: files
-- Entities that have files, deleted ones too, which may be restored; of these bytes if any are named.
-- A package is a place of its own, in which bytes are referred to, too: under an id made from them.
SELECT id AS entity_id, file_checksum AS sha256, version, file_path AS path FROM entities
WHERE project_id = $1 AND file_checksum IS NOT NULL
    AND ($2::text[] IS NULL OR file_checksum = ANY ($2::text[])) AND id > $3
UNION ALL
SELECT * FROM (
    SELECT DISTINCT md5(sha256)::uuid AS entity_id, sha256, 1::bigint, NULL FROM package_files
    WHERE package_id = $1 AND ($2::text[] IS NULL OR sha256 = ANY ($2::text[]))
) kept WHERE entity_id > $3
ORDER BY entity_id LIMIT $4;

-- name: chain_heads_page
-- Ends of chains in the order of projects, after a place, until so many events are covered; at
-- least one. A page of them is what is read in one go.
SELECT aggregate_id, aggregate_type, project_id, version, checksum FROM (
    SELECT *, sum(version) OVER (ORDER BY project_id, aggregate_id) - version AS before FROM (
        SELECT * FROM aggregates
        WHERE (project_id, aggregate_id) > ($1, $2) AND ($3::uuid IS NULL OR project_id = $3)
        ORDER BY project_id, aggregate_id LIMIT $4) page
) covered WHERE before < $5 ORDER BY project_id, aggregate_id;

-- name: chain_starts
-- Where the logs of some aggregates begin, of those whose first events were forgotten.
SELECT aggregate_id, version, checksum, "row" FROM beginnings WHERE aggregate_id = ANY($1::uuid[]);

-- name: lost_chain_heads
-- How many aggregates have events and no end of their chain: nothing that walks over the ends would
-- look at them. Of one project, or of all.
SELECT count(*) FROM (
    SELECT e.aggregate_id FROM events e
    WHERE ($1::uuid IS NULL OR e.project_id = $1)
        AND NOT EXISTS (SELECT FROM aggregates a WHERE a.aggregate_id = e.aggregate_id)
    UNION
    SELECT id FROM event_archive c, unnest(c.aggregates) AS id
    WHERE ($1::uuid IS NULL OR c.project_id = $1)
        AND NOT EXISTS (SELECT FROM aggregates a WHERE a.aggregate_id = id)
    UNION
    SELECT b.aggregate_id FROM beginnings b
    WHERE ($1::uuid IS NULL OR b.project_id = $1)
        AND NOT EXISTS (SELECT FROM aggregates a WHERE a.aggregate_id = b.aggregate_id)
) lost;

-- name: chain_heads
SELECT aggregate_id, aggregate_type, project_id, version, checksum
FROM aggregates WHERE aggregate_id = ANY($1::uuid[]);

-- name: log_size
-- How much there is to read, for a progress bar.
SELECT count(*) AS aggregates, coalesce(sum(a.version - coalesce(b.version, 0)), 0)::bigint AS events
FROM aggregates a LEFT JOIN beginnings b ON b.aggregate_id = a.aggregate_id
WHERE $1::uuid IS NULL OR a.project_id = $1;

-- name: events_of_chains
-- Of two rows of one version the earlier is read first; which one is true the chain tells.
SELECT * FROM events_of($1::uuid[]) ORDER BY aggregate_id, version, "timestamp";

-- name: events_after
-- What happened to aggregates of a project after versions.
SELECT e.* FROM unnest($2::uuid[], $3::bigint[]) AS wanted (id, version),
    LATERAL events_of(ARRAY[wanted.id]) e
WHERE e.project_id = $1 AND e.version > wanted.version ORDER BY e.aggregate_id, e.version;

-- name: checksums_at
-- Of given events, by aggregate and version; also of the last ones that were forgotten.
SELECT e.aggregate_id, e.version, e.checksum
FROM unnest($1::uuid[], $2::bigint[]) AS wanted (aggregate_id, version)
JOIN events e ON e.aggregate_id = wanted.aggregate_id AND e.version = wanted.version
UNION ALL
SELECT b.aggregate_id, b.version, b.checksum
FROM unnest($1::uuid[], $2::bigint[]) AS wanted (aggregate_id, version)
JOIN beginnings b ON b.aggregate_id = wanted.aggregate_id AND b.version = wanted.version;

-- name: chain_decisions
-- What is known about flaws of some aggregates.
SELECT aggregate_id, version, state, recovered FROM quarantined_events
WHERE aggregate_id = ANY($1::uuid[]);
