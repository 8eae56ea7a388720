-- What is announced is kept as it was written: nobody has to read it to pass it on.
ALTER TABLE outbox
    ALTER COLUMN payload TYPE json USING payload::text::json,
    ALTER COLUMN headers TYPE json USING headers::text::json;

CREATE OR REPLACE FUNCTION keep_positions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO sync_positions (position, project_id, event_id, "timestamp")
    SELECT now_is.position, said."projectId", now_is.event_id, said."timestamp"
    FROM now_is JOIN was USING (seq),
        json_to_record(now_is.payload) AS said ("projectId" uuid, "timestamp" timestamptz)
    WHERE was.position IS NULL AND now_is.position IS NOT NULL AND said."projectId" IS NOT NULL;
    RETURN NULL;
END $$;
