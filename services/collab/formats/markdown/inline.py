"""A line of text with its marks as Markdown.

Every mark is written by construction so that it reads as itself: delimiters that would not work
between the characters beside them get a character reference for a neighbour, and where delimiters
of one kind would touch, italic is written with underscores, so that bold, italic and strikethrough
have a character each and never end one another.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Any, cast

from services.collab.formats import names
from services.collab.formats.markdown import escape, spaces
from services.collab.formats.markdown.emphasis import Emphasis, Part
from services.collab.formats.markdown.grammar import is_safe
from services.collab.formats.tree import Element, Leaf, Node, joined

FOOTNOTE_LABEL = re.compile(r"[^\s\]]+")
_RUN_OF_TICKS = re.compile(r"`+")
_NOT_IN_CODE = re.compile(r"([\n\r]+)")
_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]{1,31}:[^<>\x00-\x20]*")
_MAIL = re.compile(r"[a-zA-Z0-9.+_-]+@[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?")
_BREAKS = (names.HARD_BREAK, "hardBreak")
_ELEMENTS = ("image", names.TOKEN, names.FOOTNOTE_REFERENCE)
_MARKS = frozenset({"strikethrough", "bold", "italic"})
_SHOWN = _MARKS | {"code", "link"}

type Link = tuple[str, str]


@dataclass(slots=True)
class _Piece:
    """Text, or the finished source of something else, and the marks on it."""

    text: str
    marks: frozenset[str] = frozenset()
    link: Link | None = None
    code: bool = False
    source: str | None = None
    is_break: bool = False


def rows(nodes: Sequence[Node]) -> list[str]:
    """Return the content of a paragraph as rows."""
    if all(isinstance(node, Leaf) and not node.marks and "\n" not in node.text for node in nodes):
        found = escape.text("".join(node.text for node in nodes if isinstance(node, Leaf)))
        return [escape.row(found)] if found else []
    written = _written(nodes, single=False)
    return [escape.row(row) for row in written.split("\n")] if written else []


def single(nodes: Sequence[Node]) -> str:
    """Return the content of a block that has one row, such as a heading or a cell of a table."""
    return _written(nodes, single=True)


def _written(nodes: Sequence[Node], *, single: bool) -> str:
    line = spaces.unmarked(joined(_flat(nodes, None)))
    pieces = _inherited(_joined(_pieces(line)))
    _write_breaks(pieces, single=single)
    return _composed(_linked(pieces, single=single), single=single)


def _flat(nodes: Iterable[Node], link: Link | None) -> Iterator[Node]:
    """Yield the text of elements that Markdown does not show in their place, with its marks."""
    for node in nodes:
        if isinstance(node, Leaf):
            marks = {name: value for name, value in node.marks.items() if name in _SHOWN}
            wanted = _given_link(marks.pop("link", None)) or link
            more = {"link": wanted} if wanted else {}
            kept = {name: True for name, value in marks.items() if value not in (None, False)}
            yield Leaf(node.text.replace("\0", "\ufffd"), kept | more)
        elif node.type == "link":
            address = node.attrs.get("url") or node.attrs.get("href")
            yield from _flat(node.children, _link(address, None) or link)
        elif node.type in _BREAKS or node.type in _ELEMENTS:
            yield node
        else:
            yield from _flat(node.children, link)


def _pieces(nodes: Iterable[Node]) -> Iterator[_Piece]:
    for node in nodes:
        if isinstance(node, Leaf):
            shown = frozenset(node.marks.keys() & _MARKS)
            link = node.marks.get("link")
            if "code" not in node.marks:
                yield _Piece(node.text, shown, link)
                continue
            for at, part in enumerate(_NOT_IN_CODE.split(node.text)):
                yield _Piece(part, shown, link, code=at % 2 == 0)
        elif node.type in _BREAKS:
            yield _Piece("", is_break=True)
        elif (source := _element(node)) is not None:
            yield _Piece("", source=source)
        else:
            yield _Piece(f"![{node.attrs.get('alt') or ''}]({node.attrs.get('src') or ''})")


def _given_link(value: Any) -> Link | None:
    """Return the value of a mark, which editors write as an object or as the address alone."""
    if isinstance(value, dict):
        attrs = cast("dict[str, Any]", value)
        return _link(attrs.get("href"), attrs.get("title"))
    return _link(value, None)


def _link(address: Any, title: Any) -> Link | None:
    if not isinstance(address, str) or not is_safe(address):
        return None
    return address, title if isinstance(title, str) else ""


def _element(element: Element) -> str | None:
    """Return the source of an element that has one of its own."""
    attrs = element.attrs
    match element.type:
        case "image":
            source = str(attrs.get("src") or attrs.get("url") or "")
            if not is_safe(source):
                return None
            alt = single([Leaf(str(attrs.get("alt") or ""))])
            shown = f"![{alt}]({escape.target(source, attrs.get('title'))})"
            link = _given_link(attrs.get("link"))
            return f"[{shown}]({escape.target(*link)})" if link else shown
        case names.TOKEN:
            label = single([Leaf(str(attrs.get("label") or ""))])
            return f"[{label}]({escape.target(escape.SCHEME + str(attrs.get('key', '')))})"
        case names.FOOTNOTE_REFERENCE:
            label = str(attrs.get("label") or "")
            return f"[^{label}]" if FOOTNOTE_LABEL.fullmatch(label) else escape.text(f"[^{label}]")
        case _:
            return None


def _joined(pieces: Iterable[_Piece]) -> list[_Piece]:
    """Return *pieces*, neighbours that differ in nothing that Markdown shows made one."""
    found: list[_Piece] = []
    kept = (piece for piece in pieces if piece.text or piece.source is not None or piece.is_break)
    for (text, *_), group in groupby(kept, _sort):
        if not text:
            found += group
            continue
        alike = list(group)
        if len(alike) > 1:
            alike[0].text = "".join(piece.text for piece in alike)
        found.append(alike[0])
    return found


def _sort(piece: _Piece) -> tuple[bool, frozenset[str], Link | None, bool]:
    return bool(piece.text), piece.marks, piece.link, piece.code


def _inherited(pieces: list[_Piece]) -> list[_Piece]:
    """Let elements carry the marks that both their neighbours have, so that these go on."""
    marks = [piece.marks for piece in pieces]
    texts = [at for at, piece in enumerate(pieces) if piece.text]
    for before, after in pairwise(texts):
        for at in range(before + 1, after):
            pieces[at].marks = marks[before] & marks[after]
    return pieces


def _write_breaks(pieces: list[_Piece], *, single: bool) -> None:
    for at, piece in enumerate(pieces):
        if piece.is_break:
            piece.source = "<br>" if single or at == len(pieces) - 1 else "\\\n"


def _linked(pieces: Sequence[_Piece], *, single: bool) -> list[_Piece]:
    """Return *pieces* with what has one link made the finished source of that link."""
    found: list[_Piece] = []
    group: list[_Piece] = []
    for piece in [*pieces, _Piece("")]:
        if group and piece.link != group[0].link:
            found.append(_one_link(group, single=single))
            group = []
        if piece.link is None:
            found.append(piece)
        else:
            group.append(piece)
    return found[:-1]


def _one_link(group: list[_Piece], *, single: bool) -> _Piece:
    assert group[0].link is not None
    href, title = group[0].link
    common = group[0].marks
    for piece in group:
        common &= piece.marks
    text = group[0].text if len(group) == 1 and not group[0].code else ""
    is_address = text == href and _ADDRESS.fullmatch(href)
    if not title and (is_address or (href == f"mailto:{text}" and _MAIL.fullmatch(text))):
        return _Piece("", common, source=f"<{text}>")
    inner = [replace(piece, link=None, marks=piece.marks - common) for piece in group]
    shown = _composed(inner, single=single)
    if escape.SEPARATOR in shown:
        # It is a link itself, and there is none in a link: such a rare mark has to go.
        shown = _composed([replace(piece, marks=frozenset()) for piece in inner], single=single)
    return _Piece("", common, source=f"[{shown}]({escape.target(href, title)})")


def _composed(pieces: Sequence[_Piece], *, single: bool) -> str:
    if not any(piece.marks for piece in pieces):
        parts = [_part(piece) for piece in pieces]
        return Emphasis(parts, single=single).source()
    parts: list[Part] = []
    stack: list[str] = []
    for at, piece in enumerate([*pieces, None]):
        wanted = piece.marks if piece else frozenset[str]()
        stays = 0
        while stays < len(stack) and stack[stays] in wanted:
            stays += 1
        parts += [Part("", mark=mark, opens=False) for mark in reversed(stack[stays:])]
        # What lasts longest is opened first, so that little has to be closed and opened again.
        new = sorted(wanted - set(stack[:stays]), key=lambda mark: (-_end(pieces, at, mark), mark))
        parts += [Part("", mark=mark, opens=True) for mark in new]
        stack = [*stack[:stays], *new]
        if piece:
            parts.append(_part(piece))
    return Emphasis(parts, single=single).source()


def _end(pieces: Sequence[_Piece], at: int, mark: str) -> int:
    while at < len(pieces) and mark in pieces[at].marks:
        at += 1
    return at


def _part(piece: _Piece) -> Part:
    if piece.source is not None:
        return Part("", source=piece.source)
    return Part("", source=_code(piece.text)) if piece.code else Part(piece.text)


def _code(text: str) -> str:
    ticks = {len(run) for run in _RUN_OF_TICKS.findall(text)}
    fence = "`" * next(length for length in range(1, len(ticks) + 2) if length not in ticks)
    spaced = text[0] == text[-1] == " " and text.strip(" ")
    padding = " " if "`" in (text[0], text[-1]) or spaced else ""
    return f"{fence}{padding}{text}{padding}{fence}"
