"""BlockNote: containers and groups are lists and blocks of ours, and come back as they were."""

from random import Random

import pytest

from libs.contracts.editors import BuiltIn
from services.collab.formats.editors.blocknote import BlockNoteEditor
from services.collab.formats.editors.prosemirror import definition_of
from services.collab.formats.markdown import parse as parse_markdown
from services.collab.formats.tree import CannotHold, Element, Leaf, Node, elements

BLOCKNOTE = BlockNoteEditor("blocknote", definition_of(BuiltIn.BLOCKNOTE))


def e(kind: str, *children: Node | str, **attrs: object) -> Element:
    """Return an element."""
    return Element(kind, attrs, [Leaf(one) if isinstance(one, str) else one for one in children])


def container(name: str, *children: Node) -> Element:
    """Return a container with an id."""
    return e("blockContainer", *children, id=name)


def native(*containers: Node) -> Element:
    """Return a document."""
    return Element(None, {}, [e("blockGroup", *containers)])


def shown(nodes: list[Node]) -> str:
    """Write *nodes* on one line: containers as braces, groups as brackets."""
    names = {"blockContainer": "{%s}", "blockGroup": "[%s]"}
    return " ".join(
        repr(node.text)
        if isinstance(node, Leaf)
        else names.get(node.type or "", f"{node.type}(%s)") % shown(node.children)
        for node in nodes
    )


def built(*blocks: Node) -> str:
    """Return what is made of new blocks, all of whose containers have an id of their own."""
    found = BLOCKNOTE.build(Element(None, {}, [*blocks]))
    BLOCKNOTE.check(found)
    names = [one.attrs["id"] for one in _containers(found)]
    assert len(set(names)) == len(names)
    return shown(found)


def _containers(nodes: list[Node]) -> list[Element]:
    found: list[Element] = []
    for node in elements(nodes):
        found += [node] if node.type == "blockContainer" else []
        found += _containers(node.children)
    return found


SCENE = native(
    container("a", e("heading", "Letter I", level=1, textColor="red")),
    container(
        "b", e("bulletListItem", "one"), e("blockGroup", container("c", e("paragraph", "x")))
    ),
    container("d", e("bulletListItem", "two", textAlignment="left")),
    container("e", e("numberedListItem", "three", start=3)),
    container("f", e("checkListItem", "four", checked=True)),
    container("g", e("quote", "five")),
    container("h", e("paragraph", "six"), e("blockGroup", container("i", e("paragraph", "y")))),
    container("j", e("table", e("tableRow", e("tableCell", e("tableParagraph", "z"))))),
    container("k", e("image", url="https://example.org/a.png")),
)


def test_it_shows_in_our_vocabulary() -> None:
    """With ids, colours and alignment."""
    view = BLOCKNOTE.view(SCENE)
    assert shown(view.children) == (
        "heading('Letter I')"
        " list(list-item(paragraph('one') paragraph('x')) list-item(paragraph('two')))"
        " list(list-item(paragraph('three'))) task-list(task-item(paragraph('four')))"
        " quote(paragraph('five')) {paragraph('six') paragraph('y')}"
        " table(table-row(table-cell(paragraph('z')))) image()"
    )
    heading, bullets, numbers, tasks, *_, image = elements(view.children)
    assert heading.attrs == {"level": 1, "textColor": "red", "id": "a"}
    assert [one.attrs for one in elements(bullets.children)] == [
        {"id": "b"},
        {"textAlignment": "left", "id": "d"},
    ]
    assert numbers.attrs == {"ordered": True, "start": 3}
    assert [one.attrs for one in elements(tasks.children)] == [{"checked": True, "id": "f"}]
    assert image.attrs == {"src": "https://example.org/a.png", "id": "k"}


def test_what_is_not_touched_is_the_very_same() -> None:
    """All of it, and all beside a block that is new."""
    view = BLOCKNOTE.view(SCENE)
    assert BLOCKNOTE.build(view) is SCENE.children
    view.children.insert(1, e("paragraph", "new"))
    (group,) = elements(BLOCKNOTE.build(view))
    first, new, *rest = elements(group.children)
    old, *others = elements(elements(SCENE.children).__next__().children)
    assert first is old
    assert all(one is other for one, other in zip(rest, others, strict=True))
    assert shown([new]) == "{paragraph('new')}"
    assert new.attrs["id"]


