"""Every part killed and frozen while people write."""

import asyncio

import pytest

from tests.faults.conftest import Note
from tests.faults.scenario import Play, account, nothing_lost
from tests.support.breakable import BreakableStack
from tests.support.scenery import Scenery

pytestmark = pytest.mark.alone

FROZEN_S = 2.5
PARTS = ("gateway-1", "collab-1", "nats", "postgres")


@pytest.mark.parametrize("part", PARTS)
async def test_killed(part: str, stack: BreakableStack, scenery: Scenery, note: Note):
    """SIGKILL of any one part; what had not left it comes again from whoever still holds it."""

    async def fault(_: Play) -> None:
        stack.kill(part)
        await stack.wait_ready(part)

    nothing_lost(note(await account(scenery, fault)))


@pytest.mark.long
@pytest.mark.parametrize("part", PARTS)
async def test_frozen(part: str, stack: BreakableStack, scenery: Scenery, note: Note):
    """A part that is silent for a while and then goes on as if nothing had happened.

    Worse than death: its peers have turned elsewhere, and it still acts on what it knew.
    """

    async def fault(_: Play) -> None:
        stack.freeze(part)
        await asyncio.sleep(FROZEN_S)
        stack.thaw(part)

    nothing_lost(note(await account(scenery, fault)))


@pytest.mark.parametrize("how", ["killed", pytest.param("frozen", marks=pytest.mark.long)])
async def test_only_collab(how: str, stack: BreakableStack, scenery: Scenery, note: Note):
    """Without a survivor to turn to, gateways hold edits until collab is back."""

    async def fault(_: Play) -> None:
        stack.hold("collab-2")
        stack.kill("collab-2")
        await stack.wait_ended("collab-2")
        if how == "killed":
            stack.kill("collab-1")
            await stack.wait_ready("collab-1")
        else:
            stack.freeze("collab-1")
            await asyncio.sleep(FROZEN_S)
            stack.thaw("collab-1")

    try:
        nothing_lost(note(await account(scenery, fault)))
    finally:
        stack.release("collab-2")


async def test_everything_killed_at_once(stack: BreakableStack, scenery: Scenery, note: Note):
    """A power cut: all parts die in one moment and start again on the same data."""

    async def fault(_: Play) -> None:
        for part in stack.parts:
            stack.kill(part)
        for part in ("postgres", "nats", *stack.parts):
            await stack.wait_ready(part)

    nothing_lost(note(await account(scenery, fault)))
