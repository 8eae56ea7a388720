"""A large update in pieces is the same update."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, Text

from libs.contracts.collab.content import ContentFormat
from services.collab import formats, pieces, updates
from tests.collab.formats.contents import BLOCKS, NOBODY, Json, examples, got, put


def _edit(text: str, at: int, gone: int) -> tuple[bytes, bytes]:
    """A state, and an update that inserts *text* into it and deletes *gone* characters."""
    doc: Doc[Any] = Doc()
    shared: Text = doc.get("content", type=Text)
    shared += "0123456789"
    before = doc.get_update()
    found: list[bytes] = []
    doc.observe(lambda event: found.append(event.update))
    with doc.transaction():
        shared.insert(at, text)
        if gone:
            del shared[0:gone]
    return before, found[0]


@given(
    st.text("aé😀\n", min_size=1, max_size=400),
    st.integers(0, 10),
    st.integers(0, 3),
    st.integers(1, 60),
)
@examples(150)
def test_pieces_in_order_give_the_same_state(text: str, at: int, gone: int, size: int):
    """However small they are; each is valid by itself, and the ids are the same."""
    base, update = _edit(text, at, gone)
    limit, pieces.STRING_CHARS_MAX = pieces.STRING_CHARS_MAX, 7
    try:
        cut = pieces.cut(update, size)
    finally:
        pieces.STRING_CHARS_MAX = limit

    for piece in cut:
        updates.check(piece)
    one_by_one: Doc[Any] = Doc()
    for piece in [base, *cut]:
        one_by_one.apply_update(piece)
    whole, vector = updates.integrate([base, update])
    assert one_by_one.get_state() == vector
    assert one_by_one.get_update() == whole


@given(BLOCKS)
@examples(30)
def test_blocks_in_pieces_are_the_same_blocks(blocks: Json):
    """Types, formats, attributes and embeds are walked over rightly."""
    state = put(NOBODY, ContentFormat.BLOCKS, blocks)
    cut = pieces.cut(state, 1)

    assert got(updates.integrate(cut)[0], ContentFormat.BLOCKS) == got(state, ContentFormat.BLOCKS)


def test_a_large_update_is_cut_near_the_limit():
    """Each piece may exceed it by one struct, a string of STRING_CHARS_MAX."""
    _, update = _edit("é😀a " * 100_000, 3, 2)

    cut = pieces.cut(update)

    assert len(cut) > 5
    assert max(map(len, cut)) < pieces.PIECE_BYTES_MAX + 4 * pieces.STRING_CHARS_MAX + 100


def test_updates_of_several_authors_stay_whole():
    """One's items may need another's, so no prefix of them can be applied."""
    first, update = _edit("x" * 1000, 0, 0)
    both = updates.merge([first, _edit("y" * 1000, 0, 0)[0], update])

    assert pieces.cut(both, 100) == [both]


@pytest.mark.parametrize("broken", [b"\x01\x01", b"\x01\x7f\x01\x00\x84"])
def test_nonsense_is_refused(broken: bytes):
    """As BadUpdate, whatever was wrong."""
    from services.collab.formats import jobs

    with pytest.raises(updates.BadUpdate):
        jobs.cut(broken + b"\xff" * pieces.PIECE_BYTES_MAX)
    assert formats.render(NOBODY, ContentFormat.TEXT) == b""
