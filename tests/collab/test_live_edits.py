"""Batches of edits as a replica answers them: repeated ones, and those with refused updates."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from pycrdt import Doc, Text

from libs.contracts import subjects
from libs.contracts.collab import frames
from services.collab.live import Live
from services.collab.model import Batch
from tests.support.fake_bus import FakeBus
from tests.support.waiting import until

REPLICA = "collab-1"
REPLY = subjects.ack("0000002a")
SCENE, FULL_SCENE = b"s" * 16, b"f" * 16
AUTHOR = bytes(16)
GOOD, BAD = 1, 2
"""Tags of connections."""
ROWS_BEFORE = 10


def update() -> bytes:
    """A valid update."""
    document: Doc[Any] = Doc()
    document["t"] = Text("x")
    return document.get_update()


class Rows:
    """A store that notes which rows were appended."""

    def __init__(self) -> None:
        self.seqs: list[int] = []

    async def heads(self, scenes: Sequence[bytes]) -> list[int]:
        return [ROWS_BEFORE for _ in scenes]

    async def append(self, batches: Sequence[Batch], seqs: list[int]) -> None:
        assert batches
        self.seqs += seqs


class Bench:
    """A replica on a bus of the test's own."""

    def __init__(self) -> None:
        self.bus = FakeBus()
        self.rows = Rows()
        parts: Any = {
            "store": self.rows,
            "scenes": None,
            "workers": None,
            "rollups": SimpleNamespace(full={FULL_SCENE}, committed=lambda _: None),  # pyright: ignore[reportUnknownLambdaType]
            "settings": SimpleNamespace(replica=REPLICA, update_bytes_max=1 << 20),
        }
        self.live = Live(client=self.bus.client, **parts)

    async def send(self, number: int, *entries: tuple[bytes, int, bytes]) -> frames.Ack:
        """Send a batch of scene, tag and update; returns its acknowledgement."""
        data = [frames.batch_entry(scene, AUTHOR, tag, body) for scene, tag, body in entries]
        self.bus.take_sent()
        await self.bus.deliver(subjects.edit(REPLICA), frames.batch(number, data), REPLY)
        await until(lambda: any(sent.subject == REPLY for sent in self.bus.sent))
        [ack] = [sent.data for sent in self.bus.take_sent() if sent.subject == REPLY]
        return frames.read_ack(ack)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    await made.live.subscribe()
    running = asyncio.create_task(made.live.journal.run())
    yield made
    running.cancel()


async def test_a_repeated_batch_is_acknowledged_and_not_stored_again(bench: Bench):
    """The gateway sends it again when the acknowledgement is late or lost."""
    first = await bench.send(1, (SCENE, GOOD, update()), (SCENE, GOOD, update()))
    again = await bench.send(1, (SCENE, GOOD, update()), (SCENE, GOOD, update()))

    assert first == again == frames.Ack(1, {SCENE: ROWS_BEFORE + 2}, [])
    assert bench.rows.seqs == [ROWS_BEFORE + 1, ROWS_BEFORE + 2]


@pytest.mark.parametrize(
    ("scene", "body", "reason"),
    [
        (SCENE, b"\xff", frames.REASON_INVALID),
        (SCENE, bytes((1 << 20) + 1), frames.REASON_TOO_LARGE),
        (FULL_SCENE, b"\x00\x00", frames.REASON_SCENE_FULL),
    ],
)
async def test_a_refusal_concerns_one_connection(
    bench: Bench, scene: bytes, body: bytes, reason: int
):
    """The others of the batch are stored; of this one nothing more, in this batch or a later."""
    good = (SCENE, GOOD, update())

    ack = await bench.send(1, good, (scene, BAD, body), (SCENE, BAD, update()))
    # The gateway may have missed the refusal: a replica died, and it came back to this one.
    later = await bench.send(2, good, (SCENE, BAD, update()))

    assert (ack.refusals, later.refusals) == ([(BAD, reason)], [(BAD, reason)])
    assert (ack.heads, later.heads) == ({SCENE: ROWS_BEFORE + 1}, {SCENE: ROWS_BEFORE + 2})
    assert bench.rows.seqs == [ROWS_BEFORE + 1, ROWS_BEFORE + 2]


async def test_a_batch_of_refused_updates_is_acknowledged(bench: Bench):
    """Without it the gateway would send the same bytes for ever."""
    ack = await bench.send(1, (SCENE, BAD, b"\xff"))

    assert ack == frames.Ack(1, {}, [(BAD, frames.REASON_INVALID)])
    assert bench.rows.seqs == []
