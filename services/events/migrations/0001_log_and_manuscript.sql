-- The event log, what guards it, and the projections of the manuscript.

-- The log -------------------------------------------------------------------------------------

CREATE TYPE event_source AS ENUM ('api', 'automation', 'sync', 'migration', 'system');

-- Stands alone: no foreign key leaves it, because everything else is derived from it. That
-- (aggregate_id, version) is unique follows from the locked head in `aggregates`; a partitioned
-- table can only enforce it together with the time.
CREATE TABLE events (
    id uuid NOT NULL,
    aggregate_id uuid NOT NULL,
    aggregate_type text NOT NULL CHECK (aggregate_type ~ '^[a-z][a-z_]{0,39}$'),
    event_type text NOT NULL CHECK (event_type ~ '^[a-z][a-z_]{0,39}\.[a-z][a-z_]{0,59}$'),
    project_id uuid NOT NULL,
    user_id uuid NOT NULL,
    data jsonb NOT NULL CHECK (jsonb_typeof(data) = 'object'),
    metadata jsonb NOT NULL CHECK (jsonb_typeof(metadata) = 'object'),
    "timestamp" timestamptz NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    causation_id uuid,
    correlation_id text NOT NULL CHECK (length(correlation_id) BETWEEN 1 AND 64),
    source event_source NOT NULL,
    bundle_id uuid NOT NULL,
    checksum text NOT NULL CHECK (checksum ~ '^[0-9a-f]{64}$'),
    PRIMARY KEY (id, "timestamp"),
    UNIQUE (aggregate_id, version, "timestamp"),
    CHECK (event_type LIKE aggregate_type || '.%')
) PARTITION BY RANGE ("timestamp");

CREATE INDEX events_by_project ON events (project_id, "timestamp");
CREATE INDEX events_by_bundle ON events (bundle_id);

-- An insert never fails for want of a partition.
CREATE TABLE events_default PARTITION OF events DEFAULT;

