"""What an operator and an old disk do: rolling restarts, slow commits."""

import asyncio

import pytest

from tests.faults.conftest import Note
from tests.faults.scenario import Play, account, nothing_lost
from tests.support.breakable import BreakableStack
from tests.support.scenery import Scenery

pytestmark = pytest.mark.alone

SLOW_COMMIT_US = 60_000
SLOW_S = 3.0
BURSTS = 12
BURST_S = 0.2
RESTARTING = 1012


async def test_rolling_restart_of_gateways(stack: BreakableStack, scenery: Scenery, note: Note):
    """A stopping gateway sends its clients elsewhere with 1012; they lose nothing but a moment."""

    async def fault(_: Play) -> None:
        for part in ("gateway-1", "gateway-2"):
            await stack.restart(part)

    figures = note(await account(scenery, fault))

    nothing_lost(figures)
    assert set(figures.closes) == {RESTARTING}


async def test_rolling_restart_of_collab(stack: BreakableStack, scenery: Scenery, note: Note):
    """A stopping collab hands its scenes over; no client's connection so much as notices."""

    async def fault(_: Play) -> None:
        for part in ("collab-1", "collab-2"):
            await stack.restart(part)

    figures = note(await account(scenery, fault))

    nothing_lost(figures)
    assert figures.reconnections == 0


async def test_slow_disk(stack: BreakableStack, scenery: Scenery, note: Note):
    """Commits take long, or stall and go on, and everything waits for them but nothing is lost."""

    async def slow(_: Play) -> None:
        stack.slow_disk(SLOW_COMMIT_US)
        await asyncio.sleep(SLOW_S)
        stack.slow_disk(0)

    async def stalling(_: Play) -> None:
        for _burst in range(BURSTS):
            stack.freeze("postgres")
            await asyncio.sleep(BURST_S)
            stack.thaw("postgres")
            await asyncio.sleep(BURST_S / 4)

    try:
        fault = slow if stack.disk_can_be_slow else stalling
        nothing_lost(note(await account(scenery, fault)))
    finally:
        stack.slow_disk(0)


@pytest.mark.long
async def test_collab_killed_while_the_disk_is_slow(
    stack: BreakableStack, scenery: Scenery, note: Note
):
    """It dies with commits under way whose outcome it never learns."""

    async def fault(_: Play) -> None:
        if stack.disk_can_be_slow:
            stack.slow_disk(SLOW_COMMIT_US)
        await asyncio.sleep(0.5)
        for part in ("collab-1", "collab-2"):
            stack.kill(part)
            await stack.wait_ready(part)
        stack.slow_disk(0)

    try:
        nothing_lost(note(await account(scenery, fault)))
    finally:
        stack.slow_disk(0)
