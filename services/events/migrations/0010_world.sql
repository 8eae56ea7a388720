-- Entities with their components, what connects them, canon, and how a project is written.
--
-- As in 0001: a row is exactly the fold of its aggregate's events, foreign keys name the project
-- too, so that nothing can point into another one, and each kind has a view `<table>_read`.
-- Names of constraints say what their violation is: `..._slug_taken`, `..._exists`, `..._cycle`.

CREATE TYPE entity_type AS ENUM (
    'character', 'location', 'item', 'organization', 'other',
    'note', 'task', 'project', 'page', 'event', 'idea');
CREATE TYPE task_status AS ENUM ('todo', 'in_progress', 'done', 'cancelled');
CREATE TYPE file_type AS ENUM ('markdown', 'pdf', 'audio', 'video', 'image');
CREATE TYPE relation_type AS ENUM (
    'contains', 'relates_to', 'blocks', 'duplicates', 'mentions', 'derived_from');
CREATE TYPE appearance_role AS ENUM ('POV', 'SPEAKING', 'MENTIONED', 'PRESENT');
CREATE TYPE reveal_state AS ENUM ('HIDDEN', 'HINTED', 'REVEALED');

-- Entities ------------------------------------------------------------------------------------

CREATE TABLE entities (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    type entity_type NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    slug text CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$'),
    description text CHECK (length(description) <= 10000),
    aliases text[] NOT NULL CHECK (
        cardinality(aliases) <= 50 AND array_position(aliases, NULL) IS NULL),
    traits jsonb NOT NULL CHECK (jsonb_typeof(traits) = 'object'),
    preview text CHECK (length(preview) <= 200),
    file_path text CHECK (length(file_path) BETWEEN 1 AND 1024),
    file_url text CHECK (length(file_url) BETWEEN 1 AND 4096),
    file_size bigint CHECK (file_size >= 0),
    file_type file_type,
    file_checksum text CHECK (file_checksum ~ '^[0-9a-f]{64}$'),
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL CHECK (updated_at >= created_at),
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamptz,
    deleted_by uuid,
    UNIQUE (project_id, id),
    UNIQUE (project_id, id, type),
    CONSTRAINT entities_slug_taken UNIQUE (project_id, slug),
    CHECK ((deleted_at IS NULL) = (deleted_by IS NULL)),
    -- A file is known whole or not at all; only its public address may be missing.
    CHECK (num_nonnulls(file_path, file_size, file_type, file_checksum) IN (0, 4)),
    CHECK (file_url IS NULL OR file_path IS NOT NULL)
);
CREATE INDEX entities_by_name ON entities (project_id, lower(name) COLLATE "C", id);
CREATE INDEX entities_by_type ON entities (project_id, type);
CREATE INDEX entities_by_creation ON entities (project_id, created_at, id);

-- Components: the type in the foreign key says which entities may have them, and follows a change
-- of type between two that both may.
CREATE TABLE task_details (
    entity_id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    entity_type entity_type NOT NULL CHECK (entity_type = 'task'),
    status task_status NOT NULL,
    due_date timestamptz,
    priority integer NOT NULL CHECK (priority BETWEEN 0 AND 3),
    assignee_id uuid,
    completed_at timestamptz,
    FOREIGN KEY (project_id, entity_id, entity_type)
        REFERENCES entities (project_id, id, type) ON DELETE CASCADE ON UPDATE CASCADE,
    CHECK ((status = 'done') = (completed_at IS NOT NULL))
);
CREATE INDEX task_details_by_due_date ON task_details (project_id, due_date);
CREATE INDEX task_details_by_assignee ON task_details (project_id, assignee_id, status);

CREATE TABLE story_details (
    entity_id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    entity_type entity_type NOT NULL CHECK (
        entity_type IN ('character', 'location', 'item', 'organization', 'other')),
    role text CHECK (length(role) BETWEEN 1 AND 200),
    arc text CHECK (length(arc) <= 10000),
    goals text[] NOT NULL CHECK (
        cardinality(goals) <= 20 AND array_position(goals, NULL) IS NULL),
    motivation text CHECK (length(motivation) <= 10000),
    conflict text CHECK (length(conflict) <= 10000),
    FOREIGN KEY (project_id, entity_id, entity_type)
        REFERENCES entities (project_id, id, type) ON DELETE CASCADE ON UPDATE CASCADE
);

-- What connects entities ------------------------------------------------------------------------

