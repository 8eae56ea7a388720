"""Anchors as collab holds them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from libs.contracts.collab.anchors import AnchorStatus
from services.collab.review.structs import Id

CUTS_MAX = 4
"""Cuts that an anchor remembers."""
CUT_SIDE_CHARS = 64
"""Of what was deleted on each side of an anchor's words, remembered to know them again."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Words that were deleted from an anchor, and what stood around them.

    `text` is the deleted passage with the words in it, which are the ranges `spans` of it;
    `before` and `after` are text that stood beside the words, deleted or not.
    """

    text: str
    spans: list[tuple[int, int]]
    before: str
    after: str

    @property
    def start(self) -> int:
        """Where in the passage the words begin."""
        return self.spans[0][0]

    @property
    def words(self) -> str:
        """The deleted words, with the text that was written in between."""
        return self.text[self.start : self.spans[-1][1]]


type Piece = tuple[int, int, int]
"""Client, first clock and size of ids that follow each other."""


@dataclass(slots=True)
class Held:
    """An anchor at the version up to which it was followed; texts are code units.

    `pieces` are the characters it was made for, as far as they live, wherever they are; none when
    it is orphaned. `first` and `last` are where it stands: on most of them, or, when it is
    orphaned, on the nearest living neighbour, twice; None where nothing is left.
    """

    id: UUID
    status: AnchorStatus
    generation: int
    first: Id | None
    last: Id | None
    pieces: list[Piece]
    quote: str
    before: str
    after: str
    followed_seq: int
    cuts: list[Cut] = field(default_factory=list[Cut])
    """Words that were cut from it and did not come back yet, the newest last."""
    deleted_at: datetime | None = None
    deleted_by: UUID | None = None

    @property
    def living(self) -> int:
        """How many of its characters live."""
        return sum(size for _, _, size in self.pieces)

    @property
    def orphaned(self) -> bool:
        """Whether none of its words are there."""
        return self.status is AnchorStatus.ORPHANED


@dataclass(frozen=True, slots=True)
class Row:
    """One edit of the log; `at` and `by` are unknown for what was compacted."""

    seq: int
    update: bytes
    at: datetime | None = None
    by: UUID | None = None


def pieces_of(ids: Iterable[Id]) -> list[Piece]:
    """Join ids, given in order, into pieces."""
    found: list[Piece] = []
    for client, clock in ids:
        if found and found[-1][0] == client and found[-1][1] + found[-1][2] == clock:
            found[-1] = client, found[-1][1], found[-1][2] + 1
        else:
            found.append((client, clock, 1))
    return found


def ids_in(pieces: Iterable[Piece]) -> Iterator[Id]:
    """Yield the ids of *pieces*."""
    for client, clock, size in pieces:
        for at in range(clock, clock + size):
            yield client, at
