-- Addresses in one normal form, tokens that end with what made them, refresh tokens that may come
-- twice, and logins that are known. Replicas of the release before go on without these columns.

-- The address as `services.gateway.accounts.identity.names` writes it, in which accounts are told apart.
-- Null where an older account has that form already, or when the release before wrote the row:
-- such an account is found by its address as it was given.
ALTER TABLE users ADD COLUMN email_normal text;
UPDATE users u SET email_normal = lower(normalize(u.email, NFC))
WHERE u.email IS NOT NULL AND NOT EXISTS (
    SELECT FROM users older WHERE older.id < u.id
        AND lower(normalize(older.email, NFC)) = lower(normalize(u.email, NFC)));
CREATE UNIQUE INDEX users_email_normal_key ON users (email_normal);

-- From which network address a session was opened, as a digest: a person who was there before is
-- not kept out by those who guess at their password from elsewhere.
ALTER TABLE sessions ADD COLUMN opened_from bytea CHECK (octet_length(opened_from) = 32);
CREATE INDEX sessions_revoked_idx ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;

-- Of which refresh token this one is the successor; null for the first one of a session.
ALTER TABLE refresh_tokens ADD COLUMN parent_hash bytea CHECK (octet_length(parent_hash) = 32);
CREATE INDEX refresh_tokens_parent_idx ON refresh_tokens (parent_hash)
    WHERE parent_hash IS NOT NULL;

-- Which token made this one; null for one that a person made who had logged in. It goes with it.
ALTER TABLE personal_tokens
    ADD COLUMN made_by uuid REFERENCES personal_tokens ON DELETE CASCADE;
CREATE INDEX personal_tokens_made_by_idx ON personal_tokens (made_by) WHERE made_by IS NOT NULL;
