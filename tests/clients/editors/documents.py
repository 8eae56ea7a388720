"""Random documents in our vocabulary, for editors whose document is a text, and edits of them."""

from random import Random
from typing import Any

from pycrdt import Doc

from services.collab.formats.layout import Layout, Written, read_root
from services.collab.formats.tree import Element, Leaf, Node, elements, joined
from services.collab.formats.write import write

DEPTH_MAX = 4
MARKS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"bold": True},
    {"bold": True, "italic": True},
    {"strikethrough": True},
    {"underline": True},
    {"code": True},
    {"link": {"href": "https://example.org/a"}},
    {"link": {"href": "https://example.org/a", "title": "A map"}, "bold": True},
)
TEXTS = ("ice", "sea 😀", "Walton", "é—", "north", "שלום", "a, b.", " ")


LINES = ("paragraph", "paragraph", "heading", "scene-heading", "action", "code-block", "divider")
ANY = (
    *("paragraph", "heading", "quote", "list", "list-item", "task-list", "task-item", "code-block"),
    *("divider", "table", "table-row", "table-cell", "table-header", "image", "link", "mention"),
    *("hard-break", "scene-heading"),
)


class Author:
    """Writes documents; numbers every word, so that none is lost unnoticed."""

    def __init__(self, pick: Random, *, pictures: bool = True) -> None:
        """Draw everything from *pick*; *pictures* may stand in lines."""
        self.pick = pick
        self._pictures = pictures
        self._words = 0

    def document(self, *, wild: bool = False) -> Element:
        """Return a document; a wild one has anything in anything."""
        several = range(self.pick.randint(1, 4))
        if wild:
            return Element(None, {}, joined(self._anything(0) for _ in several))
        return Element(None, {}, [self._block(0) for _ in several])

    def line(self) -> list[Node]:
        """Return what stands in a paragraph."""
        found: list[Node] = []
        for _ in range(self.pick.randint(0, 3)):
            if self.pick.random() < 0.1:
                found.append(Element("hard-break"))
            elif self.pick.random() < 0.1 and self._pictures:
                found.append(self._picture())
            else:
                found.append(self._word())
        return joined(found)

    def _word(self) -> Leaf:
        self._words += 1
        return Leaf(f"{self.pick.choice(TEXTS)}{self._words}w ", dict(self.pick.choice(MARKS)))

    def _picture(self) -> Element:
        return Element("image", {"src": "https://example.org/a.png", "alt": "A map"})

    def _paragraph(self) -> Element:
        return Element("paragraph", {}, self.line())

    def _block(self, depth: int) -> Element:
        kinds = list(LINES)
        if depth < DEPTH_MAX:
            kinds += ["list", "list", "task-list", "quote", "table"]
        return self.block(self.pick.choice(kinds), depth)

    def block(self, kind: str, depth: int = 0) -> Element:
        """Return a block of the type *kind*."""
        match kind:
            case "heading":
                return Element(kind, {"level": self.pick.randint(1, 6)}, self.line())
            case "divider":
                return Element(kind)
            case "code-block":
                language = self.pick.choice(({}, {"language": "python"}))
                return Element(kind, dict(language), self._code())
            case "list" | "task-list":
                ordered = kind == "list" and self.pick.random() < 0.4
                items: list[Node] = [
                    self._item(kind, depth) for _ in range(self.pick.randint(1, 3))
                ]
                return Element(kind, {"ordered": True} if ordered else {}, items)
            case "quote":
                return Element(
                    kind, {}, [self._paragraph() for _ in range(self.pick.randint(1, 2))]
                )
            case "table":
                width = self.pick.randint(1, 3)
                rows = [self._row(width, at) for at in range(self.pick.randint(1, 3))]
                return Element(kind, {}, list[Node](rows))
            case _:
                return Element(kind, {}, self.line())

    def _code(self) -> list[Node]:
        rows = "\n".join(self._word().text for _ in range(self.pick.randint(0, 3)))
        return [Leaf(rows)] if rows else []

    def _item(self, kind: str, depth: int) -> Element:
        children: list[Node] = [self._paragraph()]
        if depth < DEPTH_MAX and self.pick.random() < 0.3:
            children.append(self.block(self.pick.choice(("list", "task-list")), depth + 1))
        if kind == "task-list":
            return Element("task-item", {"checked": self.pick.random() < 0.5}, children)
        return Element("list-item", {}, children)

    def _row(self, width: int, at: int) -> Element:
        kind = "table-cell" if at else self.pick.choice(("table-cell", "table-header"))
        cells: list[Node] = [Element(kind, {}, [self._paragraph()]) for _ in range(width)]
        return Element("table-row", {}, cells)

    def _anything(self, depth: int) -> Node:
        if self.pick.random() < 0.3:
            return self._word()
        kind = self.pick.choice(ANY)
        attrs = {"link": {"url": "https://example.org"}, "heading": {"level": 2}}.get(kind, {})
        if kind in ("divider", "image", "hard-break"):
            return Element(kind, {"src": "https://example.org/a.png"} if kind == "image" else {})
        some = range(0 if depth > DEPTH_MAX else self.pick.randint(0, 3))
        return Element(kind, attrs, joined(self._anything(depth + 1) for _ in some))

    def edited(self, root: Element) -> Element:
        """Return *root*, a view, with one thing in it changed; origins stay."""
        holders = [root, *_within(root)]
        holder = self.pick.choice(holders)
        children = list(holder.children)
        at = self.pick.randint(0, len(children))
        match self.pick.randint(0, 4):
            case 0:
                del children[at : at + 1]
            case 1 if children:
                children.append(self.pick.choice(self.pick.choice(holders).children or children))
            case 2 if any(isinstance(child, Leaf) for child in children):
                children.insert(at, self._word())
            case 3:
                self.pick.shuffle(children)
            case _:
                plain = holder is root or any(isinstance(one, Element) for one in children)
                children.insert(at, self._block(DEPTH_MAX) if plain else self._word())
        return _with(root, holder, joined(children))


