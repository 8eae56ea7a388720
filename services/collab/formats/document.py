"""A document whole: every root in it, which one is the main one, and each in our vocabulary.

Editors name their roots as they like, and one document may hold several: an import under one name
and what an editor wrote under another, a title beside a text. All of it is read. The main root is
shown as the document, each other one as an element of type ROOT with its name.
"""

from dataclasses import dataclass, field
from typing import Any

from pycrdt import Array, Doc, Map, Text

from libs.contracts.editors import BuiltIn, SceneEditor
from services.collab.formats import layout, screenplay
from services.collab.formats.editors import Editor, registry
from services.collab.formats.flatten import flat
from services.collab.formats.layout import CONTENT, Layout, Written
from services.collab.formats.names import ROOT
from services.collab.formats.spans import outgoing
from services.collab.formats.tree import CannotHold, Element, Node, key_of, number

FIRST = ("default", "prosemirror", CONTENT)
"""Roots that come first where several hold something and the scene's editor says nothing."""

_STOCK = frozenset({BuiltIn.TIPTAP, BuiltIn.PROSEMIRROR, BuiltIn.BLOCKNOTE})
"""Editors that delete nodes of a type that they do not know."""


@dataclass(slots=True)
class Document:
    """A document and the lenses through which its roots are seen.

    `roots` are those that hold something, the main one first; the main one is always there.
    """

    doc: Doc[Any]
    roots: list[Written]
    natives: list[Element]
    """What each root holds, as its editor has it: without runs of text and without handles."""
    lenses: list[Editor]
    stock: bool = False
    """Whether the scene names an editor as it comes, without nodes of a team's own."""
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    """Roots that are maps or arrays, as JSON: nothing that a format shows."""

    @property
    def main(self) -> Written:
        """The root that is shown as the document."""
        return self.roots[0]

    @property
    def lens(self) -> Editor:
        """The editor of the main root."""
        return self.lenses[0]

    def view(self) -> Element:
        """Return the whole document in our vocabulary."""
        return self._view(self.natives)

    def viewed(self, targets: list[list[Node]]) -> Element:
        """Return the view that the document has once its roots hold *targets*."""
        return self._view([Element(None, {}, children) for children in targets])

    def _view(self, natives: list[Element]) -> Element:
        views = [shown(lens, native) for lens, native in zip(self.lenses, natives, strict=True)]
        return Element(None, {}, [*views[0].children, *self._others(views)])

    def built(self, children: list[Node]) -> list[list[Node]]:
        """Return what each root must hold so that the document shows *children*.

        Raises:
            CannotHold: An editor has no place for a part of it.
        """
        return [
            self._built(at, Element(None, {}, part, origin=native))
            for at, (part, native) in enumerate(
                zip(self.parted(children), self.natives, strict=True)
            )
        ]

    def _built(self, at: int, wanted: Element) -> list[Node]:
        lens = self.lenses[at]
        if not self.stock:
            return lens.build(wanted)
        return lens.build(hidden(lens, wanted, self.natives[at]))

    def _others(self, shown: list[Element]) -> list[Node]:
        return [
            Element(ROOT, {"name": root.root}, one.children)
            for root, one in zip(self.roots[1:], shown[1:], strict=True)
            if layout.says_something(one)
        ]

    def parted(self, children: list[Node]) -> list[list[Node]]:
        """Return what each root must show so that the document shows *children*.

        Raises:
            CannotHold: There is another root in it than the document has.
        """
        here: list[Node] = []
        given: dict[str, list[Node]] = {}
        names = {root.root for root in self.roots[1:]}
        for at, child in enumerate(children):
            if not isinstance(child, Element) or child.type != ROOT:
                here.append(child)
                continue
            name = child.attrs.get("name")
            if name not in names or name in given:
                raise CannotHold(
                    f"The scene has no other root {name!r}; {ROOT!r} stands only for one that"
                    " was read.",
                    f"content[{at}]",
                )
            given[name] = child.children
        return [here, *(given.get(root.root, []) for root in self.roots[1:])]


def shown(lens: Editor, native: Element) -> Element:
    """Return *native*, the content of a root, in our vocabulary."""
    view = lens.view(native)
    return screenplay.shown(view) if lens.name in _STOCK else view


