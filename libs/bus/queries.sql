-- name: put
-- Puts facts into the outbox, in the transaction that made them true; its commit wakes the relay.
WITH put AS (
    INSERT INTO outbox (event_id, subject, payload, headers)
    SELECT id, subject, payload::json, headers::json
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS n (id, subject, payload, headers)
)
SELECT pg_notify('outbox', '');

-- name: wake
-- Nothing is written, so the commit does not wait for the disk.
SELECT pg_notify('outbox', '');

-- name: place
-- Visible facts get their position in the commit order. `seq` is drawn after the writer locked its
-- aggregate, so it is in order per aggregate; a row that commits late is placed late and never skipped.
-- The time of the commit is known only now: after this statement the row has another writer.
WITH fresh AS (
    SELECT seq, CASE WHEN current_setting('track_commit_timestamp')::boolean
        THEN pg_xact_commit_timestamp(xmin) END AS committed_at
    FROM outbox WHERE position IS NULL ORDER BY seq LIMIT $1
), placed AS (
    SELECT seq, committed_at, row_number() OVER (ORDER BY seq) + (SELECT coalesce(max(position), 0) FROM outbox) AS position
    FROM fresh
)
UPDATE outbox SET position = placed.position FROM placed WHERE outbox.seq = placed.seq
RETURNING outbox.position, event_id, subject, payload, headers, created_at, placed.committed_at;

-- name: due
-- Facts that have a position and are not published, in order, after a failure.
SELECT position, event_id, subject, payload, headers, created_at, NULL::timestamptz AS committed_at
FROM outbox WHERE published_at IS NULL AND position IS NOT NULL ORDER BY position LIMIT $1;

-- name: settle
-- Without waiting for the disk: if a crash of the server loses this, the fact is published again under
-- the same message id. A position is never lost, because no other fact may get it.
WITH soon AS (SELECT set_config('synchronous_commit', 'off', true) AS set)
UPDATE outbox SET published_at = clock_timestamp() FROM soon WHERE position = ANY($1::bigint[])
RETURNING position, published_at;

-- name: oldest
-- The seconds that the oldest unpublished fact has waited.
SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float FROM outbox
WHERE published_at IS NULL;

-- name: take_back
-- Facts published before their stream was created ($1) were lost with the stream before it, and facts
-- published after the newest message of the stream ($3, may be null) were lost from its end.
-- Both are published again; returns the number of rows, at most $2. A row whose fact was deleted only
-- keeps a position.
WITH lost AS (
    UPDATE outbox SET published_at = NULL WHERE seq IN (
        SELECT seq FROM outbox
        WHERE (published_at < $1 OR published_at > $3::timestamptz) AND position IS NOT NULL AND payload::text <> '{}' LIMIT $2)
    RETURNING seq
)
SELECT count(*) FROM lost;
