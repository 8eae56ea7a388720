"""Edits: their batches, how a flush numbers them, and how its fan-out is grouped. No I/O."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(slots=True)
class Batch:
    """The edits that came together and are acknowledged together.

    Parallel lists, because this is the hot path: position i of each describes one edit.
    """

    scenes: list[bytes] = field(default_factory=list[bytes])
    authors: list[bytes] = field(default_factory=list[bytes])
    connections: list[int] = field(default_factory=list[int])
    updates: list[bytes] = field(default_factory=list[bytes])
    size_bytes: int = 0
    run_ids: dict[int, UUID] | None = None
    """The runs that made edits, by position; few batches have any."""

    def add(self, scene: bytes, author: bytes, connection: int, update: bytes) -> None:
        """Append one edit; *connection* is gateway << 32 | tag, as a signed number."""
        self.scenes.append(scene)
        self.authors.append(author)
        self.connections.append(connection)
        self.updates.append(update)
        self.size_bytes += len(update)

    def __len__(self) -> int:
        """How many edits there are."""
        return len(self.updates)


@dataclass(slots=True)
class SceneRun:
    """The rows that one flush added to one scene: a gapless run, and who wrote it."""

    seq_from: int
    seq_to: int
    connection: int
    """Of the only author, or 0 when several wrote."""
    updates: list[bytes]
    size_bytes: int


def number(scenes: Iterable[bytes], heads: dict[bytes, int]) -> list[int]:
    """Give each edit the next seq of its scene, in order.

    Args:
        scenes: The scene of each edit.
        heads: The newest seq of each of these scenes; not changed.
    """
    last: dict[bytes, int] = {}
    seqs: list[int] = []
    for scene in scenes:
        seq = last.get(scene)
        seq = heads[scene] + 1 if seq is None else seq + 1
        last[scene] = seq
        seqs.append(seq)
    return seqs


def runs(batches: Iterable[Batch], seqs: list[int]) -> dict[bytes, SceneRun]:
    """Group the edits of a flush by scene; *seqs* are theirs, in the same order."""
    found: dict[bytes, SceneRun] = {}
    at = 0
    for batch in batches:
        for scene, connection, update in zip(
            batch.scenes, batch.connections, batch.updates, strict=True
        ):
            run = found.get(scene)
            if run is None:
                found[scene] = SceneRun(seqs[at], seqs[at], connection, [update], len(update))
            else:
                run.seq_to = seqs[at]
                run.updates.append(update)
                run.size_bytes += len(update)
                if run.connection != connection:
                    run.connection = 0
            at += 1
    return found


_uuids: dict[bytes, UUID] = {}
_UUIDS_MAX = 50_000


def uuid_of(raw: bytes) -> UUID:
    """Return the UUID of 16 bytes, remembered: making one costs more than the rest of an edit."""
    known = _uuids.get(raw)
    if known is None:
        if len(_uuids) >= _UUIDS_MAX:
            _uuids.clear()
        known = _uuids[raw] = UUID(bytes=raw)
    return known
