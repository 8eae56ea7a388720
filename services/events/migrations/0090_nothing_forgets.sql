-- Called no more since 0045: the log of what is purged goes with the purge, and its tombstones stay.
-- The run-time role could have deleted them with it.
DROP FUNCTION forget_purged(timestamptz);
