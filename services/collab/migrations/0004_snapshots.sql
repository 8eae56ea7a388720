-- The fallback: what a scene read like when it was last written down as blocks. Derived from the log
-- (yjs_derived), or, before a scene has a log, what an import brought.
CREATE TABLE scene_snapshots (
    scene_id uuid PRIMARY KEY,
    snapshot_id uuid NOT NULL,
    -- zstd of canonical JSON; content_bytes is its length when decompressed.
    content_blocks bytea NOT NULL,
    content_bytes integer NOT NULL CHECK (content_bytes > 0),
    block_count integer NOT NULL CHECK (block_count >= 0),
    snapshot_source text NOT NULL
        CHECK (snapshot_source IN ('yjs', 'manual', 'import', 'migrated', 'compacted')),
    snapshot_at timestamptz NOT NULL DEFAULT now(),
    yjs_derived boolean NOT NULL,
    -- SHA-256 of the Yjs state in its canonical form (services/collab/snapshots/model.py), and of
    -- the part of it that is not content: what has been written and deleted, by client.
    yjs_checksum text NOT NULL CHECK (yjs_checksum ~ '^[0-9a-f]{64}$'),
    yjs_position text NOT NULL,
    seq bigint NOT NULL CHECK (seq >= 0),
    -- Where the first snapshot from Yjs stood: after that the scene is in normal use.
    first_yjs_seq bigint CHECK (first_yjs_seq <= seq),
    -- By which version of the rendering; another one's blocks are renewed, not compared.
    rendering integer NOT NULL,
    CHECK (yjs_derived = (seq > 0)),
    CHECK (yjs_derived = (first_yjs_seq IS NOT NULL))
);
ALTER TABLE scene_snapshots ALTER COLUMN content_blocks SET STORAGE EXTERNAL;
CREATE INDEX scene_snapshots_newest ON scene_snapshots (snapshot_at) WHERE yjs_derived;

-- The history of snapshots, so many a scene.
CREATE TABLE scene_snapshot_metadata (
    snapshot_id uuid PRIMARY KEY,
    scene_id uuid NOT NULL REFERENCES scene_snapshots ON DELETE CASCADE,
    snapshot_source text NOT NULL
        CHECK (snapshot_source IN ('yjs', 'manual', 'import', 'migrated', 'compacted')),
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid,
    yjs_version_count bigint NOT NULL CHECK (yjs_version_count >= 0),
    -- No foreign key: the row may be compacted and pruned, this stays.
    yjs_latest_version_id uuid,
    yjs_checksum text NOT NULL CHECK (yjs_checksum ~ '^[0-9a-f]{64}$'),
    generation_time_ms integer NOT NULL CHECK (generation_time_ms >= 0),
    snapshot_size_bytes integer NOT NULL CHECK (snapshot_size_bytes >= 0)
);
CREATE INDEX snapshot_metadata_scene ON scene_snapshot_metadata (scene_id, created_at DESC);

-- When each snapshot was last compared with the log, and what was found the last time they differed.
CREATE TABLE snapshot_checks (
    scene_id uuid PRIMARY KEY REFERENCES scene_snapshots ON DELETE CASCADE,
    checked_at timestamptz NOT NULL DEFAULT '-infinity',
    diverged_at timestamptz,
    severity text CHECK (severity IN ('MINOR', 'MODERATE', 'CRITICAL')),
    report jsonb,
    repaired_at timestamptz,
    CHECK ((diverged_at IS NULL) = (severity IS NULL))
);
CREATE INDEX snapshot_checks_oldest ON snapshot_checks (checked_at);
CREATE INDEX snapshot_checks_diverged ON snapshot_checks (diverged_at)
    WHERE diverged_at IS NOT NULL;

-- One row: what the last walk over all scenes counted, and who may walk next.
CREATE TABLE persistence_counts (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    walk_began_at timestamptz NOT NULL DEFAULT '-infinity',
    counted_at timestamptz,
    scenes_with_updates bigint,
    scenes_behind bigint,
    age_s_average double precision,
    oldest_change_at timestamptz
);
INSERT INTO persistence_counts DEFAULT VALUES;

-- What each replica measured in each minute, for figures over all of them.
CREATE TABLE persistence_minutes (
    replica text NOT NULL,
    minute timestamptz NOT NULL,
    loads bigint NOT NULL,
    load_seconds double precision NOT NULL,
    snapshots bigint NOT NULL,
    snapshot_failures bigint NOT NULL,
    PRIMARY KEY (minute, replica)
);

GRANT SELECT, INSERT, UPDATE ON scene_snapshots, snapshot_checks TO {role};
GRANT SELECT, INSERT, DELETE ON scene_snapshot_metadata TO {role};
GRANT SELECT, UPDATE ON persistence_counts TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON persistence_minutes TO {role};
