"""What two sides made of one text, by words."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from services.collab.review.suggesting.regions import applied, carried, merged, regions

WORDS = st.sampled_from(
    ["rain", "fell", "on", "the", "panes", "\n", ",", " ", "🎭", "é", "very angry"]
)
TEXTS = st.lists(WORDS, max_size=30).map(" ".join)
EXAMPLES = settings(max_examples=200, deadline=None)


@EXAMPLES
@given(TEXTS, TEXTS)
def test_changes_applied_give_the_new_text(old: str, new: str) -> None:
    found = regions(old, new)
    assert applied(old, found) == new
    assert found == sorted(found)
    assert all(one.end < other.start for one, other in pairwise(found))


@EXAMPLES
@given(TEXTS, TEXTS)
def test_one_side_alone_has_its_way(base: str, new: str) -> None:
    changes = regions(base, new)
    assert merged(base, changes, []) == new
    assert merged(base, [], changes) == new
    assert merged(base, changes, changes) == new


@EXAMPLES
@given(st.lists(TEXTS, min_size=3, max_size=3), st.lists(TEXTS, min_size=3, max_size=3))
def test_changes_of_different_lines_are_both_there(lines: list[str], others: list[str]) -> None:
    """Lines that both sides kept are between what each of them changed."""
    kept = "\n-- one --\n", "\n-- two --\n"
    base, ours, theirs, both = (
        kept[0].join((one, kept[1].join((two, three))))
        for one, two, three in (
            lines,
            (others[0], lines[1], lines[2]),
            (lines[0], lines[1], others[2]),
            (others[0], lines[1], others[2]),
        )
    )
    assert merged(base, regions(base, ours), regions(base, theirs)) == both


def test_the_same_words_changed_by_both_are_the_branchs() -> None:
    base = "She was very angry with him."
    ours = regions(base, "She was quite angry with him.")
    theirs = regions(base, "She was furious with him.")
    assert merged(base, ours, theirs) == "She was furious with him."


def test_what_both_deleted_is_gone() -> None:
    base = "one two three four five"
    ours, theirs = regions(base, "one four five"), regions(base, "one two five")
    assert merged(base, ours, theirs) == "one five"


def test_neighbouring_words_are_one_change() -> None:
    [only] = regions("She was very angry with him.", "She was quite furious with him.")
    assert only.text == "quite furious"


@EXAMPLES
@given(TEXTS, TEXTS)
def test_places_are_carried_over(old: str, new: str) -> None:
    changes = regions(old, new)
    changed = {at for one in changes for at in range(one.start, one.end)}
    for at, character in enumerate(old):
        if at not in changed:
            assert new[carried(at, changes)] == character


def test_a_new_word_is_told_with_the_space_before_it() -> None:
    """Whatever else was changed in the line: a decision about it has to know it again."""
    [only] = regions("rain that fell", "rain new that fell")
    assert only == regions("rain that fell", "x rain new that fell")[1]
    assert only.text == " new"