-- Makes the partitions of this month and the next ones, and moves into them what had to go to the
-- default partition. Runs as the owner, because the run-time role may not create tables.
CREATE FUNCTION ensure_event_partitions(months_ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    first timestamptz;
    next timestamptz;
    name text;
    made integer := 0;
BEGIN
    IF months_ahead NOT BETWEEN 0 AND 120 THEN
        RAISE EXCEPTION 'months_ahead must be 0 to 120';
    END IF;
    -- Replicas start together; one makes the partitions and the others find them.
    PERFORM pg_advisory_xact_lock(6111, 2);
    FOR month IN 0..months_ahead LOOP
        first := date_trunc('month', now()) + make_interval(months => month);
        next := first + interval '1 month';
        name := 'events_' || to_char(first, 'YYYY_MM');
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING ALL)', name);
        EXECUTE format(
            'WITH strays AS (DELETE FROM events_default WHERE "timestamp" >= %L '
            'AND "timestamp" < %L RETURNING *) INSERT INTO %I SELECT * FROM strays',
            first, next, name);
        EXECUTE format(
            'ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            name, first, next);
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION ensure_event_partitions(integer) FROM PUBLIC;

-- The head of each aggregate's chain; a command locks it before it reads what it decides upon.
CREATE TABLE aggregates (
    aggregate_id uuid PRIMARY KEY,
    aggregate_type text NOT NULL,
    project_id uuid NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    checksum text NOT NULL CHECK (checksum ~ '^[0-9a-f]{64}$')
);

-- One row per user action: its retry finds it and appends nothing.
CREATE TABLE commands (
    command_id uuid PRIMARY KEY,
    user_id uuid NOT NULL,
    digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    target_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX commands_by_age ON commands (created_at);

CREATE TABLE outbox (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    position bigint UNIQUE,
    event_id uuid NOT NULL UNIQUE,
    subject text NOT NULL,
    payload jsonb NOT NULL,
    headers jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz
);
CREATE INDEX outbox_unplaced ON outbox (seq) WHERE position IS NULL;
CREATE INDEX outbox_due ON outbox (position) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;

-- The projections -----------------------------------------------------------------------------
-- A row is exactly the fold of its aggregate's events. `rank` orders siblings as text, so a move
-- rewrites one row; clients see the dense index, counted when it is read.

CREATE TYPE member_role AS ENUM ('OWNER', 'MAINTAINER', 'WRITER', 'READER');
CREATE TYPE book_kind AS ENUM ('novel', 'screenplay', 'notes');
CREATE TYPE scene_status AS ENUM ('DRAFT', 'REVISED', 'FINAL');
CREATE TYPE pov AS ENUM (
    'FIRST', 'SECOND', 'THIRD_LIMITED', 'THIRD_OMNISCIENT', 'EPISTOLARY', 'STREAM');
CREATE TYPE tense AS ENUM ('PAST', 'PRESENT', 'FUTURE', 'MIXED');

CREATE TABLE projects (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    slug text NOT NULL CONSTRAINT projects_slug_taken UNIQUE
        CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$'),
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL CHECK (updated_at >= created_at),
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamptz,
    deleted_by uuid,
    CHECK ((deleted_at IS NULL) = (deleted_by IS NULL))
);

CREATE TABLE members (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    user_id uuid NOT NULL,
    role member_role NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL CHECK (updated_at >= created_at),
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    UNIQUE (project_id, user_id)
);
CREATE INDEX members_by_user ON members (user_id, project_id);

CREATE TABLE books (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    rank text COLLATE "C" NOT NULL CHECK (rank ~ '^[0-9A-Za-z]+$' AND length(rank) <= 1000),
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    kind book_kind NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL CHECK (updated_at >= created_at),
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamptz,
    deleted_by uuid,
    UNIQUE (project_id, id),
    UNIQUE (project_id, rank),
    CHECK ((deleted_at IS NULL) = (deleted_by IS NULL))
);

-- Foreign keys name the project too, so that no row can hang under another project's parent.
CREATE TABLE chapters (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    book_id uuid NOT NULL,
    rank text COLLATE "C" NOT NULL CHECK (rank ~ '^[0-9A-Za-z]+$' AND length(rank) <= 1000),
    title text NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL CHECK (updated_at >= created_at),
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamptz,
    deleted_by uuid,
    UNIQUE (project_id, id),
    UNIQUE (book_id, rank),
    FOREIGN KEY (project_id, book_id) REFERENCES books (project_id, id) ON DELETE CASCADE,
    CHECK ((deleted_at IS NULL) = (deleted_by IS NULL))
);
CREATE INDEX chapters_by_book ON chapters (project_id, book_id);

CREATE TABLE scenes (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    chapter_id uuid NOT NULL,
    rank text COLLATE "C" NOT NULL CHECK (rank ~ '^[0-9A-Za-z]+$' AND length(rank) <= 1000),
    title text CHECK (length(title) BETWEEN 1 AND 200),
    status scene_status NOT NULL,
    pov pov,
    tense tense,
    summary text CHECK (length(summary) <= 10000),
    word_count integer NOT NULL CHECK (word_count >= 0),
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL CHECK (updated_at >= created_at),
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    deleted_at timestamptz,
    deleted_by uuid,
    UNIQUE (project_id, id),
    UNIQUE (chapter_id, rank),
    FOREIGN KEY (project_id, chapter_id) REFERENCES chapters (project_id, id) ON DELETE CASCADE,
    CHECK ((deleted_at IS NULL) = (deleted_by IS NULL))
);
CREATE INDEX scenes_by_chapter ON scenes (project_id, chapter_id);

-- Reading: one view per kind, alike in what generic queries need: `project_id`, `parent_id`,
-- `hidden` (something above is deleted), `deleted_at`, and `index` where there is an order.

CREATE VIEW projects_read AS
SELECT p.*, p.id AS project_id, NULL::uuid AS parent_id, false AS hidden
FROM projects p;

CREATE VIEW members_read AS
SELECT m.*, NULL::uuid AS parent_id, p.deleted_at IS NOT NULL AS hidden,
    NULL::timestamptz AS deleted_at
FROM members m JOIN projects p ON p.id = m.project_id;

CREATE VIEW books_read AS
SELECT b.*, b.project_id AS parent_id, p.deleted_at IS NOT NULL AS hidden,
    (SELECT count(*) FROM books s
     WHERE s.project_id = b.project_id AND s.deleted_at IS NULL AND s.rank < b.rank) AS index
FROM books b JOIN projects p ON p.id = b.project_id;

CREATE VIEW chapters_read AS
SELECT c.*, c.book_id AS parent_id,
    b.deleted_at IS NOT NULL OR p.deleted_at IS NOT NULL AS hidden,
    (SELECT count(*) FROM chapters s
     WHERE s.book_id = c.book_id AND s.deleted_at IS NULL AND s.rank < c.rank) AS index
FROM chapters c JOIN books b ON b.id = c.book_id JOIN projects p ON p.id = c.project_id;

CREATE VIEW scenes_read AS
SELECT s.*, s.chapter_id AS parent_id, c.book_id,
    c.deleted_at IS NOT NULL OR b.deleted_at IS NOT NULL OR p.deleted_at IS NOT NULL AS hidden,
    (SELECT count(*) FROM scenes t
     WHERE t.chapter_id = s.chapter_id AND t.deleted_at IS NULL AND t.rank < s.rank) AS index
FROM scenes s
JOIN chapters c ON c.id = s.chapter_id
JOIN books b ON b.id = c.book_id
JOIN projects p ON p.id = s.project_id;

-- Rights: the log is append-only, and so are its partitions, on which nothing is granted. --------

GRANT SELECT, INSERT ON events TO {role};
GRANT EXECUTE ON FUNCTION ensure_event_partitions(integer) TO {role};
GRANT SELECT, INSERT, UPDATE ON aggregates, projects, books, chapters, scenes TO {role};
GRANT SELECT, INSERT, UPDATE, DELETE ON members, outbox TO {role};
GRANT SELECT, INSERT, DELETE ON commands TO {role};
GRANT SELECT ON projects_read, members_read, books_read, chapters_read, scenes_read TO {role};
