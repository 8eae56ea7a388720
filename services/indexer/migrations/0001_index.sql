-- What can be found: documents (scenes, entities, facts), their chunks, and the state of the points
-- that an engine holds of them. All of it is derived from events and collab, and can be made anew.

-- Projects that are gone for ever: nothing late comes back to them.
CREATE TABLE purged_projects (
    project_id uuid PRIMARY KEY,
    purged_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT ON purged_projects TO {role};

CREATE TABLE purged_documents (
    id uuid PRIMARY KEY,
    purged_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT ON purged_documents TO {role};

CREATE TABLE documents (
    -- The id of the scene, the entity or the fact.
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('scene', 'entity', 'fact')),
    book_id uuid,
    chapter_id uuid,
    -- Its version in events.
    version bigint NOT NULL CHECK (version > 0),
    -- The version of a scene's text in collab that its chunks show.
    seq bigint NOT NULL DEFAULT 0 CHECK (seq >= 0),
    -- Whether it shows: what is deleted, itself or with something above it, has no chunks.
    shown boolean NOT NULL,
    run_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    indexed_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (project_id, id),
    CHECK ((kind = 'scene') = (book_id IS NOT NULL)),
    CHECK ((book_id IS NULL) = (chapter_id IS NULL)),
    CHECK (kind = 'scene' OR seq = 0),
    CHECK (indexed_at >= created_at)
);
CREATE INDEX documents_by_book ON documents (book_id) WHERE book_id IS NOT NULL;
CREATE INDEX documents_by_chapter ON documents (chapter_id) WHERE chapter_id IS NOT NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON documents TO {role};

CREATE TABLE text_chunks (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    document_id uuid NOT NULL,
    -- A CARD is what a thing says about itself: its title, its summary, its names.
    chunk_type text COLLATE "C" NOT NULL CHECK (chunk_type IN ('PARAGRAPH', 'CARD')),
    -- The type of the block in its editor, such as dialogue.
    block_type text COLLATE "C" NOT NULL CHECK (length(block_type) BETWEEN 1 AND 100),
    -- The number of the window of a long paragraph.
    part smallint NOT NULL CHECK (part >= 0),
    index integer NOT NULL CHECK (index >= 0),
    text text NOT NULL CHECK (length(text) BETWEEN 1 AND 2000),
    -- SHA-256 of the text.
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    -- UTF-16 offsets into the text of the scene at the document's seq.
    from_offset integer NOT NULL CHECK (from_offset >= 0),
    to_offset integer NOT NULL CHECK (to_offset >= from_offset),
    -- Yjs ids of the first and the last character of its paragraph.
    first_client bigint,
    first_clock bigint,
    last_client bigint,
    last_clock bigint,
    run_id uuid,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The text that the engine's point was made from, and the one that its vector was made from.
    point_hash bytea CHECK (octet_length(point_hash) = 32),
    vector_hash bytea CHECK (octet_length(vector_hash) = 32),
    -- Attempts to embed this text that failed.
    failures smallint NOT NULL DEFAULT 0 CHECK (failures >= 0),
    UNIQUE (project_id, id),
    CONSTRAINT text_chunks_place UNIQUE (document_id, chunk_type, index)
        DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (project_id, document_id) REFERENCES documents (project_id, id) ON DELETE CASCADE,
    CHECK (num_nonnulls(first_client, first_clock, last_client, last_clock) IN (0, 4)),
    CHECK ((chunk_type = 'CARD') = (first_client IS NULL)),
    CHECK (vector_hash IS NULL OR point_hash IS NOT NULL)
);
CREATE INDEX text_chunks_of_document ON text_chunks (project_id, document_id);
CREATE INDEX text_chunks_unwritten ON text_chunks (changed_at)
    WHERE point_hash IS DISTINCT FROM hash;
CREATE INDEX text_chunks_unembedded ON text_chunks (changed_at)
    WHERE point_hash = hash AND vector_hash IS DISTINCT FROM hash;
GRANT SELECT, INSERT, UPDATE, DELETE ON text_chunks TO {role};

-- Points that the engine still has to forget.
CREATE TABLE gone_points (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    gone_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX gone_points_by_age ON gone_points (gone_at);
GRANT SELECT, INSERT, DELETE ON gone_points TO {role};

-- Vectors by the text that they were made from, so that what moves, comes back or is written into
-- a new engine is not embedded again. Within a project: nobody learns what others wrote.
CREATE TABLE embeddings (
    project_id uuid NOT NULL,
    -- Name and fingerprint of the model.
    model text COLLATE "C" NOT NULL CHECK (length(model) BETWEEN 1 AND 200),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    -- float32, little-endian.
    vector bytea NOT NULL CHECK (octet_length(vector) % 4 = 0 AND octet_length(vector) > 0),
    used_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (project_id, model, hash)
);
CREATE INDEX embeddings_by_age ON embeddings (used_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON embeddings TO {role};

-- Documents that changed since they were indexed.
CREATE TABLE due_documents (
    id uuid PRIMARY KEY,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('scene', 'entity', 'fact')),
    -- Grows with every notice, so that one that comes while the document is indexed is not lost.
    notices bigint NOT NULL DEFAULT 1 CHECK (notices > 0),
    noticed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Not before this time: after failures, and while a replica works on it.
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    failures integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
    -- The project whose rebuild asked for it.
    rebuild_of uuid
);
CREATE INDEX due_documents_by_time ON due_documents (due_at);
CREATE INDEX due_documents_of_rebuild ON due_documents (rebuild_of) WHERE rebuild_of IS NOT NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON due_documents TO {role};

-- The newest rebuild of each project.
CREATE TABLE rebuilds (
    project_id uuid PRIMARY KEY,
    begun_at timestamptz NOT NULL DEFAULT now(),
    total integer NOT NULL CHECK (total >= 0),
    -- When all was read and written again, and points that nothing stands behind were deleted.
    done_at timestamptz CHECK (done_at >= begun_at)
);
CREATE INDEX rebuilds_running ON rebuilds (begun_at) WHERE done_at IS NULL;
GRANT SELECT, INSERT, UPDATE, DELETE ON rebuilds TO {role};

-- The engine that the points were written to, by the mark that it keeps itself.
CREATE TABLE engines (
    name text COLLATE "C" PRIMARY KEY,
    mark uuid NOT NULL,
    -- The model whose vectors it holds.
    model text COLLATE "C" NOT NULL,
    known_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE ON engines TO {role};
