"""slate-yjs without rules of a team: our names are those of Slate, so a view is what is there.

Slate keeps an element that holds either blocks or a line of text, never both, and allows only
blocks at the top: it deletes the rest. Which elements stand in lines only the editor knows; what is
made here relies on `link`, `mention`, `emoji` and `footnote`, and writes a line break as a
character.
"""

from collections.abc import Sequence

from services.collab.formats import names
from services.collab.formats.editors import blocks
from services.collab.formats.editors.seen import Seen
from services.collab.formats.layout import CONTENT, Layout
from services.collab.formats.tree import CannotHold, Element, Leaf, Node, elements, joined

NAME = "slate"

_LINES = frozenset({names.PARAGRAPH, "heading", *names.SCREENPLAY})
"""Blocks that hold a line of text and nothing else."""


class Slate:
    """The lens of slate-yjs."""

    name = NAME
    layout = Layout.SLATE
    root = CONTENT

    def view(self, native: Element) -> Element:
        """Return *native* with origins."""
        return show(native)

    def build(self, wanted: Element) -> list[Node]:
        """Return *wanted* with text and blocks apart."""
        if wanted.origin is not None and Seen(show).untouched(wanted):
            return wanted.origin.children
        return _Builder(wanted.origin).blocks(wanted.children)

    def check(self, children: list[Node]) -> None:
        """Return when no element holds both blocks and text, and only blocks are at the top.

        Raises:
            CannotHold: One does.
        """
        check(children, "content", top=True)


def show(native: Element) -> Element:
    """Return *native* itself: each element in it is its own origin."""
    native.origin = native
    for child in native.children:
        if isinstance(child, Element):
            show(child)
    return native


class _Builder:
    """Makes Slate's nodes of a view."""

    def __init__(self, native: Element | None) -> None:
        self._seen = Seen(show)
        # Slate's own pictures are blocks; in a document that has some in lines they are not.
        self._alone = blocks.BLOCKS | ({"image"} - (_in_lines(native) if native else set()))

    def blocks(self, children: Sequence[Node]) -> list[Node]:
        """Return *children* as blocks."""
        return [
            made for one in blocks.as_blocks(children, self._alone) for made in self._block(one)
        ]

    def _block(self, block: Element) -> list[Node]:
        """Return what becomes of *block*: itself, or with a picture taken out of its middle."""
        if block.origin is not None and self._seen.untouched(block):
            return [block.origin]
        if blocks.holds_text(block.children, self._alone):
            return [Element(block.type, block.attrs, self._line(block.children))]
        if block.type in _LINES and any(
            isinstance(one, Leaf) or one.type == "image" for one in block.children
        ):
            parts = blocks.as_blocks(block.children, self._alone, like=block)
            return [made for part in parts for made in self._block(part)]
        return [Element(block.type, block.attrs, self.blocks(block.children))]

    def _line(self, children: Sequence[Node]) -> list[Node]:
        found: list[Node] = []
        for child in children:
            if isinstance(child, Leaf):
                found.append(child)
            elif child.type == names.HARD_BREAK and child.origin is None and not child.attrs:
                found.append(Leaf("\n"))
            elif child.type in self._alone:
                # A block within an element of a line: its words stay, it cannot.
                found += self._line(child.children)
            else:
                found.append(Element(child.type, child.attrs, self._line(child.children)))
        return joined(found)


def _in_lines(element: Element) -> set[str]:
    """Return the types of the elements that stand beside text in *element*."""
    inner = list(elements(element.children))
    found = {kind for one in inner for kind in _in_lines(one)}
    if len(inner) < len(element.children):
        found.update(one.type or "" for one in inner)
    return found


def check(children: list[Node], place: str, *, top: bool = False) -> None:
    """Return when neither *children* nor what is in them mixes blocks and text.

    Raises:
        CannotHold: They do; says where.
    """
    alone = [isinstance(one, Element) and one.type in blocks.BLOCKS for one in children]
    text = [isinstance(one, Leaf) or one.type in blocks.IN_LINES for one in children]
    if any(text) and (top or any(alone)):
        at = (text if top else alone).index(True)
        raise CannotHold("Slate keeps blocks and text apart.", f"{place}[{at}]")
    for at, child in enumerate(children):
        if isinstance(child, Element):
            check(child.children, f"{place}[{at}].children")
