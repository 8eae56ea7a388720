"""Markdown: CommonMark in, CommonMark out, and nothing lost that it cannot show."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.content import ContentFormat
from services.collab.formats import markdown, slate
from services.collab.formats.markdown import parse
from services.collab.formats.tree import Element, Leaf, text_of
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


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", "[x](javascript:alert(1))"])
def test_html_and_scripts_are_text(hostile: str):
    """They stay what somebody wrote; nothing here makes them more."""
    found = parse(hostile)

    assert text_of(found.children[0]) == hostile
