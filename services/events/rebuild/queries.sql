-- Names in braces are filled in from services.events.model and from the schema asked for, which
-- must be a plain word; nothing comes from a request.

-- name: remake_heads
-- The ends of chains that are lost, from the last event of each, or the last that was forgotten.
WITH lost AS (
    SELECT e.aggregate_id FROM public.events e
    WHERE NOT EXISTS (SELECT FROM public.aggregates a WHERE a.aggregate_id = e.aggregate_id)
    UNION
    SELECT id FROM public.event_archive c, unnest(c.aggregates) AS id
    WHERE NOT EXISTS (SELECT FROM public.aggregates a WHERE a.aggregate_id = id)
), known AS (
    SELECT e.aggregate_id, e.aggregate_type, e.project_id, e.version, e.checksum
    FROM lost, public.events_of(ARRAY[lost.aggregate_id]) e
    UNION ALL
    SELECT b.aggregate_id, b.aggregate_type, b.project_id, b.version, b.checksum
    FROM public.beginnings b
    WHERE NOT EXISTS (SELECT FROM public.aggregates a WHERE a.aggregate_id = b.aggregate_id)
)
INSERT INTO public.aggregates (aggregate_id, aggregate_type, project_id, version, checksum)
SELECT DISTINCT ON (aggregate_id) aggregate_id, aggregate_type, project_id, version, checksum
FROM known ORDER BY aggregate_id, version DESC ON CONFLICT (aggregate_id) DO NOTHING;

-- name: make_schema
DROP SCHEMA IF EXISTS {schema} CASCADE;
CREATE SCHEMA {schema};
CREATE TABLE {schema}.folded_heads (aggregate_id uuid NOT NULL, version bigint NOT NULL);
CREATE TABLE {schema}.differing (
    "table" text NOT NULL, key uuid NOT NULL, project_id uuid NOT NULL, live boolean NOT NULL,
    rebuilt boolean NOT NULL);

-- name: make_table
-- Fresh and without constraints: its rows are proved equal to rows that keep them.
CREATE TABLE {schema}.{table} (LIKE public.{table} INCLUDING DEFAULTS);

-- name: make_keys
ALTER TABLE {schema}.{table} ADD PRIMARY KEY ({key});

-- name: drop_schema
DROP SCHEMA IF EXISTS {schema} CASCADE;

-- name: changed
-- Chains that have grown since they were folded, or are new; of some projects, or all.
SELECT a.aggregate_id, a.aggregate_type, a.project_id, a.version, a.checksum
FROM public.aggregates a LEFT JOIN {schema}.folded_heads f ON f.aggregate_id = a.aggregate_id
WHERE f.version IS DISTINCT FROM a.version AND ($2::uuid[] IS NULL OR a.project_id = ANY($2))
ORDER BY a.project_id, a.aggregate_id LIMIT $1;

-- name: fold_bundles
-- What the events of one action say is the same for all of them, but for their number and moment.
-- Of what a person recovered that counts, whatever row is in the log at its place.
INSERT INTO {schema}.bundles (
    bundle_id, project_id, user_id, type, label, source, operations, created_at, causation_id,
    reverses)
