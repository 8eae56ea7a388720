"""Random documents: in our vocabulary, sensible or not, and native ones that an editor allows."""

from collections.abc import Callable
from random import Random
from typing import Any

from services.collab.formats.editors.expressions import START
from services.collab.formats.editors.schema import TEXT, NodeType, Schema
from services.collab.formats.tree import Element, Leaf, Node, joined

DEPTH_MAX = 3
WORDS = ("ice", "sea 𝄞", "Walton", "é—", "north", "a", "letter")
BLOCKS = (
    "paragraph", "paragraph", "heading", "quote", "list", "list-item", "code-block", "divider",
    "task-list", "task-item", "table", "table-row", "table-cell", "table-header", "image",
)  # fmt: skip
MARKS = ("bold", "italic", "strikethrough", "code")
ATTRIBUTES: dict[str, Callable[[Random], dict[str, Any]]] = {
    "heading": lambda pick: {"level": pick.randint(1, 3)},
    "list": lambda pick: {"ordered": True} if pick.random() < 0.4 else {},
    "task-item": lambda pick: {"checked": pick.random() < 0.5},
    "code-block": lambda pick: {"language": "python"} if pick.random() < 0.5 else {},
    "image": lambda _: {"src": "https://example.org/a.png"},
}

NATIVE: dict[str, dict[str, Any]] = {
    "youtube": {"src": "https://www.youtube.com/watch?v=dQw4w9WgXcQ"},
    "twitch": {"src": "https://www.twitch.tv/videos/1"},
    "emoji": {"name": "smile"},
    "mention": {"id": "ada", "label": "Ada"},
    "inlineMath": {"latex": "x"},
    "blockMath": {"latex": "x"},
}
"""Attributes without which an editor breaks, or shows nothing."""


class Words:
    """Numbers every word, so that none is lost unnoticed."""

    def __init__(self, pick: Random) -> None:
        self.pick = pick
        self._count = 0

    def leaf(self, marks: tuple[str, ...] = ()) -> Leaf:
        """Return a new word, marked or not."""
        self._count += 1
        chosen = {name: True for name in marks if self.pick.random() < 0.2}
        if chosen.get("code"):
            # Where code is, the editor of Tiptap wants no other mark.
            chosen = {"code": True}
        return Leaf(f"{self.pick.choice(WORDS)}{self._count} ", chosen)


def ours(pick: Random, words: Words, depth: int = 0) -> list[Node]:
    """Return children in our vocabulary, whatever they are in."""
    found: list[Node] = []
    for _ in range(pick.randint(0 if depth else 1, 3)):
        if depth and pick.random() < 0.5:
            inline = pick.random()
            if inline < 0.8:
                found.append(words.leaf(MARKS))
            else:
                found.append(Element("hard-break"))
            continue
        found.append(block(pick, words, depth))
    return joined(found)


def block(pick: Random, words: Words, depth: int = 0) -> Element:
    """Return a block in our vocabulary."""
    kind = pick.choice(BLOCKS)
    attrs = ATTRIBUTES.get(kind, lambda _: {})(pick)
    if kind in ("divider", "image"):
        return Element(kind, attrs)
    if depth >= DEPTH_MAX or (kind in ("paragraph", "heading") and pick.random() < 0.7):
        return Element(kind, attrs, joined(words.leaf(MARKS) for _ in range(pick.randint(0, 2))))
    return Element(kind, attrs, ours(pick, words, depth + 1))


class Native:
    """Makes documents that *schema* allows, of the node types in *known*."""

    def __init__(self, schema: Schema, known: frozenset[str], words: Words) -> None:
        self._schema = schema
        self._known = known
        self._words = words
        self._pick = words.pick

    def document(self) -> Element:
        """Return a document, type None."""
        return Element(None, {}, self._children(self._schema.top, 0))

    def _children(self, parent: NodeType, depth: int) -> list[Node]:
        if parent.name == "table":
            return self._rows(depth)
        found: list[Node] = []
        state = START
        while True:
            after = parent.content.after(state)
            deep = depth >= DEPTH_MAX
            if parent.content.ends(state) and (not after or deep or self._pick.random() < 0.5):
                return joined(found)
            choices = [at for at in after if self._options(parent.allowed[at], depth)]
            if not choices:
                assert parent.content.ends(state), parent.name
                return joined(found)
            state = self._pick.choice(choices)
            kind = self._pick.choice(self._options(parent.allowed[state], depth))
            found.append(self._node(parent, kind, depth))

    def _options(self, names: frozenset[str], depth: int) -> list[str]:
        found = sorted(names & (self._known | {TEXT}))
        if depth >= DEPTH_MAX:
            shallow = [name for name in found if self._schema.types[name].inline_content]
            shallow += [name for name in found if not self._schema.types[name].content.names]
            return shallow or found
        return found

    def _node(self, parent: NodeType, kind: str, depth: int) -> Node:
        if kind == TEXT:
            leaf = self._words.leaf(tuple(self._schema.marks))
            plain: dict[str, Any] = {
                name: {} for name in leaf.marks if self._schema.keeps_mark(parent, name, {})
            }
            return Leaf(leaf.text, {"code": {}} if "code" in plain else plain)
        made = self._schema.types[kind]
        attrs = dict.fromkeys(made.required, "x") | NATIVE.get(kind, {})
        return Element(kind, attrs, self._children(made, depth + 1))

    def _rows(self, depth: int) -> list[Node]:
        """Every row as long as the others."""
        row = next(name for name in self._schema.types["table"].alphabet)
        cells = sorted(self._schema.types[row].alphabet)
        width = self._pick.randint(1, 3)
        return [
            Element(
                row,
                {},
                [
                    self._node(self._schema.types[row], self._pick.choice(cells), depth + 1)
                    for _ in range(width)
                ],
            )
            for _ in range(self._pick.randint(1, 3))
        ]


def edited(pick: Random, words: Words, view: Element) -> Element:
    """Return *view* with one thing in it changed."""
    holders = [one for one in _all(view) if one.children]
    holder = pick.choice(holders) if holders else view
    at = pick.randrange(len(holder.children)) if holder.children else 0
    children = list(holder.children)
    match pick.randint(0, 5):
        case 0 if children:
            del children[at]
        case 1 if children:
            other = pick.choice(holders)
            children.append(pick.choice(other.children))
        case 2:
            children.insert(at, words.leaf(MARKS))
        case 3 if children and isinstance(children[at], Element):
            child = children[at]
            assert isinstance(child, Element)
            kind = pick.choice(BLOCKS)
            attrs = ATTRIBUTES.get(kind, lambda _: {})(pick)
            children[at] = Element(kind, attrs, child.children, None, child.origin)
        case 4:
            pick.shuffle(children)
        case _:
            children.insert(at, block(pick, words, 1))
    return _with(view, holder, joined(children))


def _all(root: Element) -> list[Element]:
    return [
        root,
        *(one for child in root.children if isinstance(child, Element) for one in _all(child)),
    ]


def _with(root: Element, holder: Element, children: list[Node]) -> Element:
    if root is holder:
        return Element(root.type, root.attrs, children, None, root.origin)
    inner = [_with(c, holder, children) if isinstance(c, Element) else c for c in root.children]
    return Element(root.type, root.attrs, inner, None, root.origin)
