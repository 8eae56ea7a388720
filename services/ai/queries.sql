-- name: create_run
-- A new run; the same id once more changes nothing.
WITH born AS (
    INSERT INTO runs (id, project_id, kind, book_id, scene_id, engine, config, config_hash,
        created_by, updated_by)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $9
    WHERE NOT EXISTS (SELECT FROM purged WHERE id = $2)
    ON CONFLICT (id) DO NOTHING
    RETURNING runs AS run)
SELECT (run).id, tell(run, 'status', '{"status": "queued"}', NULL, NULL, NULL, NULL) FROM born;

-- name: open_runs
SELECT count(*) FROM runs WHERE project_id = $1 AND status IN ('queued', 'running');

-- name: run
SELECT * FROM runs WHERE id = $1 AND project_id = $2;

-- name: where_run
SELECT project_id FROM runs WHERE id = $1;

-- name: steps
SELECT seq, name, attempts, started_at, ended_at FROM run_steps WHERE run_id = $1 ORDER BY seq;

-- name: memos
SELECT seq, name, memo FROM run_steps WHERE run_id = $1 ORDER BY seq;

-- name: list_runs
-- The runs of a project ($1), the newest first, after the run ($5, $6).
SELECT * FROM runs
WHERE project_id = $1 AND ($2::text IS NULL OR status = $2) AND ($3::text IS NULL OR kind = $3)
    AND ($4::uuid IS NULL OR scene_id = $4)
    AND ($5::timestamptz IS NULL OR (created_at, id) < ($5, $6::uuid))
ORDER BY created_at DESC, id DESC LIMIT $7;

-- name: children
SELECT * FROM runs WHERE parent_id = $1 AND project_id = $2 ORDER BY created_at, id LIMIT 500;

-- name: inputs
SELECT scene_id, seq FROM run_scenes WHERE run_id = $1 ORDER BY scene_id;

-- name: happened
SELECT version, kind, at, data FROM run_events
WHERE run_id = $1 AND version > $2 ORDER BY version LIMIT $3;

-- name: claim
-- The next run for the worker $1, whose lease lasts $2 seconds: one that is queued, unless its
-- project has $3 running ones, or one whose worker has not renewed its lease.
WITH next AS (
    SELECT id FROM runs r
    WHERE due_at <= clock_timestamp() AND (
        status = 'running' AND lease_until < clock_timestamp()
        OR status = 'queued' AND (SELECT count(*) FROM runs o
            WHERE o.project_id = r.project_id AND o.status = 'running') < $3)
    ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE runs SET status = 'running', lease_owner = $1, attempt = attempt + 1,
        lease_until = clock_timestamp() + make_interval(secs => $2), version = version + 1,
        started_at = coalesce(started_at, clock_timestamp()), updated_at = clock_timestamp()
    FROM next WHERE runs.id = next.id
    RETURNING runs AS run)
SELECT (run).*, tell(run, 'status', jsonb_build_object('status', 'running',
    'attempt', (run).attempt), 'ai.run_started', $4, '{}', $5::json) FROM taken;

-- name: renew
-- Renews leases ($1: worker, $2: runs, $3: their claims) for $4 seconds; returns those that are
-- still held, and which of them are to be cancelled.
UPDATE runs SET lease_until = clock_timestamp() + make_interval(secs => $4)
FROM unnest($2::uuid[], $3::integer[]) AS held (id, attempt)
WHERE runs.id = held.id AND runs.attempt = held.attempt AND lease_owner = $1 AND status = 'running'
RETURNING runs.id, cancel_asked_at IS NOT NULL AS cancelled;

-- name: record_step
-- Records the result of a step and renews the lease, only while the lease is held ($2: worker,
-- $3: claim), and only if nothing that was read ($11) is erased. Returns no row otherwise.
WITH ours AS (
    UPDATE runs SET version = version + 1, updated_at = clock_timestamp(),
        lease_until = clock_timestamp() + make_interval(secs => $4)
    WHERE id = $1 AND lease_owner = $2 AND attempt = $3 AND status = 'running'
        AND NOT EXISTS (SELECT FROM purged p WHERE p.id = ANY ($11::uuid[] || runs.project_id))
    RETURNING runs AS run
), step AS (
    INSERT INTO run_steps (run_id, seq, name, memo, attempts, attempt, started_at)
    SELECT $1, $5, $6, $7, $8, $3, $9 FROM ours
), inputs AS (
    INSERT INTO run_scenes (run_id, scene_id, seq)
    SELECT $1, i.scene_id, i.seq FROM ours, unnest($11::uuid[], $12::bigint[]) AS i (scene_id, seq)
    ON CONFLICT (run_id, scene_id) DO UPDATE SET seq = excluded.seq)
SELECT (run).version, tell(run, 'step', jsonb_build_object('seq', $5::integer, 'name', $6::text),
    'ai.step_completed', $10, jsonb_build_object('seq', $5::integer, 'name', $6::text),
    $13::json) FROM ours;

-- name: end_run
-- Ends a run as $4, only while the lease is held; with its output ($5) or its error ($6).
WITH ours AS (
    UPDATE runs SET status = $4, output = $5, error = $6, lease_owner = NULL, lease_until = NULL,
        version = version + 1, updated_at = clock_timestamp(), ended_at = clock_timestamp()
    WHERE id = $1 AND lease_owner = $2 AND attempt = $3 AND status = 'running'
        AND NOT EXISTS (SELECT FROM purged p WHERE p.id = runs.project_id)
    RETURNING runs AS run)
