"""Every example of the CommonMark and GFM specifications reads as the HTML that it promises."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.collab.formats import markdown
from services.collab.formats.tree import text_of
from tests.collab.formats.reference import comparable, rendered

DATA = Path(__file__).parent / "data"
SPECS = ("commonmark-0.31", "gfm-0.29-extensions")

HTML = "HTML is text here, letter by letter, so that nothing runs in a reader's browser"
BLOCKS = "the same; what stands between the tags is read as Markdown, and white space as there"
AUTOLINK = "GFM makes a link of this address, CommonMark alone does not"
NO_TEXT = "a link without text shows its address, or itself: nobody could see it otherwise"

EXCEPTIONS: dict[str, dict[str, tuple[int, ...]]] = {
    "commonmark-0.31": {
        HTML: (
            *(21, 31, 201, 308, 309, 344, 475, 476, 477, 491, 494, 524, 536),
            *(613, 614, 615, 616, 617, 623, 625, 626, 627, 628, 629, 630, 631, 642, 643),
        ),
        BLOCKS: (*range(148, 157), *range(158, 192)),
        AUTOLINK: (608, 611, 612),
        NO_TEXT: (484, 487),
    },
    "gfm-0.29-extensions": {HTML: (657,)},
}


def examples(spec: str) -> list[dict[str, Any]]:
    return json.loads((DATA / f"{spec}.json").read_text())


@pytest.mark.parametrize("spec", SPECS)
def test_examples_read_as_the_reference_renders_them(spec: str):
    """All of them but the exceptions, none of which is stale."""
    found = examples(spec)
    assert len(found) == {"commonmark-0.31": 652, "gfm-0.29-extensions": 28}[spec]
    differ = {
        one["example"]
        for one in found
        if comparable(rendered(markdown.parse(one["markdown"]).children)) != comparable(one["html"])
    }

    assert sorted(differ) == sorted(sum(EXCEPTIONS[spec].values(), ()))


@pytest.mark.parametrize("spec", SPECS)
def test_examples_are_written_so_that_they_read_the_same(spec: str):
    for one in examples(spec):
        read = markdown.parse(one["markdown"])

        assert markdown.parse(markdown.render(read)) == read, one


def test_html_in_a_line_is_kept_letter_by_letter():
    """Asterisks in a tag are no emphasis, and references in it none either."""
    for source in ('a <img src="*" title="&amp;*"/> b', "<!-- *a* --> b", "<u>x_</u>y_"):
        assert text_of(markdown.parse(source)) == source
