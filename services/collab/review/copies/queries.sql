-- name: threads
-- The next threads of a scene after $3, with their anchors. Ids rise with time, and so do those of
-- copies: their order stays.
SELECT t.*, a.status, a.quote, a.before, a.after, a.from_offset, a.pieces, a.first_client,
    a.first_clock, a.deleted_at AS words_deleted_at, a.deleted_by AS words_deleted_by
FROM threads t JOIN anchors a ON a.id = t.anchor_id
WHERE t.scene_id = $1 AND t.project_id = $2 AND t.id > $3 AND t.deleted_at IS NULL
ORDER BY t.id LIMIT $4;

-- name: first_comments
-- The first comments of some threads: at most $2 of each, and no more than $3 bytes besides the
-- first.
SELECT * FROM (
    SELECT c.*, sum(octet_length(body) + octet_length(meta::text))
        OVER (PARTITION BY thread_id ORDER BY number) AS bytes
    FROM comments c WHERE thread_id = ANY($1::uuid[]) AND number <= $2
) AS shown
WHERE bytes <= $3 OR number = 1 ORDER BY thread_id, number;

-- name: comments
SELECT * FROM comments WHERE thread_id = $1 AND project_id = $2 AND number > $3
ORDER BY number LIMIT $4;

-- name: mentions
SELECT comment_id, person_id FROM mentions WHERE comment_id = ANY($1::uuid[])
ORDER BY comment_id, person_id;

-- name: reactions
-- The first $2 people of each reaction.
SELECT comment_id, emoji, (array_agg(person_id ORDER BY created_at, person_id))[1:$2] AS people
FROM reactions WHERE comment_id = ANY($1::uuid[])
GROUP BY comment_id, emoji ORDER BY comment_id, min(created_at), emoji;

-- name: suggestions
SELECT s.*, a.status AS words, a.quote, a.before, a.after, a.from_offset, a.pieces, a.first_client,
    a.first_clock, a.deleted_at AS words_deleted_at, a.deleted_by AS words_deleted_by
FROM suggestions s JOIN anchors a ON a.id = s.anchor_id
WHERE s.scene_id = $1 AND s.project_id = $2 AND s.id > $3 ORDER BY s.id LIMIT $4;

-- name: patches
SELECT * FROM patches
WHERE scene_id = $1 AND project_id = $2 AND id > $3 AND deleted_at IS NULL ORDER BY id LIMIT $4;

-- name: hunks
-- All those of one patch after a number: they are bounded.
SELECT * FROM patch_hunks WHERE patch_id = $1 AND project_id = $2 AND number > $3 ORDER BY number;

-- name: anchors
SELECT id, status, quote, before, after, from_offset, pieces, first_client, first_clock,
    deleted_at AS words_deleted_at, deleted_by AS words_deleted_by
FROM anchors WHERE id = ANY($1::uuid[]) AND project_id = $2;

-- name: add_anchor
-- Here and below a repeated page finds what its first attempt stored.
INSERT INTO anchors (
    id, project_id, scene_id, status, first_client, first_clock, last_client, last_clock, quote,
    before, after, grams, from_offset, seq, followed_seq, pieces, deleted_at, deleted_by, created_by,
    created_at
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14, $15, $16, $17, $18, $19)
ON CONFLICT (id) DO NOTHING;

-- name: add_thread
INSERT INTO threads (
    id, project_id, scene_id, anchor_id, state, resolved_at, resolved_by, created_at, created_by,
    updated_at, updated_by
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING;

-- name: count_comments
-- A thread has as many comments as its last number says; none is missing between.
UPDATE threads SET comment_count = greatest(comment_count, $4)
WHERE id = $1 AND project_id = $2 AND scene_id = $3 AND comment_count >= $4 - 1 RETURNING id;

-- name: add_comment
INSERT INTO comments (
    id, project_id, scene_id, thread_id, number, body, meta, created_at, created_by, updated_at,
    updated_by, edited_at, deleted_at, deleted_by
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (id) DO NOTHING;

-- name: add_mentions
INSERT INTO mentions (comment_id, person_id) SELECT $1, person FROM unnest($2::uuid[]) AS n (person)
ON CONFLICT DO NOTHING;

-- name: add_reaction
-- People in their order: the time of each is a microsecond after the one before.
INSERT INTO reactions (comment_id, emoji, person_id, created_at)
SELECT $1, $2, person, $4::timestamptz + make_interval(secs => ($5 + place) / 1000000.0)
FROM unnest($3::uuid[]) WITH ORDINALITY AS n (person, place) ON CONFLICT DO NOTHING;

-- name: add_suggestion
INSERT INTO suggestions (
    id, project_id, scene_id, anchor_id, status, kind, base, text, side, note, applied_seq, applied,
    reverted_seq, decided_at, decided_by, created_at, created_by, updated_at, updated_by, blocks,
    attributes
) VALUES (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
ON CONFLICT (id) DO NOTHING;

-- name: add_patch
INSERT INTO patches (
    id, project_id, scene_id, state, base_version, applied_version, reverted_version,
    rebase_strategy, title, note, decided_at, decided_by, created_at, created_by, updated_at,
    updated_by
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT (id) DO NOTHING;

-- name: has_hunk
-- Whether the hunk before number $4 is there, of a patch that is.
SELECT true FROM patches p WHERE p.id = $1 AND p.project_id = $2 AND p.scene_id = $3
    AND ($4 = 1 OR EXISTS (
        SELECT FROM patch_hunks h WHERE h.patch_id = p.id AND h.number = $4 - 1));

-- name: add_hunk
INSERT INTO patch_hunks (
    id, project_id, scene_id, patch_id, number, state, anchor_id, written_id, kind, side, base, text,
    applied
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (id) DO NOTHING;

-- name: begin_following
INSERT INTO anchored_scenes AS s (scene_id, followed_seq) VALUES ($1, $2)
ON CONFLICT (scene_id) DO NOTHING;
