"""Rewrite one Y.Text or Y.XmlText: its characters, their marks, and the elements among them."""

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pycrdt import Map, Text, XmlElement, XmlText

from services.collab import align, offsets, textdiff
from services.collab.formats import layout, tree
from services.collab.formats.flatten import flat
from services.collab.formats.tree import EMBED, Element, Leaf, Node, equal_pairs

type Update = Callable[[Element, Element], None]
type Fill = Callable[[Any, Element], None]
"""Write an element into the shared type, still empty, that was made for it."""


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal, where true is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def outgoing(value: Any) -> Any:
    """Return *value* as pycrdt must be given it to become the same in a browser."""
    match value:
        case bool():
            return value
        case int():
            return float(value)
        case dict():
            return {key: outgoing(inner) for key, inner in value.items()}  # type: ignore[reportUnknownVariableType]
        case list():
            return [outgoing(inner) for inner in value]  # type: ignore[reportUnknownVariableType]
        case _:
            return value


def append(text: Text | XmlText, children: Iterable[Node], fill: Fill) -> None:
    """Write *children* at the end of *text*, which is empty."""
    at = 0
    for child in children:
        if isinstance(child, Leaf):
            text.insert(at, child.text, child.marks)
            at += offsets.utf8_length(child.text)
        else:
            _embed(text, at, child, fill)
            at += 1


def _embed(text: Text | XmlText, at: int, element: Element, fill: Fill) -> None:
    if _is_value(element):
        text.insert_embed(at, element.attrs["value"], _formatting(element))
        return
    made = shared_type(element)
    text.insert_embed(at, made, {})
    fill(made, element)


def shared_type(element: Element) -> XmlText | XmlElement | Map[Any]:
    """Return a new shared type, still empty, for *element*, which stands in a text."""
    match element.type:
        case layout.MAP:
            return Map()
        case layout.NAMELESS:
            return XmlElement(layout.NAMELESS)
        case _:
            return XmlText("")


def _is_value(element: Element) -> bool:
    """Whether *element* is an embedded value; something else may bear the name of those."""
    return (
        element.type == EMBED
        and element.attrs.keys() - {"attributes"} == {"value"}
        and isinstance(element.attrs.get("attributes", {}), dict)
        and not element.children
    )


def _formatting(element: Element) -> dict[str, Any]:
    return tree.marks(element.attrs.get("attributes"))


class _Line:
    """Part of a sequence between two elements that stay: text, and elements that do not."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.leaves = [node for node in nodes if isinstance(node, Leaf)]
        self.text = "".join(leaf.text for leaf in self.leaves)
        self.elements: list[tuple[int, Element]] = []
        """With the offset in `text`, in characters, before which each stands."""
        self.starts: list[int] = []
        """Where each leaf begins, characters."""
        at = 0
        for node in nodes:
            if isinstance(node, Leaf):
                self.starts.append(at)
                at += len(node.text)
            else:
                self.elements.append((at, node))

    def marks(self, start: int, end: int) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Yield the pieces of [start, end) that carry the same marks, with these."""
        for nth in range(max(0, bisect_right(self.starts, start) - 1), len(self.leaves)):
            at, leaf = self.starts[nth], self.leaves[nth]
            if at >= end:
                return
            first, last = max(at, start), min(at + len(leaf.text), end)
            if first < last:
                yield first, last, leaf.marks


def rewrite(
    text: Text | XmlText,
    old: Sequence[Node],
    new: Sequence[Node],
    update: Update,
    fill: Fill,
) -> None:
    """Make *text*, which holds *old*, hold *new*; from the end, so that earlier offsets stay."""
    pairs = _element_pairs(old, new)
    starts = _starts(old)
    last_old, last_new = len(old), len(new)
    for at_old, at_new in [*reversed(pairs), (-1, -1)]:
        start = starts[at_old + 1]
        _line(
            text, start, _Line(old[at_old + 1 : last_old]), _Line(new[at_new + 1 : last_new]), fill
        )
        if at_old >= 0:
            was, becomes = old[at_old], new[at_new]
            assert isinstance(was, Element)
            assert isinstance(becomes, Element)
            if was.handle is not None:
                update(was, becomes)
            elif difference := _difference(_formatting(was), _formatting(becomes)):
                at = starts[at_old]
                text.format(at, at + 1, difference)
        last_old, last_new = at_old, at_new


def _starts(nodes: Sequence[Node]) -> list[int]:
    """Where each node begins, UTF-8 bytes; one more for the end."""
    starts = [0]
    for node in nodes:
        size = offsets.utf8_length(node.text) if isinstance(node, Leaf) else 1
        starts.append(starts[-1] + size)
    return starts


