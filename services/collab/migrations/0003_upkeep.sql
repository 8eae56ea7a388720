-- What upkeep did and found: compactions, the editing sessions of what they cover, damage.

-- One line for each compacted row, committed together with it.
CREATE TABLE compactions (
    scene_id uuid NOT NULL,
    -- Which seq the compacted row reaches, and the first original that none held before it.
    seq bigint NOT NULL CHECK (seq > 0),
    from_seq bigint NOT NULL CHECK (from_seq > 0),
    updates bigint NOT NULL CHECK (updates >= 0),
    bytes_before bigint NOT NULL,
    bytes_after bigint NOT NULL,
    -- A row made of a head holds also what damaged originals once said.
    source text NOT NULL CHECK (source IN ('log', 'head')),
    -- SHA-256 of the state in its normal form: what this row has to say for ever.
    digest bytea NOT NULL,
    took_ms double precision NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Compared with what it replaces; all originals say so; all of them are gone.
    verified_at timestamptz,
    marked_at timestamptz,
    pruned_at timestamptz,
    pruned_rows bigint NOT NULL DEFAULT 0,
    pruned_bytes bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (scene_id, seq)
);
CREATE INDEX compactions_created ON compactions (created_at);

-- Who wrote when, of the part of the log that is compacted: it outlives the originals.
-- authors: user id -> {"updates": count, "bytes": sum}.
CREATE TABLE editing_sessions (
    scene_id uuid NOT NULL,
    seq_from bigint NOT NULL,
    seq_to bigint NOT NULL CHECK (seq_to >= seq_from),
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    authors jsonb NOT NULL,
    updates bigint NOT NULL,
    bytes bigint NOT NULL,
    PRIMARY KEY (scene_id, seq_from)
);

-- The rule of editing sessions, at one place: a pause longer than `pause` between two rows of a
-- scene begins a new one. Of the originals after one seq, up to another (NULL: all).
CREATE FUNCTION editing_sessions_of(
    scene uuid, after_seq bigint, pause interval, upto_seq bigint DEFAULT NULL
) RETURNS TABLE (
    seq_from bigint, seq_to bigint, started_at timestamptz, ended_at timestamptz,
    authors jsonb, updates bigint, bytes bigint
) LANGUAGE sql STABLE AS $$
    WITH edit AS (
        SELECT seq, created_at, created_by, octet_length(yjs_update) AS size,
            created_at - lag(created_at) OVER (ORDER BY seq) > pause AS begins
        FROM scene_versions
        WHERE scene_id = scene AND seq > after_seq AND NOT is_compacted
            AND (upto_seq IS NULL OR seq <= upto_seq)
    ), numbered AS (
        SELECT *, count(*) FILTER (WHERE begins) OVER (ORDER BY seq) AS session FROM edit
    ), share AS (
        SELECT session, created_by, min(seq) AS first, max(seq) AS last,
            min(created_at) AS started, max(created_at) AS ended,
            count(*) AS updates, sum(size)::bigint AS bytes
        FROM numbered GROUP BY session, created_by
    )
    SELECT min(share.first), max(share.last), min(share.started), max(share.ended),
        jsonb_object_agg(
            share.created_by,
            jsonb_build_object('updates', share.updates, 'bytes', share.bytes)
        ),
        sum(share.updates)::bigint, sum(share.bytes)::bigint
    FROM share GROUP BY share.session ORDER BY 1
$$;

-- All sessions of a scene, kept ones and live ones, with those joined between which the log was
-- only cut by a compaction.
CREATE FUNCTION scene_sessions(scene uuid, pause interval) RETURNS TABLE (
    seq_from bigint, seq_to bigint, started_at timestamptz, ended_at timestamptz,
    authors jsonb, updates bigint, bytes bigint
) LANGUAGE sql STABLE AS $$
    WITH kept AS (
        SELECT s.seq_from, s.seq_to, s.started_at, s.ended_at, s.authors, s.updates, s.bytes
        FROM editing_sessions AS s WHERE s.scene_id = scene
    ), piece AS (
        SELECT * FROM kept
        UNION ALL
        SELECT * FROM editing_sessions_of(
            scene, coalesce((SELECT max(kept.seq_to) FROM kept), 0), pause
        )
    ), begun AS (
        SELECT *, piece.started_at - lag(piece.ended_at) OVER (ORDER BY piece.seq_from) > pause
            AS begins
        FROM piece
    ), numbered AS (
        SELECT *, count(*) FILTER (WHERE begun.begins) OVER (ORDER BY begun.seq_from) AS session
        FROM begun
    ), share AS (
        SELECT numbered.session, each.key AS author,
            sum((each.value ->> 'updates')::bigint)::bigint AS updates,
            sum((each.value ->> 'bytes')::bigint)::bigint AS bytes
        FROM numbered, jsonb_each(numbered.authors) AS each
        GROUP BY numbered.session, each.key
    ), who AS (
        SELECT share.session, jsonb_object_agg(
            share.author, jsonb_build_object('updates', share.updates, 'bytes', share.bytes)
        ) AS authors
        FROM share GROUP BY share.session
    )
    SELECT min(n.seq_from), max(n.seq_to), min(n.started_at), max(n.ended_at),
        (SELECT who.authors FROM who WHERE who.session = n.session),
        sum(n.updates)::bigint, sum(n.bytes)::bigint
    FROM numbered AS n GROUP BY n.session ORDER BY 1
$$;

-- Every damage found and what was done about it. `evidence` keeps the bytes that were replaced.
CREATE TABLE repairs (
    repair_id uuid PRIMARY KEY DEFAULT uuidv7(),
    scene_id uuid NOT NULL,
    found_at timestamptz NOT NULL DEFAULT now(),
    kind text NOT NULL CHECK (kind IN ('head', 'compacted', 'log', 'snapshot')),
    severity text NOT NULL CHECK (severity IN ('MINOR', 'MODERATE', 'CRITICAL')),
    detail jsonb NOT NULL,
    action text NOT NULL,
    outcome text NOT NULL,
    repaired_at timestamptz,
    requested_by uuid,
    evidence bytea
);
ALTER TABLE repairs ALTER COLUMN evidence SET STORAGE EXTERNAL;
CREATE INDEX repairs_scene ON repairs (scene_id, found_at);
CREATE INDEX repairs_found ON repairs (found_at);
-- Damage in the log's tables that many readers meet before it is repaired is one finding.
CREATE UNIQUE INDEX repairs_open
    ON repairs (scene_id, kind, (coalesce((detail ->> 'seq')::bigint, 0)))
    WHERE repaired_at IS NULL AND kind <> 'snapshot';

-- How far a sweep over all scenes has come, so that the next replica goes on there.
CREATE TABLE sweeps (
    name text PRIMARY KEY,
    after_scene uuid NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);

-- A compacted row is derived, like a head: when it is damaged it may be written anew. An original
-- never changes, whoever asks.
CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'row % of scene % is an original', OLD.seq, OLD.scene_id
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER rewriting BEFORE UPDATE OF yjs_update, checksum ON scene_versions
    FOR EACH ROW WHEN (NOT OLD.is_compacted) EXECUTE FUNCTION refuse_rewriting();
CREATE TRIGGER release BEFORE DELETE ON quarantined_updates
    FOR EACH ROW WHEN (NOT OLD.is_compacted) EXECUTE FUNCTION refuse_rewriting();

GRANT UPDATE (yjs_update, checksum) ON scene_versions TO {role};
GRANT DELETE ON quarantined_updates TO {role};
GRANT SELECT, INSERT, UPDATE ON compactions, editing_sessions, repairs, sweeps TO {role};
