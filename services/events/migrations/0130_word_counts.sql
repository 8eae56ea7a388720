-- How many words each scene has, as collab told. No fold of the log: a rebuild does not touch it, and
-- a scene's version does not rise with it. Without a foreign key, because a rebuild that replaces a
-- scene's row would take its count along, and because collab may tell before the scene's row is there.
CREATE TABLE word_counts (
    scene_id uuid PRIMARY KEY,
    words integer NOT NULL CHECK (words >= 0),
    counted_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON word_counts TO {role};

-- The views as before, with `words`; those of a chapter and a book are the sum of their living scenes.
-- The column comes last, so that the release before this one goes on. It is looked up for each scene
-- by a subquery, which is left out of a statement that does not ask for it.
CREATE OR REPLACE VIEW books_read AS
SELECT b.id, b.project_id, b.rank, b.title, b.kind, b.version, b.created_at, b.updated_at,
    b.created_by, b.updated_by, b.deleted_at, b.deleted_by, b.project_id AS parent_id,
    p.deleted_at IS NOT NULL AS hidden,
    (SELECT count(*) FROM books s
     WHERE s.project_id = b.project_id AND s.deleted_at IS NULL AND s.rank < b.rank) AS index,
    b.editor,
    (SELECT coalesce(sum(w.words), 0)::bigint
     FROM chapters c JOIN scenes s ON s.chapter_id = c.id JOIN word_counts w ON w.scene_id = s.id
     WHERE c.book_id = b.id AND c.deleted_at IS NULL AND s.deleted_at IS NULL) AS words
FROM books b JOIN projects p ON p.id = b.project_id;

CREATE OR REPLACE VIEW chapters_read AS
SELECT c.id, c.project_id, c.book_id, c.rank, c.title, c.version, c.created_at, c.updated_at,
    c.created_by, c.updated_by, c.deleted_at, c.deleted_by, c.book_id AS parent_id,
    b.deleted_at IS NOT NULL OR p.deleted_at IS NOT NULL AS hidden,
    (SELECT count(*) FROM chapters s
     WHERE s.book_id = c.book_id AND s.deleted_at IS NULL AND s.rank < c.rank) AS index,
    (SELECT coalesce(sum(w.words), 0)::bigint
     FROM scenes s JOIN word_counts w ON w.scene_id = s.id
     WHERE s.chapter_id = c.id AND s.deleted_at IS NULL) AS words
FROM chapters c JOIN books b ON b.id = c.book_id JOIN projects p ON p.id = c.project_id;

CREATE OR REPLACE VIEW scenes_read AS
SELECT s.id, s.project_id, s.chapter_id, s.rank, s.title, s.status, s.pov, s.tense, s.summary,
    s.word_count, s.version, s.created_at, s.updated_at, s.created_by, s.updated_by, s.deleted_at,
    s.deleted_by, s.chapter_id AS parent_id, c.book_id,
    c.deleted_at IS NOT NULL OR b.deleted_at IS NOT NULL OR p.deleted_at IS NOT NULL AS hidden,
    (SELECT count(*) FROM scenes t
     WHERE t.chapter_id = s.chapter_id AND t.deleted_at IS NULL AND t.rank < s.rank) AS index,
    s.schema_version, s.editor, coalesce(s.editor, b.editor, p.editor) AS editor_in_use,
    coalesce((SELECT w.words FROM word_counts w WHERE w.scene_id = s.id), 0) AS words
FROM scenes s
JOIN chapters c ON c.id = s.chapter_id
JOIN books b ON b.id = c.book_id
JOIN projects p ON p.id = s.project_id;

CREATE OR REPLACE VIEW scenes_in_order AS
SELECT v.id, v.project_id, v.chapter_id, v.rank, v.title, v.status, v.pov, v.tense, v.summary,
    v.word_count, v.version, v.created_at, v.updated_at, v.created_by, v.updated_by, v.deleted_at,
    v.deleted_by, v.parent_id, v.book_id, v.hidden, v.index, v.schema_version,
    b.rank || '/' || c.rank || '/' || v.rank AS manuscript_key, v.editor, v.words
FROM scenes_read v
JOIN chapters c ON c.id = v.chapter_id
JOIN books b ON b.id = c.book_id;

-- As before, and a purged scene's count goes with its row.
CREATE OR REPLACE FUNCTION bury_row(projection text, buried uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM tombstones t JOIN aggregates a USING (aggregate_id)
        JOIN events e ON e.aggregate_id = a.aggregate_id AND e.version = a.version
        WHERE t.aggregate_id = buried AND e.event_type = a.aggregate_type || '.purged'
    ) THEN
        RAISE EXCEPTION '% was not purged', buried;
    END IF;
    EXECUTE format('DELETE FROM %I WHERE id = $1', projection) USING buried;
    DELETE FROM word_counts WHERE scene_id = buried;
END $$;
