-- Statements with {table}, {view} or {whole} are written once for every kind of aggregate, as in
-- services/events/queries.sql.

-- name: ordered_state
-- What lives under these parents, in their order and each in its own.
SELECT {whole}, v.parent_id
FROM {view} v
JOIN unnest($2::uuid[]) WITH ORDINALITY AS above (above_id, place) ON above.above_id = v.parent_id
WHERE v.project_id = $1 AND NOT v.hidden AND v.deleted_at IS NULL
ORDER BY above.place, v.rank;

-- name: unordered_state
-- Ids rise with time, and so do those of copies: their order stays.
SELECT {whole}, v.parent_id FROM {view} v
WHERE v.project_id = $1 AND NOT v.hidden AND v.deleted_at IS NULL ORDER BY v.id;

-- name: chosen_state
SELECT {whole}, v.parent_id FROM {view} v
WHERE v.project_id = $1 AND v.id = ANY ($2) AND NOT v.hidden AND v.deleted_at IS NULL ORDER BY v.id;

-- name: between_state
-- What connects two of these: a row whose every reference is among them.
SELECT {whole}, v.parent_id FROM {view} v
WHERE v.project_id = $1 AND v.{one} = ANY ($2) AND v.{other} = ANY ($2)
    AND NOT v.hidden AND v.deleted_at IS NULL ORDER BY v.id LIMIT $3;

-- name: open_package
INSERT INTO packages (package_id, owner_id, project_id, head) VALUES ($1, $2, $3, $4)
ON CONFLICT (package_id) DO NOTHING RETURNING package_id;

-- name: open_packages
-- Those that are not kept for a template.
SELECT count(*) FROM packages p WHERE owner_id = $1
    AND NOT EXISTS (SELECT FROM templates t WHERE t.package_id = p.package_id);

-- name: package
SELECT * FROM packages WHERE package_id = $1 AND owner_id = $2;

-- name: head
SELECT head FROM packages WHERE package_id = $1;

-- name: lock_package
SELECT * FROM packages WHERE package_id = $1 AND owner_id = $2 FOR UPDATE;

-- name: seal_package
UPDATE packages SET head = $2, sealed = true WHERE package_id = $1;

-- name: put_page
-- A page that came before is as it was.
INSERT INTO package_pages (package_id, page, first, count, body) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (package_id, page) DO NOTHING;

-- name: pages
SELECT page, first, count FROM package_pages WHERE package_id = $1 ORDER BY page;

-- name: page
SELECT first, count, body FROM package_pages WHERE package_id = $1 AND page = $2;

-- name: page_count
SELECT count(*) FROM package_pages WHERE package_id = $1;

-- name: put_scenes
INSERT INTO package_texts (package_id, number, scene_id)
SELECT $1, n.number, n.scene_id FROM unnest($2::integer[], $3::uuid[]) AS n (number, scene_id);

-- name: put_text
INSERT INTO package_texts (package_id, number, packed, size) VALUES ($1, $2, $3, $4)
ON CONFLICT (package_id, number) DO NOTHING;

-- name: scenes_of_page
SELECT number, scene_id FROM package_texts
WHERE package_id = $1 AND number >= $2 AND number < $3 AND scene_id IS NOT NULL;

-- name: unread_texts
SELECT number, scene_id FROM package_texts
WHERE package_id = $1 AND packed IS NULL ORDER BY number LIMIT $2;

-- name: fill_text
-- From now on nothing tells where it was read.
UPDATE package_texts SET packed = $3, size = $4, scene_id = NULL
WHERE package_id = $1 AND number = $2 AND packed IS NULL;

-- name: texts
SELECT number, packed, size FROM package_texts
WHERE package_id = $1 AND number > $2 AND size > 0 ORDER BY number LIMIT $3;

-- name: drop_conversations
-- Of a scene that an earlier attempt read in part.
DELETE FROM package_conversations WHERE package_id = $1 AND number = $2;

-- name: put_conversation
INSERT INTO package_conversations (package_id, number, page, packed, size)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT (package_id, number, page) DO NOTHING;

-- name: conversation_page
SELECT packed, size FROM package_conversations
WHERE package_id = $1 AND number = $2 AND page = $3;

