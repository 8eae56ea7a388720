-- A statement that is a transaction of its own must undo itself when what it found is not what its
-- writer thought: somebody else was first.
CREATE FUNCTION insist(ok boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF ok IS NOT TRUE THEN
        RAISE EXCEPTION 'not as it was when this was decided' USING ERRCODE = 'serialization_failure';
    END IF;
END $$;
