"""Changes of blocks (Slate JSON) between two of their characters. No I/O.

Characters are UTF-16 code units of leaves, counted through all blocks; what a block shows besides
its leaves is none. Blocks that are given are not changed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from services.collab.review.structs import units, whole

type Block = dict[str, Any]
type Nodes = list[Block]
type Change = Mapping[str, Any]
"""Marks or attributes by name; None takes one away."""


_NOTHING: Change = {}


class NoPlace(Exception):
    """Blocks cannot be changed there as is wanted; `reason` is a sentence."""

    def __init__(self, reason: str) -> None:
        """Keep *reason*."""
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Point:
    """A place before the character *at*, or, with *after*, behind the one before it.

    At a block's edge these are different places.
    """

    at: int
    after: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """A block that holds text, by the numbers on the way to it, and an offset in its text."""

    path: tuple[int, ...]
    offset: int


def characters(nodes: Sequence[Block]) -> str:
    """Return all characters of *nodes*."""
    return "".join(_characters(node) for node in nodes)


def text_of(nodes: Sequence[Block]) -> str:
    """Return the words of *nodes*, a line for each block that holds text."""
    return "\n".join(whole(_characters(block)) for block in text_blocks(nodes))


def spliced(
    blocks: Nodes, start: Point, end: Point, given: Sequence[Block], *, typed: bool = False
) -> Nodes:
    """Return *blocks* with *given* between two points.

    One block goes into the line, of several the first goes on where the words before it end and
    the last where those behind it begin. A block with nothing left beside it takes the type and the
    attributes of the one that is given; with *typed* every one does.

    Raises:
        NoPlace: The points are in blocks that do not stand one after another, or a block that
            holds no text cannot go on a line.
    """
    first, last = _ends(blocks, start, end)
    siblings = _siblings(blocks, first.path)
    begun, ended = siblings[first.path[-1]], siblings[last.path[-1]]
    left, right = _cut(begun["children"], first.offset, keep_left=True)
    if start != end:
        _, right = _cut(ended["children"], last.offset, keep_left=False)
    if not given:
        own = begun if any(map(_says_something, left)) else ended
        made = [{**own, "children": left + right or [{"text": ""}]}]
    elif len(given) == 1:
        own = begun if any(map(_says_something, left)) else ended
        made = [_joined(own, left, given[0], right, typed=typed)]
    else:
        made = [
            _joined(begun, left, given[0], [], typed=typed),
            *given[1:-1],
            _joined(ended, [], given[-1], right, typed=typed),
        ]
    return _with_siblings(blocks, first.path, last.path[-1] + 1, made)


def cut_out(blocks: Nodes, start: Point, end: Point) -> Nodes:
    """Return what is between two points, as `spliced` takes it.

    Raises:
        NoPlace: As for `spliced`.
    """
    first, last = _ends(blocks, start, end)
    siblings = _siblings(blocks, first.path)
    from_, to = first.path[-1], last.path[-1]
    _, right = _cut(siblings[from_]["children"], first.offset, keep_left=True)
    if from_ == to:
        inner, _ = _cut(right, last.offset - first.offset, keep_left=False)
        return [{**siblings[from_], "children": inner}]
    left, _ = _cut(siblings[to]["children"], last.offset, keep_left=False)
    return [
        {**siblings[from_], "children": right},
        *siblings[from_ + 1 : to],
        {**siblings[to], "children": left},
    ]


def restyled(
    blocks: Nodes, start: int, end: int, marks: Change, attributes: Iterable[Change]
) -> Nodes:
    """Return *blocks* with other marks from one character to another, and other attributes.

    *attributes* change the blocks in which these characters stand, one after another.
    """
    return list(_Restyling(start, end, marks, iter(attributes)).blocks(blocks))


@dataclass(frozen=True, slots=True)
class Run:
    """Characters that have the same marks, or stand in one block: those marks or attributes.

    None stands for what they do not have.
    """

    start: int
    end: int
    values: Change


def marks_of(blocks: Nodes, start: int, end: int, names: Iterable[str]) -> list[Run]:
    """Return the marks of these names between two characters."""
    found = (leaf for block in text_blocks(blocks) for leaf in leaves(block))
    return list(_runs(found, start, end, list(names)))


def attributes_of(blocks: Nodes, start: int, end: int, names: Iterable[str]) -> list[Run]:
    """Return the attributes of these names of the blocks that hold text between two characters."""
    return list(_runs(text_blocks(blocks), start, end, list(names)))


def _runs(nodes: Iterable[Block], start: int, end: int, names: Sequence[str]) -> Iterator[Run]:
    at = 0
    for node in nodes:
        first, at = at, at + len(_characters(node))
        if first < end and at > start:
            values = {name: node.get(name) for name in names}
            yield Run(max(first, start), min(at, end), values)


def _characters(node: Block) -> str:
    if "children" not in node:
        return units(str(node.get("text", "")))
    return "".join(map(_characters, node["children"]))


def _children(node: Block) -> Nodes:
    return node.get("children") or []


def _holds_text(block: Block) -> bool:
    """Whether the children of *block* are a line: leaves, and elements among them."""
    return any("children" not in child for child in _children(block))


def text_blocks(nodes: Sequence[Block]) -> Iterator[Block]:
    """Yield the blocks that hold text, in their order."""
    for node in nodes:
        if _holds_text(node):
            yield node
        else:
            yield from text_blocks(_children(node))


def leaves(node: Block) -> Iterator[Block]:
    """Yield the leaves in a block, in their order."""
    if "children" not in node:
        yield node
    for child in _children(node):
        yield from leaves(child)


def _ends(blocks: Nodes, start: Point, end: Point) -> tuple[_Place, _Place]:
    first, last = _place(blocks, start), _place(blocks, end)
    if first is None or last is None:
        raise NoPlace("There are no words at this place.")
    if first.path[:-1] != last.path[:-1] or first.path > last.path:
        raise NoPlace("The words are in blocks that do not stand one after another.")
    return first, last


def _place(blocks: Nodes, point: Point) -> _Place | None:
    """Return where a point is: in the block of the character that it names."""
    named = point.at - point.after
    at = 0
    for path in _paths(blocks, ()):
        size = len(_characters(_node(blocks, path)))
        if at <= named < at + size:
            return _Place(path, point.at - at)
        at += size
    return None


def _paths(nodes: Sequence[Block], above: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for at, node in enumerate(nodes):
        if _holds_text(node):
            yield (*above, at)
        else:
            yield from _paths(_children(node), (*above, at))


def _node(blocks: Nodes, path: tuple[int, ...]) -> Block:
    node = blocks[path[0]]
    for at in path[1:]:
        node = node["children"][at]
    return node


def _siblings(blocks: Nodes, path: tuple[int, ...]) -> Nodes:
    return _node(blocks, path[:-1])["children"] if len(path) > 1 else blocks


def _with_siblings(blocks: Nodes, path: tuple[int, ...], end: int, made: Nodes) -> Nodes:
    at = path[0]
    if len(path) == 1:
        return [*blocks[:at], *made, *blocks[end:]]
    inner = _with_siblings(blocks[at]["children"], path[1:], end, made)
    return [*blocks[:at], {**blocks[at], "children": inner}, *blocks[at + 1 :]]


def _joined(own: Block, left: Nodes, given: Block, right: Nodes, *, typed: bool) -> Block:
    """Return the block *own* with a line of what is left of it and what is given."""
    if not any(map(_says_something, left + right)):
        return given
    if not _holds_text(given):
        raise NoPlace("A block that holds blocks cannot go on a line of text.")
    return {**(given if typed else own), "children": left + given["children"] + right}


def _says_something(node: Block) -> bool:
    """Whether a part of a line is more than an empty leaf."""
    return "children" in node or bool(node.get("text"))


def _cut(nodes: Nodes, offset: int, *, keep_left: bool) -> tuple[Nodes, Nodes]:
    """Return a line up to *offset*, and from there on.

    What stands right there and holds no text, such as a picture, goes to the left or the right.
    """
    left: Nodes = []
    right: Nodes = []
    at = 0
    for node in nodes:
        size = len(_characters(node))
        if at + size < offset or (at + size == offset and (size or keep_left)):
            left.append(node)
        elif at >= offset:
            right.append(node)
        elif "children" in node:
            one, other = _cut(node["children"], offset - at, keep_left=keep_left)
            left.append({**node, "children": one})
            right.append({**node, "children": other})
        else:
            text = units(node["text"])
            left.append({**node, "text": whole(text[: offset - at])})
            right.append({**node, "text": whole(text[offset - at :])})
        at += size
    return left, right


@dataclass(slots=True)
class _Restyling:
    """Changes marks and attributes, node by node in the order of the text."""

    start: int
    end: int
    marks: Change
    attributes: Iterator[Change]
    at: int = 0
    """How many characters are before the next node."""

    def blocks(self, nodes: Iterable[Block]) -> Iterator[Block]:
        for node in nodes:
            if not _holds_text(node):
                inner = _children(node)
                yield {**node, "children": list(self.blocks(inner))} if inner else node
                continue
            first, last = self.at, self.at + len(_characters(node))
            line = list(self._line(node["children"]))
            if first < self.end and last > self.start:
                yield _changed({**node, "children": line}, next(self.attributes, _NOTHING))
            else:
                yield node

    def _line(self, nodes: Iterable[Block]) -> Iterator[Block]:
        for node in nodes:
            if "children" in node:
                yield {**node, "children": list(self._line(node["children"]))}
                continue
            text = units(node["text"])
            first, self.at = self.at, self.at + len(text)
            inner = sorted((max(self.start - first, 0), min(self.end - first, len(text))))
            cuts = [0, *inner, len(text)] if first < self.end and self.at > self.start else []
            for number, (from_, to) in enumerate(pairwise(cuts)):
                if to > from_:
                    part = {**node, "text": whole(text[from_:to])}
                    yield _changed(part, self.marks) if number == 1 else part
            if not cuts:
                yield node


def _changed(node: Block, change: Change) -> Block:
    kept = {name: value for name, value in node.items() if name not in change}
    return kept | {name: value for name, value in change.items() if value is not None}
