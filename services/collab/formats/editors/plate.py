"""Plate (platejs), bound by @slate-yjs/core; see `plate_view` for what it makes."""

from services.collab.formats.editors import plate_build, plate_view, slate
from services.collab.formats.layout import CONTENT, Layout
from services.collab.formats.tree import Element, Node

NAME = "plate"


class Plate:
    """The lens of Plate."""

    name = NAME
    layout = Layout.SLATE
    root = CONTENT

    def view(self, native: Element) -> Element:
        """Return *native* in our vocabulary."""
        return plate_view.view(native)

    def build(self, wanted: Element) -> list[Node]:
        """Return the nodes of *wanted*.

        Raises:
            CannotHold: Plate would take something out of it.
        """
        return plate_build.build(wanted)

    def check(self, children: list[Node]) -> None:
        """Return when blocks and text are apart, as in any editor made with Slate.

        Raises:
            CannotHold: They are not.
        """
        slate.check(children, "content", top=True)
