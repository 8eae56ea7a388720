-- name: create
-- A retry finds the team that the first try made.
INSERT INTO teams (id, name) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING RETURNING id;

-- name: read
-- For its members only; no row for anybody else.
SELECT t.id, t.name, t.version, t.created_at, t.updated_at, m.role,
    m.accepted_at IS NOT NULL AS accepted
FROM teams t JOIN team_members m ON m.team_id = t.id AND m.user_id = $2
WHERE t.id = $1 AND t.deleted_at IS NULL;

-- name: list
SELECT t.id, t.name, t.version, t.created_at, t.updated_at, m.role,
    m.accepted_at IS NOT NULL AS accepted
FROM team_members m JOIN teams t ON t.id = m.team_id
WHERE m.user_id = $1 AND ($2::uuid IS NULL OR m.team_id > $2) AND t.deleted_at IS NULL
ORDER BY m.team_id LIMIT $3;

-- name: lock
-- Changes of one team take turns.
SELECT id FROM teams WHERE id = $1 AND deleted_at IS NULL FOR UPDATE;

-- name: rename
UPDATE teams SET name = $2, version = version + 1, updated_at = now() WHERE id = $1;

-- name: delete
UPDATE teams SET deleted_at = now(), version = version + 1, updated_at = now() WHERE id = $1;

-- name: members
SELECT m.team_id, m.user_id, u.display_name, m.role, m.created_at,
    m.accepted_at IS NOT NULL AS accepted
FROM team_members m JOIN users u ON u.id = m.user_id
WHERE m.team_id = $1 AND ($2::uuid IS NULL OR m.user_id > $2) ORDER BY m.user_id LIMIT $3;

-- name: member
SELECT m.team_id, m.user_id, u.display_name, m.role, m.created_at,
    m.accepted_at IS NOT NULL AS accepted
FROM team_members m JOIN users u ON u.id = m.user_id WHERE m.team_id = $1 AND m.user_id = $2;

-- name: put_member
-- Whoever accepted a team has accepted it in whatever role.
INSERT INTO team_members (team_id, user_id, role, accepted_at)
VALUES ($1, $2, $3, CASE WHEN $4 THEN now() END)
ON CONFLICT (team_id, user_id) DO UPDATE SET role = excluded.role;

-- name: accept
UPDATE team_members SET accepted_at = now()
WHERE team_id = $1 AND user_id = $2 AND accepted_at IS NULL;

-- name: remove_members
-- One of them, or all when $2 is null.
DELETE FROM team_members WHERE team_id = $1 AND ($2::uuid IS NULL OR user_id = $2)
RETURNING user_id;

-- name: count_members
SELECT count(*) FROM team_members WHERE team_id = $1;

-- name: count_accepted
SELECT count(*) FROM team_members WHERE user_id = $1 AND accepted_at IS NOT NULL;

-- name: other_owners
SELECT count(*) FROM team_members WHERE team_id = $1 AND role = 'OWNER' AND user_id <> $2;

-- name: changed
-- Whose teams change in this transaction: their version grows, what is cached of them is noted as
-- stale, and every gateway is told when it commits. People are locked in one order.
WITH people AS (
    SELECT id FROM users WHERE id = ANY ($1::uuid[]) ORDER BY id FOR NO KEY UPDATE
), changed AS (
    UPDATE users u SET teams_version = u.teams_version + 1 FROM people p WHERE u.id = p.id
    RETURNING u.id, u.teams_version
), noted AS (
    INSERT INTO stale_teams (user_id, version) SELECT id, teams_version FROM changed
    ON CONFLICT (user_id) DO UPDATE SET version = excluded.version
)
SELECT pg_notify('teams_changed', id::text) FROM changed;

-- name: teams_of
-- The version and the teams of one moment: those that the person accepted, and the first $2 that
-- others brought them into. No row: there is no such person.
SELECT u.teams_version AS version, coalesce((
    SELECT array_agg(c.team_id ORDER BY c.team_id) FROM (
        SELECT m.team_id FROM team_members m WHERE m.user_id = u.id AND m.accepted_at IS NOT NULL
        UNION ALL (
            SELECT m.team_id FROM team_members m
            WHERE m.user_id = u.id AND m.accepted_at IS NULL
            ORDER BY m.created_at, m.team_id LIMIT $2)
    ) c), '{}') AS ids
FROM users u WHERE u.id = $1;

-- name: members_of
SELECT user_id FROM team_members WHERE team_id = $1;

-- name: names
-- Deleted ones, too: audit trails name them.
SELECT id, name FROM teams WHERE id = ANY ($1::uuid[]);

-- name: stale
SELECT user_id, version FROM stale_teams ORDER BY user_id LIMIT $1;

-- name: settle
-- Unless they changed again meanwhile.
DELETE FROM stale_teams s USING unnest($1::uuid[], $2::bigint[]) AS n (user_id, version)
WHERE s.user_id = n.user_id AND s.version = n.version;
