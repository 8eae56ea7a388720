"""Markdown: CommonMark in, CommonMark out, and nothing lost that it cannot show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.collab.content import ContentFormat
from services.collab.formats import markdown, names, slate
from services.collab.formats.markdown import parse
from services.collab.formats.tree import Element, Leaf, Node, text_of
from tests.collab.formats.contents import NOBODY, Json, examples, got, put

DOCUMENT = """\
# Letter *I*

To **Mrs. Saville**, `England`, ~~London~~ [see](http://x.org/a_b "a \\"title\\"") it\\
over *two **lines** of* it

1. one
2. two
   - under
   - it

* another list

> a quote
>
> of two

```py
x  = "`"

y
```

---

![A *ship*](ship.png "in ice")
"""

ANY_TEXT = st.text(
    st.one_of(
        st.sampled_from(" \t\u00a0\n\\`*_{}[]<>()#+-.!|~&;:/\"'=1aé😀ש\u2028"),
        st.characters(exclude_categories=("Cs", "Cc")),
    ),
    max_size=40,
)


def test_rendering_what_was_parsed_is_stable():
    """The second time nothing changes any more, and both mean the same."""
    root = parse(DOCUMENT)
    written = markdown.render(root)

    assert parse(written) == root
    assert markdown.render(parse(written)) == written
    assert [block["type"] for block in slate.blocks(root)] == [
        "heading",
        "paragraph",
        "list",
        "list",
        "quote",
        "code-block",
        "divider",
        "paragraph",
    ]


@given(ANY_TEXT.filter(lambda text: bool(text.strip())))
@examples(200)
def test_any_text_is_escaped_so_that_it_reads_as_itself(text: str):
    """No character of a paragraph turns into markup, wherever in the line it stands."""
    kept = text.replace("\x00", "")
    block = Element("paragraph", {}, [Leaf(kept)])
    for shown in (block, Element("heading", {"level": 2}, [Leaf(kept)])):
        found = parse(markdown.render(Element(None, {}, [shown])))

        assert found == Element(None, {}, [shown])
    inner = Element("list", {}, [Element("list-item", {}, [block])])
    assert parse(markdown.render(Element(None, {}, [inner]))) == Element(None, {}, [inner])


@given(
    st.lists(st.tuples(ANY_TEXT, st.sets(st.sampled_from(["bold", "italic", "code"]))), max_size=4)
)
@examples(150)
def test_marks_never_cost_text(pieces: list[tuple[str, set[str]]]):
    """Where CommonMark cannot close what was opened the mark is left out, not the letters."""
    leaves = [Leaf(text, dict.fromkeys(marks, True)) for text, marks in pieces if text]
    block = Element("paragraph", {}, list(leaves))

    found = parse(markdown.render(Element(None, {}, [block])))

    text = text_of(block)
    assert "".join(text_of(one) for one in found.children) == (text if text.strip() else "")


def test_markdown_of_a_screenplay_goes_back_into_its_own_blocks():
    """Types, attributes and marks without Markdown survive an edit beside them."""
    blocks: Json = [
        {"type": "scene-heading", "id": 7, "children": [{"text": "INT. SHIP - DAY"}]},
        {"type": "paragraph", "children": [{"text": ""}]},
        {
            "type": "character",
            "children": [{"text": "WALTON", "color": "red"}, {"text": " (cont'd)"}],
        },
        {"type": "dialogue", "children": [{"text": "I am * not _alone_."}]},
        {"type": "x-table", "children": [{"type": "x-row", "children": [{"text": "cell"}]}]},
    ]
    state = put(NOBODY, ContentFormat.BLOCKS, blocks)
    body = got(state, ContentFormat.MARKDOWN)
    assert body.startswith(
        "## INT. SHIP - DAY\n\n&nbsp;\n\nWALTON (cont'd)\n\nI am \\* not \\_alone\\_.\n"
    )

    body = body.replace("SHIP", "CABIN").replace("WALTON (", "WALTON *(").replace("d)", "d)*")
    found = got(put(state, ContentFormat.MARKDOWN, body + "\nThe end.\n"), ContentFormat.BLOCKS)

    assert found[0] == {
        "type": "scene-heading",
        "id": 7,
        "children": [{"text": "INT. CABIN - DAY"}],
    }
    assert found[1] == blocks[1]
    assert found[2]["children"] == [
        {"text": "WALTON", "color": "red"},
        {"text": " "},
        {"text": "(cont'd)", "italic": True},
    ]
    assert found[3:5] == blocks[3:5]
    assert found[5] == {"type": "paragraph", "children": [{"text": "The end."}]}


@pytest.mark.parametrize(
    "hostile",
    ["<script>alert(1)</script>", "[x](javascript:alert(1))", "![x](data:text/html;x)"],
)
def test_html_and_scripts_are_text(hostile: str):
    """They stay what somebody wrote; nothing here makes them more."""
    found = parse(hostile)

    assert text_of(found.children[0]) == hostile


def paragraph(*nodes: Node) -> Element:
    return Element(None, {}, [Element("paragraph", {}, list(nodes))])


