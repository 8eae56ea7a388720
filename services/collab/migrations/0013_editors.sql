-- The editor as which a snapshot was rendered (`services.collab.editors.Named.key`); empty for none.
-- A snapshot of another editor than the scene has now is renewed, and not compared with the log.
ALTER TABLE scene_snapshots ADD COLUMN editor text NOT NULL DEFAULT '';
