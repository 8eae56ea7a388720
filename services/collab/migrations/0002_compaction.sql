-- A compacted row stands in the same table at the seq that it reaches, beside the original of that
-- seq. It holds everything up to there as one update, so one such row and what follows is the whole
-- scene. Live rows are never compacted ones, so the key still is the fence between replicas.
ALTER TABLE quarantined_updates DROP CONSTRAINT quarantined_updates_scene_id_seq_fkey;
ALTER TABLE quarantined_updates DROP CONSTRAINT quarantined_updates_pkey;
ALTER TABLE scene_versions DROP CONSTRAINT scene_versions_pkey;
ALTER TABLE scene_versions ADD PRIMARY KEY (scene_id, seq, is_compacted);
ALTER TABLE quarantined_updates
    ADD COLUMN is_compacted boolean NOT NULL DEFAULT false,
    ADD PRIMARY KEY (scene_id, seq, is_compacted),
    -- Without cascade: a row that somebody should look at cannot be pruned.
    ADD FOREIGN KEY (scene_id, seq, is_compacted)
        REFERENCES scene_versions (scene_id, seq, is_compacted);
-- Made anew, for PostgreSQL 18 cannot change a virtual column of a table with checks.
ALTER TABLE scene_versions DROP COLUMN version_id;
ALTER TABLE scene_versions ADD COLUMN version_id uuid GENERATED ALWAYS AS (
    md5(
        uuid_send(scene_id) || int8send(seq)
        || CASE WHEN is_compacted THEN 'c'::bytea ELSE ''::bytea END
    )::uuid
) VIRTUAL;
CREATE INDEX scene_versions_compacted ON scene_versions (scene_id, seq) WHERE is_compacted;

-- The only change that the log knows: an original learns which row holds it now. Only such a row
-- may be removed, whoever asks.
CREATE FUNCTION refuse_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'row % of scene % is in no compacted row', OLD.seq, OLD.scene_id
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER removal BEFORE DELETE ON scene_versions
    FOR EACH ROW WHEN (OLD.compacted_by IS NULL) EXECUTE FUNCTION refuse_removal();
GRANT UPDATE (compacted_by), DELETE ON scene_versions TO {role};
