-- What the end of bytes needs to remember: how far each chore is, and what events said last.

-- Chores walk over all blobs, a page at a time, by whichever replica comes first; the place is here,
-- so that another one goes on where the first died. The last report of a chore is `data`.
CREATE TABLE chores (
    name text COLLATE "C" PRIMARY KEY CHECK (name ~ '^[a-z_]{1,40}$'),
    after_project uuid NOT NULL,
    after_sha256 text COLLATE "C" NOT NULL DEFAULT '',
    begun_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    data jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(data) = 'object')
);

-- Which bytes a thing of another service referred to in the newest version of it that we heard of.
-- Facts may come again and late; an older version changes nothing. `refs` follows from this.
CREATE TABLE followed (
    project_id uuid NOT NULL,
    source text NOT NULL CHECK (source ~ '^[a-z_]{1,40}$'),
    source_id uuid NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    sha256 text COLLATE "C" CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    PRIMARY KEY (project_id, source, source_id)
);

-- When each blob was last read, by the day: what nobody reads goes to the cold tier. And when its
-- bytes were last found to be what they should be.
CREATE TABLE blob_uses (
    project_id uuid NOT NULL,
    sha256 text COLLATE "C" NOT NULL,
    read_at timestamptz,
    verified_at timestamptz,
    PRIMARY KEY (project_id, sha256),
    FOREIGN KEY (project_id, sha256) REFERENCES blobs
);

GRANT SELECT, INSERT, UPDATE, DELETE ON chores, followed TO {role};
GRANT SELECT, INSERT, UPDATE ON blob_uses TO {role};
