-- The editors that texts are written with: of a project, a book, a scene, and those of a team's own.
-- What is there already names none, and goes on as before.

CREATE TABLE editor_definitions (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    definition jsonb NOT NULL CHECK (jsonb_typeof(definition) = 'object'),
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
-- As with tags: the name of a deleted one is free, and restoring it may find the name taken.
CREATE UNIQUE INDEX editor_definitions_name_exists ON editor_definitions (project_id, name_key(name))
    WHERE deleted_at IS NULL;
CREATE INDEX editor_definitions_by_name ON editor_definitions (project_id, name);
CREATE INDEX editor_definitions_by_project ON editor_definitions (project_id, created_at, id);
CREATE INDEX editor_definitions_deleted ON editor_definitions (deleted_at)
    WHERE deleted_at IS NOT NULL;

CREATE VIEW editor_definitions_read AS
SELECT d.*, d.project_id AS parent_id, p.deleted_at IS NOT NULL AS hidden,
    name_key(d.name) COLLATE "C" AS name_key
FROM editor_definitions d JOIN projects p ON p.id = d.project_id;

ALTER TABLE projects ADD COLUMN editor text CHECK (length(editor) BETWEEN 1 AND 100);
ALTER TABLE books ADD COLUMN editor text CHECK (length(editor) BETWEEN 1 AND 100);
ALTER TABLE scenes ADD COLUMN editor text CHECK (length(editor) BETWEEN 1 AND 100);

-- New columns come last, so that the views are replaced in place and keep their rights, and so that
-- the release before this one, which reads and writes without them, goes on.
CREATE OR REPLACE VIEW projects_read AS
SELECT p.id, p.name, p.slug, p.version, p.created_at, p.updated_at, p.created_by, p.updated_by,
    p.deleted_at, p.deleted_by, p.archived_at, p.archived_by, p.id AS project_id,
    NULL::uuid AS parent_id, false AS hidden, p.editor
FROM projects p;

CREATE OR REPLACE VIEW books_read AS
SELECT b.id, b.project_id, b.rank, b.title, b.kind, b.version, b.created_at, b.updated_at,
    b.created_by, b.updated_by, b.deleted_at, b.deleted_by, b.project_id AS parent_id,
    p.deleted_at IS NOT NULL AS hidden,
    (SELECT count(*) FROM books s
     WHERE s.project_id = b.project_id AND s.deleted_at IS NULL AND s.rank < b.rank) AS index,
    b.editor
FROM books b JOIN projects p ON p.id = b.project_id;

-- `editor_in_use` is the nearest that is named: by the scene, its book, or its project.
CREATE OR REPLACE VIEW scenes_read AS
SELECT s.id, s.project_id, s.chapter_id, s.rank, s.title, s.status, s.pov, s.tense, s.summary,
    s.word_count, s.version, s.created_at, s.updated_at, s.created_by, s.updated_by, s.deleted_at,
    s.deleted_by, s.chapter_id AS parent_id, c.book_id,
    c.deleted_at IS NOT NULL OR b.deleted_at IS NOT NULL OR p.deleted_at IS NOT NULL AS hidden,
    (SELECT count(*) FROM scenes t
     WHERE t.chapter_id = s.chapter_id AND t.deleted_at IS NULL AND t.rank < s.rank) AS index,
    s.schema_version, s.editor, coalesce(s.editor, b.editor, p.editor) AS editor_in_use
FROM scenes s
JOIN chapters c ON c.id = s.chapter_id
JOIN books b ON b.id = c.book_id
JOIN projects p ON p.id = s.project_id;

CREATE OR REPLACE VIEW scenes_in_order AS
SELECT v.id, v.project_id, v.chapter_id, v.rank, v.title, v.status, v.pov, v.tense, v.summary,
    v.word_count, v.version, v.created_at, v.updated_at, v.created_by, v.updated_by, v.deleted_at,
    v.deleted_by, v.parent_id, v.book_id, v.hidden, v.index, v.schema_version,
    b.rank || '/' || c.rank || '/' || v.rank AS manuscript_key, v.editor
FROM scenes_read v
JOIN chapters c ON c.id = v.chapter_id
JOIN books b ON b.id = c.book_id;

GRANT SELECT, INSERT, UPDATE ON editor_definitions TO {role};
GRANT SELECT ON editor_definitions_read TO {role};
