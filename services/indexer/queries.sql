-- name: note_due
-- Something happened to documents: of these kinds ($2), for a rebuild of a project ($3) or not.
INSERT INTO due_documents AS known (id, kind, rebuild_of)
SELECT n.id, n.kind, $3 FROM unnest($1::uuid[], $2::text[]) AS n (id, kind)
WHERE NOT EXISTS (SELECT FROM purged_documents p WHERE p.id = n.id)
ORDER BY n.id
ON CONFLICT (id) DO UPDATE SET notices = known.notices + 1,
    due_at = least(known.due_at, clock_timestamp()),
    rebuild_of = coalesce(excluded.rebuild_of, known.rebuild_of);

-- name: note_below
-- Something happened to what documents are in: a chapter, a book or a project ($1, the same id).
INSERT INTO due_documents AS known (id, kind)
SELECT id, kind FROM documents WHERE chapter_id = $1 OR book_id = $1 OR project_id = $1 ORDER BY id
ON CONFLICT (id) DO UPDATE SET notices = known.notices + 1,
    due_at = least(known.due_at, clock_timestamp());

-- name: claim_due
-- The next documents to index, kept from other replicas for $2 seconds.
UPDATE due_documents SET due_at = clock_timestamp() + make_interval(secs => $2)
WHERE id IN (
    SELECT id FROM due_documents WHERE due_at <= clock_timestamp()
    ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING id, kind, notices, noticed_at, failures;

-- name: settle_due
-- Indexed, unless something was noticed since.
DELETE FROM due_documents WHERE id = $1 AND notices = $2;

-- name: again_due
-- Noticed again while it was indexed.
UPDATE due_documents SET due_at = clock_timestamp(), failures = 0 WHERE id = $1;

-- name: postpone_due
UPDATE due_documents SET failures = failures + 1,
    due_at = clock_timestamp() + make_interval(secs => $2)
WHERE id = $1;

-- name: next_due
SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float FROM due_documents;

-- name: purged
SELECT EXISTS (SELECT FROM purged_projects WHERE project_id = $2)
    OR EXISTS (SELECT FROM purged_documents WHERE id = $1);

-- name: document
SELECT version, seq FROM documents WHERE id = $1;

-- name: put_document
INSERT INTO documents AS known (id, project_id, kind, book_id, chapter_id, version, seq, shown,
    type, status, names, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (id) DO UPDATE SET book_id = excluded.book_id, chapter_id = excluded.chapter_id,
    version = excluded.version, seq = excluded.seq, shown = excluded.shown, type = excluded.type,
    status = excluded.status, names = excluded.names, updated_at = excluded.updated_at,
    indexed_at = now();

-- name: chunks_of
SELECT id, chunk_type, block_type, part, index, text, hash, from_offset, to_offset,
    first_client, first_clock, last_client, last_clock
FROM text_chunks WHERE project_id = $1 AND document_id = $2 ORDER BY chunk_type, index;

-- name: put_chunks
-- New chunks, and known ones that changed; what is written and embedded of them stays known.
INSERT INTO text_chunks AS known (id, project_id, document_id, chunk_type, block_type, part, index,
    text, hash, from_offset, to_offset, first_client, first_clock, last_client, last_clock)
SELECT n.id, $1, $2, n.chunk_type, n.block_type, n.part, n.index, n.text, n.hash, n.from_offset,
    n.to_offset, n.first_client, n.first_clock, n.last_client, n.last_clock
FROM unnest($3::uuid[], $4::text[], $5::text[], $6::smallint[], $7::integer[], $8::text[],
    $9::bytea[], $10::integer[], $11::integer[], $12::bigint[], $13::bigint[], $14::bigint[],
    $15::bigint[]) AS n (id, chunk_type, block_type, part, index, text, hash, from_offset,
    to_offset, first_client, first_clock, last_client, last_clock)
ON CONFLICT (id) DO UPDATE SET block_type = excluded.block_type, part = excluded.part,
    index = excluded.index, text = excluded.text, hash = excluded.hash,
    from_offset = excluded.from_offset, to_offset = excluded.to_offset,
    first_client = excluded.first_client, first_clock = excluded.first_clock,
    last_client = excluded.last_client, last_clock = excluded.last_clock,
    changed_at = CASE WHEN known.hash = excluded.hash THEN known.changed_at
        ELSE clock_timestamp() END,
    failures = CASE WHEN known.hash = excluded.hash THEN known.failures ELSE 0 END;

-- name: drop_chunks
-- The engine forgets their points next.
WITH gone AS (
    DELETE FROM text_chunks WHERE project_id = $1 AND document_id = $2 AND id = ANY ($3::uuid[])
    RETURNING id, project_id
)
INSERT INTO gone_points (id, project_id) SELECT id, project_id FROM gone ON CONFLICT DO NOTHING;

-- name: drop_document_chunks
WITH gone AS (
    DELETE FROM text_chunks WHERE document_id = $1 RETURNING id, project_id
)
INSERT INTO gone_points (id, project_id) SELECT id, project_id FROM gone ON CONFLICT DO NOTHING;

-- name: drop_document
DELETE FROM documents WHERE id = $1;

-- name: purge_document
INSERT INTO purged_documents (id) VALUES ($1) ON CONFLICT DO NOTHING;

-- name: drop_due
DELETE FROM due_documents WHERE id = $1;

-- name: purge_project
INSERT INTO purged_projects (project_id) VALUES ($1) ON CONFLICT DO NOTHING;

-- name: drop_project_chunks
WITH gone AS (
    DELETE FROM text_chunks WHERE project_id = $1 RETURNING id, project_id
)
INSERT INTO gone_points (id, project_id) SELECT id, project_id FROM gone ON CONFLICT DO NOTHING;

-- name: drop_project
DELETE FROM documents WHERE project_id = $1;

-- name: drop_project_embeddings
DELETE FROM embeddings WHERE project_id = $1;

-- name: unwritten
-- Chunks whose point is not made from their text, with the vector of that text where it is known.
SELECT c.id, c.project_id, c.document_id, c.text, c.hash, d.kind, e.vector
FROM text_chunks c JOIN documents d ON d.id = c.document_id
    LEFT JOIN embeddings e ON e.project_id = c.project_id AND e.model = $1 AND e.hash = c.hash
WHERE c.point_hash IS DISTINCT FROM c.hash
ORDER BY c.changed_at DESC LIMIT $2;

-- name: note_written
-- The engine has points of these texts, some ($3) with their vectors. A text that changed
-- meanwhile is still to be written.
UPDATE text_chunks c SET point_hash = n.hash, vector_hash = CASE WHEN n.embedded THEN n.hash END
FROM unnest($1::uuid[], $2::bytea[], $3::boolean[]) AS n (id, hash, embedded)
WHERE c.id = n.id;

-- name: gone
SELECT id, project_id FROM gone_points ORDER BY gone_at LIMIT $1;

-- name: forget_gone
DELETE FROM gone_points WHERE id = ANY ($1::uuid[]);

-- name: unembedded
-- The newest first: what is being typed is found by its meaning before an import is done.
SELECT c.id, c.project_id, c.text, c.hash, e.vector
FROM text_chunks c
    LEFT JOIN embeddings e ON e.project_id = c.project_id AND e.model = $1 AND e.hash = c.hash
WHERE c.point_hash = c.hash AND c.vector_hash IS DISTINCT FROM c.hash AND c.failures < $3
ORDER BY c.changed_at DESC LIMIT $2;

-- name: put_embedding
INSERT INTO embeddings (project_id, model, hash, vector)
SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT FROM purged_projects WHERE project_id = $1)
ON CONFLICT DO NOTHING;

-- name: note_embedded
UPDATE text_chunks SET vector_hash = $2 WHERE id = $1 AND hash = $2 AND point_hash = $2;

-- name: unwrite
-- The engine does not have this point after all.
UPDATE text_chunks SET point_hash = NULL, vector_hash = NULL WHERE id = $1;

-- name: note_failure
UPDATE text_chunks SET failures = failures + 1 WHERE id = $1 AND hash = $2;

-- name: documents_that
-- Documents of a project that meet all conditions that are not null: in a book ($3), in a chapter
-- ($4), of a type, with a status, changed from $7 on and before $8, among these ids ($9).
SELECT id FROM documents
WHERE project_id = $1 AND shown AND ($3::uuid IS NULL OR book_id = $3)
    AND ($4::uuid IS NULL OR chapter_id = $4) AND ($5::text IS NULL OR type = $5)
    AND ($6::text IS NULL OR status = $6) AND ($7::timestamptz IS NULL OR updated_at >= $7)
    AND ($8::timestamptz IS NULL OR updated_at < $8) AND ($9::uuid[] IS NULL OR id = ANY ($9))
ORDER BY updated_at DESC NULLS LAST LIMIT $2;

-- name: chunks_that_say
-- Chunks of a project whose text is like all these patterns, the newest first.
SELECT id, text, hash FROM text_chunks
WHERE project_id = $1 AND text ILIKE ALL ($2::text[])
    AND ($3::uuid[] IS NULL OR document_id = ANY ($3))
ORDER BY changed_at DESC LIMIT $4;

-- name: vocabulary
-- Words of a project with the number of chunks that have them, from its newest chunks.
SELECT word, ndoc FROM ts_stat(format(
    'SELECT to_tsvector(''simple'', text) FROM (SELECT text FROM text_chunks
        WHERE project_id = %L ORDER BY changed_at DESC LIMIT %s) newest', $1::uuid, $2::integer))
WHERE length(word) BETWEEN $3 AND $4;

-- name: named
-- Documents of a project that have a name which begins with a prefix, or a word that does: those
-- whose name begins with it first, then short names.
SELECT id, kind FROM documents
WHERE project_id = $1 AND shown AND kind <> 'fact' AND (names LIKE $2 OR names LIKE $3)
ORDER BY names LIKE $2 DESC, length(names), id LIMIT $4;

-- name: meaning_of
-- Texts of a document and their vectors by a model ($3), where they are known.
SELECT c.text, e.vector FROM text_chunks c
    LEFT JOIN embeddings e ON e.project_id = c.project_id AND e.model = $3 AND e.hash = c.hash
WHERE c.project_id = $1 AND c.document_id = $2 ORDER BY c.chunk_type DESC, c.index LIMIT $4;

-- name: documents_of
SELECT id, kind FROM documents WHERE project_id = $1;

-- name: found
-- Chunks of a project as they are now, of those that the engine found.
SELECT c.id, c.document_id, c.chunk_type, c.text, c.hash, c.from_offset, c.to_offset,
    c.first_client, c.first_clock, c.last_client, c.last_clock, c.part, d.kind, d.seq, d.updated_at
FROM text_chunks c JOIN documents d ON d.project_id = c.project_id AND d.id = c.document_id
WHERE c.project_id = $1 AND c.id = ANY ($2::uuid[]) AND d.shown;

-- name: waiting
-- What is not searchable yet of a project, and what is found by its words only.
SELECT (SELECT count(*) FROM due_documents u JOIN documents d ON d.id = u.id
        WHERE d.project_id = $1)
    + (SELECT count(*) FROM due_documents u WHERE u.rebuild_of = $1
        AND NOT EXISTS (SELECT FROM documents d WHERE d.id = u.id))
    + (SELECT count(*) FROM text_chunks
        WHERE project_id = $1 AND point_hash IS DISTINCT FROM hash) AS pending,
    (SELECT count(*) FROM text_chunks
        WHERE project_id = $1 AND vector_hash IS DISTINCT FROM hash) AS unembedded;

-- name: state
SELECT (SELECT count(*) FROM documents WHERE project_id = $1 AND shown) AS documents,
    (SELECT count(*) FROM text_chunks WHERE project_id = $1) AS chunks,
    (SELECT count(*) FROM text_chunks WHERE project_id = $1 AND vector_hash = hash) AS vectors,
    (SELECT r.total FROM rebuilds r WHERE r.project_id = $1 AND r.done_at IS NULL) AS total,
    (SELECT count(*) FROM due_documents WHERE rebuild_of = $1) AS rebuilding;

-- name: begin_rebuild
-- All texts of the project are read again, and all its points written again.
INSERT INTO rebuilds (project_id, total) VALUES ($1, $2)
ON CONFLICT (project_id) DO UPDATE SET begun_at = now(), total = excluded.total,
    done_at = NULL;

-- name: rebuilt
-- Projects of which all was read and written again.
SELECT r.project_id FROM rebuilds r WHERE r.done_at IS NULL
    AND NOT EXISTS (SELECT FROM due_documents u WHERE u.rebuild_of = r.project_id)
    AND NOT EXISTS (SELECT FROM text_chunks c
        WHERE c.project_id = r.project_id AND c.point_hash IS DISTINCT FROM c.hash)
ORDER BY r.begun_at;

-- name: end_rebuild
UPDATE rebuilds SET done_at = now() WHERE project_id = $1;

-- name: next_project
SELECT project_id FROM documents WHERE project_id > $1 ORDER BY project_id LIMIT 1;

-- name: chunks_between
-- Chunks of a project whose points were written, after an id and up to another one ($3, null for
-- all that follow).
SELECT id, point_hash FROM text_chunks
WHERE project_id = $1 AND id > $2 AND ($3::uuid IS NULL OR id <= $3) AND point_hash IS NOT NULL;

-- name: known_chunks
SELECT id FROM text_chunks WHERE project_id = $1 AND id = ANY ($2::uuid[]);

-- name: unwrite_all
UPDATE text_chunks SET point_hash = NULL, vector_hash = NULL WHERE id = ANY ($1::uuid[]);

-- name: reset_documents
-- What is read next counts, even when it is older: a service may have been restored.
UPDATE documents SET version = 1, seq = 0 WHERE project_id = $1;

-- name: reset_points
UPDATE text_chunks SET point_hash = NULL, vector_hash = NULL
WHERE $1::uuid IS NULL OR project_id = $1;

-- name: engine
SELECT mark, model FROM engines WHERE name = $1;

-- name: put_engine
INSERT INTO engines (name, mark, model) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET mark = excluded.mark, model = excluded.model, known_at = now();

-- name: figures
SELECT (SELECT count(*) FROM due_documents) AS due,
    (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(noticed_at)), 0)::float
     FROM due_documents) AS lag_s,
    (SELECT count(*) FROM text_chunks WHERE point_hash IS DISTINCT FROM hash) AS unwritten,
    (SELECT count(*) FROM text_chunks
     WHERE point_hash = hash AND vector_hash IS DISTINCT FROM hash) AS unembedded,
    (SELECT count(*) FROM gone_points) AS gone;
