"""The recorded sessions are real and repeatable, and their truth is about the right characters."""

import doctest
from collections import Counter
from typing import Any

import pytest
from pycrdt import Doc

from libs.contracts.collab.content import ContentFormat
from services.collab.formats.convert import rendered
from tests.clients.anchors import recorded
from tests.clients.anchors.recorded import (
    STORED_SEED,
    RecordedAnchor,
    Span,
    Verdict,
    judge,
    record,
    sessions,
    tally,
)

COUNTS = {"prosemirror": 16, "tiptap": 8, "slate": 8, "codemirror": 4, "plain": 4}
ANCHORS = 30
UTF_16 = "utf-16-le"
RECORDED_AGAIN = 2
OPERATIONS = 40


def units(text: str) -> list[bytes]:
    """Return the UTF-16 units of *text*, as offsets count them."""
    encoded = text.encode(UTF_16, "surrogatepass")
    return [encoded[at : at + 2] for at in range(0, len(encoded), 2)]


def flat(*updates: bytes) -> str:
    """Return what `format=text` answers for these updates."""
    doc: Doc[Any] = Doc()
    for update in updates:
        doc.apply_update(update)
    return rendered(doc.get_update(), ContentFormat.TEXT, None).decode()


def test_the_stored_sessions_are_those_that_are_promised() -> None:
    """Figures about anchors are quoted for these sessions."""
    found = list(sessions())
    assert Counter(session.editor for session in found) == COUNTS
    assert {len(session.anchors) for session in found} == {ANCHORS}
    assert all(session.guessed == 0 for session in found)
    done = {name for session in found for name in session.doing}
    assert {"cutPaste", "eraseUndo", "rebuild", "move", "reconnect", "join", "rewrite"} <= done


@pytest.mark.parametrize("editor", COUNTS)
def test_the_server_reads_the_flat_text_of_the_editor(editor: str) -> None:
    """Offsets of the sessions are those of `format=text`, at the beginning and in the end."""
    for session in sessions(editor):
        assert flat(session.base, *session.log) == session.final
        begin = units(flat(session.base))
        for anchor in session.anchors:
            start, end = anchor.span
            assert begin[start:end] == units(anchor.quote)


@pytest.mark.parametrize("editor", COUNTS)
def test_truth_names_letters_of_the_quote_in_their_order(editor: str) -> None:
    """A mistake in following characters would show as other letters."""
    for session in sessions(editor):
        final = units(session.final)
        for anchor in session.anchors:
            letters = [final[at] for at in anchor.truth]
            assert is_within(letters, units(anchor.quote))
            for letter, places in zip(letters, anchor.copies, strict=bool(anchor.copies)):
                assert all(final[at] == letter for at in places)


def is_within(letters: list[bytes], quote: list[bytes]) -> bool:
    """Whether *letters* stand in *quote* in this order, perhaps with others between."""
    rest = iter(quote)
    return all(letter in rest for letter in letters)


async def test_recording_repeats_itself() -> None:
    """A held-out seed is worth something only when everybody records the same with it."""
    told = ("codemirror=1", "slate=2", f"operations={OPERATIONS}")
    first, again = [await record(STORED_SEED, *told) for _ in range(RECORDED_AGAIN)]
    assert first == again
    assert len(first) == 3


def test_doctests_of_the_judge() -> None:
    """Its examples are the definition of right, lost and wrong."""
    assert doctest.testmod(recorded).failed == 0


def whole(anchor: RecordedAnchor) -> Span | None:
    """Return the stretch of the truth: the best possible answer."""
    return (min(anchor.truth), max(anchor.truth) + 1) if anchor.truth else None


def test_the_truth_is_judged_right_and_its_shift_wrong() -> None:
    """The judge neither refuses the best answer nor lets a neighbour pass."""
    answers = [
        (anchor, whole(anchor), "exact")
        for session in sessions("plain")
        for anchor in session.anchors
    ]
    best = tally(answers)
    assert best.of(Verdict.RIGHT) == best.total == ANCHORS * COUNTS["plain"]
    shifted = tally(
        (anchor, (span[1], 2 * span[1] - span[0]), "exact") for anchor, span, _ in answers if span
    )
    assert shifted.wrong_exact == shifted.total
    assert judge(answers[0][0], None) in (Verdict.LOST, Verdict.RIGHT)
