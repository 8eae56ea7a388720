-- Teams and who is in them. What a team may do in a project is part of that project.

CREATE TYPE team_role AS ENUM ('OWNER', 'MEMBER');

-- A deleted team has no members, so it opens nothing; its row stays for its name in audit trails.
CREATE TABLE teams (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    version bigint NOT NULL DEFAULT 1 CHECK (version > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);

CREATE TABLE team_members (
    team_id uuid NOT NULL REFERENCES teams ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    role team_role NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (team_id, user_id)
);
CREATE INDEX team_members_user_idx ON team_members (user_id, team_id);

-- Grows with each change of a person's teams: what was decided with an older one counts no more.
ALTER TABLE users ADD COLUMN teams_version bigint NOT NULL DEFAULT 0;

-- Whose teams changed and may still be cached; committed with the change, gone with the cache.
CREATE TABLE stale_teams (
    user_id uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    version bigint NOT NULL
);

GRANT SELECT, INSERT, UPDATE, DELETE ON teams, team_members, stale_teams TO {role};
