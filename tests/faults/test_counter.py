"""The counter can count: the same measurement of a collab that is broken on purpose."""

import asyncio
from pathlib import Path

import pytest

from tests.faults.broken_collab import KIND
from tests.faults.conftest import Note
from tests.faults.ledger import Loss
from tests.faults.scenario import LEAD_S, Figures, playing
from tests.support.breakable import BreakableStack
from tests.support.scenery import Scenery

pytestmark = pytest.mark.alone

# One collab, which is broken: beside a sound one, which of both took an edit would be chance.
REPLICAS = {"gateway": 2, "collab": 1, "events": 1}


async def _loss_when_all_die(stack: BreakableStack) -> tuple[Loss, Loss]:
    """Kill collab together with every browser; returns what is lost, and what ever was at risk."""
    scenery = await Scenery.begin(stack)
    try:
        async with playing(scenery) as play:
            await asyncio.sleep(LEAD_S)
            stack.kill("collab-1")
            promised = play.ledger.promises()
            await play.leave()
            await stack.wait_ready("collab-1")
            assert await play.ledger.read()
            assert play.ledger.looks > 0
            return play.ledger.missing(promised), play.ledger.worst
    finally:
        await scenery.close()


@pytest.mark.parametrize("kind", ["forgetful", pytest.param("hasty", marks=pytest.mark.long)])
async def test_losses_of_a_broken_collab_are_counted(kind: str, tmp_path: Path, note: Note):
    """Or the zeros of all other tests here would mean nothing."""
    stack = BreakableStack(
        tmp_path,
        replicas=REPLICAS,
        programs={"collab-1": "tests.faults.broken_collab"},
        environment={KIND: kind},
    )
    async with stack:
        lost, worst = await _loss_when_all_die(stack)
    note(Figures(seen_then_lost=lost.seen, acked_then_lost=lost.acked))

    assert lost.seen > 0
    assert worst.seen > 0
    if kind == "forgetful":
        assert lost.acked > 0


async def test_the_real_one_loses_nothing_that_way(stack: BreakableStack):
    """The control: the same measurement, the same death, the real collab."""
    lost, worst = await _loss_when_all_die(stack)

    assert lost == Loss()
    assert worst == Loss()
