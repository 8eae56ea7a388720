"""The log when replicas race for it, and when nobody says that it grew."""

import asyncio
from uuid import UUID, uuid4
from zlib import crc32

import asyncpg
import nats
import pytest
from nats.aio.msg import Msg
from pycrdt import Doc, Text, TransactionEvent

from libs.contracts import subjects
from libs.contracts.collab import frames
from tests.faults.ledger import LogCopy
from tests.support.breakable import BreakableStack
from tests.support.scenery import Scenery
from tests.support.yclient import YClient

pytestmark = pytest.mark.alone

UNANNOUNCED_WAIT_S = 15.0
ROUNDS = 20
EDITS_PER_BATCH = 10
ACK_WAIT_S = 15.0

_INSERT = """
INSERT INTO scene_versions (scene_id, seq, yjs_update, client_id, created_by, checksum)
VALUES ($1, (SELECT coalesce(max(seq), 0) + 1 FROM scene_versions WHERE scene_id = $1),
        $2, 1, $3, $4)
"""
_ROWS = "SELECT seq, yjs_update FROM scene_versions WHERE scene_id = $1 ORDER BY seq"


async def test_commit_that_nobody_announced_is_shown(stack: BreakableStack, scenery: Scenery):
    """Collab died between commit and fan-out, and the gateway that waited for the ack died too.

    Nobody is left to say it again; the heads that gateways look at now and then do.
    """
    scene = await scenery.scene()
    async with (
        YClient(scenery.address(scene, 0)) as one,
        YClient(scenery.address(scene, 1)) as other,
    ):
        one.type("before ")
        await other.until_reads("before ", UNANNOUNCED_WAIT_S)
        await _insert(stack, scene, _append(one, "unannounced"))
        await one.until_reads("before unannounced", UNANNOUNCED_WAIT_S)
        await other.until_reads("before unannounced", UNANNOUNCED_WAIT_S)
        other.type(" after")
        await one.until_reads("before unannounced after", UNANNOUNCED_WAIT_S)

        assert await scenery.text(scene) == "before unannounced after"


async def test_replicas_racing_for_one_scene(stack: BreakableStack, scenery: Scenery):
    """Both write the same scene at once, as when gateways disagree about who is alive.

    The log's key lets one win each seq; the other numbers its edits anew. All of them are there,
    once, without a hole, each writer's in order, and everyone reads the same.
    """
    scene = await scenery.scene()
    async with (
        YClient(scenery.address(scene, 0)) as one,
        YClient(scenery.address(scene, 1)) as other,
    ):
        racers = [_Racer(scene, "collab-1", "a"), _Racer(scene, "collab-2", "b")]
        await asyncio.gather(*(racer.run(stack) for racer in racers))
        log, rows = await _read_log(stack, scene)
        sent = [update for racer in racers for update in racer.sent]
        await one.until_reads(log.text)
        await other.until_reads(log.text)

        assert log.gaps == 0
        assert log.head == len(rows) == len(sent)
        assert sorted(rows) == sorted(sent)
        for racer in racers:
            assert [row for row in rows if row in set(racer.sent)] == racer.sent
        assert len(log.text) == len(sent)
        assert await scenery.text(scene) == log.text


class _Racer:
    """Plays a gateway that sends everything to one replica."""

    def __init__(self, scene: UUID, replica: str, letter: str) -> None:
        self.sent: list[bytes] = []
        self._scene = scene
        self._replica = replica
        self._letter = letter
        self._acked: asyncio.Queue[frames.Ack] = asyncio.Queue()

    async def run(self, stack: BreakableStack) -> None:
        gateway = f"{uuid4().int & 0x7FFF_FFFF:08x}"
        client = await nats.connect(stack.nats_url("admin"))  # pyright: ignore[reportUnknownMemberType]
        await client.subscribe(subjects.ack(gateway), cb=self._on_ack)
        doc: Doc[Text] = Doc()
        text = doc.get("content", type=Text)
        updates: list[bytes] = []
        subscription = doc.observe(lambda event: _keep(updates, event))
        for number in range(ROUNDS):
            for _ in range(EDITS_PER_BATCH):
                text.insert(len(text), self._letter)
            entries = [
                frames.batch_entry(self._scene.bytes, uuid4().bytes, 7, update)
                for update in updates
            ]
            self.sent += updates
            updates.clear()
            batch = frames.batch(number + 1, entries)
            await client.publish(subjects.edit(self._replica), batch, subjects.ack(gateway))
            ack = await asyncio.wait_for(self._acked.get(), ACK_WAIT_S)
            assert ack.batch == number + 1
            assert not ack.refusals
        doc.unobserve(subscription)
        await client.close()

    async def _on_ack(self, message: Msg) -> None:
        self._acked.put_nowait(frames.read_ack(message.data))


def _keep(updates: list[bytes], event: TransactionEvent) -> None:
    updates.append(event.update)


def _append(client: YClient, text: str) -> bytes:
    """An edit by somebody else after everything that *client* has."""
    doc: Doc[Text] = Doc()
    doc.apply_update(client.doc.get_update())
    before = doc.get_state()
    target = doc.get("content", type=Text)
    target.insert(len(target), text)
    return doc.get_update(before)


async def _insert(stack: BreakableStack, scene: UUID, update: bytes) -> None:
    connection = await asyncpg.connect(stack.postgres_url("collab", "collab_owner"))
    await connection.execute(_INSERT, scene, update, uuid4(), crc32(update))
    await connection.close()


async def _read_log(stack: BreakableStack, scene: UUID) -> tuple[LogCopy, list[bytes]]:
    connection = await asyncpg.connect(stack.postgres_url("collab", "collab_owner"))
    records = await connection.fetch(_ROWS, scene)
    await connection.close()
    log = LogCopy(scene)
    log.take(records)
    return log, [record["yjs_update"] for record in records]
