"""From a wanted view back into the nodes of an editor: what was there is kept, the rest fitted."""

from collections.abc import Iterator
from typing import Any

from services.collab.formats.editors.fit import Fitter, Misfit, Pairs
from services.collab.formats.editors.renaming import Renaming
from services.collab.formats.editors.schema import Schema
from services.collab.formats.editors.tables import TableNames
from services.collab.formats.tree import CannotHold, Element, Leaf, Node, elements, joined


class Building:
    """One document on its way back into its editor's vocabulary."""

    def __init__(self, schema: Schema, renaming: Renaming, wanted: Element) -> None:
        """Prepare for *wanted*, the whole view."""
        self._schema = schema
        self._renaming = renaming
        self._wanted = wanted
        self._seen_marks: frozenset[str] | None = None
        names = (renaming.theirs(ours, {})[0] for ours in ("table", "table-row", "table-cell"))
        self.fitter = Fitter(schema, TableNames(*names), self._pairs, self._holders)

    def document(self) -> list[Node]:
        """Return the children of the document.

        Raises:
            CannotHold: There is no place for a part of it.
        """
        origin = self._wanted.origin
        children = self.children(self._wanted, origin)
        if origin is not None and same(children, origin.children):
            return origin.children
        if origin is not None and _shape(children) == _shape(origin.children):
            return children
        try:
            return self.fitter.top(children)
        except Misfit as misfit:
            raise self.refusal(misfit) from None

    def children(self, wanted: Element, origin: Element | None) -> list[Node]:
        """Return the nodes that show the children of *wanted*, unchanged ones those of *origin*."""
        found: list[Node] = []
        old = origin.children if origin is not None else []
        had: dict[str, tuple[str, Any]] | None = None
        for at, child in enumerate(wanted.children):
            if isinstance(child, Element):
                found += self._marked(child) or self.element(child)
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

    def element(self, wanted: Element) -> list[Node]:
        """Return the nodes that show *wanted*: its origin if nothing changed, several if split."""
        origin = wanted.origin
        children = self.children(wanted, origin)
        kind, attrs = self.heading(wanted, origin)
        if origin is None or kind != origin.type:
            made = Element(kind, attrs, joined(children), None, wanted)
            self._check_heading(made)
            return self.fitter.fit(made)
        if same(children, origin.children):
            return [
                origin if attrs is origin.attrs else Element(kind, attrs, children, None, wanted)
            ]
        made = Element(kind, attrs, children, None, wanted)
        if _shape(children) == _shape(origin.children):
            return self.fitter.same_shape(made, _marks_of(origin))
        made.children = joined(children)
        return self.fitter.fit(made, _marks_of(origin))

    def _marked(self, wanted: Element) -> list[Node] | None:
        """Return the text of an element, such as Slate's links, that is a mark here."""
        kind, attrs = self._renaming.theirs(wanted.type, wanted.attrs)
        if wanted.origin is not None or kind in self._schema.types or not wanted.children:
            return None
        if kind is None or kind not in self._schema.marks:
            return None
        if "url" in attrs:
            attrs = {"href" if key == "url" else key: value for key, value in attrs.items()}
        return [
            Leaf(one.text, one.marks | {kind: attrs}) if isinstance(one, Leaf) else one
            for one in self.children(wanted, None)
        ]

    def heading(self, wanted: Element, origin: Element | None) -> tuple[str | None, dict[str, Any]]:
        """Return type and attributes, the very ones of *origin* if they say the same."""
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

    def refusal(self, misfit: Misfit) -> CannotHold:
        """Say to the writer what fits nowhere."""
        node = misfit.node
        origin = node.origin if isinstance(node, Element) else None
        shown = "text" if node is None or isinstance(node, Leaf) else origin and origin.type
        return CannotHold(
            f"The editor of this scene has no place for {shown or 'this'!r} here; put it where its"
            " editor would, or write it as paragraphs.",
            place_of(self._wanted, origin) or "content",
        )

    def _native(self) -> Iterator[Element]:
        shown, rows = [self._wanted], list[Element]()
        while shown:
            element = shown.pop()
            if element.origin is not None:
                rows.append(element.origin)
            else:
                shown += elements(element.children)
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
        """Pairs of parent and child that the document has and the schema does not allow."""
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

    def _holders(self) -> frozenset[str | None]:
        """Unknown types of elements that hold blocks in the document."""
        types = self._schema.types
        return frozenset(
            parent.type
            for parent in self._native()
            if parent.type is not None and parent.type not in types
            for child in elements(parent.children)
            if child.type in types and not types[child.type].spec.inline
        )


def same(children: list[Node], old: list[Node]) -> bool:
    """Whether these are the very same nodes."""
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
