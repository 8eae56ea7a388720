"""Updates that decode, and break the document that takes them in."""

import asyncio
from uuid import UUID

import asyncpg
import pytest
from pycrdt import Doc, Text
from websockets.asyncio.client import connect

from libs.contracts.collab.yprotocol import STEP1, SYNC, UPDATE, sync_message, varuint
from services.collab import updates
from services.collab.updates import BadUpdate
from services.gateway.live.room import SNAPSHOT_KEEP_S
from services.gateway.live.room_registry import HEAD_POLL_S
from tests.hostile.assault import ALIVE, assault
from tests.hostile.bystanders import undisturbed
from tests.support.breakable import BreakableStack
from tests.support.scenery import Scenery, text_of
from tests.support.yclient import YClient

MARY = 7
"""Her Yjs client id, which poison may name."""
SETTLED_S = HEAD_POLL_S + 0.5
"""By then a gateway has asked how far the log reaches."""
WRONG_PARENT = bytes.fromhex("01020900040107636f6e74656e7402616204000900017800")
"""An item whose parent is a piece of text: RuntimeError."""
FAR_REFERENCES = bytes.fromhex("02010700c708640805000107feffffff0f000000")
"""Neighbours that are nowhere, and a struct near the last clock there is: PanicException."""


def deep_types(depth: int = 100_000) -> bytes:
    """Shared types each inside the other, and the outermost deleted: the process overflows."""
    me = b"\x05"
    outer = b"\x07\x01\x07content\x00"
    inner = b"".join(b"\x07\x00" + me + varuint(clock) + b"\x00" for clock in range(depth - 1))
    deletion = b"\x01" + me + b"\x01\x00\x01"
    return b"\x01" + varuint(depth) + me + b"\x00" + outer + inner + deletion


@pytest.mark.parametrize(
    "poison", [WRONG_PARENT, FAR_REFERENCES, deep_types()], ids=["parent", "panic", "overflow"]
)
async def test_poison_is_quarantined_and_the_scene_stays_readable(
    poison: bytes, stack: BreakableStack, scenery: Scenery
):
    """Before and after it, everything that people wrote is there, in every way of reading."""
    scene = await _poisoned(scenery, poison)
    async with undisturbed(scenery):
        assert await scenery.text(scene) == "before"
        async with YClient(scenery.address(scene)) as percy:
            assert str(percy.text) == "before"
            percy.type(" after")
            await percy.until(lambda: percy.acked == percy.clock)
        assert await scenery.text(scene) == "before after"
        assert text_of(await scenery.state(scene)) == "before after"
        async with YClient(scenery.address(scene)) as fresh:
            assert str(fresh.text) == "before after"

    assert len(await _quarantined(stack, scene)) == 1


async def test_scene_whose_newest_row_is_quarantined_can_be_joined(
    stack: BreakableStack, scenery: Scenery
):
    """Those who are there have heard of that row; newcomers' answers must reach as far.

    Also from a collab that has nothing in memory.
    """
    scene = await _poisoned(scenery, WRONG_PARENT)
    assert await scenery.text(scene) == "before"
    async with connect(scenery.address(scene)(), compression=None) as present:
        await present.send(sync_message(STEP1, b"\x00"))
        assert (await present.recv())[0] == SYNC
        await asyncio.sleep(SETTLED_S)
        await stack.restart("collab-1")
        async with YClient(scenery.address(scene)) as newcomer:
            assert str(newcomer.text) == "before"
            assert newcomer.connections == 1

    assert len(await _quarantined(stack, scene)) == 1


def test_poison_is_poison():
    """Or the tests here would claim nothing: it passes the door, and no document can take it."""
    before: Doc[Text] = Doc(client_id=MARY)
    before.get("content", type=Text).insert(0, "before")
    for poison in (WRONG_PARENT, FAR_REFERENCES):
        updates.check(poison)
        with pytest.raises(BadUpdate):
            updates.integrate([before.get_update(), poison])


async def _poisoned(scenery: Scenery, poison: bytes) -> UUID:
    """A scene that reads "before", and then holds *poison*."""
    scene = await scenery.scene()
    async with YClient(scenery.address(scene), client_id=MARY) as mary:
        mary.type("before")
        await mary.until(lambda: mary.acked == mary.clock)
    message = sync_message(UPDATE, poison)
    outcomes = await assault(scenery.address(scene), [message], until_acknowledged=True)
    assert outcomes == {ALIVE: 1}
    # What was just announced is still handed to newcomers as it came.
    await asyncio.sleep(SNAPSHOT_KEEP_S + 0.5)
    return scene


async def _quarantined(stack: BreakableStack, scene: UUID) -> list[int]:
    connection = await asyncpg.connect(stack.postgres_url("collab", "collab_owner"))
    rows = await connection.fetch("SELECT seq FROM quarantined_updates WHERE scene_id = $1", scene)
    await connection.close()
    return [row["seq"] for row in rows]
