"""Quill: one text, whose newlines carry what their lines are.

Quill ignores formatting that it does not know, and leaves it in the document. So what it has no
blot for is kept there: `block` names the type of a line, `holder` says where a list, quotation,
code block or table begins and which attributes it has, `soft` that a line goes on after its end,
`in-item` that a line belongs to the list item before it, `inline` and `link-title` what Quill has
no format for in a line.
"""

from services.collab.formats.editors import quill_build, quill_view
from services.collab.formats.layout import Layout
from services.collab.formats.tree import Element, Node

NAME = "quill"
ROOT = "quill"


class Quill:
    """The lens of y-quill."""

    name = NAME
    layout = Layout.PLAIN

    def __init__(self, root: str = ROOT) -> None:
        """*root* is the name of the text; teams choose it."""
        self.root = root

    def view(self, native: Element) -> Element:
        """Return the lines of *native* as blocks."""
        return quill_view.view(native)

    def build(self, wanted: Element) -> list[Node]:
        """Return the text of *wanted*.

        Raises:
            CannotHold: A line cannot say what a block is.
        """
        return quill_build.build(wanted)

    def check(self, children: list[Node]) -> None:
        """Return always: Quill keeps any text and formatting."""
