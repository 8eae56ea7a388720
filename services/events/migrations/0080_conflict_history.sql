-- Conflicts are listed after they were resolved, too.
CREATE INDEX sync_conflicts_by_project ON sync_conflicts (project_id, conflict_id);
