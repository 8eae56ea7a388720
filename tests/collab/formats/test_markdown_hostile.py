"""No text makes reading Markdown fail, lose letters or take longer than its length allows."""

import time

import pytest

from services.collab.formats import markdown
from services.collab.formats.tree import Element, Leaf, Node, text_of

SHORT, LONG = 250, 2_000
GROWTH_MAX = 3.0
"""How much longer, a letter, a text of LONG repetitions may take than one of SHORT."""

HOSTILE = (
    "[",
    "![[",
    "*a ",
    "*_",
    "[a](",
    "[^a",
    "http://a.b/)",
    "a@b.",
    "~a",
    "`a``",
    "<a ",
    "<!--",
    "* a\n",
    "a\n>\n",
    "[a]: b\n",
    "|a|b|\n",
    "**「a」**b",
)


def cpu_a_letter(unit: str, times: int) -> float:
    """CPU time, so that a busy machine does not matter; the best of two."""
    source = unit * times
    found: list[float] = []
    for _ in range(2):
        started = time.process_time()
        markdown.render(markdown.parse(source))
        found.append(time.process_time() - started)
    return min(found) / len(source)


@pytest.mark.parametrize("unit", HOSTILE)
def test_time_grows_with_the_length_alone(unit: str):
    """Nothing is quadratic: that would take eight times as long a letter here."""
    assert cpu_a_letter(unit, LONG) < GROWTH_MAX * cpu_a_letter(unit, SHORT) + 1e-6


@pytest.mark.parametrize("unit", [">", "> ", "- ", "1. ", "[^1]: ", "- > ", "["])
def test_what_nests_too_deep_is_text(unit: str):
    """Neither is a letter behind it lost, nor is there an error; and it reads as it is written."""
    read = markdown.parse(f"{unit * 500}the end\n")

    assert "the end" in text_of(read)
    assert markdown.parse(markdown.render(read)) == read


@pytest.mark.parametrize("kind", ["quote", "list", "footnote", "x-box"])
def test_trees_of_any_depth_are_written(kind: str):
    """Deeper ones than Markdown reads are written without what is too deep, but with its text."""
    node: Node = Element("paragraph", {}, [Leaf("the end")])
    for _ in range(150):
        inner = Element("list-item", {}, [node]) if kind == "list" else node
        node = Element(kind, {"label": "1"} if kind == "footnote" else {}, [inner])

    written = markdown.render(Element(None, {}, [node]))

    assert text_of(markdown.parse(written)) == "the end"
