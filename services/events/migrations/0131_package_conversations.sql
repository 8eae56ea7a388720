-- Comments and suggestions of the scenes of a package: zstd of lines, `size` bytes unpacked, page by
-- page.
CREATE TABLE package_conversations (
    package_id uuid NOT NULL REFERENCES packages ON DELETE CASCADE,
    number integer NOT NULL CHECK (number > 0),
    page integer NOT NULL CHECK (page >= 0),
    packed bytea NOT NULL,
    size integer NOT NULL CHECK (size > 0),
    PRIMARY KEY (package_id, number, page)
);
ALTER TABLE package_conversations ALTER COLUMN packed SET STORAGE EXTERNAL;
GRANT SELECT, INSERT, DELETE ON package_conversations TO {role};
