"""Two journals over one real log: PostgreSQL's key decides, and nothing is lost or reordered."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from libs.postgres import Pool, connect, migrate
from services.collab.journal import Journal
from services.collab.model import Batch, SceneRun
from services.collab.store import COPY_ROWS_MIN, Fenced, Store
from tools.stack import Stack

SCENES = [bytes([number]) * 16 for number in range(3)]
AUTHOR = bytes(16)
BATCHES = 40
DRAIN_WAIT_S = 60.0
LOST_RACES = "scriptorium_collab_fenced_total"


@pytest.fixture(scope="module")
async def pool(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pool]:
    """Collab's database, without collab."""
    async with Stack(tmp_path_factory.mktemp("journal") / "data", replicas={}) as stack:
        owner = stack.postgres_url("collab", "collab_owner")
        await migrate(owner, "services.collab", role="collab")
        url = stack.postgres_url("collab", "collab")
        made = await connect(url, application="test", size_max=4, statement_timeout_s=30)
        yield made
        await made.close()


def batch(writer: int, number: int, rows: int) -> Batch:
    """A batch of one writer whose updates tell their order."""
    made = Batch()
    for row in range(rows):
        scene = SCENES[(number + row) % len(SCENES)]
        made.add(scene, AUTHOR, writer, bytes((writer, number, row)))
    return made


async def test_two_journals_share_a_log(pool: Pool):
    """Each loses races, renumbers and goes on; a writer's edits stand in their order."""
    acks: list[tuple[int, int]] = []
    announced: set[tuple[bytes, int]] = set()

    async def announce(runs: dict[bytes, SceneRun]) -> None:
        for scene, run in runs.items():
            announced.update((scene, seq) for seq in range(run.seq_from, run.seq_to + 1))

    def submit(journal: Journal, writer: int, number: int) -> None:
        async def done(heads: dict[bytes, int]) -> None:
            assert announced.issuperset(heads.items())
            acks.append((writer, number))

        # Some flushes are inserted, some copied.
        rows = COPY_ROWS_MIN if number % 7 == 0 else 3
        journal.submit(batch(writer, number, rows), done)

    lost_before = REGISTRY.get_sample_value(LOST_RACES) or 0
    stores = [Store(pool), Store(pool)]
    journals = [Journal(store, announce) for store in stores]
    running = [asyncio.create_task(journal.run()) for journal in journals]
    for number in range(BATCHES):
        for writer, journal in enumerate(journals):
            submit(journal, writer, number)
        await asyncio.sleep(0.001)
    drained = [await journal.drained(within_s=DRAIN_WAIT_S) for journal in journals]
    for task in running:
        task.cancel()
    for store in stores:
        await store.close()

    assert drained == [True, True]
    assert (REGISTRY.get_sample_value(LOST_RACES) or 0) > lost_before, "there was no race"
    assert sorted(acks) == [(writer, number) for writer in (0, 1) for number in range(BATCHES)]
    for scene in SCENES:
        rows = await pool.fetch(
            "SELECT seq, yjs_update FROM scene_versions WHERE scene_id = $1 ORDER BY seq",
            UUID(bytes=scene),
        )
        assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
        assert announced.issuperset((scene, row["seq"]) for row in rows)
        for writer in (0, 1):
            mine = [bytes(row["yjs_update"]) for row in rows if row["yjs_update"][0] == writer]
            assert mine == sorted(mine)
            assert len(mine) == len(set(mine))


async def test_a_taken_key_changes_nothing(pool: Pool):
    """All or none: the rows beside the one whose key is taken are not there either."""
    store = Store(pool)
    scenes = [b"x" * 16, b"y" * 16]
    first = Batch()
    first.add(scenes[0], AUTHOR, 1, b"\x01")
    await store.append([first], [1])
    for rows in (2, COPY_ROWS_MIN):
        racing = Batch()
        for scene in scenes * (rows // 2):
            racing.add(scene, AUTHOR, 2, b"\x02")
        seqs = [1 + at // 2 for at in range(len(racing))]

        with pytest.raises(Fenced):
            await store.append([racing], seqs)

    assert await store.heads(scenes) == [1, 0]
    await store.close()
