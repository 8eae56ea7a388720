-- Roles that teams have in projects, and what the audit trail is read by.

-- A row is the fold of its grant's events. Which people are in a team is not known here.
CREATE TABLE team_grants (
    id uuid PRIMARY KEY,
    project_id uuid NOT NULL REFERENCES projects ON DELETE CASCADE,
    team_id uuid NOT NULL,
    role member_role NOT NULL CHECK (role <> 'OWNER'),
    version bigint NOT NULL CHECK (version > 0),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL CHECK (updated_at >= created_at),
    created_by uuid NOT NULL,
    updated_by uuid NOT NULL,
    CONSTRAINT team_grants_exists UNIQUE (project_id, team_id)
);
CREATE INDEX team_grants_by_team ON team_grants (team_id, project_id);

CREATE VIEW team_grants_read AS
SELECT g.*, NULL::uuid AS parent_id, p.deleted_at IS NOT NULL AS hidden,
    NULL::timestamptz AS deleted_at
FROM team_grants g JOIN projects p ON p.id = g.project_id;

GRANT SELECT, INSERT, UPDATE, DELETE ON team_grants TO {role};
GRANT SELECT ON team_grants_read TO {role};

-- Who did something, and when something was done. Only of the log's young part: old events lie in
-- chunks, which say themselves whom and what they hold.
CREATE INDEX events_by_person ON events (project_id, user_id, "timestamp");
CREATE INDEX events_by_type ON events (project_id, event_type, "timestamp");
