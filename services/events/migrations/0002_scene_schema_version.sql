-- The schema gate: a scene names the editor schema that its text is written in; null names none.

ALTER TABLE scenes ADD COLUMN schema_version integer CHECK (schema_version >= 1);

-- The new column comes last, so that the view is replaced in place and keeps its rights, and so
-- that the release before this one, which reads and writes without it, goes on.
CREATE OR REPLACE VIEW scenes_read AS
SELECT s.id, s.project_id, s.chapter_id, s.rank, s.title, s.status, s.pov, s.tense, s.summary,
    s.word_count, s.version, s.created_at, s.updated_at, s.created_by, s.updated_by, s.deleted_at,
    s.deleted_by, s.chapter_id AS parent_id, c.book_id,
    c.deleted_at IS NOT NULL OR b.deleted_at IS NOT NULL OR p.deleted_at IS NOT NULL AS hidden,
    (SELECT count(*) FROM scenes t
     WHERE t.chapter_id = s.chapter_id AND t.deleted_at IS NULL AND t.rank < s.rank) AS index,
    s.schema_version
FROM scenes s
JOIN chapters c ON c.id = s.chapter_id
JOIN books b ON b.id = c.book_id
JOIN projects p ON p.id = s.project_id;