CREATE TABLE relations (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    source_entity_id uuid NOT NULL,
    target_entity_id uuid NOT NULL,
    type relation_type NOT NULL,
    note text CHECK (length(note) <= 2000),
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL CHECK (updated_at >= created_at),
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    UNIQUE (project_id, id),
    CONSTRAINT relations_exists UNIQUE (source_entity_id, target_entity_id, type),
    CONSTRAINT relations_self_cycle CHECK (source_entity_id <> target_entity_id),
    FOREIGN KEY (project_id, source_entity_id)
        REFERENCES entities (project_id, id) ON DELETE CASCADE,
    FOREIGN KEY (project_id, target_entity_id)
        REFERENCES entities (project_id, id) ON DELETE CASCADE
);
CREATE INDEX relations_by_source ON relations (project_id, source_entity_id, type);
CREATE INDEX relations_by_target ON relations (project_id, target_entity_id, type);

-- Two inserts that only together close a circle cannot see each other, so that those of a project
-- wait for one another. Relations of deleted entities count: restoring one never makes a circle.
CREATE FUNCTION refuse_contains_cycle() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(NEW.project_id::text, 6111));
    IF EXISTS (
        WITH RECURSIVE below (id) AS (
            SELECT NEW.target_entity_id
            UNION
            SELECT r.target_entity_id FROM below b JOIN relations r
                ON r.project_id = NEW.project_id AND r.source_entity_id = b.id
                AND r.type = 'contains'
        )
        SELECT FROM below WHERE id = NEW.source_entity_id
    ) THEN
        RAISE EXCEPTION 'entity % would contain itself', NEW.source_entity_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'relations_contains_cycle';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER relations_contains_cycle
    AFTER INSERT OR UPDATE OF source_entity_id, target_entity_id, type ON relations
    FOR EACH ROW WHEN (NEW.type = 'contains') EXECUTE FUNCTION refuse_contains_cycle();

CREATE TABLE tags (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    colour text CHECK (colour ~ '^#[0-9a-f]{6}$'),
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL CHECK (updated_at >= created_at),
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamptz,
    deleted_by uuid,
    UNIQUE (project_id, id),
    CHECK ((deleted_at IS NULL) = (deleted_by IS NULL))
);
-- Of the living: a deleted tag's name is free, and restoring it may find the name taken.
CREATE UNIQUE INDEX tags_name_exists ON tags (project_id, lower(name)) WHERE deleted_at IS NULL;
CREATE INDEX tags_by_name ON tags (project_id, lower(name) COLLATE "C", id);

CREATE TABLE taggings (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    entity_id uuid NOT NULL,
    tag_id uuid NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL CHECK (updated_at >= created_at),
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    UNIQUE (project_id, id),
    CONSTRAINT taggings_exists UNIQUE (entity_id, tag_id),
    FOREIGN KEY (project_id, entity_id) REFERENCES entities (project_id, id) ON DELETE CASCADE,
    FOREIGN KEY (project_id, tag_id) REFERENCES tags (project_id, id) ON DELETE CASCADE
);
CREATE INDEX taggings_by_entity ON taggings (project_id, entity_id);
CREATE INDEX taggings_by_tag ON taggings (project_id, tag_id);

CREATE TABLE appearances (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    scene_id uuid NOT NULL,
    entity_id uuid NOT NULL,
    role appearance_role NOT NULL,
    anchor_id uuid,
    notes text CHECK (length(notes) <= 2000),
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL CHECK (updated_at >= created_at),
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    UNIQUE (project_id, id),
    CONSTRAINT appearances_exists UNIQUE (scene_id, entity_id),
    FOREIGN KEY (project_id, scene_id) REFERENCES scenes (project_id, id) ON DELETE CASCADE,
    FOREIGN KEY (project_id, entity_id) REFERENCES entities (project_id, id) ON DELETE CASCADE
);
CREATE INDEX appearances_by_scene ON appearances (project_id, scene_id);
CREATE INDEX appearances_by_entity ON appearances (project_id, entity_id, role);

-- What is true, and how it is told ----------------------------------------------------------------

