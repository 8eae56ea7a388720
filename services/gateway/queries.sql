-- name: register
-- No row returned: the address has an account already, in whatever form it is written.
INSERT INTO users (id, email, email_normal, display_name, password_hash)
SELECT $1, $2, ($3::text[])[1], $4, $5
WHERE NOT EXISTS (SELECT FROM users WHERE email_normal = ANY($3) OR lower(email) = lower($2))
ON CONFLICT DO NOTHING
RETURNING id, email, display_name;

-- name: find_login
-- Of two older accounts whose addresses have one normal form, each is found by its own.
SELECT id, email, display_name, password_hash FROM users
WHERE lower(email) = lower($1) OR email_normal = ANY($2::text[])
ORDER BY lower(email) = lower($1) DESC, array_position($2, email_normal) LIMIT 1;

-- name: was_here
-- Whether a person has logged in from a network address while their sessions are remembered.
SELECT EXISTS (
    SELECT FROM sessions s JOIN users u ON u.id = s.user_id
    WHERE (lower(u.email) = lower($1) OR u.email_normal = ANY($2::text[])) AND s.opened_from = $3);

-- name: find_user
SELECT id, email, display_name, created_at FROM users WHERE id = $1;

-- name: find_names
SELECT id, display_name FROM users WHERE id = ANY($1::uuid[]);

-- name: rehash
UPDATE users SET password_hash = $2, updated_at = now() WHERE id = $1;

-- name: find_external
SELECT u.id, u.email, u.display_name FROM external_identities e JOIN users u ON u.id = e.user_id
WHERE e.issuer = $1 AND e.subject = $2;

-- name: add_external_user
-- An address that somebody here already uses is not taken over: that would be their account.
WITH free AS (
    SELECT $2::text AS email, ($3::text[])[1] AS normal WHERE NOT EXISTS (
        SELECT FROM users WHERE email_normal = ANY($3) OR lower(email) = lower($2::text))
)
INSERT INTO users (id, email, email_normal, display_name)
VALUES ($1, (SELECT email FROM free), (SELECT normal FROM free), $4)
ON CONFLICT DO NOTHING
RETURNING id;

-- name: add_external
-- No row returned: another replica saw this person first.
INSERT INTO external_identities (issuer, subject, user_id) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING RETURNING user_id;

-- name: open_session
INSERT INTO sessions (id, user_id, expires_at, opened_from)
VALUES ($1, $2, now() + $3::interval, $4);

-- name: issue_refresh
INSERT INTO refresh_tokens (token_hash, session_id, expires_at, parent_hash)
VALUES ($1, $2, now() + $3::interval, $4);

-- name: lock_refresh
-- The row lock makes two uses of one token take turns: the second sees it spent. A token that was
-- spent a moment ago, and none of whose successors was, may be `repeated`.
SELECT r.session_id, r.spent_at IS NOT NULL AS spent, r.expires_at <= now() AS expired,
       r.spent_at > now() - $2::interval AND NOT EXISTS (
           SELECT FROM refresh_tokens n WHERE n.parent_hash = r.token_hash
               AND n.spent_at IS NOT NULL) AS repeated,
       s.revoked_at IS NOT NULL OR s.expires_at <= now() AS closed,
       u.id, u.email, u.display_name
FROM refresh_tokens r JOIN sessions s ON s.id = r.session_id JOIN users u ON u.id = s.user_id
WHERE r.token_hash = $1 FOR UPDATE OF r, s;

-- name: spend_refresh
-- A token that comes again was spent when it came first.
UPDATE refresh_tokens SET spent_at = now() WHERE token_hash = $1 AND spent_at IS NULL;

-- name: close_session
-- Every gateway is told at the commit.
WITH closed AS (
    UPDATE sessions SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING id
)
SELECT id, pg_notify('credentials_ended', id::text) FROM closed;

-- name: close_all_sessions
WITH closed AS (
    UPDATE sessions SET revoked_at = now() WHERE user_id = $1 AND revoked_at IS NULL RETURNING id
)
SELECT id, pg_notify('credentials_ended', id::text) FROM closed;

