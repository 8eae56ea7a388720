"""The children of one parent in their order, while a bundle rearranges them."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from services.events.model.order import Place, is_too_long, place_at
from services.events.model.rank import between


class RankOverflow(Exception):
    """The ranks of siblings have become too long: rank them again, then plan again."""

    def __init__(self, kind: str, parent_id: UUID) -> None:
        """Name the kind and the parent of the siblings."""
        super().__init__(kind, parent_id)
        self.kind = kind
        self.parent_id = parent_id


@dataclass(slots=True)
class _Entry:
    rank: str
    id: UUID | None
    living: bool


class Siblings:
    """One parent's children, deleted ones too.

    A rank that was given up stays taken until the bundle is done, so that no two rows share a rank
    in between, whatever the order in which they are written.
    """

    def __init__(
        self, kind: str, parent_id: UUID, children: Iterable[tuple[UUID, str, bool]]
    ) -> None:
        """Begin with *children*: id, rank, and whether it lives; in the order of ranks."""
        self._kind = kind
        self._parent_id = parent_id
        self._entries = [_Entry(rank, child, living) for child, rank, living in children]
        self._by_id = {entry.id: entry for entry in self._entries}
        self._living = sum(entry.living for entry in self._entries)

    def index_of(self, child_id: UUID) -> int:
        """Return how many living siblings are before a child."""
        entry = self._by_id[child_id]
        count = 0
        for each in self._entries:
            if each is entry:
                break
            count += each.living
        return count

    def leave(self, child_id: UUID) -> None:
        """Take a child out."""
        entry = self._by_id.pop(child_id, None)
        if entry:
            self._living -= entry.living
            entry.id, entry.living = None, False

    def show(self, child_id: UUID, *, living: bool) -> None:
        """Count a child as living, or not."""
        entry = self._by_id.get(child_id)
        if entry and entry.living != living:
            entry.living = living
            self._living += 1 if living else -1

    def insert(self, child_id: UUID, index: int) -> Place:
        """Put a child at an index among the living, or at the end when that is nearer.

        Raises:
            RankOverflow: There is no short rank at that index.
        """
        self.leave(child_id)
        index = min(index, self._living)
        at = len(self._entries) if index == self._living else self._after(index)
        low = self._entries[at - 1].rank if at else None
        high = self._entries[at].rank if at < len(self._entries) else None
        rank = between(low, high)
        if is_too_long(rank):
            raise RankOverflow(self._kind, self._parent_id)
        return self._put(at, child_id, index, rank)

    def put_back(self, child_id: UUID, rank: str, index: int) -> Place:
        """Put a child at a rank that it had, or at *index* when another child has that rank now."""
        entry = self._by_id.get(child_id)
        if entry and entry.rank == rank:
            return place_at(self._parent_id, self.index_of(child_id), rank)
        self.leave(child_id)
        at = 0
        while at < len(self._entries) and self._entries[at].rank < rank:
            at += 1
        if at < len(self._entries) and self._entries[at].rank == rank:
            return self.insert(child_id, index)
        return self._put(at, child_id, sum(each.living for each in self._entries[:at]), rank)

    def settle(self, child_id: UUID, rank: str) -> None:
        """Leave a child at the rank that it had, because it was not moved after all."""
        self.leave(child_id)
        for entry in self._entries:
            if entry.rank == rank:
                entry.id, entry.living = child_id, True
                self._by_id[child_id] = entry
                self._living += 1
                return

    def _after(self, index: int) -> int:
        """Return the position in the whole list of the child at *index* among the living."""
        if index == 0:
            return 0
        seen = 0
        for at, entry in enumerate(self._entries):
            seen += entry.living
            if seen == index:
                return at + 1
        return len(self._entries)

    def _put(self, at: int, child_id: UUID, index: int, rank: str) -> Place:
        entry = _Entry(rank, child_id, living=True)
        self._entries.insert(at, entry)
        self._by_id[child_id] = entry
        self._living += 1
        return place_at(self._parent_id, index, rank)
