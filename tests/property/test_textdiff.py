"""The smallest edit between two texts."""

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.collab.content import ContentFormat
from services.collab import formats, textdiff
from services.collab.textdiff import edits
from tests.property.histories import LETTERS, document
from tests.support.scenery import text_of

TEXTS = st.text(LETTERS, max_size=60)
SMALL = st.text("ab😀", max_size=12)


def _applied(old: str, new: str) -> str:
    data = old.encode()
    for start, end, text in reversed(edits(old, new)):
        data = data[:start] + text.encode() + data[end:]
    return data.decode()


@given(TEXTS, TEXTS)
def test_edits_turn_old_into_new(old: str, new: str):
    """At byte offsets, whatever the characters are made of."""
    assert _applied(old, new) == new


@given(TEXTS, TEXTS)
def test_edits_are_ordered_apart_and_on_character_boundaries(old: str, new: str):
    """So that they can be applied from the end, each by itself."""
    last = -1
    for start, end, _ in edits(old, new):
        assert last < start <= end
        old.encode()[:start].decode()
        old.encode()[:end].decode()
        last = end


@given(TEXTS)
def test_no_edit_between_equal_texts(text: str):
    """A text written back as it was read is not an edit."""
    assert edits(text, text) == []


@given(SMALL, SMALL)
def test_edits_of_small_texts_are_minimal(old: str, new: str):
    """As few characters are deleted and inserted as a longest common subsequence allows."""
    changed = sum(
        len(old.encode()[start:end].decode()) + len(text) for start, end, text in edits(old, new)
    )

    assert changed == len(old) + len(new) - 2 * _common(old, new)


@given(st.lists(st.sampled_from(["one\n", "two 😀\n", "three\n", "four "]), max_size=30))
def test_large_texts_are_aligned_by_lines(lines: list[str]):
    """Past the size that is compared exactly the result is still right, if not minimal."""
    old, new = "".join(lines), "".join(lines[1::2] + lines[::2])
    limit, textdiff.EXACT_CELLS_MAX = textdiff.EXACT_CELLS_MAX, 4
    try:
        assert _applied(old, new) == new
    finally:
        textdiff.EXACT_CELLS_MAX = limit


@given(TEXTS, TEXTS, TEXTS)
def test_rewriting_a_document(first: str, second: str, third: str):
    """The edit is an update that makes a document read the new text, again and again."""
    state = b"\x00\x00"
    for wanted in (first, second, third):
        update = formats.rewrite(state, ContentFormat.TEXT, wanted.encode())
        doc = document(state, *([update] if update else []))
        state = doc.get_update()

        assert text_of(doc) == wanted


def _common(old: str, new: str) -> int:
    @cache
    def longest(i: int, j: int) -> int:
        if i == len(old) or j == len(new):
            return 0
        if old[i] == new[j]:
            return 1 + longest(i + 1, j + 1)
        return max(longest(i + 1, j), longest(i, j + 1))

    return longest(0, 0)
