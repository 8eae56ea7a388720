"""Merging, integrating and taking differences, on random concurrent histories."""

import random

from hypothesis import given
from hypothesis import strategies as st

from services.collab import updates
from tests.property.histories import Edit, canonical, document, histories, rows_of


@given(histories())
def test_rows_merged_in_order_are_the_document(history: list[Edit]):
    """What a joining client is sent is what one who was there all the time has."""
    rows = rows_of(history)
    if not rows:
        return
    expected = canonical(document(*rows))
    merged = updates.merge(rows)
    state, vector = updates.integrate(rows)

    assert canonical(document(merged)) == expected
    assert canonical(document(state)) == expected
    assert updates.read_state_vector(vector) == expected[0]
    assert updates.read_state_vector(updates.reached(merged)) == expected[0]


@given(histories(), st.integers(1, 7))
def test_rows_merged_in_pieces_are_the_document(history: list[Edit], size: int):
    """Frames, roll-ups and cached states merge parts, and parts of parts."""
    rows = rows_of(history)
    state = updates.EMPTY
    for start in range(0, len(rows), size):
        part = updates.merge(rows[start : start + size])
        state = updates.merge([state, part]) if state != updates.EMPTY else part

    if rows:
        assert canonical(document(state)) == canonical(document(*rows))


@given(histories(), st.randoms(use_true_random=False))
def test_repeated_rows_change_nothing(history: list[Edit], rnd: random.Random):
    """Delivery is at least once, and a commit of unknown outcome is made again."""
    rows = rows_of(history)
    repeated = [row for row in rows for _ in range(rnd.choice([1, 1, 2]))]
    if rows:
        again = repeated + rnd.sample(rows, len(rows) // 2)

        assert canonical(document(updates.merge(again))) == canonical(document(*rows))


@given(histories(), st.integers(0, 40))
def test_difference_is_what_is_missing(history: list[Edit], seen: int):
    """A client that has the first rows is complete with the difference."""
    rows = rows_of(history)
    if not rows:
        return
    client = document(*rows[:seen])
    missing = updates.difference(updates.merge(rows), client.get_state())
    client.apply_update(missing)

    assert canonical(client) == canonical(document(*rows))


@given(histories(), st.randoms(use_true_random=False))
def test_rows_that_wait_for_others_are_never_lost(history: list[Edit], rnd: random.Random):
    """A row may come before what it builds on, when its author's browser was offline in between.

    Whatever is integrated meanwhile keeps it, and it is there when the other rows are.
    """
    rows = rows_of(history)
    if not rows:
        return
    late = [row for row in rows if rnd.random() < 0.3]
    early = [row for row in rows if row not in late]
    state = updates.integrate(early)[0] if early else updates.EMPTY
    for row in late:
        state = updates.integrate([state, row] if state != updates.EMPTY else [row])[0]

    assert canonical(document(state)) == canonical(document(*rows))


@given(st.binary(max_size=200))
def test_random_bytes_are_judged_and_nothing_else(data: bytes):
    """Never another exception, never the end of the process."""
    for judge in (updates.check, updates.state_vector, updates.reached, updates.read_state_vector):
        try:
            judge(data)
        except updates.BadUpdate:
            continue
