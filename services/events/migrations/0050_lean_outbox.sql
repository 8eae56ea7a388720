-- A fact that has no place yet stands in one index of places less, and is in none of those that are due.
CREATE UNIQUE INDEX outbox_placed ON outbox (position) WHERE position IS NOT NULL;
CREATE INDEX outbox_to_announce ON outbox (position)
    WHERE published_at IS NULL AND position IS NOT NULL;
ALTER TABLE outbox DROP CONSTRAINT outbox_position_key;
DROP INDEX outbox_due;
