-- Scenes that came from an older system as blocks, with what they came as: kept for ever, so that
-- anybody can check what became of it.
CREATE TABLE migrated_scenes (
    scene_id uuid PRIMARY KEY,
    -- zstd of the blocks as canonical JSON; content_bytes is its length when decompressed.
    content_blocks bytea NOT NULL,
    content_bytes integer NOT NULL CHECK (content_bytes > 0),
    block_count integer NOT NULL CHECK (block_count >= 0),
    -- The update made of them, written here before it goes to the log: a migration that was cut
    -- short goes on with the same one, and so cannot write the text twice.
    yjs_update bytea NOT NULL,
    -- The seq at which the log says what the blocks say; null until it does.
    seq bigint CHECK (seq > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    migrated_at timestamptz,
    CHECK ((seq IS NULL) = (migrated_at IS NULL))
);
GRANT SELECT, INSERT, UPDATE ON migrated_scenes TO {role};
