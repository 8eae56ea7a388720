-- What is announced is kept as it was written: nobody has to read it to pass it on.
ALTER TABLE outbox
    ALTER COLUMN payload TYPE json USING payload::text::json,
    ALTER COLUMN headers TYPE json USING headers::text::json;
