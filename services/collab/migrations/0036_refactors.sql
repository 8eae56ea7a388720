-- Refactors: one change over many scenes, found in the background, applied and reverted as one.
CREATE TABLE refactors (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    kind text COLLATE "C" NOT NULL
        CHECK (kind IN ('rename_entity', 'replace', 'attributes', 'hunks')),
    title text CHECK (length(title) BETWEEN 1 AND 200),
    -- What was asked for, and the terms that are looked for.
    asked jsonb NOT NULL CHECK (jsonb_typeof(asked) = 'object'),
    terms jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(terms) = 'object'),
    state text COLLATE "C" NOT NULL DEFAULT 'FINDING' CHECK (state IN (
        'FINDING', 'READY', 'APPLYING', 'APPLIED', 'REVERTING', 'REVERTED', 'FAILED')),
    scenes_total integer NOT NULL DEFAULT 0 CHECK (scenes_total >= 0),
    scenes_done integer NOT NULL DEFAULT 0 CHECK (scenes_done BETWEEN 0 AND scenes_total),
    hits_found integer NOT NULL DEFAULT 0 CHECK (hits_found >= 0),
    -- The order that is being carried out, or was last: who gave it, what they may do.
    attempt integer NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    ordered jsonb CHECK (jsonb_typeof(ordered) = 'object'),
    -- The texts of that order, once they are written; its bundle follows. {"seqs": {scene: version},
    -- "skipped": [hit, …], "back": {scene: …}}; rows of scenes and hits follow with the bundle, so
    -- that those who type wait for one row and not for all.
    written jsonb CHECK (jsonb_typeof(written) = 'object'),
    failure jsonb CHECK (jsonb_typeof(failure) = 'object'),
    bundle_id uuid,
    run_id uuid,
    applied_at timestamptz,
    applied_by uuid,
    reverted_at timestamptz,
    reverted_by uuid,
    -- When a replica last looked whether there is something to do.
    looked_at timestamptz NOT NULL DEFAULT now(),
    version bigint NOT NULL DEFAULT 1 CHECK (version > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by uuid NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    updated_by uuid NOT NULL,
    deleted_at timestamptz,
    deleted_by uuid,
    UNIQUE (project_id, id),
    CHECK ((state IN ('APPLYING', 'REVERTING')) <= (ordered IS NOT NULL)),
    CHECK ((applied_at IS NULL) = (applied_by IS NULL)),
    CHECK ((reverted_at IS NULL) = (reverted_by IS NULL)),
    CHECK ((deleted_at IS NULL) = (deleted_by IS NULL)),
    CHECK (updated_at >= created_at)
);
CREATE INDEX refactors_newest ON refactors (project_id, created_at DESC, id DESC);
CREATE INDEX refactors_at_work ON refactors (looked_at)
    WHERE state IN ('FINDING', 'APPLYING', 'REVERTING');
CREATE INDEX refactors_to_plan ON refactors (updated_at) WHERE state = 'READY';
GRANT SELECT, INSERT, UPDATE ON refactors TO {role};

CREATE TABLE refactor_scenes (
    refactor_id uuid NOT NULL,
    project_id uuid NOT NULL,
    scene_id uuid NOT NULL,
    -- Its place in the manuscript.
    position integer NOT NULL CHECK (position >= 0),
    title text,
    -- The version in which hits were looked for; null until then.
    found_seq bigint CHECK (found_seq >= 0),
    left_out integer NOT NULL DEFAULT 0 CHECK (left_out >= 0),
    -- The edit that makes its chosen hits, made for a version: the characters that it names, and
    -- what each hit writes and deletes, or null for those that do not fit. Null when the choice
    -- changed since. Once it is applied, that is what reverting needs.
    planned_seq bigint CHECK (planned_seq >= 0),
    planned_update bytea,
    -- Whether all chosen hits fit.
    fits boolean NOT NULL DEFAULT true,
    plan jsonb CHECK (jsonb_typeof(plan) = 'object'),
    applied_seq bigint CHECK (applied_seq > 0),
    reverted_seq bigint CHECK (reverted_seq > 0),
    PRIMARY KEY (refactor_id, scene_id),
    FOREIGN KEY (project_id, refactor_id) REFERENCES refactors (project_id, id) ON DELETE CASCADE,
    CHECK ((planned_seq IS NULL) = (planned_update IS NULL))
);
CREATE INDEX refactor_scenes_in_order ON refactor_scenes (refactor_id, position);
CREATE INDEX refactor_scenes_by_scene ON refactor_scenes (scene_id);
GRANT SELECT, INSERT, UPDATE ON refactor_scenes TO {role};

