"""One shard of qdrant-edge: what runs in the process of the engine, and nowhere else.

Every call of qdrant-edge holds Python's lock for its whole length, up to seconds, so it has a
process of its own. This module imports nothing of the service.
"""

import ctypes
import fcntl
import os
import shutil
import signal
import time
import uuid
from pathlib import Path
from typing import Any, cast

import qdrant_edge as edge

DENSE, SPARSE = "dense", "text"
PROJECT, DOCUMENT, KIND, HASH = "project", "document", "kind", "hash"
KEYWORDS = (PROJECT, DOCUMENT, KIND, HASH)
MARK, LOCK, POINTS = "mark", "lock", "points"
_PR_SET_PDEATHSIG = 1
_NO_POINT = "No point with id"

type SparseArgs = tuple[list[int], list[float]]
type DenseArgs = tuple[list[float], float | None, bool]
type WithinArgs = tuple[list[str] | None, list[str] | None, list[uuid.UUID] | None, str | None]
type FoundArgs = tuple[uuid.UUID, float, str]
type PointArgs = tuple[uuid.UUID, uuid.UUID, str, str, SparseArgs, list[float] | None]

_open: dict[str, Any] = {}


def begin() -> None:
    """Have this process killed when its parent ends (Linux), and leave Ctrl-C to the parent."""
    if os.uname().sysname == "Linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def open_shard(folder: str, dimension: int) -> tuple[uuid.UUID, str | None]:
    """Open the shard in *folder*, or make it; returns its mark, and why it was made anew.

    A shard that cannot be read is put aside: everything in it can be written again.

    Raises:
        BlockingIOError: Another process has it open.
        OSError: The folder cannot be written.
    """
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    if "lock" not in _open:
        lock = (path / LOCK).open("w")
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _open["lock"] = lock
    why = None
    if (path / MARK).exists():
        try:
            mark = uuid.UUID((path / MARK).read_text())
            _open["shard"] = edge.EdgeShard.load(str(path / POINTS))
        except Exception as error:
            why = f"{type(error).__name__}: {error}"[:300]
            (path / MARK).unlink(missing_ok=True)
            (path / POINTS).rename(path / f"damaged-{int(time.time())}")
        else:
            return mark, None
    shutil.rmtree(path / POINTS, ignore_errors=True)
    (path / POINTS).mkdir()
    _open["shard"] = _created(path / POINTS, dimension)
    mark = uuid.uuid4()
    new = path / f"{MARK}.new"
    new.write_text(str(mark))
    new.replace(path / MARK)
    return mark, why


