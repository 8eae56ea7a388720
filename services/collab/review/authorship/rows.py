"""Rows of a log read as clocks with their edits. No I/O."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.collab.review.authorship.clocks import written
from services.collab.review.authorship.parts import By, Part
from services.collab.review.authorship.rewriting import Copier
from services.collab.updates import BadUpdate


@dataclass(frozen=True, slots=True)
class Rows:
    """A page of a log, in columns that are cheap to hand to another process."""

    bodies: bytes
    """All updates, one after the other."""
    sizes: "array[int]"
    seqs: "array[int]"
    times_ms: "array[int]"
    """Milliseconds since 1970."""
    authors: "array[int]"
    """Positions in `people`."""
    people: list[By]

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.sizes)

    def updates(self) -> Iterator[bytes]:
        """Yield the updates."""
        at = 0
        for size in self.sizes:
            yield self.bodies[at : at + size]
            at += size


def part_of(pages: Sequence[Rows], base: Sequence[bytes] | None) -> Part:
    """Read *pages* of a log, which follow on *base*; it is None when that is not known.

    A row that cannot be decoded is in no document and brings nothing.
    """
    part, numbers = Part(), dict[By, int]()
    copier = Copier(base) if base is not None else None
    for page in pages:
        people = [numbers.setdefault(by, len(numbers)) for by in page.people]
        columns = zip(page.updates(), page.seqs, page.times_ms, page.authors, strict=True)
        for row, seq, time_ms, author in columns:
            try:
                found, rewrites = written(row)
            except BadUpdate:
                continue
            if copier is not None and (copies := copier.take(row, rewrites=rewrites)):
                part.copies[len(part)] = copies
            for clocks in found:
                part.add(clocks, seq, time_ms, people[author])
    part.people = list(numbers)
    return part
