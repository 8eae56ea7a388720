-- The log is the only truth about a scene's text: one row per accepted update, in order.
-- PRIMARY KEY (scene_id, seq) is also the fence between replicas: whoever inserts a seq first owns
-- it, and the other rereads and tries again. No lease, no owner, no split brain.
CREATE TABLE scene_versions (
    scene_id uuid NOT NULL,
    seq bigint NOT NULL CHECK (seq > 0),
    -- Computed when read: drawing and storing a uuidv7 would be half the cost of an insert.
    version_id uuid GENERATED ALWAYS AS (md5(uuid_send(scene_id) || int8send(seq))::uuid) VIRTUAL,
    yjs_update bytea NOT NULL,
    -- Which connection wrote it: gateway instance in the upper 32 bits, its connection in the lower.
    client_id bigint NOT NULL,
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    is_compacted boolean NOT NULL DEFAULT false,
    compacted_count integer NOT NULL DEFAULT 1,
    compacted_by uuid,
    -- CRC-32 of yjs_update, computed before it left the process that accepted it.
    checksum bigint NOT NULL,
    PRIMARY KEY (scene_id, seq),
    CONSTRAINT yjs_update_not_empty CHECK (octet_length(yjs_update) > 0),
    CONSTRAINT compacted_count_positive CHECK (compacted_count > 0)
);
-- Updates are dense binary already; trying to compress each costs more than it saves.
ALTER TABLE scene_versions ALTER COLUMN yjs_update SET STORAGE EXTERNAL;

-- The head: everything up to upto_seq as one update, for fast loads. Derived; can be rebuilt.
CREATE TABLE docs (
    scene_id uuid PRIMARY KEY,
    upto_seq bigint NOT NULL CHECK (upto_seq > 0),
    -- zstd; `size` is its length when decompressed.
    snapshot bytea NOT NULL,
    size integer NOT NULL CHECK (size >= 0),
    state_vector bytea NOT NULL,
    checksum bigint NOT NULL,
    version integer NOT NULL DEFAULT 1 CHECK (version > 0),
    updated_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE docs ALTER COLUMN snapshot SET STORAGE EXTERNAL;

-- Rows that the log keeps and nobody applies: they break the document or their own checksum.
CREATE TABLE quarantined_updates (
    scene_id uuid NOT NULL,
    seq bigint NOT NULL,
    reason text NOT NULL CHECK (octet_length(reason) BETWEEN 1 AND 1000),
    found_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (scene_id, seq),
    FOREIGN KEY (scene_id, seq) REFERENCES scene_versions (scene_id, seq)
);

-- Append-only by rights: the service can neither change nor remove what it logged.
GRANT SELECT, INSERT ON scene_versions, quarantined_updates TO {role};
GRANT SELECT, INSERT, UPDATE ON docs TO {role};
