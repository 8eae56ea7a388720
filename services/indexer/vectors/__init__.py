"""Vectors behind one small port: `VectorIndex.for_project` is the only door.

It adds the filter of the tenant and the corpus of its term statistics itself, so that no caller can
forget them. Adapters: `edge` (Qdrant within the installation, for one machine) and `qdrant` (a
server). Points hold the ids of their project and document, the kind, and the hash of their text;
no text, no title, no rights.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Sparse:
    """Weights of the words of a text."""

    indices: list[int]
    values: list[float]


@dataclass(frozen=True, slots=True)
class Point:
    """A chunk as the engine knows it; without `dense` it is found by its words only."""

    id: UUID
    document: UUID
    kind: str
    hash: str
    sparse: Sparse
    dense: list[float] | None = None


@dataclass(frozen=True, slots=True)
class VectorQuery:
    """A query by words, by meaning, or both.

    `kinds`, `documents` and `points` narrow it; None is no limit, an empty list matches nothing.
    `without` leaves a document out. Vectors less similar than `dense_min` match nothing. With
    `exact` vectors are compared one by one, otherwise by the graph of the project, if it has one.
    """

    limit: int
    sparse: Sparse | None = None
    dense: list[float] | None = None
    kinds: list[str] | None = None
    documents: list[UUID] | None = None
    points: list[UUID] | None = None
    without: UUID | None = None
    dense_min: float | None = None
    exact: bool = True

    @property
    def is_empty(self) -> bool:
        """Whether nothing can match."""
        asks = self.sparse is not None or self.dense is not None
        return not asks or [] in (self.kinds, self.documents, self.points)


@dataclass(frozen=True, slots=True)
class Match:
    """A point that was found, with the hash of the text that it was made from."""

    id: UUID
    score: float
    hash: str


@dataclass(frozen=True, slots=True)
class Found:
    """What a query found by words and what by meaning, each the best first."""

    words: list[Match] = field(default_factory=list[Match])
    meaning: list[Match] = field(default_factory=list[Match])


class ProjectVectors(ABC):
    """The points of one project. Every method raises errors.Unavailable when the engine is away."""

    @abstractmethod
    async def upsert(self, points: Sequence[Point]) -> None:
        """Write points; those that exist are replaced as a whole."""

    @abstractmethod
    async def set_dense(self, point: UUID, text_hash: str, vector: list[float]) -> bool:
        """Give a point its vector; False when it is gone. Of another text it stays as it is."""

    @abstractmethod
    async def delete(self, points: Sequence[UUID]) -> None:
        """Delete points; those that are not there are gone already."""

    @abstractmethod
    async def search(self, query: VectorQuery) -> Found:
        """Return the best matches of each kind of query, and equally good ones by id."""

    @abstractmethod
    async def page(self, after: UUID | None, limit: int) -> list[tuple[UUID, str]]:
        """Return ids of points, in order from *after* on, each with the hash of its text."""


class VectorIndex(ABC):
    """The points of all projects, with vectors of one model."""

    mark: UUID | None = None
    """The mark of the index that is open: one with another mark is empty."""

    @abstractmethod
    async def open(self) -> UUID:
        """Make what is missing, and return the mark of this index.

        Raises:
            errors.Unavailable: The engine is away.
        """

    @abstractmethod
    def for_project(self, project: UUID) -> ProjectVectors:
        """Return the points of a project; there is no other way to them."""

    @abstractmethod
    async def check(self) -> None:
        """Return when the engine answers. Raises errors.Unavailable."""

    @abstractmethod
    async def close(self) -> None:
        """Write down what is not, and let go of the engine."""


def ranked(matches: Sequence[Match]) -> list[Match]:
    """Return matches in an order that does not depend on the engine."""
    return sorted(matches, key=lambda match: (-match.score, match.id))
