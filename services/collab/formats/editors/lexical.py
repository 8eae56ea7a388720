"""Lexical, bound by @lexical/yjs; see `lexical_view` for how it lays out a document."""

from services.collab.formats.editors import lexical_build, lexical_view
from services.collab.formats.layout import MAP, Layout
from services.collab.formats.tree import CannotHold, Element, Leaf, Node

NAME = "lexical"
ROOT = "root"


class Lexical:
    """The lens of Lexical."""

    name = NAME
    layout = Layout.SLATE
    root = ROOT

    def view(self, native: Element) -> Element:
        """Return *native* in our vocabulary."""
        return lexical_view.view(native)

    def build(self, wanted: Element) -> list[Node]:
        """Return the nodes of *wanted*."""
        return lexical_build.build(wanted)

    def check(self, children: list[Node]) -> None:
        """Return when every element names its type, and no text is outside of one.

        Raises:
            CannotHold: Lexical would throw.
        """
        for at, child in enumerate(children):
            if isinstance(child, Leaf) or child.type == MAP or not lexical_view.kind(child):
                raise CannotHold("A block of Lexical has a `__type`.", f"content[{at}]")
