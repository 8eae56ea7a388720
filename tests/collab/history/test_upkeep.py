"""The past of a scene beside the real upkeep, with ages as in production."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.collab.history.support import EDITS, Recording, Room
from tests.support.people import People
from tests.support.stack import real_stack
from tools.stack import Stack

BUSY = {"SCRIPTORIUM_UPKEEP_INTERVAL_S": "0.2", "SCRIPTORIUM_UPKEEP_DUTY": "1"}
FEW = 99
"""Versions that are too few to compact."""
PRUNED_WAIT_S = 60


@pytest.fixture(scope="module")
async def busy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    replicas = {"gateway": 1, "collab": 2, "events": 1}
    folder = tmp_path_factory.mktemp("busy")
    async with real_stack(folder, replicas=replicas, environment=BUSY) as running:
        yield running


async def test_what_stays_when_the_log_is_compacted_and_pruned(busy: Stack, recording: Recording):
    """Sessions with their authors, the newest version and snapshots stay; the rest is 410."""
    async with People(busy.url) as people:
        ada, ben = await people.join("Ada"), await people.join("Ben")
        project = await ada.project("Frankenstein")
        owner = await asyncpg.connect(busy.postgres_url("collab", "collab_owner"))
        room = Room(ada, ben, project, await ada.scene(project), owner)
        await room.play(recording, 1, FEW)
        snapshot = await room.post("/snapshots", 201, name="The very beginning")
        # In one commit, so that they are compacted together.
        await room.play(recording, FEW + 1)

        async with asyncio.timeout(PRUNED_WAIT_S):
            # Other processes decide, and send no signal.
            while await owner.fetchval("SELECT count(*) FROM scene_versions") != 1:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        gone = await room.content(at="seq:50")
        sessions = (await room.get("/history"))["items"]
        told = await room.get("/diff", **{"from": f"snapshot:{snapshot['id']}"})
        await owner.close()

        assert (gone.status_code, gone.json()["oldestSeq"]) == (410, EDITS)
        assert await room.text() == await room.text(at=f"seq:{EDITS}") == recording.text(EDITS)
        assert await room.text(at=f"snapshot:{snapshot['id']}") == recording.text(FEW)
        assert [one["seqFrom"] for one in sessions] == [3501, 2801, 2101, 1401, 701, 1]
        assert all(one["compacted"] and len(one["authors"]) == 2 for one in sessions)
        assert told["attributed"]
        both = sorted([ada.id, ben.id])
        assert {tuple(change["by"]) for change in told["changes"] if "by" in change} == {(*both,)}
