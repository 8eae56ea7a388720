-- What one append is given, in named groups instead of thirty positional parameters. No table has
-- columns of these types; `append` in services/events/queries.sql takes them as its parameters.

-- What all events of one action have in common.
CREATE TYPE appended_action AS (
    project_id uuid,
    user_id uuid,
    bundle_id uuid,
    at timestamptz,
    source event_source,
    correlation_id text,
    causation_id uuid,
    metadata jsonb,
    headers text
);

-- One event: what the log holds of it, and what the outbox holds of it.
CREATE TYPE appended_event AS (
    id uuid,
    aggregate_id uuid,
    aggregate_type text,
    event_type text,
    version bigint,
    data text,
    checksum text,
    subject text,
    payload text
);

-- The end of one aggregate's chain after the append; `expected` is its version before, null for a
-- new aggregate.
CREATE TYPE appended_head AS (
    aggregate_id uuid,
    aggregate_type text,
    expected bigint,
    version bigint,
    checksum text
);

-- The command that the action carries out; its retry is recognised by this.
CREATE TYPE command_claim AS (
    command_id uuid,
    digest text,
    target_id uuid
);