SELECT bundle_id, any_value(project_id), any_value(user_id),
    any_value(coalesce(metadata #>> '{bundle,type}', 'user_edit'))::public.bundle_type,
    any_value(metadata #>> '{bundle,label}'), any_value(source), count(*), min("timestamp"),
    any_value(causation_id), any_value((metadata #>> '{bundle,reverses}')::uuid)
FROM (
    SELECT e.bundle_id, e.project_id, e.user_id, e.metadata, e.source, e."timestamp", e.causation_id
    FROM public.event_log e
    LEFT JOIN public.quarantined_events q ON q.aggregate_id = e.aggregate_id
        AND q.version = e.version AND q.state = 'recovered'
    WHERE q.aggregate_id IS NULL
    UNION ALL
    SELECT (q.recovered ->> 'bundleId')::uuid, q.project_id, (q.recovered ->> 'userId')::uuid,
        q.recovered -> 'metadata', (q.recovered ->> 'source')::public.event_source,
        (q.recovered ->> 'timestamp')::timestamptz, (q.recovered ->> 'causationId')::uuid
    FROM public.quarantined_events q WHERE q.state = 'recovered'
) facts GROUP BY bundle_id;

-- name: forget
DELETE FROM {schema}.{table} WHERE {key} = ANY($1::uuid[]);

-- name: note_differences
-- Rows that are not the same on both sides, by the hash of their columns. Kept in a table: they may
-- be as many as the log has events.
INSERT INTO {schema}.differing ("table", key, project_id, live, rebuilt)
SELECT '{table}', coalesce(s.key, l.key), coalesce(s.project, l.project), l.key IS NOT NULL,
    s.key IS NOT NULL
FROM (
    SELECT {key} AS key, {project} AS project, md5(ROW({columns})::text) AS hash FROM public.{table}
) l FULL JOIN (
    SELECT {key} AS key, {project} AS project, md5(ROW({columns})::text) AS hash
    FROM {schema}.{table}
) s ON s.key = l.key
WHERE l.hash IS DISTINCT FROM s.hash;

-- name: index_differences
CREATE INDEX ON {schema}.differing (project_id);
CREATE INDEX ON {schema}.differing ("table", key);
ANALYZE {schema}.differing;

-- name: count_differences
SELECT count(*) FROM {schema}.differing;

-- name: some_differences
SELECT "table", key, live, rebuilt FROM {schema}.differing ORDER BY "table", key LIMIT $1;

-- name: differing_projects
-- The next projects in which folds of aggregates differ, and how many.
SELECT project_id, count(*) AS rows FROM {schema}.differing
WHERE project_id > $1 AND "table" <> 'bundles' GROUP BY project_id ORDER BY project_id LIMIT $2;

-- name: differing_keys
SELECT "table", key FROM {schema}.differing
WHERE project_id = ANY($1::uuid[]) AND "table" <> 'bundles';

-- name: differing_bundles
SELECT key FROM {schema}.differing WHERE "table" = 'bundles' AND key > $1 ORDER BY key LIMIT $2;

-- name: still_different
-- Which of some keys have rows that are not the same on both sides.
SELECT coalesce(l.key, s.key) AS key
FROM (
    SELECT {key} AS key, md5(ROW({columns})::text) AS hash FROM public.{table}
    WHERE {key} = ANY($1::uuid[])
) l FULL JOIN (
    SELECT {key} AS key, md5(ROW({columns})::text) AS hash FROM {schema}.{table}
    WHERE {key} = ANY($1::uuid[])
) s ON s.key = l.key
WHERE l.hash IS DISTINCT FROM s.hash;

-- name: contrast
-- The members in which two rows differ, as the live and the rebuilt one have them.
SELECT coalesce(l.name, s.name) AS name, l.value AS live, s.value AS rebuilt
FROM (SELECT e.key AS name, e.value FROM public.{table} t, jsonb_each(to_jsonb(t)) e
    WHERE t.{key} = $1) l
FULL JOIN (SELECT e.key AS name, e.value FROM {schema}.{table} t, jsonb_each(to_jsonb(t)) e
    WHERE t.{key} = $1) s ON s.name = l.name
WHERE l.value IS DISTINCT FROM s.value ORDER BY 1;

-- name: hold_writers
-- Every command locks or makes a head first; readers go on.
LOCK TABLE public.aggregates IN EXCLUSIVE MODE;

-- name: park
-- Ranks that are to change step aside, so that two rows can exchange theirs.
UPDATE public.{table} l SET rank = 'z' || replace(l.{key}::text, '-', '')
FROM {schema}.{table} s
WHERE s.{key} = l.{key} AND s.rank IS DISTINCT FROM l.rank AND l.{key} = ANY($1::uuid[]);

-- name: drop_extra
DELETE FROM public.{table} l WHERE l.{key} = ANY($1::uuid[])
    AND NOT EXISTS (SELECT FROM {schema}.{table} s WHERE s.{key} = l.{key});

-- name: put_missing
INSERT INTO public.{table} ({columns}) SELECT {columns} FROM {schema}.{table} s
WHERE s.{key} = ANY($1::uuid[])
    AND NOT EXISTS (SELECT FROM public.{table} l WHERE l.{key} = s.{key});

-- name: put_all_missing
-- Of whole projects, because a row that had to go took along what was below it.
INSERT INTO public.{table} ({columns}) SELECT {columns} FROM {schema}.{table} s
WHERE s.{project} = ANY($1::uuid[])
    AND NOT EXISTS (SELECT FROM public.{table} l WHERE l.{key} = s.{key});

-- name: put_different
UPDATE public.{table} l SET ({columns}) = ROW ({theirs}) FROM {schema}.{table} s
WHERE s.{key} = l.{key} AND l.{key} = ANY($1::uuid[])
    AND ROW ({ours})::text IS DISTINCT FROM ROW ({theirs})::text;
