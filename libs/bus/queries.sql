-- name: put
-- Facts to announce, inside the transaction that made them true; their commit wakes the relay.
WITH put AS (
    INSERT INTO outbox (event_id, subject, payload, headers)
    SELECT id, subject, payload::json, headers::json
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS n (id, subject, payload, headers)
)
SELECT pg_notify('outbox', '');

-- name: wake
-- Nothing is written, so nobody waits for the disk.
SELECT pg_notify('outbox', '');

-- name: place
-- Visible facts get their place in the announced order. `seq` is drawn after the writer locked its
-- aggregate, so it is in order per aggregate; a row that commits late is placed late, never skipped.
-- When it was committed is known only now: from here on the row is one that we wrote.
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
-- What was placed and not announced, in order, after a failure.
SELECT position, event_id, subject, payload, headers, created_at, NULL::timestamptz AS committed_at
FROM outbox WHERE published_at IS NULL AND position IS NOT NULL ORDER BY position LIMIT $1;

-- name: settle
-- Without waiting for the disk: what a crash of the server forgets is announced once more, under
-- the same message id. A place is never forgotten, because no other fact may get it.
WITH soon AS (SELECT set_config('synchronous_commit', 'off', true) AS set)
UPDATE outbox SET published_at = clock_timestamp() FROM soon WHERE position = ANY($1::bigint[])
RETURNING position, published_at;

-- name: oldest
-- Seconds that the oldest unannounced fact has waited.
SELECT coalesce(extract(epoch FROM now() - min(created_at)), 0)::float FROM outbox
WHERE published_at IS NULL;

-- name: take_back
-- What was published before its stream was made ($1) was lost with the one before it, and what was
-- published after the newest message that a stream still has ($3, may be null) was lost from its end.
-- Both are announced again; returns how many rows, $2 at most. A row whose fact was forgotten only
-- keeps a position.
WITH lost AS (
    UPDATE outbox SET published_at = NULL WHERE seq IN (
        SELECT seq FROM outbox
        WHERE (published_at < $1 OR published_at > $3::timestamptz) AND position IS NOT NULL AND payload::text <> '{}' LIMIT $2)
    RETURNING seq
)
SELECT count(*) FROM lost;
