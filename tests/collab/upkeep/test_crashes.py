"""kill -9 between any two steps: whoever comes next goes on, and nothing is done or counted twice.

One replica dies at one step after the other, each time going on from what the last one left; the
other replica does no upkeep and serves readers all along.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
import zstandard

from libs.tasks.failpoints import CRASH
from tests.collab.upkeep.conftest import BUSY
from tests.collab.upkeep.support import OLD, PAST_RETENTION, Desk, text_of, typed
from tests.support.stack import TwoCollabs
from tests.support.waiting import until

WORKS = {"SCRIPTORIUM_UPKEEP": "true", "SCRIPTORIUM_ROLLUP_ROWS": "100"}
IDLE = {"SCRIPTORIUM_UPKEEP": "false", "SCRIPTORIUM_ROLLUP_ROWS": "1000000"}
ROWS = 1_200
"""More than two chunks of marking and removing."""
STEPS = (
    "compaction.built",
    "compaction.stored",
    "compaction.marking",
    "compaction.authors",
    "compaction.marked",
    "prune.proved",
    "prune.removing",
    "prune.removed",
)
DYING = "collab-1"
DEATH_WAIT_S = 60.0
YOUNG = timedelta(minutes=5)
"""Too young to be compacted."""


@pytest.fixture(scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    async with (
        TwoCollabs(tmp_path_factory.mktemp("crashes"), BUSY | IDLE) as stack,
        Desk.open(stack) as made,
    ):
        await _down(made)
        yield made


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("rollup.built", marks=pytest.mark.long),
        "rollup.stored",
        pytest.param("rollup.committed", marks=pytest.mark.long),
    ],
)
async def test_killed_at_each_step_of_a_roll_up(desk: Desk, step: str):
    """A head is there whole or not at all; whoever comes next makes the one that is missing."""
    rows = typed(ROWS)
    scene = await desk.log(rows, YOUNG)
    await _die_at(desk, step)
    left = await desk.head(scene)
    assert await desk.text(scene) == text_of(rows)
    await _start(desk, {})
    head = await until(lambda: desk.head(scene))
    await _down(desk)

    assert (left is not None) == (step == "rollup.committed")
    assert (head["upto_seq"], head["version"]) == (ROWS, 1)
    assert text_of([zstandard.decompress(head["snapshot"])]) == text_of(rows)


async def test_killed_at_every_step_of_compaction_and_retention(desk: Desk):
    """The text is the same after each; in the end each row was compacted, and removed, once."""
    rows = typed(ROWS)
    scene = await desk.log(rows, PAST_RETENTION, authors=[UUID(int=1), UUID(int=2)])
    sessions = await desk.sessions(scene)
    left: list[tuple[int, int]] = []
    for step in STEPS:
        await _die_at(desk, step)
        await _without_head(desk, scene)
        assert await desk.text(scene) == text_of(rows), step
        assert await desk.sessions(scene) == sessions, step
        left.append((len(await desk.seqs(scene)), len(await desk.seqs(scene, compacted=True))))
    await _start(desk, {})
    entry = await until(lambda: desk.pruned(scene))

    assert left[:6] == [(ROWS, 0), *[(ROWS, 1)] * 5]
    assert 0 < left[6][0] < ROWS
    assert left[7] == (0, 1)
    assert len(await desk.ledger(scene)) == 1
    assert entry["updates"] == entry["pruned_rows"] == ROWS
    assert entry["pruned_bytes"] == entry["bytes_before"] == sum(map(len, rows))
    assert await desk.seqs(scene) == []
    assert await desk.seqs(scene, compacted=True) == [ROWS]
    await _without_head(desk, scene)
    assert await desk.text(scene) == text_of(rows)
    assert await desk.sessions(scene) == sessions
    assert await desk.findings(scene) == []
    await _down(desk)


@pytest.mark.long
async def test_killed_at_every_step_of_a_repair(desk: Desk):
    """A finding that was left open is met again; its evidence is that of the first time."""
    rows = typed(ROWS)
    scenes = {kind: await desk.log(rows, OLD) for kind in ("head", "compacted")}
    await _start(desk, {})
    for scene in scenes.values():
        await until(lambda scene=scene: desk.marked(scene))
        await until(lambda scene=scene: desk.head(scene))
    await _down(desk)
    for kind, scene in scenes.items():
        if kind == "head":
            await desk.flip_head(scene)
        else:
            await desk.flip_row(scene, ROWS, compacted=True)
        for step in ("repair.built", "repair.stored"):
            await _die_at(desk, step)
            assert await desk.text(scene) == text_of(rows), step
            (found,) = await desk.findings(scene)
            assert found["outcome"] == "open"
        await _start(desk, {})
        found = await until(lambda scene=scene: _repaired(desk, scene))
        await _down(desk)

        assert len(await desk.findings(scene)) == 1
        assert found["kind"] == kind
        assert found["evidence"]
        assert (await desk.inspect(scene)).quarantined == []
        await _without_head(desk, scene)
        assert await desk.text(scene) == text_of(rows)


async def _repaired(desk: Desk, scene: UUID) -> asyncpg.Record | None:
    found = await desk.findings(scene)
    return found[0] if found[0]["outcome"] == "repaired" else None


async def _die_at(desk: Desk, step: str) -> None:
    """Start the one that works, and wait until it has killed itself at *step*."""
    await _start(desk, {CRASH: step})
    await desk.stack.wait_ended(DYING, DEATH_WAIT_S)


async def _start(desk: Desk, environment: dict[str, str]) -> None:
    assert isinstance(desk.stack, TwoCollabs)
    told = desk.stack.environments[DYING]
    told.pop(CRASH, None)
    told.update(environment, **WORKS)
    desk.stack.release(DYING)

    async def born() -> bool:
        return desk.stack.pid(DYING) is not None

    await until(born)
    # It stays down when it dies.
    desk.stack.hold(DYING)


async def _down(desk: Desk) -> None:
    desk.stack.hold(DYING)
    desk.stack.kill(DYING)
    await desk.stack.wait_ended(DYING)


async def _without_head(desk: Desk, scene: UUID) -> None:
    """So that readers have only the log."""
    await desk.owner.execute("DELETE FROM docs WHERE scene_id = $1", scene)
