"""A line of text with its marks as Markdown.

Every mark is written by construction so that it reads as itself: delimiters that would not work
between the characters beside them get a character reference for a neighbour, and where delimiters
of one kind would touch, italic is written with underscores, so that bold, italic and strikethrough
have a character each and never end one another.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import Any, cast

from services.collab.formats import names
from services.collab.formats.markdown import escape
from services.collab.formats.markdown.emphasis import Emphasis, Part
from services.collab.formats.markdown.grammar import is_safe
from services.collab.formats.markdown.parse import SCHEME
from services.collab.formats.tree import Element, Leaf, Node

FOOTNOTE_LABEL = re.compile(r"[^\s\]]+")
_RUN_OF_TICKS = re.compile(r"`+")
_NOT_IN_CODE = re.compile(r"([\n\r]+)")
_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]{1,31}:[^<>\x00-\x20]*")
_MAIL = re.compile(r"[a-zA-Z0-9.+_-]+@[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?")
_BREAKS = (names.HARD_BREAK, "hardBreak")
_MARKS = ("strikethrough", "bold", "italic")
_SPACES = " \n"

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
    pieces = _trimmed(_inherited(_joined(_pieces(nodes, None))))
    _write_breaks(pieces, single=single)
    return _composed(_linked(pieces), single=single)


def _pieces(nodes: Iterable[Node], link: Link | None) -> Iterable[_Piece]:
    for node in nodes:
        if isinstance(node, Leaf):
            yield from _leaf(node, link)
        elif node.type in _BREAKS:
            yield _Piece("", is_break=True)
        elif node.type == "link":
            address = node.attrs.get("url") or node.attrs.get("href")
            yield from _pieces(node.children, _link(address, None) or link)
        elif (source := _element(node)) is not None:
            yield _Piece("", source=source)
        elif node.type == "image":
            yield _Piece(f"![{node.attrs.get('alt') or ''}]({node.attrs.get('src') or ''})")
        else:
            yield from _pieces(node.children, link)


def _leaf(leaf: Leaf, link: Link | None) -> Iterable[_Piece]:
    marks = leaf.marks
    link = _given_link(marks.get("link")) or link
    shown = frozenset(name for name in _MARKS if marks.get(name) not in (None, False))
    text = leaf.text.replace("\0", "\ufffd")
    if marks.get("code") in (None, False):
        yield _Piece(text, shown, link)
        return
    for at, part in enumerate(_NOT_IN_CODE.split(text)):
        if part:
            yield _Piece(part, shown, link, code=at % 2 == 0)


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
            return f"[{label}]({escape.target(SCHEME + str(attrs.get('key', '')))})"
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


def _trimmed(pieces: list[_Piece]) -> list[_Piece]:
    """Take bold and italic off spaces at the edges of what they mark, unless it is all spaces."""
    for mark in ("bold", "italic"):
        if not any(mark in piece.marks for piece in pieces):
            continue
        found: list[_Piece] = []
        run: list[_Piece] = []
        for piece in [*pieces, None]:
            if piece is not None and mark in piece.marks:
                run.append(piece)
                continue
            found += _without_edges(run, mark)
            run = []
            if piece is not None:
                found.append(piece)
        pieces = _joined(found)
    return pieces


def _without_edges(run: list[_Piece], mark: str) -> list[_Piece]:
    if not any(_fixed(piece) or piece.text.strip(_SPACES) for piece in run):
        return run
    lead = _edge(run, mark, str.lstrip)
    trail = _edge(run[::-1], mark, str.rstrip)
    return [*lead[1], *run[lead[0] : len(run) - trail[0]], *trail[1][::-1]] if run else run


def _fixed(piece: _Piece) -> bool:
    """Whether spaces in *piece* are held by something else than by the text itself."""
    return piece.source is not None or piece.is_break or piece.code or piece.link is not None


def _edge(run: list[_Piece], mark: str, strip: Any) -> tuple[int, list[_Piece]]:
    """Return how many pieces of *run* the edge takes whole, and the pieces that it becomes."""
    found: list[_Piece] = []
    for at, piece in enumerate(run):
        kept = piece.text if _fixed(piece) else strip(piece.text, _SPACES)
        if len(kept) == len(piece.text):
            return at, found
        spaces = replace(
            piece,
            text=piece.text[: len(piece.text) - len(kept)]
            if strip is str.lstrip
            else piece.text[len(kept) :],
            marks=piece.marks - {mark},
        )
        found.append(spaces)
        if kept:
            piece.text = kept
            return at, found
    return len(run), found


def _write_breaks(pieces: list[_Piece], *, single: bool) -> None:
    for at, piece in enumerate(pieces):
        if piece.is_break:
            piece.source = "<br>" if single or at == len(pieces) - 1 else "\\\n"


def _linked(pieces: Sequence[_Piece]) -> list[_Piece]:
    """Return *pieces* with what has one link made the finished source of that link."""
    found: list[_Piece] = []
    group: list[_Piece] = []
    for piece in [*pieces, _Piece("")]:
        if group and piece.link != group[0].link:
            found.append(_one_link(group))
            group = []
        if piece.link is None:
            found.append(piece)
        else:
            group.append(piece)
    return found[:-1]


def _one_link(group: list[_Piece]) -> _Piece:
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
    if not all(escape.has_reference(letter) for piece in inner for letter in piece.text):
        # What keeps such characters apart elsewhere is a link itself.
        inner = [replace(piece, marks=frozenset[str]()) for piece in inner]
    shown = _composed(inner, single=False)
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
