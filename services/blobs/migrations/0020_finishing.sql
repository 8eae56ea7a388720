-- What a creation said of an upload, and how its last step goes.

-- `metadata` is the header as it was given. `refusal` says why what arrived will never be a blob; the
-- upload is over then. An upload whose bytes are all here is tried again at `retry_at`.
ALTER TABLE uploads
    ADD COLUMN metadata text CHECK (length(metadata) BETWEEN 1 AND 8192),
    ADD COLUMN refusal jsonb CHECK (jsonb_typeof(refusal) = 'object'),
    ADD COLUMN attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    ADD COLUMN retry_at timestamptz;
ALTER TABLE uploads ADD CONSTRAINT uploads_refused_check
    CHECK (refusal IS NULL OR blob_sha256 IS NULL) NOT VALID;

CREATE INDEX uploads_received ON uploads (coalesce(retry_at, '-infinity'::timestamptz))
    WHERE resumable AND blob_sha256 IS NULL AND refusal IS NULL AND "offset" = size;
