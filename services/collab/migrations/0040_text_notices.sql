-- Of each scene the version of its text that others were told of.
CREATE TABLE text_notices (
    scene_id uuid PRIMARY KEY,
    seq bigint NOT NULL CHECK (seq > 0),
    told_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE ON text_notices TO {role};
INSERT INTO review_tables (name, position) VALUES ('text_notices', 1);