SELECT (run).version, tell(run, 'status', jsonb_build_object('status', $4::text, 'error', $6::jsonb),
    concat('ai.run_', $4::text), $7, jsonb_build_object('costUsd', $8::text,
        'tokensIn', (run).tokens_in, 'tokensOut', (run).tokens_out, 'error', $6::jsonb),
    $9::json) FROM ours;

-- name: announce
-- A further fact ($2) about a run that is being ended, in the same transaction.
INSERT INTO outbox (event_id, subject, payload, headers)
SELECT $3::uuid, concat_ws('.', 'scriptorium.v1.ai.ai', split_part($2::text, '.', 2), r.project_id),
    json_build_object('id', $3::uuid, 'aggregateId', r.id, 'aggregateType', 'ai',
        'eventType', $2::text,
        'projectId', r.project_id, 'userId', r.created_by,
        'data', jsonb_build_object('kind', r.kind, 'bookId', r.book_id, 'sceneId', r.scene_id,
            'attempt', r.attempt) || $4::jsonb,
        'timestamp', clock_timestamp(), 'version', r.version), $5::json
FROM runs r WHERE r.id = $1;

-- name: postpone
-- Gives a run back, to be taken up again in $4 seconds by any worker.
WITH ours AS (
    UPDATE runs SET status = 'queued', lease_owner = NULL, lease_until = NULL,
        due_at = clock_timestamp() + make_interval(secs => $4), version = version + 1,
        updated_at = clock_timestamp()
    WHERE id = $1 AND lease_owner = $2 AND attempt = $3 AND status = 'running'
    RETURNING runs AS run)
SELECT tell(run, 'status', '{"status": "queued"}', NULL, NULL, NULL, NULL) FROM ours;

-- name: cancel
-- Asks for the end of a run; a queued one ends at once. Returns nothing for one that has ended.
WITH asked AS (
    UPDATE runs SET cancel_asked_at = coalesce(cancel_asked_at, clock_timestamp()),
        status = CASE status WHEN 'queued' THEN 'cancelled' ELSE status END,
        ended_at = CASE status WHEN 'queued' THEN clock_timestamp() END,
        version = version + 1, updated_at = clock_timestamp(), updated_by = $3
    WHERE id = $1 AND project_id = $2 AND status IN ('queued', 'running')
        AND (status = 'queued' OR cancel_asked_at IS NULL)
    RETURNING runs AS run)
SELECT (run).status, tell(run, 'status',
    jsonb_build_object('status', (run).status, 'cancelAskedAt', (run).cancel_asked_at),
    CASE (run).status WHEN 'cancelled' THEN 'ai.run_cancelled' END, $4,
    '{"costUsd": "0", "tokensIn": 0, "tokensOut": 0, "error": null}', $5::json) FROM asked;

-- name: note_purged
INSERT INTO purged (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET looked_at = clock_timestamp();

-- name: erase_project
DELETE FROM runs WHERE project_id = $1;

-- name: erase_facts
-- The row with the greatest position stays, so that no other fact ever gets that position.
DELETE FROM outbox WHERE subject LIKE '%.' || $1::uuid::text
    AND position IS DISTINCT FROM (SELECT max(position) FROM outbox);

-- name: erase_fact
UPDATE outbox SET payload = '{}', published_at = coalesce(published_at, now())
WHERE subject LIKE '%.' || $1::uuid::text;

-- name: erase_results
-- What runs made from a scene that is purged; one that is under way fails.
WITH touched AS (
    SELECT DISTINCT run_id AS id FROM run_scenes WHERE scene_id = $1
), memos AS (
    DELETE FROM run_steps WHERE run_id IN (SELECT id FROM touched)
), inputs AS (
    DELETE FROM run_scenes WHERE scene_id = $1
), erased AS (
UPDATE runs SET output = NULL, erased_at = now(), updated_at = now(), version = version + 1,
    status = CASE WHEN ended_at IS NULL THEN 'failed' ELSE status END,
    ended_at = coalesce(ended_at, now()), lease_owner = NULL, lease_until = NULL,
    error = CASE WHEN ended_at IS NULL THEN $2::jsonb ELSE error END
WHERE id IN (SELECT id FROM touched)
RETURNING runs AS run)
SELECT (run).id, tell(run, 'status',
    jsonb_build_object('status', (run).status, 'error', (run).error, 'erased', true),
    CASE WHEN (run).ended_at = now() THEN 'ai.run_failed' END, gen_random_uuid(),
    jsonb_build_object('costUsd', '0', 'tokensIn', (run).tokens_in, 'tokensOut', (run).tokens_out,
        'error', $2::jsonb), '{}') FROM erased;

-- name: due_purges
-- What was purged in the last hour and was not looked at for a minute: something may have been
-- recorded meanwhile.
UPDATE purged SET looked_at = clock_timestamp()
WHERE purged_at > clock_timestamp() - interval '1 hour'
    AND looked_at < clock_timestamp() - interval '1 minute'
RETURNING id;

-- name: forget_facts
-- The newest row stays, because positions continue from the greatest one.
DELETE FROM outbox WHERE seq IN (
    SELECT seq FROM outbox
    WHERE created_at < now() - make_interval(days => $1) AND published_at IS NOT NULL
        AND position < (SELECT max(position) FROM outbox)
    ORDER BY created_at LIMIT $2);

-- name: figures
SELECT count(*) FILTER (WHERE status = 'queued') AS queued,
    count(*) FILTER (WHERE status = 'running') AS running,
    count(*) FILTER (WHERE status = 'running' AND lease_until < clock_timestamp()) AS abandoned,
    coalesce(extract(epoch FROM clock_timestamp()
        - min(due_at) FILTER (WHERE status = 'queued')), 0)::float AS wait_s
FROM runs WHERE status IN ('queued', 'running');
