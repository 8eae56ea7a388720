"""Whence the authors of a version are read: from the log, or from what is kept of it. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, field

type Stretch = tuple[int, int]
"""The first and the last seq."""


@dataclass(slots=True)
class Plan:
    """The rows of one log that must be read."""

    kept: list[Stretch] = field(default_factory=list[Stretch])
    originals: list[Stretch] = field(default_factory=list[Stretch])
    lost: list[Stretch] = field(default_factory=list[Stretch])
    """Versions of which neither originals nor anything else is there."""

    @property
    def rows(self) -> int:
        """How many originals there are to read, at most."""
        return sum(last - first + 1 for first, last in self.originals)


def plan(kept: Sequence[Stretch], first_original: int | None, upto: int, rows_max: int) -> Plan:
    """Plan to read versions 1 to *upto*: originals tell more than what is *kept* of them.

    What is kept serves where originals are gone, and, the oldest first, where there are more of
    them than *rows_max*.
    """
    gone = upto if first_original is None else min(upto, first_original - 1)
    found, reached = Plan(), 0
    for first, last in kept:
        crowded = upto - max(reached, gone) > rows_max
        if first <= reached or not (first <= gone or crowded):
            continue
        _between(found, reached + 1, first - 1, gone)
        found.kept.append((first, last))
        reached = last
    _between(found, reached + 1, upto, gone)
    return found


def _between(found: Plan, first: int, last: int, gone: int) -> None:
    """Plan *first* to *last*, of which nothing is kept."""
    if first <= min(last, gone):
        found.lost.append((first, min(last, gone)))
    if max(first, gone + 1) <= last:
        found.originals.append((max(first, gone + 1), last))
