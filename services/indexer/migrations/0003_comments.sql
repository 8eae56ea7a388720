-- Comments are documents, too: of a scene, in a thread.
ALTER TABLE documents DROP CONSTRAINT documents_kind_check;
ALTER TABLE documents DROP CONSTRAINT documents_check;
ALTER TABLE documents
    ADD COLUMN scene_id uuid,
    ADD COLUMN thread_id uuid,
    ADD CONSTRAINT documents_kind_check CHECK (kind IN ('scene', 'entity', 'fact', 'comment')),
    -- A comment whose scene is gone is in no book any more.
    ADD CONSTRAINT documents_of_books
        CHECK (kind <> 'scene' OR book_id IS NOT NULL),
    ADD CONSTRAINT documents_in_books
        CHECK (kind IN ('scene', 'comment') OR book_id IS NULL),
    ADD CONSTRAINT documents_of_scenes CHECK ((kind = 'comment') = (scene_id IS NOT NULL)),
    ADD CONSTRAINT documents_of_threads CHECK ((scene_id IS NULL) = (thread_id IS NULL));
CREATE INDEX documents_by_scene ON documents (scene_id) WHERE scene_id IS NOT NULL;
CREATE INDEX documents_by_thread ON documents (thread_id) WHERE thread_id IS NOT NULL;
ALTER TABLE due_documents DROP CONSTRAINT due_documents_kind_check;
ALTER TABLE due_documents ADD CONSTRAINT due_documents_kind_check
    CHECK (kind IN ('scene', 'entity', 'fact', 'comment'));
