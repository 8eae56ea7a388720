-- Claims on blobs (ADR 0070): what became of each, decided by whoever records it first.
--
-- A command that sets a file records its claim as used; blobs, which wants to know what an old claim
-- came to, records it as refused. The primary key lets one of the two win, for ever in the first
-- case, for as long as the claim could still be used in the second.
CREATE TYPE claim_outcome AS ENUM ('used', 'refused');
CREATE TABLE file_claims (
    claim_id uuid PRIMARY KEY,
    project_id uuid NOT NULL,
    outcome claim_outcome NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX file_claims_refused ON file_claims (at) WHERE outcome = 'refused';
CREATE INDEX file_claims_by_project ON file_claims (project_id);
GRANT SELECT, INSERT, DELETE ON file_claims TO {role};

-- Files of other sorts than the five that editors know.
ALTER TYPE file_type ADD VALUE 'other';
