-- By which mark each tier's storage is known: an object in it that says `mark`. From `adopted_at` on
-- a storage without it is not the one.
CREATE TABLE storages (
    tier storage_tier PRIMARY KEY,
    mark text COLLATE "C" NOT NULL CHECK (length(mark) BETWEEN 1 AND 200),
    adopted_at timestamptz
);
GRANT SELECT, INSERT, UPDATE ON storages TO {role};

-- When damage that was found was last looked at again: bytes that were away may be back.
ALTER TABLE quarantine ADD COLUMN looked_at timestamptz;
CREATE INDEX quarantine_by_look ON quarantine (coalesce(looked_at, found_at))
    WHERE resolved_at IS NULL;
