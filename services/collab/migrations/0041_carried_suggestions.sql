-- A copy of a reverted suggestion begins with the first version of the text of its copy, in which it
-- was accepted and reverted already.
ALTER TABLE suggestions DROP CONSTRAINT suggestions_check;
ALTER TABLE suggestions ADD CONSTRAINT suggestions_reverted_after CHECK (reverted_seq >= applied_seq);
