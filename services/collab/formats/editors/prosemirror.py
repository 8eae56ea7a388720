"""Editors made with ProseMirror: Tiptap, ProseMirror's own schemas, and those of a team.

Our names and theirs differ by the rules of the definition; what the rules do not name is called
the same on both sides, so nothing unknown is ever lost. What `build` makes new, or changes, is
fitted to the schema; what it does not touch stays as it is, acceptable or not.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from libs.contracts.editors import BuiltIn, EditorDefinition
from services.collab.formats.editors.fit import Fitter, Misfit, Pairs
from services.collab.formats.editors.schema import Schema
from services.collab.formats.editors.tables import TableNames
from services.collab.formats.layout import Layout
from services.collab.formats.tree import CannotHold, Element, Leaf, Node, elements, joined

DATA = Path(__file__).parent / "data"

ATTRIBUTES: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    BuiltIn.PROSEMIRROR: {"ordered_list": {"start": "order"}},
    BuiltIn.BLOCKNOTE: {kind: {"src": "url"} for kind in ("image", "video", "audio", "file")},
}
"""By editor and node type: our attributes that are called otherwise there."""


OUR_MARKS = frozenset({"bold", "italic", "strikethrough", "underline", "code", "link"})
"""Marks that the formats make. An editor that does not know one gets the text without it."""


@cache
def definition_of(name: BuiltIn) -> EditorDefinition:
    """Return the definition that is brought along; tests/clients/editors/schema.mjs writes them."""
    return EditorDefinition.model_validate_json((DATA / f"{name}.json").read_bytes())


class Renaming:
    """Translates the headings of elements, and marks, by the rules of a definition."""

    def __init__(
        self, definition: EditorDefinition, attributes: Mapping[str, Mapping[str, str]]
    ) -> None:
        """Prepare the rules of *definition*; *attributes* are called otherwise, by node type."""
        self._to: defaultdict[str, list[tuple[dict[str, Any], str, dict[str, Any]]]]
        self._to = defaultdict(list)
        self._from: defaultdict[str, list[tuple[dict[str, Any], str, dict[str, Any]]]]
        self._from = defaultdict(list)
        for rule in definition.blocks:
            self._to[rule.block].append((rule.when, rule.type, rule.attrs))
            self._from[rule.type].append((rule.attrs, rule.block, rule.when))
        self._mark_to = {rule.mark: rule.type for rule in definition.mark_names}
        self._mark_from = {rule.type: rule.mark for rule in definition.mark_names}
        self._attributes_to = attributes
        self._attributes_from = {
            kind: {theirs: ours for ours, theirs in one.items()} for kind, one in attributes.items()
        }
        self._known_marks = frozenset(definition.marks)

    def ours(self, kind: str | None, attrs: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """Return our heading of what is called so there."""
        attrs = _renamed(attrs, self._attributes_from.get(kind or ""))
        return _ruled(self._from.get(kind or ""), kind, attrs)

    def theirs(self, kind: str | None, attrs: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """Return their heading of what we call so."""
        kind, attrs = _ruled(self._to.get(kind or ""), kind, attrs)
        return kind, _renamed(attrs, self._attributes_to.get(kind or ""))

    def our_leaf(self, leaf: Leaf) -> Leaf:
        """Return *leaf* with our marks; itself when they are called the same."""
        if not leaf.marks:
            return leaf
        return Leaf(
            leaf.text,
            {
                # y-prosemirror keeps a mark's attributes as its value, `{}` if there are none.
                self._mark_from.get(name, name): True if value == {} else value
                for name, value in leaf.marks.items()
            },
        )

    def their_leaf(
        self,
        leaf: Leaf,
        had: Mapping[str, tuple[str, Any]],
        seen: Callable[[], frozenset[str]] = frozenset,
    ) -> Leaf:
        """Return *leaf* with their marks.

        Those of *had*, by our mark, are as they were; those *seen* in the document are possible.
        """
        if not leaf.marks:
            return leaf
        found: dict[str, Any] = {}
        for ours, value in leaf.marks.items():
            known = had.get(f"{ours} {json.dumps(value, sort_keys=True)}") if had else None
            if known:
                found[known[0]] = known[1]
                continue
            theirs = self._mark_to.get(ours, ours)
            if ours in OUR_MARKS and theirs not in self._known_marks and theirs not in seen():
                # The editor would delete text that is marked so.
                continue
            if value is False and theirs in self._known_marks:
                # There a mark is there or not; Slate says that it is not with false.
                continue
            if theirs == "link" and isinstance(value, str):
                value = {"href": value}  # noqa: PLW2901
            found[theirs] = {} if value is True else value
        return Leaf(leaf.text, found)

    def had(self, leaves: list[Leaf]) -> dict[str, tuple[str, Any]]:
        """Return marks of *leaves* that would not come back as they were, by what we call them."""
        found: dict[str, tuple[str, Any]] = {}
        for leaf in leaves:
            if not leaf.marks:
                continue
            shown = self.our_leaf(leaf)
            if self.their_leaf(shown, {}) == leaf:
                continue
            for name, value in leaf.marks.items():
                ours = self._mark_from.get(name, name)
                seen = json.dumps(True if value == {} else value, sort_keys=True)
                found[f"{ours} {seen}"] = name, value
        return found


def _ruled(
    rules: list[tuple[dict[str, Any], str, dict[str, Any]]] | None,
    kind: str | None,
    attrs: dict[str, Any],
) -> tuple[str | None, dict[str, Any]]:
    for when, becomes, having in rules or ():
        if _agree(when, attrs):
            rest = {key: value for key, value in attrs.items() if key not in when}
            return becomes, having | rest
    return kind, attrs


def _agree(when: dict[str, Any], attrs: dict[str, Any]) -> bool:
    """Whether *attrs* has all of *when*; true is not 1."""
    return all(
        key in attrs
        and attrs[key] == value
        and isinstance(attrs[key], bool) == isinstance(value, bool)
        for key, value in when.items()
    )


def _renamed(attrs: dict[str, Any], names: Mapping[str, str] | None) -> dict[str, Any]:
    if not names or names.keys().isdisjoint(attrs):
        return attrs
    return {names.get(key, key): value for key, value in attrs.items()}


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
        kind, attrs = self.renaming.ours(native.type, native.attrs)
        our_leaf = self.renaming.our_leaf
        children = [
            our_leaf(child) if isinstance(child, Leaf) else self.view(child)
            for child in native.children
        ]
        return Element(kind, attrs, children, None, native)

    def build(self, wanted: Element) -> list[Node]:
        """Return the native children of the document that shows *wanted*.

        Raises:
            CannotHold: There is no place for a part of it.
        """
        building = _Building(self.schema, self.renaming, wanted)
        return building.document()

    def check(self, children: list[Node]) -> None:
        """Return when the editor keeps *children*, native ones of a document, as they are.

        Raises:
            CannotHold: It would not.
        """
        self.schema.check(children)


class _Building:
    """One document on its way back into its editor's vocabulary."""

    def __init__(self, schema: Schema, renaming: Renaming, wanted: Element) -> None:
        self._schema = schema
        self._renaming = renaming
        self._wanted = wanted
        self._seen_marks: frozenset[str] | None = None
        names = (renaming.theirs(ours, {})[0] for ours in ("table", "table-row", "table-cell"))
        self._fitter = Fitter(schema, TableNames(*names), self._pairs)

    def document(self) -> list[Node]:
        origin = self._wanted.origin
        children = self._children(self._wanted, origin)
        if origin is not None and _same(children, origin.children):
            return origin.children
        if origin is not None and _shape(children) == _shape(origin.children):
            return children
        try:
            return self._fitter.top(children)
        except Misfit as misfit:
            raise self._refusal(misfit) from None

    def _children(self, wanted: Element, origin: Element | None) -> list[Node]:
        found: list[Node] = []
        old = origin.children if origin is not None else []
        had: dict[str, tuple[str, Any]] | None = None
        for at, child in enumerate(wanted.children):
            if isinstance(child, Element):
                found += self._element(child)
                continue
            if at < len(old):
                was = old[at]
                if was is child or (
                    isinstance(was, Leaf)
                    and was.text == child.text
                    and self._renaming.our_leaf(was).marks == child.marks
                ):
                    found.append(was)
                    continue
            if had is None:
                had = self._renaming.had([one for one in old if isinstance(one, Leaf)])
            found.append(self._renaming.their_leaf(child, had, self._marks))
        return found

    def _element(self, wanted: Element) -> list[Node]:
        origin = wanted.origin
        children = self._children(wanted, origin)
        kind, attrs = self._heading(wanted, origin)
        if origin is None or kind != origin.type:
            made = Element(kind, attrs, joined(children), None, wanted)
            self._check_heading(made)
            return self._fitter.fit(made)
        if _same(children, origin.children):
            return [
                origin if attrs is origin.attrs else Element(kind, attrs, children, None, wanted)
            ]
        made = Element(kind, attrs, children, None, wanted)
        if _shape(children) == _shape(origin.children):
            return self._fitter.same_shape(made, _marks_of(origin))
        made.children = joined(children)
        return self._fitter.fit(made, _marks_of(origin))

    def _heading(
        self, wanted: Element, origin: Element | None
    ) -> tuple[str | None, dict[str, Any]]:
        if origin is None:
            return self._renaming.theirs(wanted.type, wanted.attrs)
        kind, attrs = self._renaming.ours(origin.type, origin.attrs)
        if kind == wanted.type and (attrs is wanted.attrs or attrs == wanted.attrs):
            return origin.type, origin.attrs
        theirs, changed = self._renaming.theirs(wanted.type, wanted.attrs)
        back, shown = self._renaming.theirs(kind, attrs)
        if theirs != back:
            return theirs, changed
        # What did not change is kept as it is written.
        return origin.type, {
            key: origin.attrs.get(key, value) if shown.get(key) == value else value
            for key, value in changed.items()
        }

    def _check_heading(self, made: Element) -> None:
        try:
            self._schema.check_heading(made, "")
        except CannotHold as refusal:
            place = place_of(self._wanted, made.origin) or ""
            raise CannotHold(refusal.reason, place + refusal.place) from None

    def _refusal(self, misfit: Misfit) -> CannotHold:
        node = misfit.node
        origin = node.origin if isinstance(node, Element) else None
        shown = "text" if node is None or isinstance(node, Leaf) else origin and origin.type
        return CannotHold(
            f"The editor of this scene has no place for {shown or 'this'!r} here; put it where its"
            " editor would, or write it as paragraphs.",
            place_of(self._wanted, origin) or "content",
        )

    def _native(self) -> Iterator[Element]:
        origin = self._wanted.origin
        rows = [origin] if origin is not None else []
        while rows:
            element = rows.pop()
            yield element
            rows += elements(element.children)

    def _marks(self) -> frozenset[str]:
        """Marks that the document has: the editor may be an extended one."""
        if self._seen_marks is None:
            self._seen_marks = frozenset[str]().union(*map(_marks_of, self._native()))
        return self._seen_marks

    def _pairs(self) -> Pairs:
        """What stands in what in the document, though the schema does not know that it may."""
        found: set[tuple[str | None, str | None]] = set()
        for parent in self._native():
            known = self._schema.type_of(parent)
            for child in elements(parent.children):
                if known is None or child.type in known.alphabet:
                    continue
                other = self._schema.type_of(child)
                # Tiptap's pictures, for one, stand in the line or not as one chooses.
                if other is None or (not other.content.names and known.inline_content):
                    found.add((parent.type, child.type))
        return frozenset(found)


def _same(children: list[Node], old: list[Node]) -> bool:
    return len(children) == len(old) and all(map(_is, children, old))


def _is(one: Node, other: Node) -> bool:
    return one is other


def _shape(children: list[Node]) -> list[str | None]:
    return ["" if isinstance(child, Leaf) else child.type for child in children]


def _marks_of(origin: Element | None) -> frozenset[str]:
    if origin is None:
        return frozenset()
    return frozenset(
        name for child in origin.children if isinstance(child, Leaf) for name in child.marks
    )


def place_of(root: Element, wanted: Element | None, place: str = "content") -> str | None:
    """Return where *wanted* is in *root*, such as `content[3].children[0]`."""
    for at, child in enumerate(root.children):
        here = f"{place}[{at}]"
        if child is wanted:
            return here
        if isinstance(child, Element):
            found = place_of(child, wanted, f"{here}.children")
            if found:
                return found
    return None