CREATE TABLE canon_facts (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    entity_id uuid NOT NULL,
    fact text NOT NULL CHECK (length(fact) BETWEEN 1 AND 2000),
    reveal_state reveal_state NOT NULL,
    reveal_scene_id uuid,
    reveal_at timestamptz,
    confidence double precision NOT NULL CHECK (confidence BETWEEN 0 AND 1),
    provenance_scene_id uuid,
    provenance_anchor_id uuid,
    provenance_confidence double precision CHECK (provenance_confidence BETWEEN 0 AND 1),
    provenance_snippet text CHECK (length(provenance_snippet) <= 2000),
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL CHECK (updated_at >= created_at),
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamptz,
    deleted_by uuid,
    UNIQUE (project_id, id),
    FOREIGN KEY (project_id, entity_id) REFERENCES entities (project_id, id) ON DELETE CASCADE,
    -- A fact outlives the scenes that speak of it.
    FOREIGN KEY (project_id, reveal_scene_id)
        REFERENCES scenes (project_id, id) ON DELETE SET NULL (reveal_scene_id),
    FOREIGN KEY (project_id, provenance_scene_id)
        REFERENCES scenes (project_id, id) ON DELETE SET NULL (provenance_scene_id),
    CHECK ((deleted_at IS NULL) = (deleted_by IS NULL))
);
CREATE INDEX canon_facts_by_entity ON canon_facts (project_id, entity_id, reveal_state);
CREATE INDEX canon_facts_by_reveal ON canon_facts (project_id, reveal_state, reveal_scene_id);
CREATE INDEX canon_facts_by_reveal_scene ON canon_facts (reveal_scene_id);
CREATE INDEX canon_facts_by_provenance ON canon_facts (provenance_scene_id);

CREATE TABLE style_guides (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    guide jsonb NOT NULL CHECK (jsonb_typeof(guide) = 'object'),
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL CHECK (updated_at >= created_at),
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamptz,
    deleted_by uuid,
    UNIQUE (project_id, id),
    CHECK ((deleted_at IS NULL) = (deleted_by IS NULL))
);

CREATE TABLE context_rules (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    enabled boolean NOT NULL,
    structure boolean NOT NULL,
    kb boolean NOT NULL,
    rag_k integer NOT NULL CHECK (rag_k BETWEEN 0 AND 100),
    max_input_tokens integer CHECK (max_input_tokens BETWEEN 1 AND 10000000),
    style_guide_id uuid,
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL CHECK (updated_at >= created_at),
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamptz,
    deleted_by uuid,
    UNIQUE (project_id, id),
    FOREIGN KEY (project_id, style_guide_id)
        REFERENCES style_guides (project_id, id) ON DELETE SET NULL (style_guide_id),
    CHECK ((deleted_at IS NULL) = (deleted_by IS NULL))
);

CREATE TABLE personas (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    description text CHECK (length(description) <= 10000),
    prompt text NOT NULL CHECK (length(prompt) <= 20000),
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL CHECK (updated_at >= created_at),
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamptz,
    deleted_by uuid,
    UNIQUE (project_id, id),
    CHECK ((deleted_at IS NULL) = (deleted_by IS NULL))
);

CREATE TABLE prompt_presets (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    prompt text NOT NULL CHECK (length(prompt) <= 20000),
    persona_id uuid,
    context_rule_id uuid,
    model_profile_ref text CHECK (length(model_profile_ref) BETWEEN 1 AND 200),
    constraints jsonb NOT NULL CHECK (jsonb_typeof(constraints) = 'object'),
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL CHECK (updated_at >= created_at),
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamptz,
    deleted_by uuid,
    UNIQUE (project_id, id),
    FOREIGN KEY (project_id, persona_id)
        REFERENCES personas (project_id, id) ON DELETE SET NULL (persona_id),
    FOREIGN KEY (project_id, context_rule_id)
        REFERENCES context_rules (project_id, id) ON DELETE SET NULL (context_rule_id),
    CHECK ((deleted_at IS NULL) = (deleted_by IS NULL))
);
CREATE INDEX style_guides_by_project ON style_guides (project_id, created_at, id);
CREATE INDEX context_rules_by_project ON context_rules (project_id, created_at, id);
CREATE INDEX personas_by_project ON personas (project_id, created_at, id);
CREATE INDEX prompt_presets_by_project ON prompt_presets (project_id, created_at, id);
CREATE INDEX context_rules_by_style_guide ON context_rules (style_guide_id);
CREATE INDEX prompt_presets_by_persona ON prompt_presets (persona_id);
CREATE INDEX prompt_presets_by_context_rule ON prompt_presets (context_rule_id);

-- Reading -----------------------------------------------------------------------------------------
-- `name_key` and `manuscript_key` are what lists are sorted by: the first without regard to case,
-- the second by book, chapter and scene. A rank has no character below `/`, so that the joined
-- text sorts as the three ranks do.

CREATE VIEW scenes_in_order AS
SELECT v.*, b.rank || '/' || c.rank || '/' || v.rank AS manuscript_key
FROM scenes_read v
JOIN chapters c ON c.id = v.chapter_id
JOIN books b ON b.id = c.book_id;