def test_a_line_beside_an_item_is_an_item() -> None:
    """In its list, with a container of its own; text changed keeps colours."""
    view = BLOCKNOTE.view(SCENE)
    bullets = view.children[1]
    assert isinstance(bullets, Element)
    second = bullets.children[1]
    assert isinstance(second, Element)
    second.children = [e("paragraph", "2")]
    bullets.children.append(e("list-item", e("paragraph", "3")))
    (group,) = elements(BLOCKNOTE.build(view))
    two, three = [*elements(group.children)][2:4]
    assert (shown([two]), two.attrs) == ("{bulletListItem('2')}", {"id": "d"})
    assert [one.attrs for one in elements(two.children)] == [{"textAlignment": "left"}]
    assert shown([three]) == "{bulletListItem('3')}"


@pytest.mark.parametrize(
    ("markdown", "wanted"),
    [
        ("- - in", "[{bulletListItem() [{bulletListItem('in')}]}]"),
        ("- # Act", "[{bulletListItem() [{heading('Act')}]}]"),
        (">", "[{quote()}]"),
        ("> a\n>\n> b", "[{quote('a') [{paragraph('b')}]}]"),
        ("a ![x](y) b", "[{paragraph('a ')} {image()} {paragraph(' b')}]"),
        ("![x](y)", "[{image()}]"),
        ("1. a\n2. b", "[{numberedListItem('a')} {numberedListItem('b')}]"),
    ],
)
def test_markdown_gets_containers(markdown: str, wanted: str) -> None:
    """Each block one, with an id."""
    assert built(*parse_markdown(markdown).children) == wanted


@pytest.mark.parametrize(
    ("block", "wanted"),
    [
        (e("list-item", "one"), "[{bulletListItem('one')}]"),
        (e("list", e("paragraph", "a")), "[{bulletListItem('a')}]"),
        (e("callout", e("paragraph", "a")), "[{callout() [{paragraph('a')}]}]"),
        (
            e("table", e("table-row", e("table-cell", "x"), e("table-cell")), e("table-row")),
            (
                "[{table(tableRow(tableCell(tableParagraph('x')) tableCell(tableParagraph()))"
                " tableRow(tableCell(tableParagraph()) tableCell(tableParagraph())))}]"
            ),
        ),
    ],
)
def test_new_blocks_are_made_acceptable(block: Element, wanted: str) -> None:
    """Whatever shape they come in."""
    assert built(block) == wanted


def test_a_cell_holds_text_only() -> None:
    """What else would be flattened is refused, with its place."""
    table = e("table", e("table-row", e("table-cell", e("quote", "x"))))
    with pytest.raises(CannotHold) as refused:
        built(e("paragraph"), table)
    assert refused.value.place == "content[1].children[0].children[0].children[0]"


def test_an_id_is_never_there_twice() -> None:
    """A copy of a block gets another."""
    twice = [e("paragraph", "a", id="x"), e("paragraph", "b", id="x")]
    (group,) = elements(BLOCKNOTE.build(Element(None, {}, [*twice])))
    first, second = elements(group.children)
    assert first.attrs == {"id": "x"}
    assert second.attrs["id"] != "x"


@pytest.mark.parametrize("seed", range(300))
def test_any_tree_comes_back(seed: int) -> None:
    """Law 1, whatever is in a document: columns, raw text, two groups, containers of nothing."""
    pick = Random(seed)
    kinds = [*BLOCKNOTE.schema.types, "list", "list-item", "columnList", "column", "quote"]
    likely = ["blockGroup", "blockContainer", "blockContainer", "paragraph", "bulletListItem"]

    def children(depth: int) -> list[Node]:
        found: list[Node] = []
        for _ in range(pick.randint(0, 3)):
            if pick.random() < 0.2:
                found.append(Leaf(pick.choice("ab"), pick.choice([{}, {"bold": {}}, {"x": True}])))
            else:
                inner = children(depth + 1) if depth < 5 else []
                attrs = {key: pick.choice([True, None, 1]) for key in pick.sample("ab", 1)}
                attrs |= pick.choice([{}, {"id": "1"}, {"start": 2}, {"checked": True}])
                kind = pick.choice(likely if pick.random() < 0.7 else kinds)
                found.append(Element(kind, attrs, inner))
        return found

    document = Element(None, {}, children(0))
    assert BLOCKNOTE.build(BLOCKNOTE.view(document)) == document.children
