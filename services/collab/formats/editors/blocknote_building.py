"""From a wanted view back into the containers of a BlockNote document."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any
from uuid import uuid4

from services.collab.formats.editors.blocknote_layout import (
    CONTAINER,
    GROUP,
    ITEMS,
    OURS_HOLDING,
    PARTS,
    content_of,
    group_of,
    only_group,
)
from services.collab.formats.editors.blocknote_tables import TableParts
from services.collab.formats.editors.building import Building, same
from services.collab.formats.editors.fit import Misfit
from services.collab.formats.names import PARAGRAPH
from services.collab.formats.tree import Element, Leaf, Node, elements


class Containers(Building):
    """A BlockNote document on its way back."""

    def document(self) -> list[Node]:
        """Return the children of the document.

        Raises:
            CannotHold: There is no place for a part of it.
        """
        root = self._wanted
        native = root.origin or Element(None)
        group = only_group(native)
        if group:
            made = self._group(root.children, group)
        else:
            strange = self._members(root.children, native.children)
            if same(strange, native.children):
                return native.children
            if not strange:
                return []
            made = Element(GROUP, {}, _flattened(strange))
            made.children = _flattened(self.fitter.fit(made))
        if made is None:
            return []
        if made is group:
            return native.children
        try:
            fitted = self.fitter.top([made])
        except Misfit as misfit:
            raise self.refusal(misfit) from None
        return self._identified(fitted)

    def _identified(self, nodes: list[Node]) -> list[Node]:
        """Give containers that are new an id of their own, as BlockNote would."""
        native = {id(one) for one in self._native()}
        taken: set[Any] = {one.attrs.get("id") for one in _containers(nodes) if id(one) in native}

        def identified(node: Node) -> Node:
            if isinstance(node, Leaf) or id(node) in native:
                return node
            attrs = node.attrs
            if node.type == CONTAINER:
                if attrs.get("id") is None or attrs["id"] in taken:
                    attrs = attrs | {"id": str(uuid4())}
                taken.add(attrs["id"])
            elif node.type != GROUP:
                return node
            children = [identified(child) for child in node.children]
            return Element(node.type, attrs, children, None, node.origin)

        return [identified(node) for node in nodes]

    def _group(self, blocks: Sequence[Node], group: Element | None) -> Element | None:
        """Return the group that shows *blocks*: *group* if nothing changed, none of nothing."""
        members = self._members(blocks, group.children if group else ())
        if group is not None and same(members, group.children):
            return group
        if not members:
            return None
        made = Element(GROUP, group.attrs if group else {}, members)
        made.children = _flattened(self.fitter.fit(made))
        return made

    def _members(self, blocks: Sequence[Node], had: Sequence[Node] = ()) -> list[Node]:
        """Return the containers that show *blocks*; raw text stays so where it was in *had*."""
        raw = [(self._renaming.our_leaf(one), one) for one in had if isinstance(one, Leaf)]
        found: list[Node] = []

        def kind_of(block: Node) -> str | None:
            if isinstance(block, Leaf):
                return "raw" if any(shown == block for shown, _ in raw) else "line"
            if block.type not in PARTS and not self._in_line(block):
                return None
            if any(block.origin is one for one in had):
                return None
            return PARTS.get(block.type or "", "line")

        for kind, group in groupby(blocks, kind_of):
            run = list(group)
            match kind:
                case "raw":
                    found += [one for leaf in run for shown, one in raw if shown == leaf][
                        : len(run)
                    ]
                case "line":
                    found += self._container(Element(PARAGRAPH, {}, run))
                case "cell":
                    found += self._container(Element("table", {}, [Element("table-row", {}, run)]))
                case "row":
                    found += self._container(Element("table", {}, run))
                case _:
                    for block in elements(run):
                        found += self._member(block)
        return found

    def _in_line(self, block: Element) -> bool:
        known = self._schema.types.get(self._renaming.theirs(block.type, {})[0] or "")
        return known is not None and known.spec.inline

    def _is_block(self, child: Node) -> bool:
        if isinstance(child, Leaf):
            return False
        if child.type in ("list", "task-list", *OURS_HOLDING):
            return True
        known = self._schema.types.get(self._renaming.theirs(child.type, {})[0] or "")
        return known is not None and not known.spec.inline

    def element(self, wanted: Element) -> list[Node]:
        """Return the nodes that show *wanted*; those that hold containers go on holding them."""
        origin = wanted.origin
        if origin is None or not any(content_of(one) for one in origin.children):
            return super().element(wanted)
        kind, attrs = self.heading(wanted, origin)
        members = self._members(wanted.children, origin.children)
        if attrs is origin.attrs and same(members, origin.children):
            return [origin]
        return self.fitter.fit(Element(kind, attrs, members, None, wanted))

    def _member(self, block: Element) -> list[Node]:
        origin = block.origin
        if origin is not None and content_of(origin) is None:
            kind, _ = self._renaming.theirs(block.type, block.attrs)
            if kind == origin.type:
                return self.element(block)
        if block.type == CONTAINER:
            return self._wrapped(block)
        if block.type in ("list", "task-list"):
            return self._items(block)
        if block.type in OURS_HOLDING:
            item = next((one for one in ITEMS if one.ours == block.type), None)
            return self._holder(block, item.theirs if item else block.type or "")
        return self._container(block)

    def _items(self, block: Element) -> list[Node]:
        ordered = block.attrs.get("ordered") is True
        item = next(one for one in ITEMS if one.list == block.type and one.ordered == ordered)
        found: list[Node] = []
        start = block.attrs.get("start") if ordered else None
        for child in block.children:
            mine = isinstance(child, Element) and child.type in ("list-item", "task-item")
            holder = (
                child if mine and isinstance(child, Element) else Element(item.ours, {}, [child])
            )
            more = {"start": start} if start is not None else {}
            found += self._holder(holder, item.theirs, more)
            start = None
        return found

    def _holder(self, block: Element, kind: str, more: dict[str, Any] | None = None) -> list[Node]:
        """Return the containers of a block whose text is its first paragraph."""
        container = _origin(block)
        text, rest = self._first_line(block)
        attrs = text.attrs | block.attrs | (more or {})
        content = self._content_of(text, kind, attrs, container)
        return self._contained(content, block, container, rest)

    def _first_line(self, block: Element) -> tuple[Element, list[Node]]:
        """Return the paragraph that is the text of *block*, and what goes below it."""
        first = block.children[0] if block.children else None
        if isinstance(first, Element) and first.type == PARAGRAPH:
            text, rest = first, block.children[1:]
        else:
            text, rest = Element(PARAGRAPH, {}, block.children), list[Node]()
        end = 0
        while end < len(text.children) and not self._is_block(text.children[end]):
            end += 1
        if end == len(text.children):
            return text, rest
        line = Element(PARAGRAPH, text.attrs, text.children[:end], None, text.origin)
        return line, [*text.children[end:], *rest]

    def _content_of(
        self, text: Element, kind: str, attrs: dict[str, Any], container: Element | None
    ) -> Element:
        was = content_of(container) if container is not None else None
        children = self.children(text, was)
        had = container.attrs if container is not None else {}
        own = {key: value for key, value in attrs.items() if key != "id" and key not in had}
        if was is not None and was.type == kind and own == _shown_attributes(was):
            if same(children, was.children):
                return was
            own = was.attrs
        return Element(kind, own, children, None, text)

    def _wrapped(self, block: Element) -> list[Node]:
        """Return the containers of a block with others below it."""
        first, *rest = block.children or [Element(PARAGRAPH)]
        if isinstance(first, Leaf) or first.type in ("list", "task-list", CONTAINER):
            return self._members(block.children)
        if first.type in OURS_HOLDING:
            attrs, inner = first.attrs | block.attrs, [*first.children, *rest]
            return self._member(Element(first.type, attrs, inner, None, _origin(block)))
        if any(self._is_block(child) for child in first.children) and first.type != "table":
            return self._members(block.children)
        content = self._native_content(first, first.origin)
        return self._contained(content, block, _origin(block), rest)

    def _container(self, block: Element) -> list[Node]:
        """Return the containers of a block with nothing below it."""
        container = _origin(block)
        was = content_of(container) if container is not None else None
        attrs = {key: value for key, value in block.attrs.items() if key != "id"}
        if container is not None:
            attrs = {
                key: value
                for key, value in attrs.items()
                if key not in container.attrs or (was is not None and key in was.attrs)
            }
        children, below = block.children, list[Node]()
        if block.type != "table" and any(self._is_block(child) for child in children):
            # A block of BlockNote's holds a line of text.
            if block.type == PARAGRAPH or any(isinstance(child, Leaf) for child in children):
                return self._split(block)
            children, below = [], children
        content = self._native_content(Element(block.type, attrs, children, None, block), was)
        return self._contained(content, block, container, below)

    def _split(self, block: Element) -> list[Node]:
        """Return the containers of a line of text with blocks in it."""
        found: list[Node] = []
        attrs, origin = block.attrs, block.origin
        for is_block, group in groupby(block.children, self._is_block):
            if is_block:
                found += self._members(list(group))
                continue
            found += self._container(Element(block.type, attrs, list(group), None, origin))
            attrs = {key: value for key, value in attrs.items() if key != "id"}
            origin = None
        return found

    def _native_content(self, block: Element, was: Element | None) -> Node:
        """Return the block itself, without its container."""
        children = block.children if block.type != "table" else TableParts(self._wanted).rows(block)
        shown = Element(block.type, block.attrs, children, None, was)
        made = self.element(shown)
        return made[0] if len(made) == 1 else Element(None, {}, made)

    def _contained(
        self, content: Node, block: Element, container: Element | None, below: Sequence[Node]
    ) -> list[Node]:
        had = group_of(container) if container is not None and len(container.children) > 1 else None
        group = self._group(below, had)
        pieces = (
            content.children if isinstance(content, Element) and content.type is None else [content]
        )
        children = [*pieces, *([group] if group else [])]
        attrs = _container_attributes(block, container)
        if container is not None and same(children, container.children):
            return (
                [container]
                if attrs == container.attrs
                else [Element(CONTAINER, attrs, children, None, block)]
            )
        return self.fitter.fit(Element(CONTAINER, attrs, children, None, block))


def _origin(block: Element) -> Element | None:
    """Return the container that *block* shows."""
    origin = block.origin
    return origin if origin is not None and content_of(origin) is not None else None


def _shown_attributes(block: Element) -> dict[str, Any]:
    """Return what the view shows of the attributes of *block* and its list."""
    if block.type != "numberedListItem":
        return block.attrs
    return {key: value for key, value in block.attrs.items() if key != "start" or value is not None}


def _container_attributes(block: Element, container: Element | None) -> dict[str, Any]:
    if container is None:
        return {"id": block.attrs["id"]} if "id" in block.attrs else {}
    found = {key: block.attrs[key] for key in block.attrs if key in container.attrs or key == "id"}
    if found.get("id") is None and "id" in container.attrs:
        # It has the name that it was given before, whether or not that is said again.
        found["id"] = container.attrs["id"]
    return found


def _flattened(children: Sequence[Node]) -> list[Node]:
    """Return the containers of several groups as those of one."""
    found: list[Node] = []
    for child in children:
        found += child.children if isinstance(child, Element) and child.type == GROUP else [child]
    return found


def _containers(nodes: Sequence[Node]) -> Iterator[Element]:
    for node in elements(nodes):
        if node.type == CONTAINER:
            yield node
        if node.type in (CONTAINER, GROUP):
            yield from _containers(node.children)