-- name: ended_sessions
-- Those that were closed in the last while.
SELECT id FROM sessions WHERE revoked_at > now() - $1::interval
ORDER BY revoked_at DESC LIMIT $2;

-- name: living_credentials
-- Which of these are sessions that go on, or personal tokens that are good.
SELECT id FROM sessions
WHERE id = ANY ($1::uuid[]) AND revoked_at IS NULL AND expires_at > now()
UNION ALL
SELECT id FROM personal_tokens
WHERE id = ANY ($1::uuid[]) AND (expires_at IS NULL OR expires_at > now());

-- name: drop_sessions
-- Spent and revoked tokens stay until their session would have ended, to recognise reuse.
DELETE FROM sessions WHERE id IN (
    SELECT id FROM sessions WHERE expires_at < now() ORDER BY expires_at LIMIT $1);

-- name: add_token
INSERT INTO personal_tokens (id, user_id, name, token_hash, scopes, expires_at, made_by)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (id) DO UPDATE SET token_hash = excluded.token_hash
    WHERE personal_tokens.user_id = excluded.user_id
RETURNING id, name, scopes, created_at, expires_at, last_used_at;

-- name: list_tokens
SELECT id, name, scopes, created_at, expires_at, last_used_at FROM personal_tokens
WHERE user_id = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3;

-- name: find_token
SELECT id, name, scopes, created_at, expires_at, last_used_at FROM personal_tokens
WHERE user_id = $1 AND id = $2;

-- name: drop_token
-- With all that it made, and what those made; every gateway is told at the commit.
WITH RECURSIVE doomed AS (
    SELECT id FROM personal_tokens WHERE user_id = $1 AND id = $2
    UNION
    SELECT t.id FROM personal_tokens t JOIN doomed d ON t.made_by = d.id
), dropped AS (
    DELETE FROM personal_tokens WHERE id IN (SELECT id FROM doomed) RETURNING id
)
SELECT id, pg_notify('credentials_ended', id::text) FROM dropped;

-- name: use_token
SELECT t.id AS token_id, t.scopes, t.expires_at, u.id, u.email, u.display_name,
       coalesce(t.last_used_at < now() - interval '1 minute', true) AS unmarked
FROM personal_tokens t JOIN users u ON u.id = t.user_id
WHERE t.token_hash = $1 AND (t.expires_at IS NULL OR t.expires_at > now());

-- name: mark_used
UPDATE personal_tokens SET last_used_at = now()
WHERE id = $1 AND coalesce(last_used_at < now() - interval '1 minute', true);

-- name: claim
-- No row returned: the key is in use, answered, or belongs to another request.
INSERT INTO idempotency_keys AS known
    (user_id, key_hash, request_hash, command_id, new_id, claimed_until)
VALUES ($1, $2, $3, $4, $5, now() + $6::interval)
ON CONFLICT (user_id, key_hash) DO UPDATE SET claimed_until = excluded.claimed_until
WHERE known.sealed_answer IS NULL AND known.claimed_until < now()
    AND known.request_hash = excluded.request_hash
RETURNING command_id, new_id;

-- name: find_claim
SELECT request_hash, sealed_answer FROM idempotency_keys WHERE user_id = $1 AND key_hash = $2;

-- name: settle_claim
UPDATE idempotency_keys SET sealed_answer = $3 WHERE user_id = $1 AND key_hash = $2;

-- name: release_claim
-- Nobody works on it any more; its ids stay, so that a retry repeats the same command.
UPDATE idempotency_keys SET claimed_until = '-infinity'
WHERE user_id = $1 AND key_hash = $2 AND sealed_answer IS NULL;

-- name: drop_claims
DELETE FROM idempotency_keys WHERE (user_id, key_hash) IN (
    SELECT user_id, key_hash FROM idempotency_keys
    WHERE created_at < now() - $1::interval ORDER BY created_at LIMIT $2);