def _within(root: Element) -> list[Element]:
    return [one for child in elements(root.children) for one in [child, *_within(child)]]


def _with(root: Element, holder: Element, children: list[Node]) -> Element:
    if root is holder:
        return Element(root.type, root.attrs, children, None, root.origin)
    inner = [
        _with(one, holder, children) if isinstance(one, Element) else one for one in root.children
    ]
    return Element(root.type, root.attrs, inner, None, root.origin)


def state_of(layout: Layout, root: str, children: list[Node], onto: bytes | None = None) -> bytes:
    """Return the state after *children* were written into the root, on the state *onto*."""
    doc: Doc[Any] = Doc()
    if onto is None:
        written = Written(doc, root, layout, Element(None))
    else:
        doc.apply_update(onto)
        written = read_root(doc, root)
        written.layout = layout
    write(doc, [written], [children])
    return doc.get_update()


def root_of(state: bytes, root: str) -> Element:
    """Return what the root of *state* holds, as an editor's lens is given it."""
    doc: Doc[Any] = Doc()
    doc.apply_update(state)
    return read_root(doc, root).tree


def words(nodes: list[Node]) -> list[str]:
    """Return all words in *nodes*, sorted; each stands between white space."""
    return sorted(" ".join(_texts(nodes)).split())


def _texts(nodes: list[Node]) -> list[str]:
    found = [""]
    for node in nodes:
        if isinstance(node, Leaf):
            found[-1] += node.text
        else:
            found += [*_texts(node.children), ""]
    return found


def normal(nodes: list[Node]) -> list[Node]:
    """Return *nodes* without what may be either way: a lone paragraph is the text in it."""
    found: list[Node] = []
    for node in nodes:
        if isinstance(node, Leaf):
            found.append(node)
            continue
        children = normal(node.children)
        only = children[0] if len(children) == 1 else None
        if node.type != "paragraph" and isinstance(only, Element) and only.type == "paragraph":
            children = only.children if not only.attrs else children
        attrs = {key: value for key, value in node.attrs.items() if value is not None}
        found.append(Element(node.type, attrs, children))
    return joined(found)
