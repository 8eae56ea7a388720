-- Whose file a path names, where that is an entity's: it follows the entity, and nobody else moves it.
-- Those of files that are older than this come with `scriptorium blobs reconcile`.
ALTER TABLE paths ADD COLUMN entity_id uuid;
ALTER TABLE paths ADD CONSTRAINT paths_entity_id_check
    CHECK (entity_id IS NULL OR sha256 IS NOT NULL) NOT VALID;
CREATE INDEX paths_by_entity ON paths (project_id, entity_id) WHERE entity_id IS NOT NULL;
