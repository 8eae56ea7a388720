-- Blobs asks who has these bytes before it lets any go.
CREATE INDEX entities_by_file ON entities (project_id, file_checksum)
    WHERE file_checksum IS NOT NULL;
CREATE INDEX entities_with_file ON entities (project_id, id) WHERE file_checksum IS NOT NULL;
