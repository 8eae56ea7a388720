-- What a search is narrowed by, and the names that are suggested while somebody types.
ALTER TABLE documents
    -- The type of an entity, or the kind of a scene's book.
    ADD COLUMN type text COLLATE "C" CHECK (length(type) BETWEEN 1 AND 100),
    ADD COLUMN status text COLLATE "C" CHECK (length(status) BETWEEN 1 AND 100),
    -- Its title and other names in lower case, a line feed before each.
    ADD COLUMN names text NOT NULL DEFAULT '',
    -- When it or its text was changed last, as events and collab say.
    ADD COLUMN updated_at timestamptz;
CREATE INDEX documents_by_change ON documents (project_id, updated_at);

-- Known documents are read again, so that their new columns are filled.
INSERT INTO due_documents (id, kind)
SELECT d.id, d.kind FROM documents d
WHERE NOT EXISTS (SELECT FROM purged_documents p WHERE p.id = d.id)
ON CONFLICT DO NOTHING;