-- name: put_files
-- Which bytes things of a package have, and who keeps them.
INSERT INTO package_files (package_id, number, sha256, size, place)
SELECT $1, f.number, f.sha256, f.size, $2
FROM unnest($3::integer[], $4::text[], $5::bigint[]) AS f (number, sha256, size)
ON CONFLICT (package_id, number) DO NOTHING;

-- name: files_of_page
-- Each once, wherever on the page it is.
SELECT DISTINCT ON (sha256) sha256, size FROM package_files
WHERE package_id = $1 AND number >= $2 AND number < $3 ORDER BY sha256;

-- name: bytes
-- The next bytes after $2, each once.
SELECT DISTINCT ON (sha256) sha256, size, place FROM package_files
WHERE package_id = $1 AND sha256 > $2 ORDER BY sha256 LIMIT $3;

-- name: bytes_count
SELECT count(DISTINCT sha256) FROM package_files WHERE package_id = $1;

-- name: move_bytes
UPDATE package_files SET place = $3 WHERE package_id = $1 AND sha256 = $2;

-- name: files
-- The next things that have a file, after $2.
SELECT number, sha256 FROM package_files
WHERE package_id = $1 AND number > $2 ORDER BY number LIMIT $3;

-- name: files_of_bytes
SELECT count(*) FROM package_files WHERE package_id = $1 AND sha256 = ANY ($2::text[]);

-- name: use_claims
-- Fewer than given come back when one of them was refused meanwhile.
INSERT INTO file_claims (claim_id, project_id, outcome)
SELECT c.id, $2, 'used' FROM unnest($1::uuid[]) AS c (id) ORDER BY c.id
ON CONFLICT (claim_id) DO NOTHING RETURNING claim_id;

-- name: released
SELECT place FROM released_places ORDER BY noted_at LIMIT $1;

-- name: forget_released
DELETE FROM released_places WHERE place = $1;

-- name: text_counts
SELECT count(*) AS total, count(packed) AS read, count(*) FILTER (WHERE size > 0) AS written
FROM package_texts WHERE package_id = $1;

-- name: drop_package
DELETE FROM packages p WHERE package_id = $1
    AND NOT EXISTS (SELECT FROM templates t WHERE t.package_id = p.package_id);

-- name: expire_packages
-- Neither a template's nor needed by a job that goes on.
DELETE FROM packages WHERE package_id IN (
    SELECT package_id FROM packages p WHERE created_at < now() - make_interval(secs => $1)
        AND NOT EXISTS (SELECT FROM templates t WHERE t.package_id = p.package_id)
        AND NOT EXISTS (
            SELECT FROM workspace_jobs j WHERE j.package_id = p.package_id AND j.status = 'running')
    ORDER BY created_at LIMIT $2);

-- name: start_job
INSERT INTO workspace_jobs (
    job_id, user_id, kind, project_id, package_id, target_id, details)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (job_id) DO NOTHING RETURNING job_id;

-- name: open_jobs
SELECT count(*) FROM workspace_jobs WHERE user_id = $1 AND status = 'running';

-- name: job
SELECT * FROM workspace_jobs WHERE job_id = $1;

-- name: lock_job
SELECT * FROM workspace_jobs WHERE job_id = $1 FOR UPDATE;

-- name: due_jobs
SELECT job_id FROM workspace_jobs WHERE status = 'running' AND due_at <= now()
ORDER BY due_at LIMIT $1;

-- name: try_job
-- Counted before anything is done, because a try may end without a word.
UPDATE workspace_jobs SET tries = tries + 1, due_at = now() + make_interval(secs => $2)
WHERE job_id = $1 AND status = 'running' RETURNING *;

-- name: progress
UPDATE workspace_jobs SET step = $2, done = $3, total = $4, updated_at = now(),
    written = greatest(written, $5)
WHERE job_id = $1 AND status = 'running';

-- name: end_job
UPDATE workspace_jobs SET status = 'done', step = 'finishing', done = total, updated_at = now(),
    missing_files = $2
WHERE job_id = $1;