CREATE TABLE refactor_hits (
    id uuid PRIMARY KEY,
    refactor_id uuid NOT NULL,
    project_id uuid NOT NULL,
    scene_id uuid NOT NULL,
    number integer NOT NULL CHECK (number >= 0),
    -- Null when its words were not found.
    anchor_id uuid UNIQUE,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('replace', 'insert', 'delete')),
    base text NOT NULL CHECK (length(base) <= 20000),
    text text NOT NULL CHECK (length(text) <= 20000),
    side text COLLATE "C" NOT NULL DEFAULT 'after' CHECK (side IN ('before', 'after')),
    before text NOT NULL,
    after text NOT NULL,
    sure boolean NOT NULL,
    chosen boolean NOT NULL,
    reason text,
    skipped boolean NOT NULL DEFAULT false,
    UNIQUE (refactor_id, scene_id, number),
    FOREIGN KEY (refactor_id, scene_id) REFERENCES refactor_scenes ON DELETE CASCADE,
    FOREIGN KEY (project_id, scene_id, anchor_id) REFERENCES anchors (project_id, scene_id, id),
    CHECK (anchor_id IS NOT NULL OR NOT chosen)
);
CREATE INDEX refactor_hits_by_scene ON refactor_hits (scene_id);
GRANT SELECT, INSERT, UPDATE ON refactor_hits TO {role};

-- Fields that change with the texts, by a bundle of events.
CREATE TABLE refactor_fields (
    id uuid PRIMARY KEY,
    refactor_id uuid NOT NULL,
    project_id uuid NOT NULL,
    -- The scene whose field it is, or null.
    scene_id uuid,
    number integer NOT NULL CHECK (number >= 0),
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('scene', 'chapter', 'book', 'entity')),
    aggregate_id uuid NOT NULL,
    field text COLLATE "C" NOT NULL,
    old_value jsonb,
    new_value jsonb,
    sure boolean NOT NULL,
    chosen boolean NOT NULL,
    reason text,
    skipped boolean NOT NULL DEFAULT false,
    UNIQUE (refactor_id, aggregate_id, field),
    FOREIGN KEY (project_id, refactor_id) REFERENCES refactors (project_id, id) ON DELETE CASCADE,
    CHECK ((kind = 'scene') = (scene_id IS NOT NULL))
);
CREATE INDEX refactor_fields_by_scene ON refactor_fields (scene_id);
GRANT SELECT, INSERT, UPDATE ON refactor_fields TO {role};

INSERT INTO review_tables (name, position) VALUES
    ('refactor_hits', 2),
    ('refactor_fields', 2),
    ('refactor_scenes', 3);

-- A refactor whose last scene is purged has nothing left to say; the names it holds go with it.
CREATE FUNCTION forget_refactors() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM refactors r USING (SELECT DISTINCT refactor_id FROM gone) g
    WHERE r.id = g.refactor_id
        AND NOT EXISTS (SELECT FROM refactor_scenes s WHERE s.refactor_id = r.id);
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION forget_refactors() FROM PUBLIC;
CREATE TRIGGER forget_refactors AFTER DELETE ON refactor_scenes
    REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION forget_refactors();
