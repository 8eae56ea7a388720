"""Knowing chunks again after an edit.

An identity is an id: a point, its vector and what links to it hang on it. A piece of the new text
is an old chunk, by the first of these that holds: the Yjs ids at both ends of the paragraph are the
same; the text is the same, in the same order; the id at the begin is the same, or that at the end;
the text is the same elsewhere; the text resembles the one between the same neighbours. What is left
is new. A text alone is no identity: letters end alike, and dialogue repeats.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from rapidfuzz.distance import Indel

from services.indexer.model.chunking import CharacterId, Piece

SIMILAR_MIN = 0.6
"""Ratio of equal characters from which a text counts as the one it replaced."""
COMPARISONS_MAX = 500
"""Pairs of texts that are compared in one edit; a scene that is written anew is new."""
ALIGNED_PAIRS_MAX = 100_000_000
"""Old times new chunks that are aligned in order; of more, equal texts are found anywhere."""


@dataclass(frozen=True, slots=True)
class Known:
    """A chunk as it is stored."""

    id: UUID
    part: int
    text: str
    hash: bytes
    first: CharacterId | None
    last: CharacterId | None


def match(
    known: Sequence[Known], pieces: Sequence[Piece], new_id: Callable[[], UUID]
) -> list[UUID]:
    """Return the id of each of *pieces*: that of the chunk it was, or a fresh one."""
    hashes = [piece.hash for piece in pieces]
    found: dict[int, int] = {}
    free = _Free(known, pieces, found)
    free.take(
        lambda one: one.first and (one.first, one.last, one.part),
        lambda at: (pieces[at].first, pieces[at].last, pieces[at].part),
    )
    free.take_in_order(hashes)
    free.take(
        lambda one: one.first and (one.first, one.part),
        lambda at: (pieces[at].first, pieces[at].part),
    )
    free.take(
        lambda one: one.last and (one.last, one.part),
        lambda at: (pieces[at].last, pieces[at].part),
    )
    free.take(lambda one: one.hash, lambda at: hashes[at])
    _take_similar(known, pieces, found)
    return [known[found[at]].id if at in found else new_id() for at in range(len(pieces))]


class _Free:
    """The chunks and the pieces that were not found to be each other yet."""

    def __init__(
        self, known: Sequence[Known], pieces: Sequence[Piece], found: dict[int, int]
    ) -> None:
        self._known = known
        self._pieces = pieces
        self._found = found

    def take(self, key_of: Callable[[Known], Hashable], key_at: Callable[[int], Hashable]) -> None:
        """Pair those with the same key, in order; a false key pairs with nothing."""
        by_key: dict[Hashable, list[int]] = {}
        for old in self._old():
            if key := key_of(self._known[old]):
                by_key.setdefault(key, []).append(old)
        for new in self._new():
            if candidates := by_key.get(key_at(new)):
                self._found[new] = candidates.pop(0)

    def take_in_order(self, hashes: Sequence[bytes]) -> None:
        """Pair those with the same text that come in the same order."""
        old, new = self._old(), self._new()
        runs = _equal_runs([self._known[at].hash for at in old], [hashes[at] for at in new])
        for first, other, size in runs:
            for i in range(size):
                self._found[new[other + i]] = old[first + i]

    def _old(self) -> list[int]:
        taken = set(self._found.values())
        return [at for at in range(len(self._known)) if at not in taken]

    def _new(self) -> list[int]:
        return [at for at in range(len(self._pieces)) if at not in self._found]


def _equal_runs(old: Sequence[bytes], new: Sequence[bytes]) -> Iterable[tuple[int, int, int]]:
    """Yield runs that both have in order. Most edits leave a long head and a long tail."""
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    yield 0, 0, head
    was, now = old[head : len(old) - tail], new[head : len(new) - tail]
    if len(was) * len(now) <= ALIGNED_PAIRS_MAX:
        for block in Indel.opcodes(was, now).as_matching_blocks():
            yield head + block.a, head + block.b, block.size
    yield len(old) - tail, len(new) - tail, tail


def _take_similar(known: Sequence[Known], pieces: Sequence[Piece], found: dict[int, int]) -> None:
    taken = set(found.values())
    compared = 0
    low = 0
    for at, piece in enumerate(pieces):
        if at in found:
            low = found[at] + 1
            continue
        high = next(
            (found[later] for later in range(at + 1, len(pieces)) if later in found), len(known)
        )
        best: tuple[float, int] | None = None
        for old in range(low, high):
            if old in taken or compared >= COMPARISONS_MAX:
                continue
            compared += 1
            likeness = _likeness(known[old].text, piece.text)
            if likeness >= SIMILAR_MIN and (best is None or likeness > best[0]):
                best = likeness, old
        if best:
            found[at] = best[1]
            taken.add(best[1])
            low = best[1] + 1


def _likeness(one: str, other: str) -> float:
    """Return the share of equal characters; in time that does not depend on what they are."""
    return Indel.normalized_similarity(one, other, score_cutoff=SIMILAR_MIN)
