-- Pages are put together from the conditions that a request asks for, as lists are: {conditions}
-- holds those `where_...` and `chunk_...` with the number of their parameter in {value}.

-- name: young
-- Events that are still rows, the newest first.
SELECT e.* FROM events e WHERE e.project_id = $1 {conditions}
ORDER BY e."timestamp" DESC, e.id DESC LIMIT $2;

-- name: chunks
-- Which chunks may hold what is asked for, the newest first: each condition reads one of their
-- arrays.
SELECT a.chunk_id, a.to_at FROM event_archive a WHERE a.project_id = $1 {conditions}
ORDER BY a.to_at DESC, a.chunk_id DESC LIMIT $2;

-- name: old
-- What is asked for in these chunks, the newest first.
SELECT e.* FROM event_archive a, unpacked(a) e
WHERE a.project_id = $1 AND a.chunk_id = ANY ($3::bigint[]) {conditions}
ORDER BY e."timestamp" DESC, e.id DESC LIMIT $2;

-- name: where_user_id
e.user_id = {value};

-- name: where_aggregate_type
e.aggregate_type = {value};

-- name: where_aggregate_id
e.aggregate_id = {value};

-- name: where_event_type
e.event_type = {value};

-- name: where_source
e.source = {value};

-- name: where_since
e."timestamp" >= {value};

-- name: where_until
e."timestamp" < {value};

-- name: where_before
(e."timestamp", e.id) < ({value}, {id});

-- name: chunk_user_id
{value} = ANY (a.user_ids);

-- name: chunk_aggregate_type
{value} = ANY (a.aggregate_types);

-- name: chunk_aggregate_id
a.aggregates @> ARRAY[{value}::uuid];

-- name: chunk_event_type
{value} = ANY (a.event_types);

-- name: chunk_source
{value} = ANY (a.sources);

-- name: chunk_since
a.to_at >= {value};

-- name: chunk_until
a.from_at < {value};

-- name: chunk_before
a.from_at <= {value};

-- name: names
-- What things of one kind are called, deleted or not.
SELECT id, {naming} AS name FROM {table} WHERE project_id = $1 AND id = ANY ($2);

-- name: activity
-- Counted hours, and the newest ones ($4 on) from the log itself: counting is a minute behind.
SELECT hour, event_type, count FROM event_hours
WHERE project_id = $1 AND hour >= $2 AND hour < least($3::timestamptz, $4::timestamptz)
UNION ALL
SELECT date_trunc('hour', "timestamp", 'UTC'), event_type, count(*) FROM events
WHERE project_id = $1 AND "timestamp" >= greatest($2::timestamptz, $4) AND "timestamp" < $3
GROUP BY 1, 2
ORDER BY hour, event_type LIMIT $5;
