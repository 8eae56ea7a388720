-- name: scenes
-- Scenes of any projects ($1), with their texts if $2.
SELECT s.id, s.project_id, s.version, s.title, '{}'::text[] AS names, b.kind::text AS type, s.status::text, s.updated_at,
    s.deleted_at IS NULL AND c.deleted_at IS NULL AND b.deleted_at IS NULL AND p.deleted_at IS NULL
        AS shown,
    b.id AS book_id, b.title AS book_title, c.id AS chapter_id, c.title AS chapter_title,
    CASE WHEN $2 THEN array_remove(ARRAY[s.summary], NULL) ELSE '{}' END AS texts
FROM scenes s JOIN chapters c ON c.id = s.chapter_id JOIN books b ON b.id = c.book_id
    JOIN projects p ON p.id = s.project_id
WHERE s.id = ANY ($1::uuid[]);

-- name: entities
SELECT e.id, e.project_id, e.version, e.name AS title, e.aliases AS names, e.type::text, t.status::text, e.updated_at,
    e.deleted_at IS NULL AND p.deleted_at IS NULL AS shown,
    CASE WHEN $2 THEN array_remove(e.aliases || ARRAY[e.description, s.role, s.arc, s.motivation,
        s.conflict] || coalesce(s.goals, '{}'), NULL) ELSE '{}' END AS texts
FROM entities e JOIN projects p ON p.id = e.project_id
    LEFT JOIN task_details t ON t.entity_id = e.id
    LEFT JOIN story_details s ON s.entity_id = e.id
WHERE e.id = ANY ($1::uuid[]);

-- name: facts
SELECT f.id, f.project_id, f.version, e.name AS title, '{}'::text[] AS names, e.type::text, NULL AS status, f.updated_at,
    f.deleted_at IS NULL AND e.deleted_at IS NULL AND p.deleted_at IS NULL AS shown,
    e.id AS entity_id, e.name AS entity_title,
    CASE WHEN $2 THEN ARRAY[f.fact] ELSE '{}' END AS texts
FROM canon_facts f JOIN entities e ON e.id = f.entity_id JOIN projects p ON p.id = f.project_id
WHERE f.id = ANY ($1::uuid[]);

-- name: list_scenes
-- Deleted ones, too: what is found of them is left out when it is shown, and they may come back.
SELECT id, project_id FROM scenes WHERE id > $2 AND ($1::uuid IS NULL OR project_id = $1)
ORDER BY id LIMIT $3;

-- name: list_entities
SELECT id, project_id FROM entities WHERE id > $2 AND ($1::uuid IS NULL OR project_id = $1)
ORDER BY id LIMIT $3;

-- name: list_facts
SELECT id, project_id FROM canon_facts WHERE id > $2 AND ($1::uuid IS NULL OR project_id = $1)
ORDER BY id LIMIT $3;

-- name: list_tagged
-- Entities of a project ($1) with a tag ($2), and the facts of them; of a deleted tag nothing.
WITH tagged AS (
    SELECT g.entity_id FROM taggings g
        JOIN tags t ON t.project_id = g.project_id AND t.id = g.tag_id
    WHERE g.project_id = $1 AND g.tag_id = $2 AND t.deleted_at IS NULL
)
SELECT entity_id AS id FROM tagged
UNION ALL
SELECT f.id FROM canon_facts f JOIN tagged ON tagged.entity_id = f.entity_id
WHERE f.project_id = $1
LIMIT $3;
