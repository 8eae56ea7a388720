"""A thousand frames of each bad kind, into a scene where others are typing."""

import itertools
import json
import random

import pytest

from libs.contracts.collab.yprotocol import read_bytes, read_varuint
from tests.hostile import assault as kinds
from tests.hostile.assault import ALIVE, Frames, assault
from tests.hostile.bystanders import undisturbed
from tests.support.scenery import Scenery

FRAMES = 400

BINARY_ONLY, INVALID, TOO_BIG = 1003, 1007, 1009


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (kinds.truncated, {INVALID}),
        pytest.param(kinds.nested, {INVALID}, marks=pytest.mark.long),
        (kinds.oversize, {TOO_BIG}),
        (kinds.nonsense, {BINARY_ONLY, INVALID, ALIVE}),
        pytest.param(kinds.bad_awareness, {INVALID, ALIVE}, marks=pytest.mark.long),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_bad_frames_concern_their_sender(
    frames: Frames, expected: set[int], scenery: Scenery
):
    """Each is answered with a close code that says why, or does no harm."""
    sent = list(itertools.islice(frames(random.Random(FRAMES)), FRAMES))
    async with undisturbed(scenery) as calm:
        outcomes = await assault(
            scenery.address(calm.scene), sent, until_acknowledged=ALIVE not in expected
        )

    print(dict(outcomes))
    assert sum(outcomes.values()) == FRAMES
    assert set(outcomes) == expected
    for pair in calm.pairs:
        for message in pair.writer.awareness + pair.reader.awareness:
            _presentable(message)


async def test_flipped_bits(scenery: Scenery):
    """Some are still valid updates, which anyone who may write may send: so in their own scene."""
    sent = list(itertools.islice(kinds.flipped(random.Random(1)), FRAMES))
    scene = await scenery.scene()
    async with undisturbed(scenery):
        outcomes = await assault(scenery.address(scene), sent)
        await scenery.text(scene)

    print(dict(outcomes))
    assert set(outcomes) <= {ALIVE, INVALID, TOO_BIG}
    assert outcomes[INVALID] > 0


def _presentable(message: bytes) -> None:
    """A browser can read it: strict JSON, and numbers that it can count on from."""
    count, at = read_varuint(message, 0)
    for _ in range(count):
        client, at = read_varuint(message, at)
        clock, at = read_varuint(message, at)
        state, at = read_bytes(message, at)
        assert max(client, clock) < 1 << 53
        json.loads(state, parse_constant=_not_json)


def _not_json(constant: str) -> None:
    raise AssertionError(f"{constant} was passed on")
