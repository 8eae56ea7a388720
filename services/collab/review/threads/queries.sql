-- name: where_thread
-- $1 is the id; nothing of a deleted thread.
SELECT project_id, scene_id FROM threads WHERE id = $1 AND deleted_at IS NULL;

-- name: where_comment
SELECT project_id, scene_id FROM comments c WHERE id = $1
    AND EXISTS (SELECT FROM threads t WHERE t.id = c.thread_id AND t.deleted_at IS NULL);

-- name: where_suggestion
SELECT project_id, scene_id FROM suggestions WHERE id = $1;

-- name: where_patch
SELECT project_id, scene_id FROM patches WHERE id = $1;

-- name: where_anchor
SELECT project_id, scene_id FROM anchors WHERE id = $1 AND NOT retired;

-- name: thread
SELECT * FROM threads WHERE id = $1 AND project_id = $2 AND deleted_at IS NULL;

-- name: lock_thread
-- Whatever changes in a thread happens one after the other.
SELECT * FROM threads WHERE id = $1 AND project_id = $2 AND deleted_at IS NULL FOR UPDATE;

-- name: lock_thread_of
-- The same by one of its comments.
SELECT t.* FROM threads t
WHERE t.id = (SELECT thread_id FROM comments WHERE id = $1 AND project_id = $2)
    AND t.project_id = $2 AND t.deleted_at IS NULL FOR UPDATE;

-- name: count_threads
SELECT count(*) FROM threads WHERE scene_id = $1 AND deleted_at IS NULL;

-- name: add_thread
-- A retry finds what its first attempt made.
INSERT INTO threads (id, project_id, scene_id, anchor_id, created_by, updated_by)
VALUES ($1, $2, $3, $4, $5, $5) RETURNING *;

-- name: threads
-- The newest first, after the thread ($3, $4). `mine` ($7) are those in which the person $8 has a
-- part.
SELECT t.* FROM threads t
WHERE t.scene_id = $1 AND t.project_id = $2 AND t.deleted_at IS NULL
    AND ($3::timestamptz IS NULL OR (t.created_at, t.id) < ($3, $4::uuid))
    AND ($5::text IS NULL OR t.state = $5)
    AND ($6::uuid IS NULL OR t.created_by = $6)
    AND (NOT $7::boolean OR t.created_by = $8 OR EXISTS (
        SELECT FROM comments c LEFT JOIN mentions m ON m.comment_id = c.id AND m.person_id = $8
        WHERE c.thread_id = t.id AND c.deleted_at IS NULL
            AND (c.created_by = $8 OR m.person_id IS NOT NULL)))
ORDER BY t.created_at DESC, t.id DESC LIMIT $9;

-- name: touch_thread
-- Something happened to a comment of it.
UPDATE threads SET version = version + 1, updated_by = $2,
    updated_at = greatest(now(), updated_at)
WHERE id = $1 RETURNING *;

-- name: count_comment
-- The new count is the number of a new comment.
UPDATE threads SET version = version + 1, updated_by = $2, comment_count = comment_count + 1,
    updated_at = greatest(now(), updated_at)
WHERE id = $1 RETURNING *;

-- name: set_state
UPDATE threads SET version = version + 1, state = $2::text, updated_by = $3,
    updated_at = greatest(now(), updated_at),
    resolved_at = CASE WHEN $2 = 'resolved' THEN now() END,
    resolved_by = CASE WHEN $2 = 'resolved' THEN $3::uuid END
WHERE id = $1 RETURNING *;

-- name: delete_thread
UPDATE threads SET version = version + 1, updated_by = $2, deleted_by = $2, deleted_at = now(),
    updated_at = greatest(now(), updated_at)
WHERE id = $1 RETURNING *;

-- name: forget_notifications
-- Nobody is told any more of what is deleted.
DELETE FROM notifications WHERE thread_id = $1;

-- name: add_comment
INSERT INTO comments (
    id, project_id, scene_id, thread_id, number, body, meta, created_by, updated_by
)
SELECT $1, t.project_id, t.scene_id, t.id, $3, $4, $5, $6::uuid, $6 FROM threads t WHERE t.id = $2
RETURNING *;

-- name: comment
SELECT c.* FROM comments c JOIN threads t ON t.id = c.thread_id
WHERE c.id = $1 AND c.project_id = $2 AND t.deleted_at IS NULL;

-- name: change_comment
UPDATE comments SET version = version + 1, body = $2, meta = $3, updated_by = $4,
    updated_at = greatest(now(), updated_at), edited_at = greatest(now(), updated_at)
WHERE id = $1 RETURNING *;

-- name: touch_comment
UPDATE comments SET version = version + 1, updated_by = $2,
    updated_at = greatest(now(), updated_at)
WHERE id = $1 RETURNING *;

-- name: bury_comment
-- A tombstone keeps its place, and nothing else.
UPDATE comments SET version = version + 1, body = '', meta = '{}', deleted_at = now(),
    deleted_by = $2, updated_by = $2, updated_at = greatest(now(), updated_at)
WHERE id = $1 RETURNING *;

-- name: strip_comment
-- What belongs to a comment that becomes a tombstone.
WITH mentioned AS (DELETE FROM mentions WHERE comment_id = $1),
    told AS (DELETE FROM notifications WHERE comment_id = $1)
DELETE FROM reactions WHERE comment_id = $1;

-- name: redact_comment
-- What was announced of the comment $2 in the scene $1 does not repeat its text.
UPDATE outbox SET payload =
    jsonb_set(jsonb_set(payload::jsonb, '{data,body}', '""'), '{data,mentions}', '[]')::json
