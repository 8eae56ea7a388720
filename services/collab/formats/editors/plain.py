"""Editors of plain text, as CodeMirror and Monaco are: the text as it is, each line a paragraph."""

from services.collab.formats.editors.text_lines import LINE
from services.collab.formats.flatten import paragraphs, plain
from services.collab.formats.layout import CONTENT, Layout
from services.collab.formats.tree import Element, Node, elements

NAME = "plain"


class Plain:
    """The lens of editors that show a Y.Text; formatting and embedded values are kept."""

    name = NAME
    layout = Layout.PLAIN
    root = CONTENT

    def __init__(self, root: str = CONTENT) -> None:
        """*root* is another name of the text that a team gave it."""
        self.root = root

    def view(self, native: Element) -> Element:
        """Return a paragraph for each line."""
        found = paragraphs(native)
        for row in elements(found.children):
            row.origin = Element(LINE, row.attrs, row.children)
        found.origin = native
        return found

    def build(self, wanted: Element) -> list[Node]:
        """Return the text of *wanted*.

        Raises:
            CannotHold: There is something else than paragraphs in it.
        """
        return plain(wanted)

    def check(self, children: list[Node]) -> None:
        """Return always: such an editor takes any text."""
