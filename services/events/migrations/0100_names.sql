-- Names are compared in one normal form: `é` typed as one character is `é` typed as two (NFC), in
-- either case. What a name looks like stays as it was given.

CREATE FUNCTION name_key(name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN lower(normalize(name, NFC));

-- Of the living, as before. Tags that are two spellings of one name by now stay, and the older one
-- holds the name. `tags_name_exists` says less than this, and goes in a later release.
DO $$
DECLARE
    twice text;
BEGIN
    SELECT string_agg(quote_literal(id), ', ') INTO twice FROM (
        SELECT id, row_number() OVER (
            PARTITION BY project_id, name_key(name) ORDER BY created_at, id) AS place
        FROM tags WHERE deleted_at IS NULL) named
    WHERE place > 1;
    EXECUTE format(
        'CREATE UNIQUE INDEX tags_named_exists ON tags (project_id, name_key(name))'
        ' WHERE deleted_at IS NULL %s', ' AND id NOT IN (' || twice || ')');
END $$;

-- What lists are sorted by and names are looked up in. The indexes on lower(name) go later.
CREATE INDEX entities_by_name_key ON entities (project_id, name_key(name) COLLATE "C", id);
CREATE INDEX tags_by_name_key ON tags (project_id, name_key(name) COLLATE "C", id);

CREATE OR REPLACE VIEW entities_read AS
SELECT e.*, e.project_id AS parent_id, p.deleted_at IS NOT NULL AS hidden,
    name_key(e.name) COLLATE "C" AS name_key,
    t.status AS task_status, t.due_date AS task_due_date, t.priority AS task_priority,
    t.assignee_id AS task_assignee_id, t.completed_at AS task_completed_at,
    s.role AS story_role, s.arc AS story_arc, s.goals AS story_goals,
    s.motivation AS story_motivation, s.conflict AS story_conflict
FROM entities e
JOIN projects p ON p.id = e.project_id
LEFT JOIN task_details t ON t.entity_id = e.id
LEFT JOIN story_details s ON s.entity_id = e.id;

CREATE OR REPLACE VIEW tags_read AS
SELECT t.*, t.project_id AS parent_id, p.deleted_at IS NOT NULL AS hidden,
    name_key(t.name) COLLATE "C" AS name_key
FROM tags t JOIN projects p ON p.id = t.project_id;

CREATE OR REPLACE VIEW style_guides_read AS
SELECT g.*, g.project_id AS parent_id, p.deleted_at IS NOT NULL AS hidden,
    name_key(g.name) COLLATE "C" AS name_key
FROM style_guides g JOIN projects p ON p.id = g.project_id;

CREATE OR REPLACE VIEW context_rules_read AS
SELECT r.*, r.project_id AS parent_id, p.deleted_at IS NOT NULL AS hidden,
    name_key(r.name) COLLATE "C" AS name_key
FROM context_rules r JOIN projects p ON p.id = r.project_id;

CREATE OR REPLACE VIEW personas_read AS
SELECT n.*, n.project_id AS parent_id, p.deleted_at IS NOT NULL AS hidden,
    name_key(n.name) COLLATE "C" AS name_key
FROM personas n JOIN projects p ON p.id = n.project_id;

CREATE OR REPLACE VIEW prompt_presets_read AS
SELECT n.*, n.project_id AS parent_id, p.deleted_at IS NOT NULL AS hidden,
    name_key(n.name) COLLATE "C" AS name_key
FROM prompt_presets n JOIN projects p ON p.id = n.project_id;
