-- Contents that an older system kept in rows, loaded here with COPY as the owner of this database:
--   COPY imported_contents (id, project_id, user_id, path, media_type, content) FROM ...
-- `scriptorium migrate content-to-blobs` makes each a blob with a path. Rows stay until an operator
-- deletes them, so that anybody can compare.
CREATE TABLE imported_contents (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    -- In whose name.
    user_id uuid NOT NULL,
    -- Where it is to be: users/{userId}/{notes|tasks|attachments|exports}/... or project/...
    path text NOT NULL CHECK (length(path) BETWEEN 1 AND 1024),
    file_name text CHECK (length(file_name) BETWEEN 1 AND 255),
    media_type text CHECK (length(media_type) BETWEEN 1 AND 127),
    asset_type asset_type NOT NULL DEFAULT 'attachment',
    content bytea NOT NULL,
    -- What the older system said it is; compared when given.
    sha256 text COLLATE "C" CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    created_at timestamptz NOT NULL DEFAULT now(),
    blob_sha256 text COLLATE "C",
    imported_at timestamptz,
    CHECK ((blob_sha256 IS NULL) = (imported_at IS NULL))
);
-- Uncompressed, so that a part can be read without the whole.
ALTER TABLE imported_contents ALTER COLUMN content SET STORAGE EXTERNAL;
GRANT SELECT ON imported_contents TO {role};
GRANT UPDATE (blob_sha256, imported_at) ON imported_contents TO {role};
