"""Laws of Markdown: what is written reads as itself, and no text can hurt."""

from hypothesis import given
from hypothesis import strategies as st

from services.collab.formats import markdown, names
from services.collab.formats.tree import Element, Node
from tests.collab.formats.contents import examples
from tests.collab.formats.trees import BLOCKS, FOOTNOTES, LINES, normal

MARKUP = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "*",
                "**",
                "_",
                "__",
                "~",
                "~~",
                "`",
                "``",
                "```",
                "[",
                "]",
                "(",
                ")",
                "!",
                "<",
                ">",
                "&",
                ";",
                "#",
                "-",
                "+",
                "1.",
                "2)",
                "|",
                ":",
                "\\",
                "=",
                "---",
                "***",
                "~~~",
                "[^1]",
                "[^1]:",
                "[x]",
                "[a]:",
                "[",
                "\t",
                "\n",
                "\n\n",
                "\u3000",
                "\ufeff",
                "\r\n",
                "<br>",
                "&nbsp;",
                "&#10;",
                "<a>",
                "a@b.c",
                "www.x.y",
                "http://x.y",
                "/u",
                '"t"',
                "{4}",
                "|-|-|",
                "|a|b|",
            ]
        ).map(lambda one: one.replace("{4}", "    ")),
        st.sampled_from(["a", "b", " ", "\n", "「", "文", "    ", "\n\n", "  \n"]),
        st.characters(exclude_categories=("Cs",)),
    ),
    max_size=30,
).map("".join)


@given(LINES)
@examples(600)
def test_every_line_reads_as_itself(line: list[Node]):
    """All characters, marks and elements of a paragraph, a heading and a cell come back."""
    for kind, attrs in ((names.PARAGRAPH, {}), ("heading", {"level": 2})):
        root = Element(None, {}, [Element(kind, dict(attrs), line)])

        source = markdown.render(root)

        assert markdown.parse(source, FOOTNOTES) == normal(root), source


@given(BLOCKS)
@examples(400)
def test_every_document_reads_as_itself(blocks: list[Node]):
    """Blocks in blocks, whatever stands beside them."""
    root = Element(None, {}, blocks)

    source = markdown.render(root)

    assert markdown.parse(source, FOOTNOTES) == normal(root), source


@given(BLOCKS)
@examples(150)
def test_each_block_reads_by_itself_as_in_the_whole(blocks: list[Node]):
    """So that what was changed in one can be carried back without the others."""
    sources = markdown.render_blocks(blocks)
    whole = markdown.render(Element(None, {}, blocks))

    assert "\n\n".join(source for source in sources if source) == whole.removesuffix("\n")
    parts = [markdown.parse(source, FOOTNOTES, part=True).children for source in sources]
    assert sum(parts, []) == markdown.parse(whole, FOOTNOTES).children


@given(MARKUP)
@examples(800)
def test_what_was_read_is_written_so_that_it_reads_the_same(source: str):
    """Whatever somebody typed is Markdown, and reading it twice is reading it once."""
    read = markdown.parse(source)

    written = markdown.render(read)

    assert markdown.parse(written) == read, written
    assert markdown.render(markdown.parse(written)) == written
