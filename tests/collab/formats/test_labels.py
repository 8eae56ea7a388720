"""Elements that read as a label, in lines whose text is rewritten."""

from random import Random

import pytest

from services.collab import textdiff
from services.collab.formats import labels
from services.collab.formats.inline import retexted, text_of_line
from services.collab.formats.tree import Element, Leaf, Node, elements

LINES = 2_000
PIECES = ("A map", "ice", " ", "\n", "A", "map", "a map of it", "1w")


def picture(label: str) -> Element:
    """An element that reads as *label*."""
    return Element("image", {"alt": label})


@pytest.mark.parametrize("label", ["A map", "A map of ice", "a, b"])
def test_a_label_is_replaced_by_text_of_which_a_part_is_in_it(label: str):
    """Two places within one label differ: the white space between its words is the same."""
    line: list[Node] = [picture(label), Element("hard-break"), Leaf("sea 6w ")]
    for wanted in ("north2w \nsea 6w ", "north 2w south\nsea 6w ", " \nsea 6w "):
        found = retexted(line, wanted, breaks=True)
        assert text_of_line(found) == wanted
        assert [one.type for one in elements(found)] == ["hard-break"]


def test_every_line_reads_as_wanted():
    """Random labels and random texts, of which much is the same."""
    pick = Random("labels")
    for _ in range(LINES):
        line: list[Node] = []
        for _ in range(pick.randint(1, 6)):
            piece = pick.choice(PIECES)
            as_label = piece.strip() and pick.random() < 0.5
            line.append(picture(piece) if as_label else Leaf(piece))
        wanted = "".join(pick.choice(PIECES) for _ in range(pick.randint(0, 6)))
        assert text_of_line(retexted(line, wanted, breaks=False)) == wanted, (line, wanted)


def test_text_between_regions_is_the_same_on_both_sides():
    """A region ends in the new text at the place where it ends in the old one."""
    pick = Random("regions")
    for _ in range(LINES):
        parts = [pick.choice(PIECES) for _ in range(pick.randint(1, 6))]
        old, new = "".join(parts), "".join(pick.choice(PIECES) for _ in range(pick.randint(0, 6)))
        ends = [len("".join(parts[: at + 1])) for at in range(len(parts))]
        spans = [
            (end - len(part), end)
            for part, end in zip(parts, ends, strict=True)
            if part.strip() and pick.random() < 0.5
        ]
        found = labels.kept_whole(textdiff.word_regions(old, new), (old, new), spans)
        was = becomes = 0
        for i, j, k, m in [*found, (len(old), len(old), len(new), len(new))]:
            assert old[was:i] == new[becomes:k], (old, new, spans)
            assert not any(a < edge < b for a, b in spans for edge in (i, j)), (old, new, spans)
            was, becomes = j, m