def hidden(lens: Editor, wanted: Element, native: Element) -> Element:
    """Return *wanted* with what a stock editor deletes in a shape that it keeps.

    What *native* has, the content of the root that is written, its editor knows.
    """
    if lens.name not in _STOCK:
        return wanted
    return screenplay.hidden(wanted, screenplay.types_in(native))


def read(state: bytes, editor: SceneEditor | None = None) -> Document:
    """Read all of *state*; call it inside `updates.pycrdt_errors`.

    Args:
        state: One Yjs update.
        editor: The editor that the scene names; None when it names none.
    """
    doc: Doc[Any] = Doc()
    doc.apply_update(state)
    preferred = registry.named(editor).root if editor else ""
    order = {name: at for at, name in enumerate((preferred, *FIRST))}
    names = sorted(doc.keys(), key=lambda name: (order.get(name, len(order)), name))
    read_roots = {name: layout.read_root(doc, name) for name in names}
    found = [one for one in read_roots.values() if one.layout is not Layout.EMPTY]
    # An editor that was merely opened leaves an empty block: text elsewhere wins over it.
    found.sort(key=lambda one: not layout.says_something(one.tree))
    roots = found or [read_roots.get(name) or layout.read_root(doc, name) for name in (CONTENT,)]
    data = {
        name: value
        for name in names
        if read_roots[name].layout is Layout.EMPTY and (value := _data(doc, name)) is not None
    }
    natives = [flat(root.tree) for root in roots]
    lenses = [
        registry.of(root, native, editor) for root, native in zip(roots, natives, strict=True)
    ]
    stock = editor is not None and editor.definition is None
    return Document(doc, roots, natives, lenses, stock, data)


def _data(doc: Doc[Any], name: str) -> Any:
    """Return a root that is a map or an array as JSON; None when it holds nothing."""
    mapping: Map[Any] = doc.get(name, type=Map)
    if found := mapping.to_py():
        return number(found)
    array: Array[Any] = doc.get(name, type=Array)
    return number(found) if (found := array.to_py()) else None


def holds_the_same(doc: Doc[Any], other: Document) -> bool:
    """Whether *doc* holds what *other* holds, in every root."""
    names = {root.root for root in other.roots} | other.data.keys() | set(doc.keys())
    for name in names:
        one, two = layout.read_root(doc, name), layout.read_root(other.doc, name)
        if key_of(flat(one.tree)) != key_of(flat(two.tree)):
            return False
        if one.layout is Layout.EMPTY and _data(doc, name) != _data(other.doc, name):
            return False
    return True


def restore_data(here: Document, there: Document) -> bytes | None:
    """Give the maps and arrays among the roots of *here* what those of *there* hold.

    Returns:
        What changed, as one update; None if nothing did.
    """
    changes: list[bytes] = []
    watch = here.doc.observe(lambda event: changes.append(event.update))
    with here.doc.transaction():
        for name in sorted(here.data.keys() | there.data.keys()):
            have, want = here.data.get(name), there.data.get(name)
            if have == want:
                continue
            if isinstance(have, list) or isinstance(want, list):
                _restore_array(here.doc.get(name, type=Array), there.doc.get(name, type=Array))
            else:
                _restore_map(
                    (here.doc.get(name, type=Map), have or {}),
                    (there.doc.get(name, type=Map), want or {}),
                )
    watch.drop()
    return changes[0] if changes else None


def _restore_array(here: Array[Any], there: Array[Any]) -> None:
    if len(here):
        del here[0 : len(here)]
    for value in there:
        here.append(_copied(value))


def _restore_map(here: tuple[Map[Any], Any], there: tuple[Map[Any], Any]) -> None:
    (target, have), (source, want) = here, there
    for key in have.keys() - want.keys():
        del target[key]
    for key in sorted(want):
        if key not in have or have[key] != want[key]:
            target[key] = _copied(source[key])


def _copied(value: Any) -> Any:
    """Return *value* from one document to be put into another: shared types as new ones."""
    match value:
        case Map():
            return Map({key: _copied(value[key]) for key in value.keys()})  # noqa: SIM118 # pyright: ignore[reportUnknownVariableType]
        case Array():
            return Array([_copied(inner) for inner in value])  # pyright: ignore[reportUnknownVariableType]
        case Text():
            return Text(str(value))
        case _:
            return outgoing(value)
