-- Patches: several changes of a scene, made on one version of its text, that are decided as one.
CREATE TABLE patches (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    scene_id uuid NOT NULL,
    state text COLLATE "C" NOT NULL DEFAULT 'OPEN'
        CHECK (state IN ('OPEN', 'PARTLY_APPLIED', 'APPLIED', 'REVERTED')),
    -- The version of the text that its hunks were made on, or last renewed on.
    base_version bigint NOT NULL CHECK (base_version >= 0),
    -- The versions that applying and reverting it made last.
    applied_version bigint CHECK (applied_version >= 0),
    reverted_version bigint CHECK (reverted_version >= applied_version),
    rebase_strategy text COLLATE "C" CHECK (rebase_strategy IN ('merge', 'rebase', 'override')),
    -- The hunks that did not land when it was last decided: [{"hunkId": …, "reason": …, …}, …].
    conflict_log jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(conflict_log) = 'array'),
    title text CHECK (length(title) BETWEEN 1 AND 200),
    note text CHECK (length(note) <= 2000),
    run_id uuid,
    decided_at timestamptz,
    decided_by uuid,
    version bigint NOT NULL DEFAULT 1 CHECK (version > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by uuid NOT NULL,
    deleted_at timestamptz,
    deleted_by uuid,
    UNIQUE (project_id, scene_id, id),
    CHECK ((decided_at IS NULL) = (decided_by IS NULL)),
    CHECK ((deleted_at IS NULL) = (deleted_by IS NULL)),
    CHECK (state = 'OPEN' OR decided_at IS NOT NULL),
    CHECK ((state = 'OPEN') = (applied_version IS NULL)),
    CHECK (state <> 'REVERTED' OR reverted_version IS NOT NULL),
    CHECK (updated_at >= created_at)
);
CREATE INDEX patches_newest ON patches (scene_id, created_at DESC, id DESC);
CREATE INDEX patches_there ON patches (scene_id) WHERE deleted_at IS NULL;
GRANT SELECT, INSERT, UPDATE ON patches TO {role};

CREATE TABLE patch_hunks (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    scene_id uuid NOT NULL,
    patch_id uuid NOT NULL,
    -- Its place among the hunks of the patch, in the order of the base, from 1.
    number int NOT NULL CHECK (number BETWEEN 1 AND 200),
    state text COLLATE "C" NOT NULL DEFAULT 'OPEN'
        CHECK (state IN ('OPEN', 'APPLIED', 'REVERTED')),
    -- The words that it changes, or beside which it inserts; an anchor stays as long as its hunk.
    anchor_id uuid NOT NULL UNIQUE,
    -- What it wrote while it is applied, unless that is nothing.
    written_id uuid UNIQUE,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('replace', 'insert', 'delete')),
    side text COLLATE "C" NOT NULL DEFAULT 'after' CHECK (side IN ('before', 'after')),
    base text NOT NULL CHECK (length(base) BETWEEN 1 AND 20000),
    text text NOT NULL CHECK (length(text) <= 40000),
    -- What applying it changed: {"kind": …, "base": …, "text": …, "inserted": [[client, clock,
    -- size], …], "deleted": […]}; empty where the text read so already.
    applied jsonb CHECK (jsonb_typeof(applied) = 'object'),
    UNIQUE (patch_id, number),
    FOREIGN KEY (project_id, scene_id, patch_id) REFERENCES patches (project_id, scene_id, id)
        ON DELETE CASCADE,
    FOREIGN KEY (project_id, scene_id, anchor_id) REFERENCES anchors (project_id, scene_id, id),
    FOREIGN KEY (project_id, scene_id, written_id) REFERENCES anchors (project_id, scene_id, id),
    CHECK ((kind = 'delete') = (text = '')),
    CHECK ((state = 'APPLIED') = (applied IS NOT NULL)),
    CHECK (written_id IS NULL OR state = 'APPLIED')
);
CREATE INDEX patch_hunks_by_scene ON patch_hunks (scene_id);
GRANT SELECT, INSERT, UPDATE ON patch_hunks TO {role};

INSERT INTO review_tables (name, position) VALUES ('patch_hunks', 1), ('patches', 2);
