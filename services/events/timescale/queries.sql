-- The log as a hypertable, where the server has TimescaleDB: all of its SQL is here. What is done
-- by hand elsewhere (partitions, the archive, counting by the hour) is the extension's then.
-- No retention policy of its own is set: dropping chunks by age would cut chains of living projects,
-- whose rows are their fold. `events_kept_days` works here as elsewhere, event by event.

-- name: installed
-- In this database: that is an administrator's choice (CREATE EXTENSION timescaledb).
SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb');

-- name: adopted
SELECT EXISTS (
    SELECT FROM timescaledb_information.hypertables
    WHERE hypertable_schema = 'public' AND hypertable_name = 'events');

-- name: adopt
-- In one transaction; what is archived already stays where it is and readable. {role} is the
-- run-time role, {days} the age from which chunks are compressed.
LOCK TABLE events IN ACCESS EXCLUSIVE MODE;
ALTER TABLE events RENAME TO events_before;
CREATE TABLE events (LIKE events_before INCLUDING ALL);
SELECT create_hypertable('events', by_range('timestamp', INTERVAL '7 days'));
INSERT INTO events SELECT * FROM events_before;
CREATE OR REPLACE VIEW event_log AS
SELECT id, aggregate_id, aggregate_type, event_type, project_id, user_id, data, metadata,
    "timestamp", version, causation_id, correlation_id, source, bundle_id, checksum
FROM events
UNION ALL
SELECT u.id, u.aggregate_id, u.aggregate_type, u.event_type, a.project_id, u.user_id, u.data,
    u.metadata, u."timestamp", u.version, u.causation_id, u.correlation_id, u.source, u.bundle_id,
    u.checksum
FROM event_archive a, unpacked(a) u;
DROP TABLE events_before;
GRANT SELECT, INSERT ON events TO {role};
ALTER TABLE events SET (
    timescaledb.compress, timescaledb.compress_segmentby = 'project_id',
    timescaledb.compress_orderby = 'aggregate_id, version');
SELECT add_compression_policy('events', make_interval(days => {days}));
-- By the hour: of what is archived, which does not change any more but by purges, and of the rest.
ALTER TABLE event_hours RENAME TO event_hours_archived;
TRUNCATE event_hours_archived;
INSERT INTO event_hours_archived (project_id, aggregate_type, event_type, hour, count)
SELECT a.project_id, u.aggregate_type, u.event_type, date_trunc('hour', u."timestamp", 'UTC'),
    count(*)
FROM event_archive a, unpacked(a) u GROUP BY 1, 2, 3, 4;
DELETE FROM event_hours_mark;
CREATE MATERIALIZED VIEW event_hours_live
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT project_id, aggregate_type, event_type, time_bucket('1 hour', "timestamp") AS hour,
    count(*) AS count
FROM events GROUP BY 1, 2, 3, 4 WITH NO DATA;
SELECT add_continuous_aggregate_policy('event_hours_live', start_offset => NULL,
    end_offset => INTERVAL '1 minute', schedule_interval => INTERVAL '1 minute');
CREATE VIEW event_hours AS
SELECT project_id, aggregate_type, event_type, hour, sum(count)::bigint AS count FROM (
    SELECT project_id, aggregate_type, event_type, hour, count FROM event_hours_archived
    UNION ALL
    SELECT project_id, aggregate_type, event_type, hour, count FROM event_hours_live
) counted GROUP BY 1, 2, 3, 4;
-- A purge deletes from it; what is live follows the log by itself.
CREATE FUNCTION forget_hours() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM event_hours_archived WHERE project_id = OLD.project_id;
    RETURN OLD;
END $$;
CREATE TRIGGER forget_hours INSTEAD OF DELETE ON event_hours
FOR EACH ROW EXECUTE FUNCTION forget_hours();
GRANT SELECT ON event_hours TO {role};
