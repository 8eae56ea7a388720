"""Recognising the suggestions of a branch while its author goes on typing. No I/O."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from libs.contracts.collab.suggestions import SuggestionStatus
from services.collab import align
from services.collab.review.suggesting.regions import Region


@dataclass(frozen=True, slots=True)
class Known:
    """A suggestion, and the change of its branch that it told last."""

    id: UUID
    status: SuggestionStatus
    region: Region
    outdated: bool = False
    """Whether the scene changed the very words since, and its author did nothing about it."""
    attributes: dict[str, dict[str, Any]] | None = None
    """The change of these words' formatting; None for a change of words."""


def matched(known: Sequence[Known], found: Sequence[Region]) -> list[UUID | None]:
    """Return for each change of *found* the suggestion that it is; None for a new one.

    Both have places in the same text. A change is the suggestion whose place it has or touches; of
    several the one that has most in common with it, and each only once.
    """
    pairs = [
        (_common(one.region, other), align.likeness(one.region.text, other.text), -at, -to)
        for at, one in enumerate(known)
        for to, other in _near(one.region, found)
    ]
    ids: list[UUID | None] = [None] * len(found)
    taken: set[int] = set()
    for _, _, at, to in sorted(pairs, reverse=True):
        if -at not in taken and ids[-to] is None:
            ids[-to] = known[-at].id
            taken.add(-at)
    return ids


def _near(region: Region, found: Sequence[Region]) -> Iterator[tuple[int, Region]]:
    # They are in order and apart, so their ends are in order, too.
    first = bisect_left(found, region.start, key=lambda other: other.end)
    for at in range(first, len(found)):
        if found[at].start > region.end:
            return
        yield at, found[at]


def _common(one: Region, other: Region) -> int:
    return min(one.end, other.end) - max(one.start, other.start)