CREATE VIEW entities_read AS
SELECT e.*, e.project_id AS parent_id, p.deleted_at IS NOT NULL AS hidden,
    lower(e.name) COLLATE "C" AS name_key,
    t.status AS task_status, t.due_date AS task_due_date, t.priority AS task_priority,
    t.assignee_id AS task_assignee_id, t.completed_at AS task_completed_at,
    s.role AS story_role, s.arc AS story_arc, s.goals AS story_goals,
    s.motivation AS story_motivation, s.conflict AS story_conflict
FROM entities e
JOIN projects p ON p.id = e.project_id
LEFT JOIN task_details t ON t.entity_id = e.id
LEFT JOIN story_details s ON s.entity_id = e.id;

CREATE VIEW relations_read AS
SELECT r.*, r.project_id AS parent_id, NULL::timestamptz AS deleted_at,
    p.deleted_at IS NOT NULL OR a.deleted_at IS NOT NULL OR b.deleted_at IS NOT NULL AS hidden
FROM relations r
JOIN projects p ON p.id = r.project_id
JOIN entities a ON a.id = r.source_entity_id
JOIN entities b ON b.id = r.target_entity_id;

CREATE VIEW tags_read AS
SELECT t.*, t.project_id AS parent_id, p.deleted_at IS NOT NULL AS hidden,
    lower(t.name) COLLATE "C" AS name_key
FROM tags t JOIN projects p ON p.id = t.project_id;

CREATE VIEW taggings_read AS
SELECT g.*, g.project_id AS parent_id, NULL::timestamptz AS deleted_at,
    p.deleted_at IS NOT NULL OR e.deleted_at IS NOT NULL OR t.deleted_at IS NOT NULL AS hidden
FROM taggings g
JOIN projects p ON p.id = g.project_id
JOIN entities e ON e.id = g.entity_id
JOIN tags t ON t.id = g.tag_id;

CREATE VIEW appearances_read AS
SELECT a.*, a.project_id AS parent_id, NULL::timestamptz AS deleted_at,
    p.deleted_at IS NOT NULL OR b.deleted_at IS NOT NULL OR c.deleted_at IS NOT NULL
        OR s.deleted_at IS NOT NULL OR e.deleted_at IS NOT NULL AS hidden,
    b.rank || '/' || c.rank || '/' || s.rank AS manuscript_key
FROM appearances a
JOIN projects p ON p.id = a.project_id
JOIN entities e ON e.id = a.entity_id
JOIN scenes s ON s.id = a.scene_id
JOIN chapters c ON c.id = s.chapter_id
JOIN books b ON b.id = c.book_id;

CREATE VIEW canon_facts_read AS
SELECT f.*, f.project_id AS parent_id,
    p.deleted_at IS NOT NULL OR e.deleted_at IS NOT NULL AS hidden
FROM canon_facts f
JOIN projects p ON p.id = f.project_id
JOIN entities e ON e.id = f.entity_id;

CREATE VIEW style_guides_read AS
SELECT g.*, g.project_id AS parent_id, p.deleted_at IS NOT NULL AS hidden,
    lower(g.name) COLLATE "C" AS name_key
FROM style_guides g JOIN projects p ON p.id = g.project_id;

CREATE VIEW context_rules_read AS
SELECT r.*, r.project_id AS parent_id, p.deleted_at IS NOT NULL AS hidden,
    lower(r.name) COLLATE "C" AS name_key
FROM context_rules r JOIN projects p ON p.id = r.project_id;

CREATE VIEW personas_read AS
SELECT n.*, n.project_id AS parent_id, p.deleted_at IS NOT NULL AS hidden,
    lower(n.name) COLLATE "C" AS name_key
FROM personas n JOIN projects p ON p.id = n.project_id;

CREATE VIEW prompt_presets_read AS
SELECT n.*, n.project_id AS parent_id, p.deleted_at IS NOT NULL AS hidden,
    lower(n.name) COLLATE "C" AS name_key
FROM prompt_presets n JOIN projects p ON p.id = n.project_id;

-- Who may: things that last are never deleted by the service, links and components are. ----------

GRANT SELECT, INSERT, UPDATE ON entities, tags, canon_facts, style_guides, context_rules, personas,
    prompt_presets TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON task_details, story_details, relations, taggings,
    appearances TO {role};
GRANT SELECT ON scenes_in_order, entities_read, relations_read, tags_read, taggings_read,
    appearances_read, canon_facts_read, style_guides_read, context_rules_read, personas_read,
    prompt_presets_read TO {role};
