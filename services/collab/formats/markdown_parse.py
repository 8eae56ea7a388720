"""Markdown (CommonMark and ~~strikethrough~~) as a tree under our names."""

from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from services.collab.formats.names import HARD_BREAK, LIST_ITEM, PARAGRAPH
from services.collab.formats.tree import Element, Leaf, Node, joined, text_of

# HTML is text: nothing here could hold it otherwise, and nothing may run in a reader's browser.
_parser = MarkdownIt("commonmark", {"html": False}).enable("strikethrough")

_MARKS = {"em": "italic", "strong": "bold", "s": "strikethrough"}


def parse(text: str) -> Element:
    """Read Markdown; everything is Markdown, so nothing can be wrong."""
    root = Element(None)
    open_blocks = [root]
    for token in _parser.parse(text):
        if token.nesting == 1:
            made = _block(token)
            open_blocks[-1].children.append(made)
            open_blocks.append(made)
        elif token.nesting == -1:
            open_blocks.pop()
        elif token.type == "inline":
            open_blocks[-1].children = _inline(token.children or [])
        else:
            open_blocks[-1].children.append(_leaf_block(token))
    return root


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
            return Element(LIST_ITEM)
        case _:
            return Element(PARAGRAPH)


def _leaf_block(token: Token) -> Element:
    if token.type == "hr":
        return Element("divider")
    text = token.content.removesuffix("\n")
    language = token.info.strip()
    attrs = {"language": language} if language else {}
    return Element("code-block", attrs, [Leaf(text)] if text else [])


def _inline(tokens: Sequence[Token]) -> list[Node]:
    found: list[Node] = []
    marks: dict[str, Any] = {}
    for token in tokens:
        kind = token.type.removesuffix("_open").removesuffix("_close")
        if token.nesting:
            name, value = _MARKS.get(kind, kind), True if kind != "link" else _link(token)
            if token.nesting == 1:
                marks = marks | {name: value}
            else:
                marks = {key: kept for key, kept in marks.items() if key != name}
        elif kind == "softbreak":
            found.append(Leaf(" ", marks))
        elif kind == "hardbreak":
            found.append(Element(HARD_BREAK))
        elif kind == "code_inline":
            found.append(Leaf(token.content, marks | {"code": True}))
        elif kind == "image":
            found.append(Element("image", _image(token)))
        else:
            found.append(Leaf(token.content, marks))
    return joined(found)


def _link(token: Token) -> dict[str, Any]:
    return {key: value for key, value in token.attrs.items() if key in ("href", "title")}


def _image(token: Token) -> dict[str, Any]:
    text = "".join(text_of(node) for node in _inline(token.children or []))
    alt = {"alt": text} if text else {}
    return alt | {key: value for key, value in token.attrs.items() if key in ("src", "title")}