-- name: fail_job
-- The project that never came to be may have bytes by now; nobody needs the package any more, and
-- it keeps one of its owner's places.
WITH failed AS (
    UPDATE workspace_jobs SET status = 'failed', error = $2, updated_at = now()
    WHERE job_id = $1 AND status = 'running' RETURNING kind, target_id, package_id
), dropped AS (
    DELETE FROM packages p USING failed f WHERE p.package_id = f.package_id
        AND NOT EXISTS (SELECT FROM templates t WHERE t.package_id = p.package_id)
)
INSERT INTO released_places (place) SELECT target_id FROM failed WHERE kind <> 'template'
ON CONFLICT DO NOTHING;

-- name: forget_jobs
DELETE FROM workspace_jobs WHERE job_id IN (
    SELECT job_id FROM workspace_jobs
    WHERE status <> 'running' AND updated_at < now() - make_interval(days => $1)
    ORDER BY updated_at LIMIT $2);

-- name: keep_template
INSERT INTO templates (template_id, package_id, owner_id, project_id, shared, name, description)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: own_templates
SELECT count(*) FROM templates WHERE owner_id = $1;

-- name: templates
-- A person's own, and those shared with the members of a project, which must be there, where they
-- or one of their teams ($4) are now; the newest first.
SELECT t.*, p.head FROM templates t JOIN packages p USING (package_id)
WHERE ($2::uuid IS NULL OR t.template_id < $2) AND (t.owner_id = $1 OR t.shared
    AND EXISTS (SELECT FROM projects p WHERE p.id = t.project_id AND p.deleted_at IS NULL) AND (
    EXISTS (SELECT FROM members m WHERE m.project_id = t.project_id AND m.user_id = $1)
    OR EXISTS (SELECT FROM team_grants g
        WHERE g.project_id = t.project_id AND g.team_id = ANY ($4::uuid[]))))
ORDER BY t.template_id DESC LIMIT $3;

-- name: template
-- One of those.
SELECT t.*, p.head FROM templates t JOIN packages p USING (package_id)
WHERE t.template_id = $2 AND (t.owner_id = $1 OR t.shared
    AND EXISTS (SELECT FROM projects p WHERE p.id = t.project_id AND p.deleted_at IS NULL) AND (
    EXISTS (SELECT FROM members m WHERE m.project_id = t.project_id AND m.user_id = $1)
    OR EXISTS (SELECT FROM team_grants g
        WHERE g.project_id = t.project_id AND g.team_id = ANY ($3::uuid[]))));

-- name: drop_template
DELETE FROM templates WHERE template_id = $1 AND owner_id = $2 RETURNING package_id;

-- name: library
-- A project that its person has left is no longer theirs to copy from or to.
SELECT l.project_id FROM libraries l JOIN projects p ON p.id = l.project_id
JOIN members m ON m.project_id = p.id AND m.user_id = l.user_id
WHERE l.user_id = $1 AND p.deleted_at IS NULL;

-- name: name_library
-- Whoever comes second finds the first one's; one that was deleted, or left, is replaced.
INSERT INTO libraries AS known (user_id, project_id) VALUES ($1, $2)
ON CONFLICT (user_id) DO UPDATE SET project_id = excluded.project_id
WHERE EXISTS (
    SELECT FROM projects p WHERE p.id = known.project_id AND p.deleted_at IS NOT NULL)
    OR NOT EXISTS (
        SELECT FROM members m WHERE m.project_id = known.project_id AND m.user_id = known.user_id)
RETURNING project_id;

-- name: log_heads
-- The next things of a project, with how many events they have.
SELECT aggregate_id, version FROM aggregates WHERE project_id = $1 AND aggregate_id >= $2
ORDER BY aggregate_id LIMIT $3;

-- name: log_page
-- The events of some things after one of them, thing by thing.
SELECT * FROM events_of($1::uuid[]) WHERE (aggregate_id, version) > ($2, $3)
ORDER BY aggregate_id, version LIMIT $4;

-- name: called
-- What lives under one of these names, whichever way it is spelled.
SELECT wanted.name, t.id FROM unnest($2::text[]) AS wanted (name)
JOIN {table} t ON t.project_id = $1 AND t.deleted_at IS NULL
    AND name_key(t.name) = name_key(wanted.name);

-- name: slugs_taken
SELECT slug FROM entities WHERE project_id = $1 AND slug = ANY ($2);
