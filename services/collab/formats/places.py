"""Where in the text of a scene (`format=text`) each character of its document stands.

The text holds all characters of the document in their order, and between them what stands for
blocks and pictures. To tell which is which, the document is written down a second time with a
mark in place of each character. Marks are numbered, because some characters are not shown: those
of an element that stands in the text by its label.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from libs.contracts.editors import SceneEditor
from services.collab import updates
from services.collab.formats import document
from services.collab.formats.convert import text_as_read
from services.collab.formats.document import Document
from services.collab.formats.tree import Element, Leaf, Node

_MARK_FIRST, _MARKS = 0xE000, 4096
"""Marks are characters for private use; the number of a character is told by them modulo _MARKS."""
_ALL_MARKS = "".join(chr(_MARK_FIRST + number) for number in range(_MARKS))
_LINE_ENDS = "\r\n"
_MARKS_OR_LINE_END = re.compile(f"[{_ALL_MARKS[0]}-{_ALL_MARKS[-1]}]+|\n")


@dataclass(frozen=True, slots=True)
class PlacedText:
    """The text of a scene, and where the characters of its document are in it.

    Texts and offsets are UTF-16 code units, one character each.
    """

    text: str
    roots: list[str]
    """Names of the roots whose characters are shown, in order."""
    characters: str
    """All characters of these roots, one after the other."""
    starts: list[int]
    """Offsets among the characters at which a stretch begins, ascending; the first is 0."""
    places: list[int]
    """Where in the text each stretch begins."""
    lens: str
    """The name of the editor by whose rules the main root is read."""

    def place(self, offset: int) -> int:
        """Return where in the text the character *offset* stands, or would stand at the end."""
        if not self.starts:
            return 0
        at = max(bisect_right(self.starts, offset) - 1, 0)
        return min(self.places[at] + offset - self.starts[at], len(self.text))

    def first_from(self, place: int) -> int:
        """Return the first character that stands at *place* of the text or after it."""
        if not self.starts:
            return 0
        at = bisect_left(self.places, place)
        if self.places[at : at + 1] == [place]:
            return self.starts[at]
        at = max(at - 1, 0)
        end = self.starts[at + 1] if at + 1 < len(self.starts) else len(self.characters)
        return min(self.starts[at] + max(0, place - self.places[at]), end)


def placed(state: bytes, editor: SceneEditor | None = None) -> PlacedText:
    """Read *state* and find out where each of its characters stands.

    Raises:
        BadUpdate: The state cannot be read.
    """
    with updates.pycrdt_errors():
        read = document.read(state, editor)
        text = _units(text_as_read(read))
        marked = _units(text_as_read(_marked(read)))
    characters = "".join(_units(piece) for native in read.natives for piece in _pieces(native))
    hidden = int(len(marked) > len(text))  # a byte order mark, which the text does not show
    starts, places = _stretches(characters, text, marked[hidden:], hidden)
    roots = [root.root for root in read.roots]
    return PlacedText(text, roots, characters, starts, places, read.lens.name)


def _marked(read: Document) -> Document:
    count = 0

    def marked(node: Node) -> Node:
        nonlocal count
        if isinstance(node, Element):
            inner = [marked(child) for child in node.children]
            return Element(node.type, node.attrs, inner, node.handle, node.origin)
        text = _units(node.text)
        found = _marks(count, len(text))
        if "\n" in text or "\r" in text:
            # Line ends stay: what reads plain text makes lines of them.
            kept = list(found)
            for match in re.finditer("[\r\n]", text):
                kept[match.start()] = match.group()
            found = "".join(kept)
        count += len(text)
        return Leaf(found, node.marks)

    natives = [
        Element(one.type, one.attrs, [marked(child) for child in one.children])
        for one in read.natives
    ]
    return Document(read.doc, read.roots, natives, read.lenses, read.stock, read.data)


def _marks(first: int, size: int) -> str:
    """Return the marks of *size* characters, of which *first* is the number of the first one."""
    first %= _MARKS
    return (_ALL_MARKS * ((first + size) // _MARKS + 1))[first : first + size]


def _pieces(node: Node) -> Iterator[str]:
    if isinstance(node, Leaf):
        yield node.text
        return
    for child in node.children:
        yield from _pieces(child)


def _stretches(characters: str, text: str, marked: str, at: int) -> tuple[list[int], list[int]]:
    """Return where stretches of *characters* from *at* on begin, and where in *text* they stand."""
    found: list[tuple[int, int]] = []
    end = 0
    for place, shown in _shown(marked):
        if shown != "\n":
            if hidden := (ord(shown[0]) - _MARK_FIRST - at) % _MARKS:
                found += _hidden(characters[at : at + hidden], text[end:place], at, end)
                at += hidden
        elif characters[at : at + 1] not in ("\r", "\n"):
            continue
        elif characters[at : at + 2] == "\r\n":
            at += 1
        if not found or at - found[-1][0] != place - found[-1][1]:
            found.append((at, place))
        at += len(shown)
        end = place + len(shown)
    found += _hidden(characters[at:], text[end:], at, end)
    return [start for start, _ in found], [place for _, place in found]


def _shown(marked: str) -> Iterator[tuple[int, str]]:
    """Yield marks that follow each other in number, and each line end, with their places."""
    for match in _MARKS_OR_LINE_END.finditer(marked):
        place, shown = match.start(), match.group()
        if shown == "\n" or shown == _marks(ord(shown[0]) - _MARK_FIRST, len(shown)):
            yield place, shown
        else:
            yield from enumerate(shown, place)


def _hidden(hidden: str, between: str, at: int, place: int) -> list[tuple[int, int]]:
    """Return where characters stand that a label shows: in it, if they are its text."""
    shown = hidden.strip(_LINE_ENDS)
    offset = between.find(shown) if shown else -1
    if offset >= 0:
        return [(at + hidden.index(shown), place + offset)]
    # Nowhere: where the text goes on.
    return [(at + number, place) for number in range(len(hidden))]


def _units(text: str) -> str:
    if text.isascii() or max(text) < "\U00010000":
        return text
    packed = text.encode("utf-16-le", "surrogatepass")
    return "".join(chr(packed[at] | packed[at + 1] << 8) for at in range(0, len(packed), 2))
