-- In which encoding a text is, when that is not UTF-8: as a charset of HTTP, or `unknown`.
ALTER TABLE blobs ADD COLUMN charset text CHECK (charset IN ('utf-16', 'utf-32', 'unknown'));
