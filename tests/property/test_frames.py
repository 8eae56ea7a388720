"""Every frame between gateway and collab says what was put in."""

from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.collab import frames, yprotocol

IDS = st.binary(min_size=16, max_size=16)
U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
BODIES = st.binary(max_size=300)


@given(
    U64,
    st.lists(st.tuples(IDS, IDS, U32, BODIES), max_size=20),
    st.binary(min_size=25, max_size=25),
)
def test_batches(number: int, edits: list[tuple[bytes, bytes, int, bytes]], trace: bytes):
    data = frames.batch(number, [frames.batch_entry(*edit) for edit in edits], trace)

    assert frames.read_batch_head(data) == (number, trace)
    assert list(frames.read_batch(data)) == edits


@given(U64, st.dictionaries(IDS, U64, max_size=10), st.lists(st.tuples(U32, st.integers(0, 255))))
def test_acknowledgements(number: int, heads: dict[bytes, int], refusals: list[tuple[int, int]]):
    data = frames.ack(number, heads, refusals)

    assert frames.read_ack(data) == frames.Ack(number, heads, refusals)


@given(U64, U64, U32, U32, BODIES)
def test_fans(seq_from: int, seq_to: int, gateway: int, tag: int, body: bytes):
    data = frames.fan(seq_from, seq_to, gateway, tag, body)

    assert frames.read_fan(data) == (seq_from, seq_to, gateway, tag)
    assert data[frames.FAN_HEADER_BYTES :] == body


@given(U64, BODIES, st.integers(1, 50))
def test_replies_in_parts(number: int, body: bytes, part_bytes: int):
    parts = [frames.read_reply(data) for data in frames.replies(number, body, part_bytes)]

    assert b"".join(piece for _, _, _, piece in parts) == body
    assert [(part, of) for _, part, of, _ in parts] == [
        (index, len(parts)) for index in range(len(parts))
    ]
    assert {of_request for of_request, _, _, _ in parts} == {number}


@given(U64, IDS, BODIES, BODIES, st.integers(0, 2**63))
def test_questions_and_answers(number: int, scene: bytes, one: bytes, other: bytes, seq: int):
    asked = frames.SyncAnswer(seq, one, other, one + other)

    assert frames.read_sync_request(frames.sync_request(number, scene, one)) == (
        number,
        scene,
        one,
    )
    assert frames.read_sync_answer(frames.sync_answer(asked)) == asked
    assert frames.read_range_request(frames.range_request(number, scene, seq, seq + 1)) == (
        number,
        scene,
        seq,
        seq + 1,
    )
    assert frames.read_range_answer(frames.range_answer(seq, one)) == (seq, one)


@given(U64, st.lists(IDS, max_size=20), st.lists(U64, max_size=20))
def test_heads(number: int, scenes: list[bytes], heads: list[int]):
    assert frames.read_heads_request(frames.heads_request(number, scenes)) == (number, scenes)
    assert frames.read_heads_answer(frames.heads_answer(heads)) == heads


@given(BODIES)
def test_other_bytes_are_bad_frames_or_frames(data: bytes):
    """Those who read from the bus catch BadFrame, and nothing else."""
    for read in (frames.read_batch_head, frames.read_ack, frames.read_fan, frames.read_reply):
        try:
            read(data)
        except frames.BadFrame:
            continue


@given(st.integers(0, 2**53 - 1), BODIES)
def test_variable_length_integers(number: int, after: bytes):
    encoded = yprotocol.varuint(number)

    assert yprotocol.read_varuint(encoded + after, 0) == (number, len(encoded))
    assert len(encoded) == max(1, -(-number.bit_length() // 7))


@given(st.integers(0, 2), BODIES, BODIES)
def test_sync_messages(step: int, body: bytes, after: bytes):
    data = yprotocol.sync_message(step, body)
    kind, at = yprotocol.read_varuint(data, 0)
    read_step, at = yprotocol.read_varuint(data, at)

    assert (kind, read_step) == (yprotocol.SYNC, step)
    assert yprotocol.read_bytes(data + after, at) == (body, len(data))
