"""Lenses that rename and change nothing else."""

from collections.abc import Callable

from libs.contracts.editors import BuiltIn
from services.collab.formats import names
from services.collab.formats.editors import Editor
from services.collab.formats.flatten import paragraphs, plain
from services.collab.formats.layout import CONTENT, FRAGMENT, Layout
from services.collab.formats.tree import Element, Leaf, Node


class Renaming:
    """An editor whose blocks are ours under other names."""

    def __init__(
        self,
        name: str,
        layout: Layout,
        root: str,
        translate: tuple[Callable[[Element], Element], Callable[[Element], Element]],
    ) -> None:
        """Show by the first of *translate* and build by the second."""
        self.name = name
        self.layout = layout
        self.root = root
        self._show, self._build = translate

    def view(self, native: Element) -> Element:
        """Rename."""
        return _with_origins(self._show(native), native)

    def build(self, wanted: Element) -> list[Node]:
        """Rename back."""
        return self._build(wanted).children

    def check(self, children: list[Node]) -> None:
        """Accept everything."""


def _with_origins(shown: Element, native: Element) -> Element:
    shown.origin = native
    for one, other in zip(shown.children, native.children, strict=True):
        if isinstance(one, Element) and isinstance(other, Element):
            _with_origins(one, other)
    return shown


def _same(element: Element) -> Element:
    children = [one if isinstance(one, Leaf) else _same(one) for one in element.children]
    return Element(element.type, element.attrs, children)


class Plain:
    """Lines of text, each a paragraph."""

    name = "plain"
    layout = Layout.PLAIN
    root = CONTENT

    def view(self, native: Element) -> Element:
        """Show each line as a paragraph."""
        return paragraphs(native)

    def build(self, wanted: Element) -> list[Node]:
        """Join paragraphs to a text."""
        return plain(wanted)

    def check(self, children: list[Node]) -> None:
        """Accept everything."""


_tiptap = (names.from_tiptap, names.to_tiptap)
BY_NAME: dict[BuiltIn, Editor] = {
    BuiltIn.TIPTAP: Renaming("tiptap", Layout.XML, FRAGMENT, _tiptap),
    BuiltIn.PROSEMIRROR: Renaming("prosemirror", Layout.XML, "prosemirror", _tiptap),
    BuiltIn.SLATE: Renaming("slate", Layout.SLATE, CONTENT, (_same, _same)),
    BuiltIn.PLAIN: Plain(),
}
BY_LAYOUT: dict[Layout, Editor] = {
    Layout.EMPTY: BY_NAME[BuiltIn.PLAIN],
    Layout.PLAIN: BY_NAME[BuiltIn.PLAIN],
    Layout.SLATE: BY_NAME[BuiltIn.SLATE],
    Layout.XML: BY_NAME[BuiltIn.TIPTAP],
}
