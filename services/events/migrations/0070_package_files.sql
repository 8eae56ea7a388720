-- Files of entities in packages: a package says which bytes it has and who keeps them.
--
-- One row a thing. `place` is the project, as blobs knows it, that keeps the bytes: first the one that
-- the package was taken of; a package that is kept has its own copies, under its own id.
CREATE TABLE package_files (
    package_id uuid NOT NULL REFERENCES packages ON DELETE CASCADE,
    number integer NOT NULL CHECK (number > 0),
    sha256 text COLLATE "C" NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    size bigint NOT NULL CHECK (size >= 0),
    place uuid NOT NULL,
    PRIMARY KEY (package_id, number)
);
CREATE INDEX package_files_by_bytes ON package_files (package_id, sha256);

-- Places of which blobs is to be told that nobody needs what is kept there: packages that are no more,
-- and projects that never came to be.
CREATE TABLE released_places (
    place uuid PRIMARY KEY,
    noted_at timestamptz NOT NULL DEFAULT now()
);

-- However a package ends, its bytes are let go.
CREATE FUNCTION release_package() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO released_places (place) VALUES (OLD.package_id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER package_files_released AFTER DELETE ON package_files
    FOR EACH ROW WHEN (OLD.place = OLD.package_id) EXECUTE FUNCTION release_package();

ALTER TABLE workspace_jobs ADD COLUMN missing_files integer NOT NULL DEFAULT 0
    CHECK (missing_files >= 0);

GRANT SELECT, INSERT, UPDATE, DELETE ON package_files TO {role};
GRANT SELECT, INSERT, DELETE ON released_places TO {role};

-- As before, and packages that were taken of the project: exports and jobs that are under way. A template
-- is its owner's copy and stays, with bytes of its own.
CREATE OR REPLACE FUNCTION forget_project(purge uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    gone uuid;
BEGIN
    SELECT target_id INTO gone FROM purges p
    WHERE p.purge_id = purge AND p.kind = 'project'
        AND NOT EXISTS (SELECT FROM projects WHERE id = p.target_id);
    IF gone IS NULL THEN
        RAISE EXCEPTION 'no project was purged by this';
    END IF;
    DELETE FROM jobs WHERE project_id = gone;
    DELETE FROM sync_sessions WHERE project_id = gone;
    DELETE FROM sync_conflicts WHERE project_id = gone;
    DELETE FROM event_hours WHERE project_id = gone;
    DELETE FROM packages p WHERE p.project_id = gone
        AND NOT EXISTS (SELECT FROM templates t WHERE t.package_id = p.package_id);
END $$;
