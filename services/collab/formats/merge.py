"""Carry a change made in one format over to a document that holds more than that format shows.

`native` is what the document holds, `seen` the same as the format shows it, `wanted` what the
writer made of that. What the writer left as it was stays native, down to single characters.
"""

import json
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from services.collab import align, textdiff
from services.collab.formats.names import PARAGRAPH
from services.collab.formats.tree import Element, Leaf, Node, equal_pairs, equals, joined, text_of

type Back = Callable[[Element], Element]
"""Translate names of the format into those of the document."""

OBJECT = "\ufffc"
"""Stands for an element in a line of text."""


def merge(native: Element, seen: Element, wanted: Element, back: Back) -> Element:
    """Return what the document must hold."""
    if equals(wanted, seen):
        return native
    kind, attrs = _heading(native, seen, wanted, back)
    children = _children(native, seen, wanted, back)
    # A block of another type is a new one.
    origin = native.origin if kind == native.type else None
    return Element(kind, attrs, children, origin=origin)


def _heading(
    native: Element, seen: Element, wanted: Element, back: Back
) -> tuple[str | None, dict[str, Any]]:
    if (wanted.type, wanted.attrs) == (seen.type, seen.attrs):
        return native.type, native.attrs
    named = back(Element(wanted.type, wanted.attrs))
    if wanted.type != seen.type:
        return named.type, named.attrs
    shown = back(Element(seen.type, seen.attrs))
    return (native.type if shown.type == named.type else named.type), changed(
        native.attrs, shown.attrs, named.attrs
    )


def changed(native: dict[str, Any], seen: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Return *native* with the attributes that differ between *seen* and *wanted* changed."""
    if seen == wanted:
        return native
    found = {key: value for key, value in native.items() if key in wanted or key not in seen}
    return found | {
        key: value for key, value in wanted.items() if key not in seen or seen[key] != value
    }


def _children(native: Element, seen: Element, wanted: Element, back: Back) -> list[Node]:
    if not _parallel(native.children, seen.children):
        inner, new = only_paragraph(seen), only_paragraph(wanted)
        if inner and new and _parallel(native.children, inner.children):
            # A list item or quote whose text stands in it without a paragraph.
            return _children(native, inner, new, back)
        return back(wanted).children
    inline = any(isinstance(one, Leaf) for one in [*seen.children, *wanted.children])
    merged = _inline if inline else blocks
    return merged(native.children, seen.children, wanted.children, back)


def only_paragraph(element: Element) -> Element | None:
    """Return the paragraph that is all that *element* holds."""
    only = element.children[0] if len(element.children) == 1 else None
    return only if isinstance(only, Element) and only.type == PARAGRAPH else None


def _parallel(native: Sequence[Node], seen: Sequence[Node]) -> bool:
    """Whether both are the same text with as many elements at the same places."""
    return _line(native) == _line(seen)


def _line(nodes: Sequence[Node]) -> str:
    return "".join(node.text if isinstance(node, Leaf) else OBJECT for node in nodes)


def blocks(
    native: Sequence[Node], seen: Sequence[Node], wanted: Sequence[Node], back: Back
) -> list[Node]:
    """Merge children that are elements; *native* and *seen* are parallel."""
    pairs = equal_pairs(seen, wanted)
    becomes = {new: old for old, new in [*pairs, *alike(pairs, seen, wanted)]}
    found: list[Node] = []
    for at, one in enumerate(wanted):
        old = becomes.get(at)
        if old is None:
            found.extend(back(Element(None, {}, [one])).children)
            continue
        was, shown = native[old], seen[old]
        if isinstance(was, Element) and isinstance(shown, Element) and isinstance(one, Element):
            found.append(merge(was, shown, one, back))
        else:
            found.append(was)
    return found


def alike(
    pairs: Sequence[tuple[int, int]], seen: Sequence[Node], wanted: Sequence[Node]
) -> list[tuple[int, int]]:
    """Pair the elements between equal *pairs* of which one was made from the other."""

    def score(i: int, k: int) -> float:
        was, will = seen[i], wanted[k]
        if isinstance(was, Leaf) or isinstance(will, Leaf):
            return 0.0
        common = align.likeness(text_of(was), text_of(will))
        return 0.2 * (was.type == will.type) + 0.1 + 0.7 * common

    found: list[tuple[int, int]] = []
    for gap in align.gaps(pairs, len(seen), len(wanted)):
        found += align.alike_pairs(gap, score)
    return found


type _Cell = tuple[str, dict[str, Any], Element | None]
"""A character with its marks, or an element."""


def _cells(nodes: Sequence[Node]) -> list[_Cell]:
    found: list[_Cell] = []
    for node in nodes:
        if isinstance(node, Leaf):
            found.extend((character, node.marks, None) for character in node.text)
        else:
            found.append((OBJECT, {}, node))
    return found


def _inline(
    native: Sequence[Node], seen: Sequence[Node], wanted: Sequence[Node], back: Back
) -> list[Node]:
    """Merge a line of text, character by character."""
    have, show, want = _cells(native), _cells(seen), _cells(wanted)
    marks = _Marks(back)
    found: list[_Cell] = []
    was = becomes = 0
    for i, j, k, m in [*textdiff.regions(_line(seen), _line(wanted)), (len(show), 0, 0, 0)]:
        for step in range(i - was):
            found.append(
                _kept(have[was + step], show[was + step], want[becomes + step], marks, back)
            )
        found.extend(marks.translated(cell) for cell in want[k:m])
        was, becomes = j, m
    return _nodes(found)


def _kept(native: _Cell, seen: _Cell, wanted: _Cell, marks: "_Marks", back: Back) -> _Cell:
    have, show, want = native[2], seen[2], wanted[2]
    if want is not None:
        if have is None or show is None:
            return OBJECT, {}, back(want)
        return OBJECT, {}, merge(have, show, want, back)
    if show is not None:
        return marks.translated(wanted)
    return native[0], marks.changed(native[1], seen[1], wanted[1]), None


class _Marks:
    """Translates marks, remembering what it did: neighbours mostly have the same."""

    def __init__(self, back: Back) -> None:
        self._back = back
        self._known: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}

    def of(self, marks: dict[str, Any]) -> dict[str, Any]:
        known = self._known.get(id(marks))
        if known is None:
            leaf = self._back(Element(None, {}, [Leaf(" ", marks)])).children[0]
            assert isinstance(leaf, Leaf)
            known = self._known[id(marks)] = marks, leaf.marks
        return known[1]

    def translated(self, cell: _Cell) -> _Cell:
        if cell[2] is not None:
            return OBJECT, {}, self._back(cell[2])
        return cell[0], self.of(cell[1]), None

    def changed(
        self, native: dict[str, Any], seen: dict[str, Any], wanted: dict[str, Any]
    ) -> dict[str, Any]:
        if seen == wanted:
            return native
        return changed(native, self.of(seen), self.of(wanted))


def _nodes(cells: Sequence[_Cell]) -> list[Node]:
    found: list[Node] = []
    for _, group in groupby(cells, lambda cell: (id(cell[2]), json.dumps(cell[1], sort_keys=True))):
        run = list(group)
        element = run[0][2]
        found.append(
            Leaf("".join(cell[0] for cell in run), run[0][1]) if element is None else element
        )
    return joined(found)
