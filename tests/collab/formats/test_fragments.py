"""Editors with a Y.XmlFragment: what is new fits their schema, what is there is not touched."""

from random import Random

import pytest

from libs.contracts.editors import BuiltIn, EditorDefinition
from services.collab.formats.editors.detect import detect
from services.collab.formats.editors.prosemirror import ProseMirrorEditor, definition_of
from services.collab.formats.markdown import parse as parse_markdown
from services.collab.formats.tree import CannotHold, Element, Leaf, Node

TIPTAP = ProseMirrorEditor("tiptap", definition_of(BuiltIn.TIPTAP))
PROSEMIRROR = ProseMirrorEditor("prosemirror", definition_of(BuiltIn.PROSEMIRROR))


def shown(nodes: list[Node]) -> str:
    """Write *nodes* on one line."""
    return " ".join(
        repr(node.text) + "".join(f"^{mark}" for mark in sorted(node.marks))
        if isinstance(node, Leaf)
        else f"{node.type}({shown(node.children)})"
        for node in nodes
    )


def built(editor: ProseMirrorEditor, *blocks: Node) -> str:
    """Return what *editor* makes of new *blocks*, which it must then keep."""
    found = editor.build(Element(None, {}, list(blocks)))
    editor.check(found)
    return shown(found)


def e(kind: str, *children: Node | str, **attrs: object) -> Element:
    """Return an element."""
    return Element(kind, attrs, [Leaf(one) if isinstance(one, str) else one for one in children])


@pytest.mark.parametrize(
    ("markdown", "wanted"),
    [
        ("- - in", "bulletList(listItem(paragraph() bulletList(listItem(paragraph('in')))))"),
        ("- # Act", "bulletList(listItem(paragraph() heading('Act')))"),
        ("- > said", "bulletList(listItem(paragraph() blockquote(paragraph('said'))))"),
        ("- ***", "bulletList(listItem(paragraph() horizontalRule()))"),
        ("-", "bulletList(listItem(paragraph()))"),
        (">", "blockquote(paragraph())"),
        ("a ![x](y) b", "paragraph('a ') image() paragraph(' b')"),
        ("![x](y)", "image()"),
    ],
)
def test_what_markdown_allows_and_the_schema_does_not(markdown: str, wanted: str) -> None:
    """Case markdown-list-items, and its like."""
    assert built(TIPTAP, *parse_markdown(markdown).children) == wanted


@pytest.mark.parametrize(
    ("block", "wanted"),
    [
        (e("quote", "said"), "blockquote(paragraph('said'))"),
        (e("list", e("list-item", "one")), "bulletList(listItem(paragraph('one')))"),
        (e("list-item", "one"), "bulletList(listItem(paragraph('one')))"),
        (
            e("list", e("paragraph", "a"), e("list", e("paragraph", "b"))),
            (
                "bulletList(listItem(paragraph('a'))"
                " listItem(paragraph() bulletList(listItem(paragraph('b')))))"
            ),
        ),
        (e("task-list", e("task-item", "do")), "taskList(taskItem(paragraph('do')))"),
        (e("table-cell", "x"), "table(tableRow(tableCell(paragraph('x'))))"),
        (
            e("table", e("table-row", e("table-cell", "x"), e("table-cell")), e("table-row")),
            (
                "table(tableRow(tableCell(paragraph('x')) tableCell(paragraph()))"
                " tableRow(tableCell(paragraph()) tableCell(paragraph())))"
            ),
        ),
        (e("code-block", "a", e("hard-break"), "b"), "codeBlock('a\\nb')"),
        (
            e("heading", "a", e("list", e("list-item")), "b"),
            "heading('a') bulletList(listItem(paragraph())) heading('b')",
        ),
        (e("details", e("heading", "b")), "details(detailsSummary() detailsContent(heading('b')))"),
        # Unknown ones hold what they will, but never text beside blocks.
        (e("aside", "a", e("note"), "b"), "aside('a' note() 'b')"),
        (e("aside", "a", e("paragraph", "b")), "aside(paragraph('a') paragraph('b'))"),
        (e("scene-heading", "INT."), "scene-heading('INT.')"),
    ],
)
def test_new_blocks_are_made_acceptable(block: Element, wanted: str) -> None:
    """Cases blocks-shorthand and the like."""
    assert built(TIPTAP, block) == wanted


def test_raw_text_gets_a_paragraph() -> None:
    """Elements that are unknown stand in its line."""
    wanted = "paragraph('a' note() 'b') paragraph('c')"
    assert built(TIPTAP, Leaf("a"), e("note"), Leaf("b"), e("paragraph", "c")) == wanted


def test_marks_that_the_editor_would_delete_text_for() -> None:
    """Code carries none in Tiptap's code blocks; ProseMirror has nothing struck through."""
    struck = Leaf("x", {"strikethrough": True, "bold": True})
    assert built(TIPTAP, e("code-block", struck)) == "codeBlock('x')"
    assert built(TIPTAP, e("paragraph", struck)) == "paragraph('x'^bold^strike)"
    assert built(PROSEMIRROR, e("paragraph", struck)) == "paragraph('x'^strong)"
    assert built(TIPTAP, e("paragraph", Leaf("x", {"bold": False}))) == "paragraph('x')"


