"""When a head is made, and that two replicas never make one twice. The database is the real one."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import zstandard
from pycrdt import Doc, Text

from libs.postgres import connect
from services.collab.model import SceneRun
from services.collab.rollups import SWEEP_INTERVAL_S, Rollups
from services.collab.scenes import Scenes
from services.collab.settings import CollabSettings
from services.collab.store import ZSTD_LEVEL, ZSTD_LEVEL_RESTING, Store
from services.collab.workers import Workers
from tests.bench.material import novel_text, trace_rows
from tests.collab.upkeep.support import Desk, text_of, typed
from tests.support.waiting import until

NOVEL = Path(__file__).parents[3] / "data" / "manuscripts" / "frankenstein.json"
FEW = 60
"""Rows that the replicas of the stack leave alone, by their own settings."""
YOUNG = timedelta(seconds=10)
NEVER: dict[str, Any] = {"rollup_rows": 10**6, "rollup_bytes": 10**9, "rollup_age_s": 10**6}


@asynccontextmanager
async def replica(desk: Desk, workers: Workers, **settings: Any) -> AsyncGenerator[Rollups]:
    """What rolls heads up in one replica, with a pool of its own."""
    url = desk.stack.postgres_url("collab", "collab")
    pool = await connect(url, application="rollups", size_max=2)
    store = Store(pool)
    scenes = Scenes(store, workers, cache_bytes_max=1 << 20)
    chosen = CollabSettings(
        postgres_url=url, nats_url="nats://unused", ops_port=1, **(NEVER | settings)
    )
    try:
        yield Rollups(store, scenes, workers, chosen)
    finally:
        await pool.close()


@pytest.fixture(scope="module")
async def workers() -> AsyncIterator[Workers]:
    made = Workers(2)
    yield made
    made.close()


def page() -> bytes:
    """A page of prose as one edit: what a higher level compresses better."""
    doc: Doc[Any] = Doc(client_id=5)
    doc["content"] = Text(NOVEL.read_text()[:30_000])
    return doc.get_update()


def committed(rollups: Rollups, scene: UUID, rows: list[bytes], first: int = 1) -> None:
    """Tell a replica that it committed *rows*."""
    run = SceneRun(first, first + len(rows) - 1, 1, rows, sum(map(len, rows)))
    rollups.committed({scene.bytes: run})


@pytest.mark.parametrize("trigger", ["rollup_rows", "rollup_bytes", "rollup_age_s"])
async def test_a_head_is_made_at_each_threshold_and_not_before(
    desk: Desk, workers: Workers, trigger: str
):
    """By rows, bytes or age, whichever comes first; the others are out of reach here.

    One made by age alone stays for a while, and is compressed harder.
    """
    rows = [page(), *typed(FEW - 1, after=page())]
    size = sum(map(len, rows))
    reached = {"rollup_rows": FEW, "rollup_bytes": size, "rollup_age_s": 5 * SWEEP_INTERVAL_S}
    scene = await desk.log(rows, YOUNG)
    async with replica(desk, workers, **{trigger: reached[trigger]}) as rollups:
        running = asyncio.create_task(rollups.task.run())
        committed(rollups, scene, rows[:-1])
        await asyncio.sleep(1.2 * SWEEP_INTERVAL_S)
        early = await desk.head(scene)
        committed(rollups, scene, rows[-1:], FEW)
        head = await until(lambda: desk.head(scene))
        running.cancel()

    assert early is None
    assert (head["upto_seq"], head["version"]) == (FEW, 1)
    state = zstandard.decompress(head["snapshot"])
    assert text_of([state]) == text_of(rows)
    level = ZSTD_LEVEL_RESTING if trigger == "rollup_age_s" else ZSTD_LEVEL
    assert head["snapshot"] == zstandard.compress(state, level)


@pytest.mark.parametrize(
    "material", ["a novel, pasted", "100 edits", "1,000 edits", "10,000 edits"]
)
async def test_head_takes_less_than_a_third_of_what_it_rolls_up(
    desk: Desk, workers: Workers, material: str
):
    """Of prose by compression alone, of what was written edit by edit by merging above all."""
    if material == "a novel, pasted":
        doc: Doc[Any] = Doc(client_id=5)
        doc["content"] = Text(novel_text())
        rows = [doc.get_update()]
    else:
        rows = trace_rows(int(material.split(maxsplit=1)[0].replace(",", "")))
    scene = await desk.log(rows, YOUNG)
    async with replica(desk, workers) as rollups:
        await rollups.roll_up(scene.bytes)
    head = await desk.head(scene)

    assert head
    assert text_of([zstandard.decompress(head["snapshot"])]) == text_of(rows)
    assert len(head["snapshot"]) < sum(map(len, rows)) / 3


HARDLY = 1e-4
"""A share of the time that leaves ten seconds and more of rest after the first roll-up."""


@pytest.mark.parametrize(
    ("settings", "both"),
    [
        ({"rollup_duty": 1}, True),
        ({"rollup_duty": HARDLY, "rollup_duty_behind": 1, "rollup_behind_rows": FEW - 1}, True),
        ({"rollup_duty": HARDLY, "rollup_duty_behind": 1, "rollup_behind_rows": FEW}, False),
    ],
    ids=["always", "behind", "not yet behind"],
)
async def test_roll_ups_take_the_share_of_the_time_that_is_set(
    desk: Desk, workers: Workers, settings: dict[str, Any], both: bool
):
    """The next one waits for it; where tails are behind, by the share for that."""
    scenes = [await desk.log(typed(FEW), YOUNG) for _ in range(2)]
    async with replica(desk, workers, rollup_rows=FEW, **settings) as rollups:
        for scene in scenes:
            committed(rollups, scene, typed(FEW))
        running = asyncio.create_task(rollups.task.run())
        heads = [asyncio.create_task(until(partial(desk.head, scene))) for scene in scenes]
        await asyncio.wait(heads, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait(heads, timeout=None if both else 3 * SWEEP_INTERVAL_S)
        running.cancel()
        done = [head.done() for head in heads]
        for head in heads:
            head.cancel()

    assert done.count(True) == (2 if both else 1)


async def test_two_replicas_that_see_one_tail_make_one_head(desk: Desk, workers: Workers):
    """Whoever comes second finds the lock taken, or nothing left to do."""
    scenes = [await desk.log(typed(FEW, seed=seed), YOUNG) for seed in range(1, 9)]
    async with AsyncExitStack() as stack:
        both = [await stack.enter_async_context(replica(desk, workers)) for _ in range(2)]
        for scene in scenes:
            await asyncio.gather(*(each.roll_up(scene.bytes) for each in both))
    heads = [await desk.head(scene) for scene in scenes]

    assert [(head["upto_seq"], head["version"]) for head in heads if head] == [(FEW, 1)] * 8


async def test_a_head_that_another_replica_is_making_is_left_to_it(desk: Desk, workers: Workers):
    """Nobody waits for the lock, and nothing is made without it."""
    scene = await desk.log(typed(FEW), YOUNG)
    async with replica(desk, workers) as rollups:
        async with desk.owner.acquire() as other, other.transaction():
            assert await Store.try_lock(scene, within=other)
            assert not await rollups.roll_up(scene.bytes)
            assert await desk.head(scene) is None
        await rollups.roll_up(scene.bytes)
        head = await desk.head(scene)

    assert head
    assert head["upto_seq"] == FEW