def _created(points: Path, dimension: int) -> edge.EdgeShard:
    config = edge.EdgeConfig(
        vectors={DENSE: edge.EdgeVectorParams(size=dimension, distance=edge.Distance.Cosine)},
        sparse_vectors={SPARSE: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        # No graph: vectors of a project are compared one by one, which takes 3 ms for 12,000.
        hnsw_config=edge.HnswIndexConfig(
            m=0, ef_construct=100, full_scan_threshold=10_000, payload_m=0
        ),
    )
    shard = edge.EdgeShard.create(str(points), config)
    for name in KEYWORDS:
        # With `enable_hnsw` every field would get links of its own, which takes minutes.
        params = edge.KeywordIndexParams(is_tenant=name == PROJECT, enable_hnsw=False)
        shard.update(edge.UpdateOperation.create_field_index(name, params))
    return shard


def close_shard() -> None:
    """Flush and close."""
    if shard := _open.pop("shard", None):
        shard.flush()
        shard.close()


def upsert(project: uuid.UUID, points: list[PointArgs]) -> None:
    """Write points of a project."""
    written: list[edge.Point] = []
    for ident, document, kind, text_hash, sparse, dense in points:
        vector: dict[str, Any] = {SPARSE: edge.SparseVector(*sparse)}
        if dense is not None:
            vector[DENSE] = dense
        payload = {
            PROJECT: str(project),
            DOCUMENT: str(document),
            KIND: kind,
            HASH: text_hash,
        }
        written.append(edge.Point(ident, vector, payload))
    _shard().update(edge.UpdateOperation.upsert_points(written))


def set_dense(project: uuid.UUID, point: uuid.UUID, text_hash: str, vector: list[float]) -> bool:
    """Give a point of a project its vector as long as its text is this one; False if it is gone."""
    unchanged = edge.Filter(must=[_is(PROJECT, str(project)), _is(HASH, text_hash)])
    vectors = [edge.PointVectors(point, {DENSE: vector})]
    try:
        _shard().update(edge.UpdateOperation.update_vectors(vectors, unchanged))
    except Exception as error:
        if _NO_POINT in str(error):
            return False
        raise
    return True


def delete(project: uuid.UUID, points: list[uuid.UUID]) -> None:
    """Delete points of a project."""
    ours = edge.Filter(must=[_is(PROJECT, str(project)), edge.HasIdCondition(set(points))])
    _shard().update(edge.UpdateOperation.delete_points_by_filter(ours))


def search(
    project: uuid.UUID,
    sparse: SparseArgs | None,
    dense: DenseArgs | None,
    within: WithinArgs,
    limit: int,
) -> tuple[list[FoundArgs], list[FoundArgs]]:
    """Search a project by words and by meaning."""
    tenant = edge.Filter(must=[_is(PROJECT, str(project))])
    allowed = _allowed(project, within)
    words: list[FoundArgs] = []
    meaning: list[FoundArgs] = []
    if sparse is not None:
        # Rare is what is rare in this project.
        statistics = edge.SearchParams(idf=edge.IdfParams(corpus=tenant))
        nearest = edge.Query.Nearest(edge.SparseVector(*sparse), using=SPARSE)
        words = _found(nearest, allowed, statistics, None, limit)
    if dense is not None:
        vector, least, exact = dense
        nearest = edge.Query.Nearest(vector, using=DENSE)
        meaning = _found(nearest, allowed, edge.SearchParams(exact=exact), least, limit)
    return words, meaning


def _allowed(project: uuid.UUID, within: WithinArgs) -> edge.Filter:
    kinds, documents, points, without = within
    must: list[Any] = [_is(PROJECT, str(project))]
    for name, values in ((KIND, kinds), (DOCUMENT, documents)):
        if values is not None:
            must.append(edge.FieldCondition(name, match=edge.MatchAny(values)))
    if points is not None:
        must.append(edge.HasIdCondition(set(points)))
    never = [_is(DOCUMENT, without)] if without else None
    return edge.Filter(must=must, must_not=cast("Any", never))


def _found(
    query: Any, allowed: edge.Filter, params: edge.SearchParams, least: float | None, limit: int
) -> list[FoundArgs]:
    request = edge.QueryRequest(
        limit=limit,
        query=query,
        filter=allowed,
        params=params,
        score_threshold=least,
        with_payload=[HASH],
    )
    return [
        (uuid.UUID(str(one.id)), one.score, str((one.payload or {}).get(HASH, "")))
        for one in _shard().query(request)
    ]


def page(project: uuid.UUID, after: uuid.UUID | None, limit: int) -> list[tuple[uuid.UUID, str]]:
    """Return ids and hashes of points of a project, from *after* on."""
    found, _ = _shard().scroll(
        edge.ScrollRequest(
            offset=after,
            limit=limit,
            filter=edge.Filter(must=[_is(PROJECT, str(project))]),
            with_payload=[HASH],
        )
    )
    return [(uuid.UUID(str(one.id)), str((one.payload or {}).get(HASH, ""))) for one in found]


def count() -> int:
    """Return how many points there are."""
    return _shard().info().points_count


def _shard() -> edge.EdgeShard:
    return _open["shard"]


def _is(name: str, value: str) -> edge.FieldCondition:
    return edge.FieldCondition(name, match=edge.MatchValue(value))