def test_prosemirror_has_names_of_its_own() -> None:
    """And an attribute."""
    blocks = [e("list", e("list-item", "one"), ordered=True, start=3), e("divider")]
    native = PROSEMIRROR.build(Element(None, {}, [*blocks]))
    assert shown(native) == "ordered_list(list_item(paragraph('one'))) horizontal_rule()"
    assert isinstance(native[0], Element)
    assert native[0].attrs == {"order": 3}
    seen = PROSEMIRROR.view(Element(None, {}, native)).children[0]
    assert isinstance(seen, Element)
    assert (seen.type, seen.attrs) == ("list", {"ordered": True, "start": 3})


def test_what_was_there_stays_as_it_is() -> None:
    """Law 1, for documents that no schema allows, and for one changed at another place."""
    strange = e("bulletList", "text", e("paragraph", Leaf("x", {"bold": True, "strike": {}})))
    native = Element(None, {}, [strange, e("orderedList", ordered=1), Leaf("raw"), e("paragraph")])
    view = TIPTAP.view(native)
    assert TIPTAP.build(view) == native.children
    seen = view.children[3]
    assert isinstance(seen, Element)
    seen.children = [Leaf("new")]
    found = TIPTAP.build(view)
    assert found[0] is strange
    assert shown(found[3:]) == "paragraph('new')"


def test_pictures_stay_in_the_line_where_the_document_has_them_there() -> None:
    """Whether they do is a setting of Tiptap's."""
    native = Element(None, {}, [e("paragraph", "a", e("image"), "b")])
    view = TIPTAP.view(native)
    view.children.append(e("paragraph", "c", e("image")))
    wanted = "paragraph('a' image() 'b') paragraph('c' image())"
    assert shown(TIPTAP.build(view)) == wanted


def test_a_definition_of_a_team_is_strict() -> None:
    """It says where; what it allows it gets in the shape that it wants."""
    definition = EditorDefinition.model_validate(
        {
            "kind": "prosemirror",
            "root": "room",
            "nodes": {
                "doc": {"content": "row+"},
                "row": {"content": "line"},
                "line": {"content": "text*", "marks": ""},
            },
            "blocks": [{"block": "paragraph", "type": "line"}],
        }
    )
    editor = ProseMirrorEditor("ours", definition, strict=True)
    assert built(editor, e("paragraph", Leaf("a", {"bold": True}))) == "row(line('a'))"
    view = editor.view(Element(None, {}, [e("row", e("line", "a"))]))
    row = view.children[0]
    assert isinstance(row, Element)
    # A new line beside one that has a wrapper of its own.
    row.children.append(e("paragraph", "b"))
    assert shown(editor.build(view)) == "row(line('a')) row(line('b'))"
    with pytest.raises(CannotHold) as refused:
        editor.build(Element(None, {}, [e("paragraph"), e("row", e("quote", "x"))]))
    assert refused.value.place == "content[1].children[0].type"


@pytest.mark.parametrize(
    ("children", "place"),
    [
        ([e("paragraph"), e("listItem", "x")], "content[1]"),
        (
            [e("paragraph"), e("bulletList", e("listItem", "x"))],
            "content[1].children[0].children[0]",
        ),
        ([e("bulletList")], "content[0]"),
        ([e("codeBlock", Leaf("x", {"bold": {}}))], "content[0].children[0]"),
        ([e("aside", "x", e("paragraph"))], "content[0].children"),
    ],
)
def test_check_says_where(children: list[Node], place: str) -> None:
    """The first that the editor would not keep."""
    with pytest.raises(CannotHold) as refused:
        TIPTAP.check(children)
    assert refused.value.place == place


def test_editors_are_told_by_their_names() -> None:
    """When nobody says which it is."""
    assert detect([e("blockGroup")]) == BuiltIn.BLOCKNOTE
    assert detect([e("paragraph"), e("bullet_list")]) == BuiltIn.PROSEMIRROR
    assert detect([e("paragraph", Leaf("x", {"em": {}}))]) == BuiltIn.PROSEMIRROR
    assert detect([e("paragraph", Leaf("x", {"bold": {}}))]) == BuiltIn.TIPTAP
    assert detect([]) == BuiltIn.TIPTAP


@pytest.mark.parametrize("editor", [TIPTAP, PROSEMIRROR])
@pytest.mark.parametrize("seed", range(200))
def test_any_tree_comes_back(editor: ProseMirrorEditor, seed: int) -> None:
    """Law 1, whatever is in a document."""
    pick = Random(seed)
    kinds = [*editor.schema.types, "list", "list-item", "aside", "bold"]
    marks = [*editor.schema.marks, "strikethrough", "comment--abcdefgh"]

    def children(depth: int) -> list[Node]:
        found: list[Node] = []
        for _ in range(pick.randint(0, 4)):
            if pick.random() < 0.3:
                names = pick.sample(marks, 2)
                found.append(Leaf("x", {n: pick.choice([True, {}, {"a": 1}, 2]) for n in names}))
            else:
                inner = children(depth + 1) if depth < 4 else []
                attrs = {
                    k: pick.choice([True, None, 1]) for k in ("ordered", "start", "order", "x")
                }
                found.append(Element(pick.choice(kinds), attrs, inner))
        return found

    native = Element(None, {}, children(0))
    assert editor.build(editor.view(native)) == native.children