def test_emphasis_beside_punctuation_takes_nothing_else_with_it():
    """As in all Chinese and Japanese prose: the neighbour is written as a reference."""
    line = paragraph(
        Leaf("これは"),
        Leaf("「重要」", {"bold": True}),
        Leaf("です。"),
        Leaf("the map", {"link": {"href": "https://e.example/map"}}),
        Leaf(" and "),
        Leaf("x = 1", {"code": True}),
        Leaf("—so", {"italic": True}),
        Leaf("it"),
    )

    written = markdown.render(line)

    assert "**「重要」**" in written
    assert "[the map](https://e.example/map)" in written
    assert parse(written) == line


@pytest.mark.parametrize(
    "source", ["**a **b** c**", "*a *b* c*", "~~a ~~b~~ c~~", "**a <br>**b** c**"]
)
def test_emphasis_within_emphasis_of_its_kind_ends_only_itself(source: str):
    """What follows the inner one is still marked by the outer one."""
    last = parse(source).children[0]
    assert isinstance(last, Element)
    end = last.children[-1]

    assert isinstance(end, Leaf)
    assert end.text.endswith("c")
    assert end.marks


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_other_line_ends_and_a_byte_order_mark_are_the_same_text(end: str):
    assert parse("\ufeff" + DOCUMENT.replace("\n", end)) == parse(DOCUMENT)


VERSE = """\
Roses are red\\
violets are blue
and this is soft\\
\\
the end<br>
"""


def test_verse_keeps_its_line_breaks():
    """Hard ones as elements, also at the end of a block; soft ones as characters of the text."""
    read = parse(VERSE)

    assert read == paragraph(
        Leaf("Roses are red"),
        Element("hard-break"),
        Leaf("violets are blue\nand this is soft"),
        Element("hard-break"),
        Element("hard-break"),
        Leaf("the end"),
        Element("hard-break"),
    )
    assert markdown.render(read) == VERSE
    heading = parse("# a<br>b")
    assert markdown.render(heading) == "# a<br>b\n"


def test_tokens_come_back_by_their_key():
    """Whatever is in key and label; beside marks, and alone in a paragraph."""
    token = Element(names.TOKEN, {"key": "k:1 (x)\\&amp;", "label": "@Mary *[x]*"})
    line = paragraph(Leaf("We ask", {"bold": True}), token, Leaf("now", {"bold": True}))

    assert parse(markdown.render(line)) == line
    assert parse(markdown.render(paragraph(token))) == paragraph(token)


EXTENDED = """\
---
title: The Ice
tags: [a, b]
---

- [ ] ink
- [x] paper

* a list

| Name | Age |
| --- | --: |
| Mary \\| Shelley | 18 |
| *Percy* |  |

A note[^1] and <https://e.example>.

[^1]: It is *here*.

    And here.

[unused]: /u "T"
"""


def test_what_gfm_adds_is_read_and_written():
    """Front matter, tasks, tables, autolinks, footnotes, and definitions that nobody uses."""
    read = parse(EXTENDED)

    assert [block["type"] for block in slate.blocks(read)] == [
        "front-matter",
        "task-list",
        "list",
        "table",
        "paragraph",
        "footnote",
        "link-definition",
    ]
    assert markdown.render(read) == EXTENDED
    assert markdown.render(parse("---\nnot: closed\n")) == "---\n\nnot: closed\n"


def test_a_mixed_list_becomes_lists_and_boxes_of_a_numbered_one_are_text():
    """An editor's list holds tasks or items; nothing is lost for that."""
    mixed = parse("- a\n- [x] b\n- c\n")
    assert [block["type"] for block in slate.blocks(mixed)] == ["list", "task-list", "list"]
    assert parse(markdown.render(mixed)) == mixed
    assert text_of(parse("1. [x] a\n2. b\n")) == "[x] ab"


def test_a_table_without_a_header_has_none_after_reading():
    row = Element("table-row", {}, [Element("table-cell", {}, paragraph(Leaf("a")).children)])
    table = Element(None, {}, [Element("table", {}, [row, row])])

    assert parse(markdown.render(table)) == table


def test_empty_paragraphs_are_kept_but_at_the_end():
    """A pause between two scenes is one; at its end an editor puts one by itself."""
    empty = Element("paragraph")
    root = Element(
        None, {}, [*paragraph(Leaf("a")).children, empty, *paragraph(Leaf("b")).children]
    )

    assert markdown.render(root) == "a\n\n&nbsp;\n\nb\n"
    assert parse(markdown.render(root)) == root
    assert markdown.render(Element(None, {}, [empty])) == ""


def test_unknown_elements_never_hide_their_text():
    """A block of blocks is written as these, text beside an element as one line."""
    box = Element("x-box", {}, [*paragraph(Leaf("one")).children, *paragraph(Leaf("two")).children])
    assert markdown.render(Element(None, {}, [box])) == "one\n\ntwo\n"
    tag = Element("hashtag", {}, [Leaf("#storm", {"bold": True})])
    assert markdown.render(paragraph(Leaf("a "), tag, Leaf(" b"))) == "a **#storm** b\n"
