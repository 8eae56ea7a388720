"""Weaving two versions of blocks together: nothing is lost, nobody is asked twice."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.collab.branches import ConflictKind, MergeStrategy
from services.collab.history.threeway import Comparison, merged_block
from tests.collab.history.support import paragraphs, said

WORDS = st.text(alphabet="ab 😀é", max_size=12)
TEXTS = st.lists(
    st.sampled_from(["one and one", "two or two", "three 😀", "four", "five five five", "six"]),
    max_size=6,
    unique=True,
)


def block(text: str) -> dict[str, Any]:
    return paragraphs(text)[0]


def words(text: str) -> dict[str, int]:
    return {each: text.count(each) for each in "ab 😀é"}


@given(WORDS, WORDS, WORDS)
def test_one_side_alone_is_that_side(base: str, scene: str, branch: str):
    """What only one side changed is as that side has it, and twice the same is once."""
    for side in (scene, branch):
        ours = merged_block(block(base), block(side), block(base))
        theirs = merged_block(block(base), block(base), block(side))
        both = merged_block(block(base), block(side), block(side))

        assert ours and theirs and both
        assert said([ours, theirs, both]) == [side] * 3


@given(WORDS, WORDS, WORDS)
def test_every_inserted_letter_is_there(base: str, scene: str, branch: str):
    """Whatever a side has more of than the base had, the merged block has at least as often."""
    merged = merged_block(block(base), block(scene), block(branch))

    assert merged
    there = words(said([merged])[0])
    for side in (scene, branch):
        for letter, count in words(side).items():
            added = count - words(base)[letter]
            assert there[letter] >= added


@given(TEXTS, TEXTS)
def test_a_branch_alone_is_never_in_conflict(base: list[str], branch: list[str]):
    """Nor is a scene alone; either way the result is what that side has."""
    blocks, changed = paragraphs(*base), paragraphs(*branch)
    for scene, other in ((blocks, changed), (changed, blocks)):
        comparison = Comparison.of(blocks, scene, other)

        assert comparison.conflicts() == []
        for strategy in MergeStrategy:
            assert comparison.merged(strategy) == changed


@given(TEXTS, TEXTS, TEXTS)
def test_each_strategy_decides_only_what_is_in_conflict(
    base: list[str], scene: list[str], branch: list[str]
):
    """Without conflicts all agree, and what either side added is there."""
    comparison = Comparison.of(paragraphs(*base), paragraphs(*scene), paragraphs(*branch))
    results = {strategy: said(comparison.merged(strategy)) for strategy in MergeStrategy}

    if not comparison.conflicts():
        assert len({tuple(each) for each in results.values()}) == 1
        added = (set(scene) | set(branch)) - set(base)
        assert added <= set(results[MergeStrategy.MERGE])
    assert all(each.explanation for each in comparison.conflicts())


def test_marks_and_attributes_of_both_sides():
    """One side makes words bold, the other turns the paragraph into a heading and adds to it."""
    base = block("A plain sentence")
    scene = {"type": "paragraph", "children": [{"text": "A "}, {"text": "plain", "bold": True}]}
    scene["children"].append({"text": " sentence"})  # type: ignore[union-attr,attr-defined]
    branch = {"type": "heading", "level": 2, "children": [{"text": "A plain sentence, indeed"}]}

    assert merged_block(base, scene, branch) == {
        "type": "heading",
        "level": 2,
        "children": [
            {"text": "A "},
            {"text": "plain", "bold": True},
            {"text": " sentence, indeed"},
        ],
    }


def test_blocks_that_cannot_be_woven_both_stay():
    """A picture in the text: both versions are kept, one below the other."""
    base = block("A picture")
    scene = {"type": "paragraph", "children": [{"text": "A picture of ice"}]}
    image = {"type": "image", "url": "x", "children": [{"text": ""}]}
    branch = {"type": "paragraph", "children": [{"text": "A picture: "}, image]}

    comparison = Comparison.of([base], [scene], [branch])

    assert [each.kind for each in comparison.conflicts()] == [ConflictKind.BOTH_CHANGED]
    assert comparison.merged(MergeStrategy.MERGE) == [scene, branch]
    assert comparison.merged(MergeStrategy.OURS) == [scene]
    assert comparison.merged(MergeStrategy.THEIRS) == [branch]
