-- When a person accepted a team: null for one that somebody else brought them into, unasked. Until
-- now nobody was asked; whoever decides about a team has chosen it.
ALTER TABLE team_members ADD COLUMN accepted_at timestamptz;
UPDATE team_members SET accepted_at = created_at WHERE role = 'OWNER';

-- Somebody may be brought into any number of teams; the first of them are found without the rest.
CREATE INDEX team_members_unasked_idx ON team_members (user_id, created_at, team_id)
    WHERE accepted_at IS NULL;
