"""Our tree as HTML of Tiptap's nodes, and HTML in a form in which two renderers can be compared."""

import html
from collections.abc import Iterable
from html.parser import HTMLParser
from typing import Any, override
from urllib.parse import unquote

from services.collab.formats.tree import Leaf, Node

MARKS = {"bold": "strong", "italic": "em", "strikethrough": "del", "code": "code"}
BLOCKS = {
    "paragraph": "p",
    "quote": "blockquote",
    "list-item": "li",
    "task-item": "li",
    "task-list": "ul",
    "table": "table",
    "table-row": "tr",
    "table-header": "th",
    "table-cell": "td",
}
TAGS = frozenset(
    [
        "p",
        "blockquote",
        "li",
        "ul",
        "ol",
        "table",
        "tr",
        "th",
        "td",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "pre",
        "hr",
        "thead",
        "tbody",
        "input",
        "br",
        "img",
        "a",
        "strong",
        "em",
        "del",
        "code",
    ]
)
INLINE = {"a", "strong", "em", "del", "code", "br", "img"}


def rendered(nodes: Iterable[Node]) -> str:
    """The HTML of *nodes*."""
    return "".join(_node(node) for node in nodes)


def _node(node: Node) -> str:
    if isinstance(node, Leaf):
        shown = html.escape(node.text)
        for mark, tag in MARKS.items():
            if mark in node.marks:
                shown = f"<{tag}>{shown}</{tag}>"
        return _linked(shown, node.marks.get("link"))
    attrs = node.attrs
    inner = rendered(node.children)
    match node.type:
        case "heading":
            return f"<h{attrs['level']}>{inner}</h{attrs['level']}>"
        case "divider":
            return "<hr>"
        case "hard-break":
            return "<br>"
        case "code-block":
            language = attrs.get("language", "").split(" ")[0]
            named = f' class="language-{html.escape(language)}"' if language else ""
            text = f"{inner}\n" if inner else ""
            return f"<pre><code{named}>{text}</code></pre>"
        case "image":
            given = {key: str(attrs[key]) for key in ("src", "title") if key in attrs}
            return _linked(_tag("img", given | {"alt": attrs.get("alt", "")}), attrs.get("link"))
        case "list":
            start = {"start": str(attrs["start"])} if "start" in attrs else {}
            tag = "ol" if attrs.get("ordered") else "ul"
            return f"{_tag(tag, start)}{inner}</{tag}>"
        case "link-definition":
            return ""
        case _:
            assert node.type is not None
            tag = BLOCKS[node.type]
            checked = f' checked="{attrs["checked"]}"' if "checked" in attrs else ""
            align = f' align="{attrs["align"]}"' if "align" in attrs else ""
            return f"<{tag}{checked}{align}>{inner}</{tag}>"


def _tag(name: str, attrs: dict[str, str]) -> str:
    return f"<{name}{''.join(f' {key}="{html.escape(value)}"' for key, value in attrs.items())}>"


def _linked(shown: str, link: Any) -> str:
    return shown if link is None else f"{_tag('a', link)}{shown}</a>"


def comparable(source: str) -> Any:
    """*source* as nested lists in the shape of a document of Tiptap.

    Marks are a set on each piece of text, so that their order and nesting do not matter; what
    stands in an item or a cell stands in a paragraph; addresses are decoded.
    """
    reader = _Comparable()
    reader.feed(source)
    reader.close()
    return _tidy(reader.root)


class _Comparable(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root: list[Any] = ["doc", {}]
        self._open = [self.root]
        self._marks: list[tuple[str, str]] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        if tag not in TAGS:
            self._open[-1].append(("raw", self.get_starttag_text()))
        elif tag == "input":
            self._open[-1][1]["checked"] = str("checked" in values)
        elif tag in ("img", "br", "hr"):
            shown = {key: unquote(values[key]) for key in sorted(values)}
            link = [mark for mark in self._marks if mark[0] == "a"] if tag == "img" else []
            self._open[-1].append((tag, tuple(shown.items()), tuple(link)))
        elif tag in ("thead", "tbody"):
            pass
        elif self._open[-1][0] == "pre":
            self._open[-1][1] |= values
        elif tag in INLINE:
            name = str({key: unquote(values[key]) for key in sorted(values)}) if tag == "a" else ""
            self._marks.append((tag, name))
        else:
            made: list[Any] = [tag, values]
            self._open[-1].append(made)
            self._open.append(made)

    @override
    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag not in TAGS:
            self._open[-1].append(("raw", tag))
        elif tag in ("thead", "tbody") or (tag == "code" and self._open[-1][0] == "pre"):
            pass
        elif tag in INLINE:
            for at in range(len(self._marks) - 1, -1, -1):
                if self._marks[at][0] == tag:
                    del self._marks[at]
                    break
        elif len(self._open) > 1:
            self._open.pop()

    @override
    def handle_data(self, data: str) -> None:
        self._open[-1].append(["text", data, frozenset(self._marks)])

    @override
    def handle_comment(self, data: str) -> None:
        self._open[-1].append(("raw", data))

    @override
    def handle_decl(self, decl: str) -> None:
        self._open[-1].append(("raw", decl))

    @override
    def handle_pi(self, data: str) -> None:
        self._open[-1].append(("raw", data))

    @override
    def unknown_decl(self, data: str) -> None:
        self._open[-1].append(("raw", data))


def _is_text(node: Any) -> bool:
    return isinstance(node, list) and node[0] == "text"


def _is_inline(node: Any) -> bool:
    return _is_text(node) or (isinstance(node, tuple) and node[0] != "hr")


def _tidy(block: list[Any]) -> list[Any]:
    name, attrs, *children = block
    if name in ("p", "h1", "h2", "h3", "h4", "h5", "h6", "pre"):
        return [name, attrs, *_line(children, keep=name == "pre")]
    found: list[Any] = []
    line: list[Any] = []
    for child in [*children, None]:
        if child is not None and _is_inline(child):
            line.append(child)
            continue
        if texts := _line(line, keep=False):
            found.append(["p", {}, *texts])
        line = []
        if child is not None:
            found.append(_tidy(child) if isinstance(child, list) else child)
    if name in ("td", "th") and not found:
        found.append(["p", {}])
    return [name, attrs, *found]


def _line(children: list[Any], *, keep: bool) -> list[Any]:
    found: list[Any] = []
    for child in children:
        if _is_text(child) and found and _is_text(found[-1]) and found[-1][2] == child[2]:
            found[-1] = ["text", found[-1][1] + child[1], child[2]]
        else:
            found.append(child)
    if keep:
        return found
    while found and _is_text(found[0]) and not found[0][1].strip(" \n\t"):
        del found[0]
    while found and _is_text(found[-1]) and not found[-1][1].strip(" \n\t"):
        del found[-1]
    if found and _is_text(found[0]):
        found[0] = ["text", found[0][1].lstrip(" \n\t"), found[0][2]]
    if found and _is_text(found[-1]):
        found[-1] = ["text", found[-1][1].rstrip(" \n\t"), found[-1][2]]
    # A line break of HTML is followed by one of the source that nobody sees.
    for at in range(1, len(found)):
        if isinstance(found[at - 1], tuple) and found[at - 1][0] == "br" and _is_text(found[at]):
            found[at] = ["text", found[at][1].removeprefix("\n"), found[at][2]]
    return [one for one in found if not _is_text(one) or one[1]]
