"""Markdown as a tree under our names."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from markdown_it.common.utils import unescapeAll
from markdown_it.token import Token

from services.collab.formats import names
from services.collab.formats.markdown import grammar, spaces
from services.collab.formats.markdown.escape import SCHEME
from services.collab.formats.tree import Element, Leaf, Node, joined, text_of

EMPTY = "&nbsp;"
"""An empty paragraph in Markdown, as Tiptap writes it."""

_parser = grammar.reader()
_MARKS = {"em": "italic", "strong": "bold", "s": "strikethrough"}
_CHECKBOX = re.compile(r"\[([ xX])\]")
_LINE_END = re.compile(r"\r\n?")
_FRONT_MATTER = re.compile(r"---[ \t]*\n")
_FRONT_MATTER_END = re.compile(r"^---[ \t]*(?:\n|\Z)", re.MULTILINE)
_YAML_KEY = re.compile(r"(?:[ \t]*(?:#.*)?\n)*[\"']?[\w.-]+(?: [\w.-]+)*[\"']?[ \t]*:(?:\s|\Z)")


def normal(text: str) -> str:
    """Return *text* with line ends of one character and without a byte order mark."""
    return _LINE_END.sub("\n", text.removeprefix("\ufeff"))


def parse(text: str, footnotes: Iterable[str] = (), *, part: bool = False) -> Element:
    """Read Markdown; everything is Markdown, so nothing can be wrong.

    Args:
        text: The source.
        footnotes: Labels of footnotes that stand elsewhere: references to them are references.
        part: Whether *text* is a part of a document, so that an empty paragraph at its end counts.
    """
    text = normal(text)
    root = Element(None)
    matter, rest = front_matter(text)
    if matter is not None:
        root.children.append(Element(names.FRONT_MATTER, {}, [Leaf(matter)]))
    labels = {f":{label}": -1 for label in footnotes}
    env: dict[str, Any] = {"footnotes": {"refs": labels, "list": {}}}
    _Tree(root).add(_parser.parse(rest, env))
    while not part and root.children and is_empty(root.children[-1]):
        root.children.pop()
    return root


def front_matter(text: str) -> tuple[str | None, str]:
    """Return the front matter that *text* begins with, if it does, and the rest.

    It stands between two lines of three dashes and begins with a key of YAML: two thematic breaks
    around a paragraph are not taken for it.
    """
    start = _FRONT_MATTER.match(text)
    end = _FRONT_MATTER_END.search(text, start.end()) if start else None
    if start is None or end is None:
        return None, text
    matter = text[start.end() : end.start()].removesuffix("\n")
    if not _YAML_KEY.match(matter):
        return None, text
    return matter, text[end.end() :]


def is_empty(node: Node) -> bool:
    """Whether *node* is a paragraph without anything in it."""
    return isinstance(node, Element) and node.type == names.PARAGRAPH and not node.children


class _Tree:
    """Puts the tokens of blocks into *root*."""

    def __init__(self, root: Element) -> None:
        self._open = [root]

    def add(self, tokens: Sequence[Token]) -> None:
        for token in tokens:
            if token.type in ("thead_open", "thead_close", "tbody_open", "tbody_close"):
                continue
            if token.nesting == 1:
                made = _block(token)
                self._open[-1].children.append(made)
                self._open.append(made)
            elif token.nesting == -1:
                self._close(self._open.pop())
            elif token.type == "inline":
                self._line(token)
            else:
                self._open[-1].children.append(_leaf_block(token))

    def _line(self, token: Token) -> None:
        block = self._open[-1]
        if block.type in ("table-header", "table-cell"):
            block.children.append(Element(names.PARAGRAPH, {}, _inline(token.children or [])))
        elif block.type == names.PARAGRAPH and token.content == EMPTY:
            pass
        elif block.type == names.PARAGRAPH and self._is_checkbox(token.content):
            item = self._open[-2]
            item.type, item.attrs = names.TASK_ITEM, {"checked": token.content != "[ ]"}
        else:
            block.children = _inline(token.children or [])

    def _is_checkbox(self, source: str) -> bool:
        """Whether *source* is a box before nothing: all there is in an empty task."""
        if not _CHECKBOX.fullmatch(source) or self._open[-2].type != names.LIST_ITEM:
            return False
        return len(self._open[-2].children) == 1

    def _close(self, block: Element) -> None:
        match block.type:
            case "quote" | names.FOOTNOTE:
                _drop_only_empty(block)
            case names.LIST_ITEM | names.TASK_ITEM:
                _drop_only_empty(block)
                _drop_empty_before_block(block)
            case "list":
                self._open[-1].children[-1:] = _lists(block)
            case "table":
                _drop_empty_header(block)
            case _:
                pass


def _drop_only_empty(block: Element) -> None:
    if len(block.children) == 1 and is_empty(block.children[0]):
        block.children = []


def _drop_empty_before_block(item: Element) -> None:
    """An editor may want a paragraph at the beginning of an item; nobody wrote it."""
    if len(item.children) > 1 and is_empty(item.children[0]):
        second = item.children[1]
        if isinstance(second, Element) and second.type != names.PARAGRAPH:
            item.children = item.children[1:]


def _drop_empty_header(table: Element) -> None:
    """A header without any text is how Markdown writes a table that has none."""
    first = table.children[0]
    if len(table.children) > 1 and not any(one.children for one in _paragraphs(first)):
        table.children = table.children[1:]


def _paragraphs(row: Node) -> list[Element]:
    cells = row.children if isinstance(row, Element) else []
    return [
        one
        for cell in cells
        if isinstance(cell, Element)
        for one in cell.children
        if isinstance(one, Element)
    ]


def _lists(block: Element) -> list[Node]:
    """Return a list as lists of items and lists of tasks; in a numbered one boxes are text."""
    items = [one for one in block.children if isinstance(one, Element)]
    tasks = [item for item in items if item.type == names.TASK_ITEM]
    if not tasks:
        return [block]
    if block.attrs.get("ordered"):
        for task in tasks:
            _unbox(task)
        return [block]
    found: list[Node] = []
    for item in items:
        kind = names.TASK_LIST if item.type == names.TASK_ITEM else "list"
        last = found[-1] if found else None
        if isinstance(last, Element) and last.type == kind:
            last.children.append(item)
        else:
            found.append(Element(kind, {}, [item]))
    return found


def _unbox(task: Element) -> None:
    box = f"[{'x' if task.attrs['checked'] else ' '}]"
    task.type, task.attrs = names.LIST_ITEM, {}
    first = task.children[0] if task.children else None
    if isinstance(first, Element) and first.type == names.PARAGRAPH:
        space = " " if first.children else ""
        first.children = joined([Leaf(box + space), *first.children])
    else:
        task.children.insert(0, Element(names.PARAGRAPH, {}, [Leaf(box)]))


def _block(token: Token) -> Element:
    match token.type:
        case "heading_open":
            return Element("heading", {"level": int(token.tag[1:])})
        case "blockquote_open":
            return Element("quote")
        case "bullet_list_open":
            return Element("list")
        case "ordered_list_open":
            start = token.attrs.get("start")
            more: dict[str, Any] = {} if start is None else {"start": int(start)}
            return Element("list", {"ordered": True} | more)
        case "list_item_open":
            if token.meta and "checked" in token.meta:
                return Element(names.TASK_ITEM, {"checked": token.meta["checked"]})
            return Element(names.LIST_ITEM)
        case "footnote_reference_open":
            return Element(names.FOOTNOTE, {"label": token.meta["label"]})
        case "table_open":
            return Element("table")
        case "tr_open":
            return Element("table-row")
        case "th_open" | "td_open":
            align = str(token.attrs.get("style", "")).removeprefix("text-align:")
            kind = "table-header" if token.type == "th_open" else "table-cell"
            return Element(kind, {"align": align} if align else {})
        case _:
            return Element(names.PARAGRAPH)


def _leaf_block(token: Token) -> Element:
    match token.type:
        case "hr":
            return Element("divider")
        case "definition":
            label = " ".join(token.meta["label"].split())
            title = {"title": token.meta["title"]} if token.meta["title"] else {}
            return Element(
                names.LINK_DEFINITION, {"label": label, "href": token.meta["url"]} | title
            )
        case _:
            text = token.content.removesuffix("\n")
            language = unescapeAll(token.info.strip(" \t"))
            attrs = {"language": language} if language else {}
            return Element(names.CODE_BLOCK, attrs, [Leaf(text)] if text else [])


def _inline(tokens: Sequence[Token]) -> list[Node]:
    line = _Line()
    for token in tokens:
        line.add(token)
    return spaces.unmarked(joined(line.found))


class _Line:
    """Puts the tokens of a line into `found`; marks of one kind within another count."""

    def __init__(self) -> None:
        self.found: list[Node] = []
        self._marks: dict[str, Any] = {}
        self._depths = Counter[str]()
        self._link_from = 0

    def add(self, token: Token) -> None:
        kind = token.type.removesuffix("_open").removesuffix("_close")
        match kind:
            case "link":
                self._link(token)
            case "em" | "strong" | "s":
                self._mark(_MARKS[kind], token.nesting)
            case "softbreak":
                self._text("\n")
            case "hardbreak":
                self.found.append(Element(names.HARD_BREAK))
            case "code_inline":
                self.found.append(Leaf(token.content, self._marks | {"code": True}))
            case "image":
                link = self._marks.get("link")
                attrs = _image(token) | ({} if link is None else {"link": link})
                self.found.append(Element("image", attrs))
            case "footnote_ref":
                label = {"label": token.meta["label"]}
                self.found.append(Element(names.FOOTNOTE_REFERENCE, label))
            case _:
                self._text(token.content)

    def _text(self, text: str) -> None:
        self.found.append(Leaf(text, self._marks))

    def _mark(self, name: str, nesting: int) -> None:
        self._depths[name] += nesting
        if self._depths[name]:
            self._marks = self._marks | {name: True}
        else:
            self._marks = {key: value for key, value in self._marks.items() if key != name}

    def _link(self, token: Token) -> None:
        if token.nesting == 1:
            self._marks = self._marks | {"link": _link(token)}
            self._link_from = len(self.found)
            return
        href: str = self._marks["link"]["href"]
        without_link = {key: value for key, value in self._marks.items() if key != "link"}
        inside = joined(self.found[self._link_from :])
        if href.startswith(SCHEME):
            label = "".join(text_of(node) for node in inside)
            key = href.removeprefix(SCHEME)
            inside = [Element(names.TOKEN, {"key": key, "label": label})] if key or label else []
        elif not inside:
            # Nobody could see or follow it otherwise.
            inside = [Leaf(href, self._marks)] if href else [Leaf("[]()", without_link)]
        self.found[self._link_from :] = inside
        self._marks = without_link


def _link(token: Token) -> dict[str, Any]:
    return {key: value for key, value in token.attrs.items() if key in ("href", "title")}


def _image(token: Token) -> dict[str, Any]:
    text = "".join(_alternative(node) for node in _inline(token.children or []))
    alt = {"alt": text} if text else {}
    return alt | {key: value for key, value in token.attrs.items() if key in ("src", "title")}


def _alternative(node: Node) -> str:
    if isinstance(node, Element):
        match node.type:
            case names.HARD_BREAK:
                return "\n"
            case "image":
                return str(node.attrs.get("alt", ""))
            case names.TOKEN | names.FOOTNOTE_REFERENCE:
                return str(node.attrs["label"])
            case _:
                pass
    return text_of(node)
