"""Blocks as Markdown: rows of source for each."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from services.collab.formats import names
from services.collab.formats.markdown import escape, inline, tables
from services.collab.formats.markdown.grammar import DEPTH_MAX, is_safe
from services.collab.formats.markdown.parse import EMPTY, front_matter, is_empty
from services.collab.formats.tree import Element, Leaf, Node, is_inline, text_of

SCENE_HEADING_LEVEL = 2
"""A scene heading shows as this heading; other blocks of a screenplay show as paragraphs."""
NUMBER_MAX = 999_999_999
"""CommonMark reads at most nine digits as the number of an item; only the first one counts."""

_LABEL = re.compile(r"(?!\^)(?:[^\s\[\]\\]|\\.|[ ](?=\S)){1,999}")
_BLOCKS = frozenset(
    {
        names.PARAGRAPH,
        "heading",
        "list",
        names.LIST_ITEM,
        names.TASK_LIST,
        names.TASK_ITEM,
        "quote",
        names.CODE_BLOCK,
        "divider",
        "table",
        "table-row",
        "table-cell",
        "table-header",
        names.FRONT_MATTER,
        names.LINK_DEFINITION,
        *names.SCREENPLAY,
    }
)
"""Elements that are blocks even where text stands beside them."""
_LISTS = ("list", names.TASK_LIST)
_NESTING = frozenset({*_LISTS, "quote", names.FOOTNOTE})
_SHOWN = frozenset(
    {
        names.PARAGRAPH,
        "heading",
        "scene-heading",
        names.CODE_BLOCK,
        names.FRONT_MATTER,
        "divider",
        "table",
        names.LINK_DEFINITION,
    }
)


def of_document(nodes: Sequence[Node]) -> list[list[str]]:
    """Return the rows of each of the children of a document.

    A line of text among them has its rows at its first node. Empty paragraphs at the end have
    none: editors put one there themselves.
    """
    shown = list(nodes)
    while shown and is_empty(shown[-1]):
        shown.pop()
    rows = _Siblings(0).rows(shown)
    first = nodes[0] if nodes else None
    if isinstance(first, Element) and first.type == names.FRONT_MATTER:
        source = f"---\n{text_of(first)}\n---"
        if front_matter(source) == (text_of(first), ""):
            rows[0] = source.split("\n")
    return rows + [[] for _ in nodes[len(shown) :]]


def put_together(blocks: Sequence[list[str]]) -> list[str]:
    """Return the rows of *blocks* with an empty one between any two."""
    found: list[str] = []
    for rows in blocks:
        if rows:
            found += [*([""] if found else []), *rows]
    return found


class _Siblings:
    """Writes blocks that stand one below the other."""

    def __init__(self, depth: int, bullet: str = "") -> None:
        """Begin at *depth*; *bullet* is that of the item of a list that they stand in."""
        self._depth = depth
        self._above = bullet
        """The marker that the next list must not have, because it would continue the list above."""

    def rows(self, nodes: Sequence[Node]) -> list[list[str]]:
        found: list[list[str]] = [[] for _ in nodes]
        line: list[Node] = []
        in_text = any(isinstance(node, Leaf) for node in nodes)
        for at, node in enumerate([*nodes, None]):
            if node is not None and _is_in_line(node, in_text=in_text):
                line.append(node)
                continue
            if line:
                found[at - len(line)] = self._written(inline.rows(line))
                line = []
            if isinstance(node, Element):
                found[at] = self._block(node)
        return found

    def _written(self, rows: list[str]) -> list[str]:
        if rows:
            self._above = ""
        return rows

    def _through(self, block: Element) -> list[str]:
        """Return what stands in an element that Markdown does not show, in its place."""
        found: list[Node] = []
        # Without recursion: there may be hundreds of such elements in one another.
        waiting: list[Node] = block.children[::-1]
        while waiting:
            node = waiting.pop()
            if isinstance(node, Element) and self._is_only_around_blocks(node):
                waiting += reversed(node.children)
            else:
                found.append(node)
        return put_together(self.rows(found))

    def _is_only_around_blocks(self, element: Element) -> bool:
        if element.type in _SHOWN or not element.children:
            return False
        if element.type in _NESTING and self._depth < DEPTH_MAX:
            return False
        return not any(_is_in_line(child, in_text=False) for child in element.children)

    def _block(self, block: Element) -> list[str]:
        if block.type in _LISTS and self._depth < DEPTH_MAX:
            return self._list(block)
        return self._written(self._other(block))

    def _other(self, block: Element) -> list[str]:
        match block.type:
            case names.PARAGRAPH:
                return inline.rows(block.children) if block.children else [EMPTY]
            case "heading":
                level = block.attrs.get("level")
                return _heading(block, level if isinstance(level, int) and 1 <= level <= 6 else 1)
            case "scene-heading":
                return _heading(block, SCENE_HEADING_LEVEL) if block.children else []
            case "quote" if self._depth < DEPTH_MAX:
                inner = self._inside(block, 1)
                return [f"> {row}" if row else ">" for row in inner] or [">"]
            case names.CODE_BLOCK | names.FRONT_MATTER:
                return _code(block)
            case "divider":
                return ["***" if self._above == "-" else "---"]
            case "table":
                return tables.rows(block)
            case names.FOOTNOTE if self._depth < DEPTH_MAX:
                return self._footnote(block)
            case names.LINK_DEFINITION:
                return _definition(block)
            case _:
                return self._through(block)

    def _inside(self, block: Element, levels: int, bullet: str = "") -> list[str]:
        only = block.children[0] if len(block.children) == 1 else None
        if only is not None and is_empty(only):
            return []
        return put_together(_Siblings(self._depth + levels, bullet).rows(block.children))

    def _footnote(self, block: Element) -> list[str]:
        label = block.attrs.get("label")
        if not isinstance(label, str) or not inline.FOOTNOTE_LABEL.fullmatch(label):
            return self._through(block)
        rows = self._inside(block, 1)
        first = block.children[0] if block.children else None
        is_text = isinstance(first, Leaf) or (first is not None and first.type == names.PARAGRAPH)
        head = f"[^{label}]: {rows.pop(0)}" if rows and is_text else f"[^{label}]:"
        return [head, *(f"    {row}" if row else "" for row in rows)]

    def _list(self, block: Element) -> list[str]:
        ordered = block.type == "list" and block.attrs.get("ordered") is True
        first, second = (".", ")") if ordered else ("-", "*")
        marker = second if self._above == first else first
        start = block.attrs.get("start")
        number = start if isinstance(start, int) and 0 <= start <= NUMBER_MAX else 1
        rows: list[str] = []
        for at, item in enumerate(block.children or [Element(names.LIST_ITEM)]):
            bullet = f"{min(number + at, NUMBER_MAX)}{marker} " if ordered else f"{marker} "
            rows += _indented(bullet, list(self._item(item, marker)))
        self._above = marker
        return rows

    def _item(self, item: Node, bullet: str) -> Iterator[str]:
        if isinstance(item, Leaf) or item.type not in (names.LIST_ITEM, names.TASK_ITEM):
            item = Element(names.LIST_ITEM, {}, [item])
        children = item.children
        if len(children) > 1 and is_empty(children[0]) and not _is_paragraph(children[1]):
            # An editor wants a paragraph at the beginning of an item; nobody wrote it.
            children = children[1:]
        is_task = item.type == names.TASK_ITEM
        box = ("[x] " if item.attrs.get("checked") is True else "[ ] ") if is_task else ""
        begins = bool(children) and _is_paragraph(children[0]) and not is_empty(children[0])
        if box and not begins:
            # The box is a paragraph of its own, which is empty for who reads it.
            yield box.rstrip()
            rest = children[1:] if children and is_empty(children[0]) else children
            rows = put_together(_Siblings(self._depth + 2).rows(rest))
            yield from ["", *rows] if rows else []
            return
        inner = Element(None, {}, children)
        if begins and len(children) > 1 and all(_may_follow_at_once(one) for one in children[1:]):
            blocks = _Siblings(self._depth + 2).rows(children)
            rows = [*blocks[0], *put_together(blocks[1:])]
        else:
            rows = self._inside(inner, 2, bullet)
        for at, row in enumerate(rows):
            yield box + row if at == 0 else row


def _is_in_line(node: Node, *, in_text: bool) -> bool:
    if is_inline(node, names.INLINE):
        return True
    return in_text and isinstance(node, Element) and node.type not in _BLOCKS and _is_line(node)


def _is_line(element: Element) -> bool:
    return all(_is_in_line(child, in_text=True) for child in element.children)


def _is_paragraph(node: Node) -> bool:
    return isinstance(node, Leaf) or node.type == names.PARAGRAPH


def _may_follow_at_once(block: Node) -> bool:
    """Whether *block* is a list that needs no empty row between it and a paragraph before it."""
    if isinstance(block, Leaf) or block.type not in _LISTS or not block.children:
        return False
    if block.attrs.get("ordered") is True and block.attrs.get("start", 1) != 1:
        return False
    first = block.children[0]
    return isinstance(first, Element) and bool(text_of(first).strip())


def _indented(bullet: str, rows: Sequence[str]) -> Iterator[str]:
    yield (bullet + rows[0]) if rows else bullet.rstrip()
    for row in rows[1:]:
        yield (" " * len(bullet) + row) if row else ""


def _heading(block: Element, level: int) -> list[str]:
    return [f"{'#' * level} {escape.heading(inline.single(block.children))}".rstrip(" ")]


def _code(block: Element) -> list[str]:
    text = escape.one_line_end(text_of(block))
    language = block.attrs.get("language")
    if block.type == names.FRONT_MATTER:
        language = "yaml"
    info = escape.info(language) if isinstance(language, str) else ""
    # Behind a fence of backticks there may be none.
    letter = "~" if "`" in info else "`"
    longest = max((len(run) for run in re.findall(f"{letter}+", text)), default=0)
    fence = letter * max(3, longest + 1)
    space = " " if info.startswith(letter) else ""
    return [f"{fence}{space}{info}", *(text.split("\n") if text else []), fence]


def _definition(block: Element) -> list[str]:
    attrs: dict[str, Any] = block.attrs
    label, href = attrs.get("label"), attrs.get("href")
    if not isinstance(label, str) or not isinstance(href, str):
        return []
    target = escape.target(href, attrs.get("title"))
    if not _LABEL.fullmatch(label) or not is_safe(href):
        return inline.rows([Leaf(f"[{label}]: {target}")])
    return [f"[{label}]: {target}"]
