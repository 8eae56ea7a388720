"""The formatting that an author gave words, once their branch was written anew. No I/O.

Words that were accepted come into the branch from the scene, as plain as they were accepted. Those
of the author had marks, and their blocks types, which stay unless only the scene changed them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.collab.formats.names import IDENTITIES
from services.collab.review.rich import splicing
from services.collab.review.rich.splicing import Block, Nodes
from services.collab.review.structs import units
from services.collab.review.suggesting.regions import regions

RUNS_MAX = 500
"""Stretches whose formatting is given back; of more, only the first."""


@dataclass(frozen=True, slots=True)
class Formatted:
    """A text with the marks of each of its characters, line ends aside, and where blocks begin."""

    text: str
    nodes: Nodes
    marks: list[Mapping[str, Any]]
    frames: dict[int, Block]
    """Blocks that hold text, by the number of their first character."""

    @staticmethod
    def of(text: str, nodes: Nodes) -> "Formatted | None":
        """Read *nodes*, which show *text*; None where it shows more than their characters."""
        if units(text.replace("\n", "")) != splicing.characters(nodes):
            return None
        marks: list[Mapping[str, Any]] = []
        frames: dict[int, Block] = {}
        for block in splicing.text_blocks(nodes):
            frames.setdefault(len(marks), block)
            for leaf in splicing.leaves(block):
                values = {name: value for name, value in leaf.items() if name != "text"}
                marks += [values] * len(units(leaf["text"]))
        return Formatted(units(text), nodes, marks, frames)


def kept(base: Formatted, own: Formatted, now: Formatted) -> Nodes:
    """Return the blocks of *now* with the formatting that *own* has and *base* had not.

    *own* is the branch before its text was written anew, *now* after it.
    """
    origin = dict(_same(own.text, base.text))
    pairs = list(_same(own.text, now.text))
    nodes = now.nodes
    for start, end, change in list(_remarked(pairs, origin, base, own, now))[:RUNS_MAX]:
        nodes = splicing.restyled(nodes, start, end, change, ())
    sizes = {at: len(splicing.characters([block])) for at, block in now.frames.items()}
    for mine, here in pairs:
        ours, theirs = own.frames.get(mine), now.frames.get(here)
        if ours is None or theirs is None:
            continue
        before = base.frames.get(origin.get(mine, -1))
        change = _difference(theirs, ours)
        if change and (before is None or _difference(before, ours)):
            nodes = splicing.restyled(nodes, here, here + sizes[here], {}, [change])
    return nodes


def _remarked(
    pairs: Sequence[tuple[int, int]],
    origin: Mapping[int, int],
    base: Formatted,
    own: Formatted,
    now: Formatted,
) -> Iterator[tuple[int, int, Mapping[str, Any]]]:
    """Yield stretches of *now* whose marks are those of the author no more, with those marks."""
    start = end = 0
    last: Mapping[str, Any] = {}
    for mine, here in pairs:
        ours, theirs = own.marks[mine], now.marks[here]
        change: Mapping[str, Any] = {}
        if ours != theirs and not (mine in origin and base.marks[origin[mine]] == ours):
            change = {name: ours.get(name) for name in {*ours, *theirs}}
        if change != last or here != end:
            if last:
                yield start, end, last
            start, last = here, change
        end = here + 1
    if last:
        yield start, end, last


def _same(one: str, other: str) -> Iterator[tuple[int, int]]:
    """Yield the numbers of characters that two texts have in common, line ends aside."""
    at = number = other_number = 0
    for change in [*regions(one, other), None]:
        size = (len(one) if change is None else change.start) - at
        for each in one[at : at + size]:
            if each != "\n":
                yield number, other_number
                number, other_number = number + 1, other_number + 1
        if change is not None:
            number += change.end - change.start - one.count("\n", change.start, change.end)
            other_number += len(change.text) - change.text.count("\n")
            at = change.end


def _difference(one: Block, other: Block) -> dict[str, Any]:
    """Return the attributes that make of *one* block what *other* is."""
    names = {*one, *other} - {"children"} - IDENTITIES
    return {name: other.get(name) for name in names if one.get(name) != other.get(name)}
