"""The wire between the services: cut, and losing messages."""

import asyncio
import itertools

import httpx
import pytest

from tests.faults.conftest import Note
from tests.faults.scenario import Play, account, nothing_lost
from tests.support.breakable import BreakableStack
from tests.support.scenery import Scenery
from tools.stack import Stack

pytestmark = pytest.mark.alone

CUT_S = 1.0
LOSSY_S = 2.0
CUTS = [("collab-1",), ("gateway-1",), ("collab-1", "collab-2"), ("gateway-1", "collab-2")]


@pytest.mark.parametrize("parts", CUTS, ids="+".join)
async def test_cut_from_nats(
    parts: tuple[str, ...], stack: BreakableStack, scenery: Scenery, note: Note
):
    """Connections break in the middle of whatever was on them, and stay away for a second."""

    async def fault(_: Play) -> None:
        for part in parts:
            stack.bridges[part].cut()
        await asyncio.sleep(CUT_S)
        for part in parts:
            stack.bridges[part].mend()

    nothing_lost(note(await account(scenery, fault, tail_s=2.0)))


async def test_flapping_connections(stack: BreakableStack, scenery: Scenery, note: Note):
    """Cut again before the last cut has healed."""

    async def fault(_: Play) -> None:
        for part in itertools.islice(itertools.cycle(stack.bridges), 12):
            stack.bridges[part].cut()
            await asyncio.sleep(0.15)
            stack.bridges[part].mend()

    nothing_lost(note(await account(scenery, fault, tail_s=2.0)))


async def test_lost_announcements_are_noticed_and_repaired(
    stack: BreakableStack, scenery: Scenery, note: Note
):
    """NATS promises nothing; the seq in each announcement shows what is missing."""
    bridge = stack.bridges["gateway-1"]
    gaps = await _metric(stack, "gateway-1", "scriptorium_live_gaps_total")
    numbers = itertools.count()

    async def fault(_: Play) -> None:
        bridge.lost = 0
        bridge.loses = lambda subject: subject.startswith("live.scene.") and next(numbers) % 5 == 4
        await asyncio.sleep(LOSSY_S)
        bridge.loses = None

    nothing_lost(note(await account(scenery, fault)))

    assert bridge.lost > 0
    assert await _metric(stack, "gateway-1", "scriptorium_live_gaps_total") > gaps


@pytest.mark.parametrize(
    "subject",
    [
        "live.ack.",
        "live.edit.",
        pytest.param("live.reply.", marks=pytest.mark.long),
        pytest.param("live.beat", marks=pytest.mark.long),
    ],
)
async def test_lost_messages(subject: str, stack: BreakableStack, scenery: Scenery, note: Note):
    """Half of one kind of message is lost: batches, acknowledgements, answers, heartbeats."""
    numbers = itertools.count()
    lost_before = sum(bridge.lost for bridge in stack.bridges.values())

    async def fault(play: Play) -> None:
        for bridge in stack.bridges.values():
            bridge.loses = lambda name: name.startswith(subject) and next(numbers) % 2 == 1
        # Readers come back meanwhile, so that there are questions whose answers can be lost.
        for scene in play.scenes:
            for reader in scene.readers:
                reader.drop()
        await asyncio.sleep(LOSSY_S)
        for bridge in stack.bridges.values():
            bridge.loses = None

    nothing_lost(note(await account(scenery, fault)))

    assert sum(bridge.lost for bridge in stack.bridges.values()) > lost_before


async def _metric(stack: Stack, part: str, name: str) -> float:
    async with httpx.AsyncClient() as http:
        page = (await http.get(f"{stack.ops_url(part)}/metrics")).text
    return sum(float(line.split()[-1]) for line in page.splitlines() if line.startswith(name))
