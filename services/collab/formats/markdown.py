"""Blocks as Markdown, and what becomes of blocks whose Markdown somebody changed."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from services.collab import align
from services.collab.formats import merge, names
from services.collab.formats.markdown_parse import parse
from services.collab.formats.tree import Element, Leaf, Node, is_inline, joined, key_of, text_of

SCENE_HEADING_LEVEL = 2
"""A scene heading shows as this heading; other blocks of a screenplay show as paragraphs."""

NUMBER_MAX = 10**8
"""CommonMark reads at most nine digits as the number of a list item."""

_SPECIAL = re.compile(r"[\\`*_\[\]<>&~!]")
_AT_START = re.compile(r"^(?=[#+\-=>|])|^(\d{1,9})(?=[.)])")
_RUN_OF_TICKS = re.compile(r"`+")
_DELIMITERS = (("strikethrough", "~~"), ("bold", "**"), ("italic", "*"))


def render(root: Element) -> str:
    """Return *root*, whose names are ours, as Markdown."""
    rows = _blocks(root.children)
    return "\n".join(rows) + "\n" if rows else ""


def _blocks(nodes: Sequence[Node]) -> list[str]:
    """Return *nodes* as lines, an empty one between two blocks."""
    found: list[str] = []
    line: list[Node] = []
    marker = 0
    before: Element | None = None
    for node in [*nodes, None]:
        if isinstance(node, Leaf) or (node is not None and is_inline(node, names.INLINE)):
            line.append(node)
            continue
        if line:
            found += [*([""] if found else []), *_line(line)]
            line, before = [], None
        if node is None:
            break
        # Two lists side by side would read as one, were their markers the same.
        beside = before is not None and before.type == node.type == "list"
        other = 1 - marker if beside else 0
        if rows := _block(node, other):
            found += [*([""] if found else []), *rows]
            before, marker = node, other
    return found


def _block(block: Element, marker: int) -> list[str]:
    match block.type:
        case "heading":
            level = block.attrs.get("level")
            return _heading(block, level if isinstance(level, int) and 1 <= level <= 6 else 1)
        case "scene-heading":
            return _heading(block, SCENE_HEADING_LEVEL)
        case "quote":
            return [f"> {row}" if row else ">" for row in _blocks(block.children)]
        case "list":
            return list(_list(block, marker))
        case "code-block":
            return _code(block)
        case "divider":
            return ["---"]
        case _:
            return _blocks(block.children)


def _heading(block: Element, level: int) -> list[str]:
    row = " ".join(row.removesuffix("\\") for row in _line(block.children))
    # A hash at the end would be taken for the end of the heading.
    return [f"{'#' * level} {re.sub(r'#(?=#*$)', '&#35;', row)}"] if row else []


def _code(block: Element) -> list[str]:
    text = text_of(block)
    ticks = max((len(run) for run in _RUN_OF_TICKS.findall(text)), default=0)
    fence = "`" * max(3, ticks + 1)
    language = block.attrs.get("language")
    named = isinstance(language, str) and re.fullmatch(r"[\w+#.-]+", language)
    return [f"{fence}{language if named else ''}", *(text.split("\n") if text else []), fence]


def _list(block: Element, marker: int) -> Iterator[str]:
    ordered = block.attrs.get("ordered") is True
    start = block.attrs.get("start")
    number = start if isinstance(start, int) and 0 <= start < NUMBER_MAX else 1
    for at, item in enumerate(block.children):
        bullet = f"{number + at}{'.)'[marker]} " if ordered else f"{'-*'[marker]} "
        rows = _item(item.children) if isinstance(item, Element) else _line([item])
        yield (bullet + rows[0]) if rows else bullet.rstrip()
        for row in rows[1:]:
            yield (" " * len(bullet) + row) if row else ""


def _item(children: Sequence[Node]) -> list[str]:
    """Lists in an item follow its first paragraph at once; anything else stands apart."""
    first, rest = children[:1], children[1:]
    lists = [child for child in rest if isinstance(child, Element) and child.type == "list"]
    if not lists or len(lists) < len(rest):
        return _blocks(children)
    return _blocks(first) + _blocks(rest)


def _line(nodes: Sequence[Node]) -> list[str]:
    """Return inline content as lines; marks that Markdown cannot express here are left out."""
    for wanted in (nodes, _unmarked(nodes)):
        written = _written(wanted)
        if not any(isinstance(node, Leaf) and node.marks for node in wanted):
            break
        if _reads(parse(written).children) == _reads([Element(names.PARAGRAPH, {}, list(nodes))]):
            break
    return written.split("\n") if written else []


def _reads(nodes: Sequence[Node]) -> str:
    return "".join(text_of(node) for node in nodes)


def _unmarked(nodes: Sequence[Node]) -> list[Node]:
    return joined(Leaf(node.text) if isinstance(node, Leaf) else node for node in nodes)


def _written(nodes: Sequence[Node]) -> str:
    pieces: list[str] = []
    open_marks: list[str] = []
    for node in [*nodes, None]:
        marks = node.marks if isinstance(node, Leaf) else {}
        marked = [name for name, _ in _DELIMITERS if marks.get(name) not in (None, False)]
        # What is open stays open, so that marks nest instead of ending and beginning again.
        keep = [name for name in open_marks if name in marked]
        keep += [name for name in marked if name not in keep]
        text = node.text if isinstance(node, Leaf) else ""
        stays = _common(open_marks, keep)
        closing = "".join(dict(_DELIMITERS)[name] for name in reversed(open_marks[stays:]))
        _close(pieces, closing)
        opening = "".join(dict(_DELIMITERS)[name] for name in keep[stays:])
        open_marks = keep
        if node is None:
            break
        if isinstance(node, Element):
            pieces.append(_element(node))
            continue
        if opening and not text.strip():
            open_marks = keep[:stays]
            opening = ""
        lead = text[: len(text) - len(text.lstrip())] if opening else ""
        pieces.append(_escaped(lead))
        pieces.append(opening)
        pieces.append(_marked(text[len(lead) :], marks))
    return _guarded("".join(pieces))


def _common(one: list[str], other: list[str]) -> int:
    count = 0
    while count < min(len(one), len(other)) and one[count] == other[count]:
        count += 1
    return count


def _close(pieces: list[str], closing: str) -> None:
    """Put *closing* before the white space at the end: after it, it would not close."""
    if not closing:
        return
    last = pieces.pop() if pieces else ""
    kept = last.rstrip()
    pieces += [kept, closing, last[len(kept) :]]


def _marked(text: str, marks: dict[str, Any]) -> str:
    if marks.get("code") and text.strip() and "\n" not in text:
        ticks = max((len(run) for run in _RUN_OF_TICKS.findall(text)), default=0)
        fence = "`" * (ticks + 1)
        padding = " " if text[0] in "` " or text[-1] in "` " else ""
        shown = f"{fence}{padding}{text}{padding}{fence}"
    else:
        shown = _escaped(text)
    link = marks.get("link")
    href = link.get("href") if isinstance(link, dict) else link  # type: ignore[reportUnknownVariableType]
    if isinstance(href, str):
        title = link.get("title") if isinstance(link, dict) else None  # type: ignore[reportUnknownVariableType]
        return f"[{shown}]({_target(href, title)})"
    return shown


def _target(href: str, title: Any) -> str:
    escaped = re.sub(r"([\\<>])", r"\\\1", href).replace("\n", "%0A")
    shown = f"<{escaped}>" if re.search(r"[\s()<>\\]", href) or not href else escaped
    if isinstance(title, str):
        quoted = _SPECIAL.sub(r"\\\g<0>", title).replace('"', '\\"')
        return f'{shown} "{quoted}"'
    return shown


def _element(element: Element) -> str:
    match element.type:
        case "hard-break":
            return "\\\n"
        case "image":
            source = element.attrs.get("src") or element.attrs.get("url")
            alt = element.attrs.get("alt")
            shown = _escaped(alt) if isinstance(alt, str) else ""
            return f"![{shown}]({_target(str(source or ''), element.attrs.get('title'))})"
        case "link":
            href = element.attrs.get("url") or element.attrs.get("href")
            inner = _written(element.children)
            return f"[{inner}]({_target(href, None)})" if isinstance(href, str) else inner
        case _:
            return _written(element.children)


def _escaped(text: str) -> str:
    # A line break inside of a block is a character like any other; Markdown would drop it.
    escaped = _SPECIAL.sub(r"\\\g<0>", text)
    return escaped.replace("\n", "&#10;").replace("\t", "&#9;").replace("\r", "&#13;")


def _guarded(line: str) -> str:
    """Escape what would mean something else at the beginning or the end of a line."""
    rows: list[str] = []
    for row in line.split("\n"):
        kept = row.lstrip()
        lead = row[: len(row) - len(kept)]
        body = kept.rstrip()
        if not lead:
            body = _AT_START.sub(lambda found: (found[1] or "") + "\\", body)
        rows.append(_spelled(lead) + body + _spelled(kept[len(kept.rstrip()) :]))
    return "\n".join(rows)


def _spelled(spaces: str) -> str:
    return "".join(f"&#{ord(space)};" for space in spaces)


def rewrite(
    native: Element, ours: Element, wanted: str, back: Callable[[Element], Element]
) -> Element:
    """Return *native* changed so that its Markdown is *wanted*.

    Args:
        native: What the document holds.
        ours: The same under our names.
        wanted: Markdown that somebody made of what `render` returned.
        back: Translates our names into the document's.
    """
    # As each block shows by itself, and of which block each shown one is.
    shown = [parse(render(Element(None, {}, [block]))).children for block in ours.children]
    owners = [at for at, blocks in enumerate(shown) for _ in blocks]
    seen = [one for blocks in shown for one in blocks]
    new = parse(wanted).children
    pairs = align.equal_pairs([key_of(one) for one in seen], [key_of(one) for one in new])
    equal = Counter(owners[i] for i, _ in pairs)
    becomes = {k: i for i, k in [*pairs, *merge.alike(pairs, seen, new)]}
    found: list[Node] = []
    last = -1
    for k, one in enumerate(new):
        i = becomes.get(k)
        at = -1 if i is None else owners[i]
        if i is None or (len(shown[at]) > 1 and equal[at] < len(shown[at])):
            found += back(Element(None, {}, [one])).children
            continue
        if at > last:
            # Blocks that Markdown does not show, such as empty ones, stay where they are.
            found += _silent(native, shown, last + 1, at)
            found.append(_merged(native.children[at], seen[i], one, back))
            last = at
    found += _silent(native, shown, last + 1, len(shown))
    return Element(None, {}, found)


def _silent(native: Element, shown: Sequence[Sequence[Node]], start: int, end: int) -> list[Node]:
    return [native.children[at] for at in range(start, end) if not shown[at]]


def _merged(native: Node, seen: Node, wanted: Node, back: Callable[[Element], Element]) -> Node:
    if isinstance(native, Leaf) or isinstance(seen, Leaf) or isinstance(wanted, Leaf):
        return native
    return merge.merge(native, seen, wanted, back)
