"""A line of text cell by cell, and what becomes of it when somebody rewrites what a format showed.

A cell is a character or an inline element that stands for itself, such as a mention or a picture.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any

from services.collab import textdiff
from services.collab.formats import labels, names
from services.collab.formats.tree import Element, Leaf, Node, joined, key_of

_NOTHING = "\ufffc"
"""Compared for a character that shows as nothing."""
_ELEMENT_FIRST = 0xF0000
"""Elements are compared as private characters from here on, equal ones as the same."""


@dataclass(slots=True)
class Cell:
    """A character, or an element that stands for itself, with the inline elements around it."""

    text: str
    """Its text: one character, the label of an element, or nothing."""
    marks: dict[str, Any]
    node: Element | None
    around: tuple[Element, ...]
    raw: str = ""
    """The character in the document, where it shows as another one."""


def cells(nodes: Sequence[Node], around: tuple[Element, ...] = ()) -> Iterator[Cell]:
    """Yield the cells of a line. A carriage return shows as the line break that it belongs to."""
    for at, node in enumerate(nodes):
        if isinstance(node, Leaf):
            if "\r" in node.text:
                yield from _with_returns(node, nodes[at + 1 : at + 2], around)
                continue
            for character in node.text:
                yield Cell(character, node.marks, None, around)
        elif node.type in names.BREAKS:
            yield Cell("\n", {}, node, around)
        elif node.children:
            yield from cells(node.children, (*around, node))
        else:
            yield Cell(label(node), {}, node, around)


def _with_returns(
    leaf: Leaf, following: Sequence[Node], around: tuple[Element, ...]
) -> Iterator[Cell]:
    after = following[0].text[:1] if following and isinstance(following[0], Leaf) else ""
    text = leaf.text + after
    for at, character in enumerate(leaf.text):
        shown = character
        if character == "\r":
            shown = "" if text[at + 1 : at + 2] == "\n" else "\n"
        yield Cell(shown, leaf.marks, None, around, character)


def text_of_line(nodes: Sequence[Node]) -> str:
    """Return what the cells of a line show, one after the other."""
    found: list[str] = []
    for node in nodes:
        if isinstance(node, Leaf):
            found.append(node.text)
        elif node.type in names.BREAKS:
            found.append("\n")
        else:
            found.append(text_of_line(node.children) if node.children else label(node))
    return unified("".join(found))


def unified(text: str) -> str:
    """Return *text* with its line ends, CR LF and CR, as LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def label(element: Element) -> str:
    """Return what an element without text reads as: its label, if it has one."""
    for name in names.LABELS:
        value = element.attrs.get(name)
        if isinstance(value, str) and value.strip():
            return " ".join(value.split())
    return ""


def retexted(line: Sequence[Node], wanted: str, *, breaks: bool) -> list[Node]:
    """Return *line* reading *wanted*, changed by words.

    What replaces something takes its marks, what is only inserted those of what is before it.

    Args:
        line: Inline nodes of our vocabulary.
        wanted: What `text_of_line` must return for the result.
        breaks: Whether a line break that is new is an element (`hard-break`) and not a character.
    """
    have = list(cells(line))
    seen = [Cell(cell.text, {}, None, ()) for cell in have]
    new = [
        Cell("\n", {}, Element(names.HARD_BREAK), ())
        if character == "\n" and breaks
        else Cell(character, {}, None, ())
        for character in wanted
    ]
    owners = [at for at, cell in enumerate(seen) for _ in cell.text]
    texts = "".join(cell.text for cell in seen), wanted
    regions = list(labels.kept_whole(textdiff.word_regions(*texts), texts, _labels(have)))
    return _revised(have, seen, new, texts, owners, regions=regions)


def _labels(line: Sequence[Cell]) -> list[tuple[int, int]]:
    """Return from where to where in the text of *line* elements stand that read as a label."""
    ends = list(accumulate(len(cell.text) for cell in line))
    return [
        (end - len(cell.text), end)
        for cell, end in zip(line, ends, strict=True)
        if cell.node is not None and cell.text and cell.node.type not in names.BREAKS
    ]


def revised(
    line: Sequence[Node], seen: Sequence[Node], wanted: Sequence[Node]
) -> list[Node] | None:
    """Return *line* changed as *seen*, what a format showed of it, became *wanted*.

    Elements that a format shows are compared as wholes. None when *seen* does not show the line
    cell by cell, so that nothing can be said about what became of what.
    """
    have = list(cells(line))
    show = list(cells(seen))
    if len(have) != len(show) or any(
        (one.text != other.text) if other.node is None else one.node is None
        for one, other in zip(have, show, strict=True)
    ):
        return None
    new = list(cells(wanted))
    known: dict[str, str] = {}
    texts = _comparable(show, known), _comparable(new, known)
    regions = list(textdiff.word_regions(*texts))
    return _revised(have, show, new, texts, range(len(show)), regions=regions)


def _comparable(line: Sequence[Cell], known: dict[str, str]) -> str:
    """Return one character for each cell, the same for equal elements."""
    found: list[str] = []
    for cell in line:
        if cell.node is None:
            found.append(cell.text or _NOTHING)
        else:
            key = key_of(cell.node)
            found.append(known.setdefault(key, chr(_ELEMENT_FIRST + len(known))))
    return "".join(found)


