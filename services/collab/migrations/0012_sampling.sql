-- Whether a replica compared snapshots with the log when it reported last in that minute: health asks
-- whether any of them does, and not what whoever answers was told to do.
ALTER TABLE persistence_minutes ADD COLUMN sampling boolean NOT NULL DEFAULT false;
