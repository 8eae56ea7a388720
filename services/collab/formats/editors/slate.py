"""slate-yjs without rules of a team: our names are those of Slate, so a view is what is there.

Slate keeps an element that holds either blocks or a line of text, never both, and allows only
blocks at the top: it deletes the rest. Which elements stand in lines only the editor knows; what is
made here relies on `link`, `mention`, `emoji` and `footnote`, and writes a line break as a
character.
"""

from services.collab.formats import names
from services.collab.formats.editors import blocks
from services.collab.formats.editors.seen import Seen
from services.collab.formats.layout import CONTENT, Layout
from services.collab.formats.tree import CannotHold, Element, Leaf, Node, joined

NAME = "slate"


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
        seen = Seen(show)
        if wanted.origin is not None and seen.untouched(wanted):
            return wanted.origin.children
        return [_made(child, seen) for child in blocks.as_blocks(wanted.children)]

    def check(self, children: list[Node]) -> None:
        """Return when no element holds both blocks and text, and only blocks are at the top.

        Raises:
            CannotHold: One does.
        """
        check(children, "content", top=True)


def show(native: Element) -> Element:
    """Return *native* and all in it, each with itself as origin."""
    children = [one if isinstance(one, Leaf) else show(one) for one in native.children]
    return Element(native.type, native.attrs, children, None, native)


def _made(element: Element, seen: Seen) -> Element:
    if element.origin is not None and seen.untouched(element):
        return element.origin
    children = element.children
    if not blocks.holds_text(children):
        children = blocks.as_blocks(children)
    return Element(element.type, element.attrs, joined(_inner(child, seen) for child in children))


def _inner(child: Node, seen: Seen) -> Node:
    if isinstance(child, Leaf):
        return child
    if child.type == names.HARD_BREAK and child.origin is None and not child.attrs:
        return Leaf("\n")
    return _made(child, seen)


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
