-- A version with a name, kept whole: it outlives the rows that made it.
CREATE TABLE named_snapshots (
    id uuid PRIMARY KEY,
    scene_id uuid NOT NULL,
    project_id uuid NOT NULL,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    description text CHECK (char_length(description) <= 10000),
    seq bigint NOT NULL CHECK (seq >= 0),
    at timestamptz,
    -- zstd; `size` is its length when decompressed.
    state bytea NOT NULL,
    size integer NOT NULL CHECK (size >= 0),
    -- CRC-32 of the state, decompressed.
    checksum bigint NOT NULL,
    version integer NOT NULL DEFAULT 1 CHECK (version > 0),
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_by uuid NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT named_snapshots_name UNIQUE (scene_id, name)
);
ALTER TABLE named_snapshots ALTER COLUMN state SET STORAGE EXTERNAL;

-- A branch: its text is in the log, under its id. Its base is kept here, for the log's rows of that
-- time may be compacted and pruned, and three-way comparison needs it as long as the branch lives.
CREATE TABLE branches (
    id uuid PRIMARY KEY,
    scene_id uuid NOT NULL,
    project_id uuid NOT NULL,
    name text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'merged', 'closed')),
    base_seq bigint NOT NULL CHECK (base_seq >= 0),
    base bytea NOT NULL,
    base_size integer NOT NULL CHECK (base_size >= 0),
    base_checksum bigint NOT NULL,
    merges integer NOT NULL DEFAULT 0 CHECK (merges >= 0),
    merged_at timestamptz,
    merged_by uuid,
    merged_seq bigint,
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((merges > 0) = (merged_at IS NOT NULL AND merged_by IS NOT NULL))
);
ALTER TABLE branches ALTER COLUMN base SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX branches_name ON branches (scene_id, name) WHERE state <> 'closed';
CREATE INDEX branches_of_scene ON branches (scene_id, created_at);

-- Who brought which version back, or merged which branch: written before the edit, and given its
-- seq after it. A row without a seq is an attempt of which the outcome is in the log alone.
CREATE TABLE restorations (
    id uuid PRIMARY KEY,
    scene_id uuid NOT NULL,
    from_at text NOT NULL CHECK (char_length(from_at) <= 64),
    from_seq bigint NOT NULL CHECK (from_seq >= 0),
    seq bigint CHECK (seq > 0),
    restored_by uuid NOT NULL,
    restored_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX restorations_of_scene ON restorations (scene_id, restored_at);
CREATE TABLE branch_merges (
    id uuid PRIMARY KEY,
    branch_id uuid NOT NULL REFERENCES branches (id),
    strategy text CHECK (strategy IN ('merge', 'ours', 'theirs')),
    conflicts integer NOT NULL CHECK (conflicts >= 0),
    seq bigint CHECK (seq > 0),
    merged_by uuid NOT NULL,
    merged_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX branch_merges_of_branch ON branch_merges (branch_id, merged_at);

-- Which version a time means: the newest original from then or before. Times rise with seq, but for
-- moments between replicas, so halving finds it through the primary key alone, without an index
-- that every edit would have to pay for.
CREATE FUNCTION seq_at(scene uuid, wanted timestamptz, oldest bigint, newest bigint)
RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    low bigint := oldest - 1;
    high bigint := newest;
    middle bigint;
    found timestamptz;
BEGIN
    WHILE low < high LOOP
        middle := (low + high + 1) / 2;
        SELECT created_at INTO found FROM scene_versions
        WHERE scene_id = scene AND seq = middle AND NOT is_compacted;
        IF found <= wanted THEN low := middle; ELSE high := middle - 1; END IF;
    END LOOP;
    RETURN low;
END
$$;

GRANT SELECT, INSERT, DELETE ON named_snapshots TO {role};
GRANT UPDATE (name, description, version, updated_by, updated_at) ON named_snapshots TO {role};
GRANT SELECT, INSERT ON branches, restorations, branch_merges TO {role};
GRANT UPDATE (state, base_seq, base, base_size, base_checksum, merges, merged_at, merged_by,
    merged_seq) ON branches TO {role};
GRANT UPDATE (seq) ON restorations, branch_merges TO {role};
