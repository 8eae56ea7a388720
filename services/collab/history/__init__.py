"""The past of a scene: versions, differences, restoring, named snapshots, branches, replay."""
