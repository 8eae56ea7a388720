"""Edits between the halves of a surrogate pair: the server reads what every Yjs client shows."""

import base64
from typing import Any

import pytest
from pycrdt import Doc, Text

from libs.contracts.collab.content import ContentFormat
from libs.contracts.collab.yprotocol import varuint
from services.collab import formats, surrogates, updates

# Made by Yjs 13.6.
EMOJI = base64.b64decode("AQHtBwAEAQdjb250ZW50CmdvIPCfkbcgb24A")
"""The text "go 👷 on" in the root "content"."""
BETWEEN = base64.b64decode("AQHuBwDE7QcD7QcEAVgA")
"""An X between the halves."""
FIRST_HALF_GONE = base64.b64decode("AAHtBwEDAQ==")


def large() -> bytes:
    """Return a state that nobody walks, with an emoji at 40,001 and ASCII before it."""
    doc: Doc[Any] = Doc(client_id=7)
    text: Text = doc.get("content", type=Text)
    text += "." * 40_000 + "a👷👷b"
    return doc.get_update()


@pytest.mark.parametrize(
    ("cut", "shown"),
    [(BETWEEN, "go \ufffdX\ufffd on"), (FIRST_HALF_GONE, "go \ufffd on")],
)
def test_half_an_emoji_reads_as_in_every_yjs_client(cut: bytes, shown: str):
    """However the state came about, and a PUT of what was read changes nothing."""
    for state in (updates.merge([EMOJI, cut]), updates.integrate([EMOJI, cut])[0]):
        assert formats.render(state, ContentFormat.TEXT).decode() == shown
        for form in (ContentFormat.TEXT, ContentFormat.BLOCKS, ContentFormat.MARKDOWN):
            assert formats.rewrite(state, form, formats.render(state, form)) is None

        update = formats.rewrite(state, ContentFormat.TEXT, (shown + "!").encode())
        assert update is not None
        after = updates.integrate([state, update])[0]
        assert formats.render(after, ContentFormat.TEXT).decode() == shown + "!"


def test_clocks_stay():
    """Peers go on from where they were."""
    state, vector = updates.integrate([EMOJI, FIRST_HALF_GONE])

    assert updates.read_state_vector(vector) == {1005: 8}
    assert updates.read_state_vector(updates.reached(state)) == {1005: 8}


@pytest.mark.parametrize(("at", "cuts"), [(40_001, False), (40_002, True), (40_003, False)])
def test_a_large_state_is_looked_into_only_where_it_is_cut(at: int, *, cuts: bool):
    """Both at a pair's halves and between two pairs."""
    # An X by client 8 between two code units of client 7.
    insertion = b"\1\1\x08\0\xc4\7" + varuint(at - 1) + b"\7" + varuint(at) + b"\1X\0"

    state, row = surrogates.replaced([large(), insertion])
    shown = formats.render(updates.merge([large(), insertion]), ContentFormat.TEXT).decode()

    assert (state != large()) is cuts
    assert row == insertion
    emoji = "👷👷" if not cuts else "\ufffd\ufffd👷"
    units = ("." * 40_000 + f"a{emoji}b").encode("utf-16-le")
    assert shown.encode("utf-16-le") == units[: 2 * at] + "X".encode("utf-16-le") + units[2 * at :]