WHERE payload -> 'data' ->> 'sceneId' = $1::uuid::text AND payload ->> 'aggregateId' = $2::uuid::text
    AND payload -> 'data' ->> 'body' IS NOT NULL;

-- name: redact_thread
-- The same for all comments of the thread $2.
UPDATE outbox SET payload =
    jsonb_set(jsonb_set(payload::jsonb, '{data,body}', '""'), '{data,mentions}', '[]')::json
WHERE payload -> 'data' ->> 'sceneId' = $1::uuid::text
    AND payload -> 'data' ->> 'threadId' = $2::uuid::text AND payload -> 'data' ->> 'body' IS NOT NULL;

-- name: first_comments
-- The first comments of each of the threads $1: at most $2, and no more than $3 bytes besides the
-- first.
SELECT * FROM (
    SELECT c.*, sum(octet_length(body) + octet_length(meta::text) + 500)
        OVER (PARTITION BY thread_id ORDER BY number) AS bytes
    FROM comments c WHERE thread_id = ANY($1::uuid[]) AND number <= $2
) AS shown
WHERE bytes <= $3 OR number = 1 ORDER BY thread_id, number;

-- name: comments
SELECT c.* FROM comments c
WHERE c.thread_id = $1 AND c.project_id = $2 AND c.number > $3 ORDER BY c.number LIMIT $4;

-- name: mentions
SELECT comment_id, person_id FROM mentions WHERE comment_id = ANY($1::uuid[])
ORDER BY comment_id, person_id;

-- name: reactions
-- The first $2 people of each reaction, and whether the person $3 shares it.
SELECT comment_id, emoji, count(*) AS count, bool_or(person_id = $3) AS mine,
    (array_agg(person_id ORDER BY created_at, person_id))[1:$2] AS people
FROM reactions WHERE comment_id = ANY($1::uuid[])
GROUP BY comment_id, emoji ORDER BY comment_id, min(created_at), emoji;

-- name: clear_mentions
DELETE FROM mentions WHERE comment_id = $1 AND person_id <> ALL($2::uuid[]);

-- name: add_mentions
INSERT INTO mentions (comment_id, person_id) SELECT $1, person FROM unnest($2::uuid[]) AS n (person)
ON CONFLICT DO NOTHING;

-- name: reaction_kinds
SELECT count(DISTINCT emoji) FROM reactions WHERE comment_id = $1 AND emoji <> $2;

-- name: add_reaction
INSERT INTO reactions (comment_id, emoji, person_id) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING RETURNING emoji;

-- name: remove_reaction
DELETE FROM reactions WHERE comment_id = $1 AND emoji = $2 AND person_id = $3 RETURNING emoji;

-- name: notify_mentioned
-- Tells people of a comment that mentions them; its author needs no telling.
INSERT INTO notifications (
    id, person_id, kind, actor_id, project_id, scene_id, thread_id, comment_id
)
SELECT n.id, n.person, 'mention', c.created_by, c.project_id, c.scene_id, c.thread_id, c.id
FROM unnest($2::uuid[], $3::uuid[]) AS n (id, person), comments c
WHERE c.id = $1 AND n.person <> c.created_by
ON CONFLICT (comment_id, person_id) DO NOTHING;

-- name: taking_part
-- Whoever began the thread $1, wrote in it or is mentioned there, but the person $2. The labels
-- of people in copies (version 8) are nobody's account.
SELECT DISTINCT person FROM (
    SELECT created_by AS person FROM threads WHERE id = $1
    UNION ALL SELECT created_by FROM comments WHERE thread_id = $1 AND deleted_at IS NULL
    UNION ALL SELECT m.person_id FROM mentions m JOIN comments c ON c.id = m.comment_id
        WHERE c.thread_id = $1
) AS everybody
WHERE person <> $2 AND substr(person::text, 15, 1) <> '8' ORDER BY person;

-- name: notify
-- Tells people $2 (with the ids $1 of what they are told) something about a thread.
INSERT INTO notifications (
    id, person_id, kind, actor_id, project_id, scene_id, thread_id, comment_id
)
SELECT n.id, n.person, $3, $4, t.project_id, t.scene_id, t.id, $6
FROM unnest($1::uuid[], $2::uuid[]) AS n (id, person), threads t WHERE t.id = $5
ON CONFLICT (comment_id, person_id) DO NOTHING;

-- name: inbox_projects
SELECT project_id FROM notifications WHERE person_id = $1
GROUP BY project_id ORDER BY max(created_at) DESC LIMIT $2;

-- name: inbox
-- The newest first, after ($3, $4); with how the comment begins now.
SELECT n.*, coalesce(left(c.body, $7), '') AS excerpt
FROM notifications n LEFT JOIN comments c ON c.id = n.comment_id
WHERE n.person_id = $1 AND n.project_id = ANY($2::uuid[])
    AND ($3::timestamptz IS NULL OR (n.created_at, n.id) < ($3, $4::uuid))
    AND (NOT $5::boolean OR n.read_at IS NULL)
ORDER BY n.created_at DESC, n.id DESC LIMIT $6;

-- name: unread
SELECT count(*) FROM notifications
WHERE person_id = $1 AND project_id = ANY($2::uuid[]) AND read_at IS NULL;

-- name: mark_read
-- Those with the ids $2, or all up to $3.
UPDATE notifications SET read_at = greatest(now(), created_at)
WHERE person_id = $1 AND read_at IS NULL AND ($2::uuid[] IS NULL OR id = ANY($2))
    AND ($3::timestamptz IS NULL OR created_at <= $3);

-- name: forget_old
DELETE FROM notifications WHERE id IN (
    SELECT id FROM notifications WHERE created_at < now() - make_interval(days => $1)
    ORDER BY created_at LIMIT $2) RETURNING id;