def _element_pairs(old: Sequence[Node], new: Sequence[Node]) -> list[tuple[int, int]]:
    here = [at for at, node in enumerate(old) if isinstance(node, Element)]
    there = [at for at, node in enumerate(new) if isinstance(node, Element)]
    if not here or not there:
        return []

    pairs = equal_pairs([flat(one) for one in tree.elements(old)], list(tree.elements(new)))

    def score(i: int, k: int) -> float:
        was, becomes = old[here[i]], new[there[k]]
        assert isinstance(was, Element)
        assert isinstance(becomes, Element)
        if was.type != becomes.type or was.attrs.get("__type") != becomes.attrs.get("__type"):
            return 0.0
        if was.handle is None:
            # An embedded value cannot be changed, only its formatting.
            return 1.0 * (_is_value(becomes) and same(was.attrs["value"], becomes.attrs["value"]))
        if was.type == layout.MAP:
            # In Lexical, what it says of the text after it is told apart by that text.
            return 0.5 + 0.5 * align.likeness(_after(old, here[i]), _after(new, there[k]))
        return 1.0

    found = list(pairs)
    for gap in align.gaps(pairs, len(here), len(there)):
        found += align.alike_pairs(gap, score)
    return [(here[i], there[k]) for i, k in sorted(found)]


def _after(nodes: Sequence[Node], at: int) -> str:
    following = nodes[at + 1] if at + 1 < len(nodes) else None
    return following.text if isinstance(following, Leaf) else ""


def _line(text: Text | XmlText, start: int, old: _Line, new: _Line, fill: Fill) -> None:
    """Rewrite what begins at *start*, UTF-8 bytes, and ends at an element that stays."""
    places = list(offsets.to_utf8(old.text, (at for at, _ in old.elements)))
    for count, place in reversed(list(enumerate(places))):
        del text[start + place + count : start + place + count + 1]
    changed = list(textdiff.regions(old.text, new.text))
    bounds = list(offsets.to_utf8(old.text, (at for one in changed for at in one[:2])))
    _replace(text, new, changed, [start + bound for bound in bounds])
    _mark(text, start, old, new, changed)
    places = list(offsets.to_utf8(new.text, (at for at, _ in new.elements)))
    for place, (_, element) in reversed(list(zip(places, new.elements, strict=True))):
        _embed(text, start + place, element, fill)


def _replace(
    text: Text | XmlText,
    new: _Line,
    changed: Sequence[tuple[int, int, int, int]],
    bounds: Sequence[int],
) -> None:
    """Replace what *changed*, whose *bounds* in *text* are given as UTF-8 bytes.

    Done by halves, the right one first: yrs looks through a text from its beginning, and through
    each string that it cuts. From the end it would cut almost the whole text each time, which took
    five times as long for a text of 100 kB of which every word is another.
    """
    todo = [(0, len(changed), 0)]
    while todo:
        low, high, shift = todo.pop()
        if low >= high:
            continue
        middle = (low + high) // 2
        begin, end = bounds[2 * middle] + shift, bounds[2 * middle + 1] + shift
        if end > begin:
            del text[begin:end]
        at = begin
        for first, last, marks in new.marks(*changed[middle][2:]):
            piece = new.text[first:last]
            text.insert(at, piece, marks)
            at += offsets.utf8_length(piece)
        todo += [(low, middle, shift), (middle + 1, high, shift + at - end)]


def _mark(
    text: Text | XmlText,
    start: int,
    old: _Line,
    new: _Line,
    changed: Sequence[tuple[int, int, int, int]],
) -> None:
    """Set the marks of characters that stay and are marked otherwise than before."""
    found: list[tuple[int, int, dict[str, Any]]] = []
    was = becomes = 0
    for i, j, _, m in [*changed, (len(old.text), 0, 0, 0)]:
        shift = becomes - was
        for begin, end, before in old.marks(was, i):
            for first, last, after in new.marks(begin + shift, end + shift):
                if difference := _difference(before, after):
                    found.append((first, last, difference))
        was, becomes = j, m
    ends = offsets.to_utf8(new.text, (at for one in found for at in one[:2]))
    for (_, _, difference), first, last in zip(found, ends, ends, strict=True):
        text.format(start + first, start + last, difference)


def _difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    gone: dict[str, Any] = dict.fromkeys(before.keys() - after.keys())
    return gone | {
        key: value
        for key, value in after.items()
        if key not in before or not same(before[key], value)
    }
