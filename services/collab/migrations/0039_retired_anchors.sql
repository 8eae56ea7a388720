-- Anchors of what was deleted for good: nobody asks where they are any more.
ALTER TABLE anchors ADD COLUMN retired boolean NOT NULL DEFAULT false;
UPDATE anchors AS a SET retired = true
FROM threads AS t WHERE t.anchor_id = a.id AND t.deleted_at IS NOT NULL;
