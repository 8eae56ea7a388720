"""Minutes of faults in random order, several at a time. By hand: pytest -m long tests/faults."""

import asyncio
import os
import random

import pytest

from tests.faults.conftest import Note
from tests.faults.scenario import Play, account, nothing_lost
from tests.support.breakable import BreakableStack
from tests.support.scenery import Scenery

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "6"))
FAULTS_PER_ROUND = 8
PAUSE_S_MAX = 2.0
PARTS = ("gateway-1", "gateway-2", "collab-1", "collab-2", "nats", "postgres")


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_random_faults(seed: int, stack: BreakableStack, scenery: Scenery, note: Note):
    """Whatever happens to whichever part, while something else has just happened to another."""
    rnd = random.Random(seed)

    async def fault(play: Play) -> None:
        for _ in range(FAULTS_PER_ROUND):
            part = rnd.choice(PARTS)
            kind = rnd.choice(["kill", "freeze", "restart", "cut", "drop clients"])
            print(f"{kind} {part}")
            await _cause(stack, play, kind, part, rnd)
            await asyncio.sleep(rnd.random() * PAUSE_S_MAX)
        for part in stack.parts:
            await stack.wait_ready(part)

    nothing_lost(note(await account(scenery, fault, tail_s=3.0)))


async def _cause(
    stack: BreakableStack, play: Play, kind: str, part: str, rnd: random.Random
) -> None:
    match kind:
        case "kill":
            stack.kill(part)
        case "freeze":
            stack.freeze(part)
            await asyncio.sleep(rnd.uniform(0.1, 4.0))
            stack.thaw(part)
        case "restart" if part not in ("nats", "postgres"):
            await stack.restart(part)
        case "cut" if bridge := stack.bridges.get(part):
            bridge.cut()
            await asyncio.sleep(rnd.random())
            bridge.mend()
        case _:
            for client in play.clients:
                if rnd.random() < 0.5:
                    client.drop()
