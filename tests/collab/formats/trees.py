"""Trees of what Markdown shows, drawn by Hypothesis, and their normal form in Markdown."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from services.collab.formats import names
from services.collab.formats.tree import Element, Leaf, Node, joined

LETTERS = st.one_of(
    st.sampled_from(list("ab 1")),
    st.sampled_from(
        list(" \n\t\u00a0\u3000\u2028\\`*_{}[]<>()^#+-.!|~&;:/\"'=@%$wx,0aé😀ש文「」。—“”…\u0301")
    ),
    st.sampled_from(
        ["www.a.b", "http://a.b/c_d", "a@b.c", "<br>", "&amp;", "\x01", "\x0b", "\ufeff"]
    ),
    st.characters(exclude_categories=("Cs",), exclude_characters="\0\r"),
)
TEXTS = st.lists(LETTERS, min_size=1, max_size=8).map("".join)
LINKS = st.sampled_from(
    [
        {"href": "https://e.example/a_(b)?c=*d&amp;e"},
        {"href": "/b c|d", "title": 'a "t" & <u>\n\n\\'},
        {"href": "http://a.b/c_d"},
        {"href": ""},
    ]
)
MARKS = st.builds(
    lambda flags, link: dict.fromkeys(flags, True) | ({} if link is None else {"link": link}),
    st.sets(st.sampled_from(["bold", "italic", "strikethrough", "code"])),
    st.one_of(st.none(), st.none(), LINKS),
)
LEAVES = st.builds(Leaf, TEXTS, MARKS).map(
    # Within a link nothing keeps characters apart that have no reference.
    lambda leaf: (
        Leaf("".join(filter(str.isprintable, leaf.text)) or "a", leaf.marks)
        if "link" in leaf.marks
        else leaf
    )
)
IMAGES = st.builds(
    lambda alt, src, link: Element(
        "image",
        ({"alt": alt} if alt else {}) | {"src": src} | ({} if link is None else {"link": link}),
    ),
    st.one_of(st.just(""), TEXTS),
    st.sampled_from(["a.png", "a b.png", ""]),
    st.one_of(st.none(), LINKS.filter(lambda link: bool(link["href"]))),
)
TOKENS = st.builds(
    lambda key, label: Element(names.TOKEN, {"key": key, "label": label}), TEXTS, TEXTS
)
ELEMENTS = st.one_of(
    st.just(Element(names.HARD_BREAK)),
    IMAGES,
    TOKENS,
    st.sampled_from(["1", "a-b", "*"]).map(
        lambda label: Element(names.FOOTNOTE_REFERENCE, {"label": label})
    ),
)
LINES = st.lists(st.one_of(LEAVES, LEAVES, ELEMENTS), min_size=1, max_size=5).map(joined)
FOOTNOTES = ("1", "a-b", "*")


def paragraphs(lines: st.SearchStrategy[list[Node]] = LINES) -> st.SearchStrategy[Element]:
    return lines.map(lambda line: Element(names.PARAGRAPH, {}, line))


def _items(kind: str, inner: st.SearchStrategy[list[Node]]) -> st.SearchStrategy[list[Node]]:
    if kind == names.LIST_ITEM:
        return st.lists(inner.map(lambda nodes: Element(kind, {}, nodes)), min_size=1, max_size=3)
    return st.lists(
        st.builds(
            lambda nodes, checked: Element(kind, {"checked": checked}, nodes), inner, st.booleans()
        ),
        min_size=1,
        max_size=3,
    )


@st.composite
def tables(draw: st.DrawFn) -> Element:
    width = draw(st.integers(1, 3))
    aligns = draw(
        st.lists(st.sampled_from(["", "left", "center", "right"]), min_size=width, max_size=width)
    )
    rows: list[Node] = []
    for at in range(draw(st.integers(1, 3))):
        cells: list[Node] = []
        for align in aligns:
            kind = "table-cell" if at else "table-header"
            line = draw(LINES) if not at else draw(st.one_of(st.just([]), LINES))
            given = {"align": align} if align else {}
            cells.append(Element(kind, given, [Element(names.PARAGRAPH, {}, line)]))
        rows.append(Element("table-row", {}, cells))
    return Element("table", {}, rows)


LANGUAGES = st.one_of(st.just(""), st.sampled_from(["py", "js a=`b`", "a\\b &amp; ~", "文"]))
TEXT_BLOCKS = st.one_of(
    paragraphs(),
    paragraphs(),
    st.builds(
        lambda level, line: Element("heading", {"level": level}, line), st.integers(1, 6), LINES
    ),
    st.builds(
        lambda language, text: Element(
            names.CODE_BLOCK,
            {"language": language} if language else {},
            [Leaf(text)] if text else [],
        ),
        LANGUAGES,
        st.one_of(st.just(""), TEXTS),
    ),
    st.just(Element("divider")),
    st.just(Element(names.PARAGRAPH)),
    tables(),
    st.sampled_from(
        [
            {"label": "a b", "href": "/u v"},
            {"label": "x\\]y", "href": "", "title": 'a "t"'},
            {"label": "X", "href": "#"},
        ]
    ).map(lambda attrs: Element(names.LINK_DEFINITION, dict(attrs))),
)


def _containers(inner: st.SearchStrategy[Element]) -> st.SearchStrategy[Element]:
    nodes = st.lists(inner, max_size=3).map(_as_nodes)
    return st.one_of(
        nodes.map(lambda found: Element("quote", {}, found)),
        _items(names.LIST_ITEM, nodes).map(lambda found: Element("list", {}, found)),
        st.builds(
            lambda found, start: Element(
                "list", {"ordered": True} | ({} if start == 1 else {"start": start}), found
            ),
            _items(names.LIST_ITEM, nodes),
            st.sampled_from([0, 1, 7, 99]),
        ),
        _items(names.TASK_ITEM, nodes).map(lambda found: Element(names.TASK_LIST, {}, found)),
        st.builds(
            lambda label, found: Element(names.FOOTNOTE, {"label": label}, found),
            st.sampled_from(FOOTNOTES),
            nodes,
        ),
    )


def _as_nodes(blocks: Sequence[Node]) -> list[Node]:
    return list(blocks)


BLOCKS = st.lists(st.recursive(TEXT_BLOCKS, _containers, max_leaves=6), max_size=4).map(_as_nodes)


def normal(root: Element) -> Element:
    """*root* in the normal form that docs/formats.md lists for Markdown."""
    found = [_normal(node) for node in root.children]
    while found and _is_empty(found[-1]):
        found.pop()
    return Element(None, {}, found)


def _is_empty(node: Node) -> bool:
    return isinstance(node, Element) and node.type == names.PARAGRAPH and not node.children


def _normal(node: Node) -> Node:
    if isinstance(node, Leaf):
        return node
    if node.type in (names.PARAGRAPH, "heading"):
        return Element(node.type, node.attrs, line(node.children))
    children = [_normal(child) for child in node.children]
    if node.type in ("quote", names.FOOTNOTE, names.LIST_ITEM, names.TASK_ITEM):
        if len(children) == 1 and _is_empty(children[0]):
            children = []
        second = children[1] if len(children) > 1 else None
        is_item = node.type in (names.LIST_ITEM, names.TASK_ITEM)
        if (
            is_item
            and isinstance(second, Element)
            and second.type != names.PARAGRAPH
            and _is_empty(children[0])
        ):
            children = children[1:]
    return Element(node.type, node.attrs, children)


type Cell = tuple[str, dict[str, Any], Element | None]


def line(nodes: Sequence[Node]) -> list[Node]:
    """The content of a paragraph in normal form."""
    cells: list[Cell] = []
    for node in nodes:
        if isinstance(node, Element):
            cells.append(("", {}, node))
            continue
        for letter in node.text:
            marks = node.marks
            if letter == "\n":
                marks = {name: value for name, value in marks.items() if name != "code"}
            cells.append((letter, marks, None))
    for mark in ("bold", "italic"):
        cells = _without_edges(cells, mark)
    return joined(element or Leaf(letter, marks) for letter, marks, element in cells)


def _without_edges(cells: list[Cell], mark: str) -> list[Cell]:
    """Bold and italic do not mark spaces and line breaks at their edges, unless they mark no more."""
    texts = [at for at, (_, _, element) in enumerate(cells) if element is None]
    run: list[int] = []
    for at in [*texts, None]:
        if at is not None and mark in cells[at][1]:
            run.append(at)
            continue
        if any(_holds(cells[one]) for one in run):
            for side in (run, run[::-1]):
                for one in side:
                    if _holds(cells[one]):
                        break
                    letter, marks, _ = cells[one]
                    cells[one] = (letter, {k: v for k, v in marks.items() if k != mark}, None)
        run = []
    return cells


def _holds(cell: Cell) -> bool:
    letter, marks, _ = cell
    return letter not in " \n" or "link" in marks or "code" in marks
