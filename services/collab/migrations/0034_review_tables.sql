-- Tables of the review that know scenes, so that a table only names itself to be erased with them.
-- Those that others refer to have a later position.
CREATE TABLE review_tables (
    name text COLLATE "C" PRIMARY KEY,
    position smallint NOT NULL
);
INSERT INTO review_tables (name, position) VALUES
    ('notifications', 1),
    ('comments', 1),
    ('threads', 2),
    ('suggestions', 2),
    ('authorship', 1),
    ('row_runs', 1),
    ('anchors', 9),
    ('anchored_scenes', 1);

-- As before, for every table that names itself.
CREATE OR REPLACE FUNCTION erase_review(log uuid) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    gone bigint;
    more bigint;
    known text;
BEGIN
    IF NOT EXISTS (SELECT FROM purged_scenes WHERE log_id = log) THEN
        RAISE EXCEPTION 'scene % was not purged', log;
    END IF;
    -- The row with the greatest position stays, so that no other fact ever gets that position.
    DELETE FROM outbox WHERE payload -> 'data' ->> 'sceneId' = log::text
        AND position IS DISTINCT FROM (SELECT max(position) FROM outbox);
    GET DIAGNOSTICS gone = ROW_COUNT;
    UPDATE outbox SET payload = '{}', published_at = coalesce(published_at, now())
    WHERE payload -> 'data' ->> 'sceneId' = log::text;
    FOR known IN SELECT name FROM review_tables ORDER BY position, name LOOP
        EXECUTE format('DELETE FROM public.%I WHERE scene_id = $1', known) USING log;
        GET DIAGNOSTICS more = ROW_COUNT;
        gone := gone + more;
    END LOOP;
    RETURN gone;
END $$;
