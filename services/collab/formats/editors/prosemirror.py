"""Editors made with ProseMirror: Tiptap, ProseMirror's own schemas, and those of a team.

Our names and theirs differ by the rules of the definition; what the rules do not name is called
the same on both sides, so nothing unknown is ever lost. What `build` makes new, or changes, is
fitted to the schema; what it does not touch stays as it is, acceptable or not.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from libs.contracts.editors import BuiltIn, EditorDefinition
from services.collab.formats.editors.building import Building
from services.collab.formats.editors.renaming import Renaming
from services.collab.formats.editors.schema import Schema
from services.collab.formats.layout import Layout
from services.collab.formats.tree import Element, Leaf, Node

DATA = Path(__file__).parent / "data"

ATTRIBUTES: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    BuiltIn.PROSEMIRROR: {"ordered_list": {"start": "order"}},
    BuiltIn.BLOCKNOTE: {kind: {"src": "url"} for kind in ("image", "video", "audio", "file")},
}
"""By editor and node type: our attributes that are called otherwise there."""


@cache
def definition_of(name: BuiltIn) -> EditorDefinition:
    """Return the definition that is brought along; tests/clients/editors/schema.mjs writes them."""
    return EditorDefinition.model_validate_json((DATA / f"{name}.json").read_bytes())


class ProseMirrorEditor:
    """An editor whose document is a tree of nodes in a Y.XmlFragment; see `editors.Editor`."""

    layout = Layout.XML

    def __init__(self, name: str, definition: EditorDefinition, *, strict: bool = False) -> None:
        """Take *definition*, that of a team if *strict*."""
        self.name = name
        self.root = definition.root
        self.schema = Schema(definition, strict=strict)
        self.renaming = Renaming(definition, ATTRIBUTES.get(name, {}))

    def view(self, native: Element) -> Element:
        """Return *native* in our vocabulary, with origins."""
        return self.shown(native)

    def shown(self, native: Element) -> Element:
        """Return *native* and all in it under our names."""
        kind, attrs = self.renaming.ours(native.type, native.attrs)
        our_leaf = self.renaming.our_leaf
        children = [
            our_leaf(child) if isinstance(child, Leaf) else self.shown(child)
            for child in native.children
        ]
        return Element(kind, attrs, children, None, native)

    def build(self, wanted: Element) -> list[Node]:
        """Return the native children of the document that shows *wanted*.

        Raises:
            CannotHold: There is no place for a part of it.
        """
        building = Building(self.schema, self.renaming, wanted)
        return building.document()

    def check(self, children: list[Node]) -> None:
        """Return when the editor keeps *children*, native ones of a document, as they are.

        Raises:
            CannotHold: It would not.
        """
        self.schema.check(children)