def _revised(
    have: Sequence[Cell],
    seen: Sequence[Cell],
    wanted: Sequence[Cell],
    texts: tuple[str, str],
    owners: Sequence[int],
    *,
    regions: Sequence[labels.Region],
) -> list[Node]:
    """Carry a change over to *have*.

    Args:
        have: What the document holds.
        seen: What the format showed of each of them.
        wanted: What it shall show, one cell for each character of the new text.
        texts: The old and the new text that are compared.
        owners: To which cell each character of the old text belongs.
        regions: What of the old text is replaced by what of the new one.
    """
    old, new = texts
    revision = _Revision(have, seen, owners)
    was = becomes = 0
    for i, j, k, m in [*regions, (len(old), len(old), len(new), len(new))]:
        revision.keep((was, i), wanted[becomes:k])
        if m > k or j > i:
            replaced = [owners[at] for at in range(i, j)]
            before = owners[i - 1] if i else -1
            revision.type(wanted[k:m], replaced, before, (old[i:j], new[k:m]))
        was, becomes = j, m
    revision.end()
    return line_of(revision.found)


class _Revision:
    """The cells that come out, in order."""

    def __init__(self, have: Sequence[Cell], seen: Sequence[Cell], owners: Sequence[int]) -> None:
        self._have = have
        self._seen = seen
        self._owners = owners
        self._sizes = Counter(owners)
        self._next = 0
        self.found: list[Cell] = []

    def keep(self, stretch: tuple[int, int], wanted: Sequence[Cell]) -> None:
        """Keep the characters of *stretch*, marked as in *wanted*."""
        owners = self._owners
        start, end = stretch
        at = start
        while at < end:
            owner = owners[at]
            cell, shown = self._have[owner], self._seen[owner]
            size = self._sizes[owner]
            whole = at + size <= end and (at == 0 or owners[at - 1] != owner)
            if whole:
                self._silent(owner)
                self.found.append(_kept(cell, shown, wanted[at - start]))
                self._next = owner + 1
                at += size
                continue
            # A part of a label: the element is gone, the letters stay.
            self.found.append(Cell(wanted[at - start].text, {}, None, cell.around))
            self._next = max(self._next, owner + 1)
            at += 1

    def _silent(self, upto: int) -> None:
        """Keep what shows nothing: the first half of a line end, a picture in plain text."""
        for at in range(self._next, upto):
            if not self._sizes[at]:
                self.found.append(self._have[at])

    def end(self) -> None:
        """Keep what shows nothing at the end."""
        self._silent(len(self._have))

    def type(
        self,
        wanted: Sequence[Cell],
        replaced: Sequence[int],
        before: int,
        texts: tuple[str, str],
    ) -> None:
        """Put *wanted* in place of what shows the cells *replaced*, or after the cell *before*."""
        if replaced:
            self._silent(replaced[-1])
            self._next = max(self._next, replaced[-1] + 1)
        sources = [at for at in replaced if self._have[at].node is None]
        if not sources:
            source = before if before >= 0 and self._have[before].node is None else -1
            self.found += [self._typed(cell, source) for cell in wanted]
            return
        first = sources[0]
        if all(self._alike(first, at) for at in sources):
            self.found += [self._typed(cell, first) for cell in wanted]
            return
        # Within a word that is marked in parts each part keeps its own marks.
        old, new = texts
        was = becomes = 0
        for i, j, k, m in [*textdiff.regions(old, new), (len(old),) * 2 + (len(new),) * 2]:
            for step in range(i - was):
                self.found.append(self._typed(wanted[becomes + step], replaced[was + step]))
            source = replaced[i] if j > i else replaced[i - 1] if i else before
            self.found += [self._typed(cell, source) for cell in wanted[k:m]]
            was, becomes = j, m

    def _alike(self, one: int, other: int) -> bool:
        return self._have[one].marks == self._have[other].marks and (
            self._have[one].around == self._have[other].around
        )

    def _typed(self, wanted: Cell, source: int) -> Cell:
        """Return a new cell; it takes from *source* the marks that the format does not show."""
        if wanted.node is not None:
            return wanted
        if source < 0:
            return wanted
        cell, shown = self._have[source], self._seen[source]
        hidden = {name: value for name, value in cell.marks.items() if name not in shown.marks}
        return _linked(Cell(wanted.text, hidden | wanted.marks, None, cell.around), shown, wanted)


def _kept(cell: Cell, seen: Cell, wanted: Cell) -> Cell:
    """Return *cell* with the changes from *seen* to *wanted*."""
    if cell.node is not None or seen.marks == wanted.marks:
        return cell
    marks = {
        name: value
        for name, value in cell.marks.items()
        if name in wanted.marks or name not in seen.marks
    } | {
        name: value
        for name, value in wanted.marks.items()
        if name not in seen.marks or seen.marks[name] != value
    }
    return _linked(Cell(cell.text, marks, None, cell.around), seen, wanted)


def _linked(cell: Cell, seen: Cell, wanted: Cell) -> Cell:
    """Settle links that are elements in the document (Slate) and marks in the format."""
    if "link" not in seen.marks or not any(one.type == "link" for one in cell.around):
        return cell
    if wanted.marks.get("link") == seen.marks["link"]:
        kept = {name: value for name, value in cell.marks.items() if name != "link"}
        return Cell(cell.text, kept, None, cell.around, cell.raw)
    around = tuple(one for one in cell.around if one.type != "link")
    return Cell(cell.text, cell.marks, None, around, cell.raw)


def line_of(line: Sequence[Cell], depth: int = 0) -> list[Node]:
    """Return cells as nodes, inside of the elements that are around them."""
    found: list[Node] = []
    for holder, group in groupby(line, lambda cell: _holder(cell, depth)):
        run = list(group)
        if holder is not None:
            inner = line_of(run, depth + 1)
            found.append(Element(holder.type, holder.attrs, inner, origin=holder.origin))
            continue
        found += [
            Leaf(cell.raw or cell.text, cell.marks) if cell.node is None else cell.node
            for cell in run
        ]
    return joined(found)


def _holder(cell: Cell, depth: int) -> Element | None:
    return cell.around[depth] if len(cell.around) > depth else None
