"""Changes of formatting in a branch: marks of words, types and attributes of blocks. No I/O.

Only words that stay the same are looked at: those of other words come with the words.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from libs.contracts.collab.suggestions import AttributeChange
from services.collab.formats.names import IDENTITIES
from services.collab.history import blocks as history
from services.collab.review.rich import splicing
from services.collab.review.rich.splicing import Block, Change, Nodes, Run
from services.collab.review.structs import units
from services.collab.review.suggesting.regions import Region


@dataclass(frozen=True, slots=True)
class Style:
    """The characters from `start` to `end` of a text get other marks, or their block attributes."""

    start: int
    end: int
    attributes: dict[str, dict[str, Any]]
    """`marks` and `block`, as a suggestion has them."""

    @property
    def names(self) -> set[tuple[str, str]]:
        """The formatting that it changes."""
        return {(kind, name) for kind, change in self.attributes.items() for name in change}

    def has_place_of(self, other: "Style") -> bool:
        """Whether both change the same of some of the same words."""
        return self.start < other.end and other.start < self.end and self.names == other.names


@dataclass(frozen=True, slots=True)
class Styled:
    """Differences of formatting, and the number of those that are none of marks and attributes."""

    styles: list[Style]
    unexpressed: int


class Numbering:
    """A mapping between the characters of a text and those of its blocks."""

    def __init__(self, text: str, nodes: Nodes) -> None:
        """Take a text and the blocks that it shows."""
        self._text = text
        shown = units(text.replace("\n", ""))
        self.holds = shown == splicing.characters(nodes)
        """Whether the text is that of the blocks, without labels of other things."""

    @cached_property
    def _places(self) -> list[int]:
        """The place in the text of each character of the blocks."""
        return [
            at
            for at, each in enumerate(self._text)
            if each != "\n"
            for _ in range(len(units(each)))
        ]

    def number(self, place: int) -> int:
        """Return how many characters of blocks are before a place of the text."""
        return len(units(self._text[:place].replace("\n", "")))

    def region(self, start: int, end: int) -> tuple[int, int]:
        """Return from where to where in the text characters of blocks stand."""
        return self._places[start], self._places[end - 1] + 1


def styled(scene: Nodes, branch: Nodes, numbering: Numbering) -> Styled:
    """Compare the formatting of *branch* with that of *scene*, whose text *numbering* knows."""
    starts = [0]
    for block in scene:
        starts.append(starts[-1] + len(splicing.characters([block])))
    styles: list[Style] = []
    unexpressed = 0
    _, changed = history.pair(scene, branch)
    for i, k in changed:
        ours, theirs = scene[i], branch[k]
        if splicing.text_of([ours]) != splicing.text_of([theirs]):
            unexpressed += _frame(ours) != _frame(theirs)
            continue
        if not numbering.holds or _skeleton(ours) != _skeleton(theirs):
            unexpressed += 1
            continue
        for start, end, attributes in _differences(ours, theirs, starts[i]):
            if end > start and _is_sayable(attributes):
                styles.append(Style(*numbering.region(start, end), attributes))
            else:
                unexpressed += 1
    return Styled(styles, unexpressed)


def unstyled(
    scene: Nodes, branch: Nodes, places: Sequence[tuple[Style, Region, Region]], at: "Places"
) -> Nodes:
    """Return *branch* with the formatting that the scene has, at these places in both texts."""
    for style, here, there in places:
        start, end = at.scene.number(here.start), at.scene.number(here.end)
        shift = at.branch.number(there.start) - start
        marks, block = style.attributes["marks"], style.attributes["block"]
        for run in splicing.marks_of(scene, start, end, marks):
            span = run.start + shift, run.end + shift
            branch = splicing.restyled(branch, *span, run.values, ())
        frames = [run.values for run in splicing.attributes_of(scene, start, end, block)]
        branch = splicing.restyled(branch, start + shift, end + shift, {}, frames)
    return branch


@dataclass(frozen=True, slots=True)
class Places:
    """The numbering of both texts."""

    scene: Numbering
    branch: Numbering

    @property
    def hold(self) -> bool:
        """Whether both texts are those of their blocks."""
        return self.scene.holds and self.branch.holds


def _differences(
    ours: Block, theirs: Block, at: int
) -> Iterator[tuple[int, int, dict[str, dict[str, Any]]]]:
    pairs = zip(splicing.text_blocks([ours]), splicing.text_blocks([theirs]), strict=True)
    for one, other in pairs:
        size = len(splicing.characters([one]))
        names = {*one, *other} - {"children"} - IDENTITIES
        if block := {name: other.get(name) for name in names if one.get(name) != other.get(name)}:
            yield at, at + size, {"marks": {}, "block": block}
        for run in _remarked(one, other, size):
            yield at + run.start, at + run.end, {"marks": dict(run.values), "block": {}}
        at += size


def _remarked(one: Block, other: Block, size: int) -> list[Run]:
    """Return where the marks of a line differ, each stretch with what changed."""
    names = _mark_names(one) | _mark_names(other)
    found: list[Run] = []
    runs = splicing.marks_of([one], 0, size, names)
    for before in runs:
        for after in splicing.marks_of([other], before.start, before.end, names):
            change = {
                name: value for name, value in after.values.items() if before.values[name] != value
            }
            if not change:
                continue
            if found and found[-1].end == after.start and found[-1].values == change:
                found[-1] = Run(found[-1].start, after.end, change)
            else:
                found.append(Run(after.start, after.end, change))
    return found


def _mark_names(node: Block) -> set[str]:
    if "children" not in node:
        return {*node} - {"text"}
    return {name for child in node["children"] for name in _mark_names(child)}


def _skeleton(node: Block) -> str:
    """Return what two blocks have in common that differ in marks and attributes alone."""
    return json.dumps(_bare(node, above=True), sort_keys=True)


def _bare(node: Block, *, above: bool) -> Any:
    """Return *node* without marks, and *above* a line without attributes of its block."""
    children: Nodes = node.get("children") or []
    if any("children" not in child for child in children) and above:
        inline = [_bare(child, above=False) for child in children if "children" in child]
        return [len(splicing.characters([node])), inline]
    if "children" not in node:
        return len(units(str(node.get("text", ""))))
    frame: Mapping[str, Any] = {
        name: value for name, value in node.items() if name not in IDENTITIES
    }
    return {**frame, "children": [_bare(child, above=above) for child in children]}


def _is_sayable(attributes: Mapping[str, Change]) -> bool:
    try:
        AttributeChange.model_validate(attributes)
    except ValidationError:
        return False
    return True


def _frame(block: Block) -> str:
    return json.dumps({**block, "children": []}, sort_keys=True)
