"""Authors outlive the log: everything was compacted and pruned by the real upkeep."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from tests.collab.authorship.conftest import REPLICAS
from tests.collab.authorship.support import replayed_authors, spans, two_editors, typed
from tests.collab.authorship.test_api import authors_of
from tests.collab.history.support import EDITS, Room, recorded
from tests.support.people import People
from tests.support.stack import real_stack
from tools.stack import Stack

BUSY = {
    "SCRIPTORIUM_UPKEEP_INTERVAL_S": "0.2",
    "SCRIPTORIUM_UPKEEP_DUTY": "1",
    "SCRIPTORIUM_COMPACTION_AGE_S": "2",
    "SCRIPTORIUM_COMPACTION_ROWS": "2",
    "SCRIPTORIUM_COMPACTION_PAUSE_S": "1",
    "SCRIPTORIUM_RETENTION_S": "4",
}
PRUNED_WAIT_S = 60


@pytest.fixture(scope="module")
async def busy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder = tmp_path_factory.mktemp("pruned")
    async with real_stack(folder, replicas=REPLICAS, environment=BUSY) as running:
        yield running


@pytest.fixture
async def room(busy: Stack) -> AsyncIterator[Room]:
    async with People(busy.url) as people:
        ada, ben = await people.join("Ada"), await people.join("Ben")
        project = await ada.project("Frankenstein")
        await ada.let_in(project, ben, "WRITER")
        owner = await asyncpg.connect(busy.postgres_url("collab", "collab_owner"))
        yield Room(ada, ben, project, await ada.scene(project), owner)
        await owner.close()


async def until_pruned(room: Room) -> None:
    """Wait until one compacted row is all that the log has."""
    rows, scene = "SELECT count(*) FROM scene_versions WHERE scene_id = $1", UUID(room.scene)
    async with asyncio.timeout(PRUNED_WAIT_S):
        # Other processes decide, and send no signal.
        while await room.owner.fetchval(rows, scene) != 1:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def test_two_people_whose_edits_are_all_gone(busy: Stack, room: Room) -> None:
    """Live edits come on top of what is kept; a snapshot has the authors of its time."""
    async with two_editors(busy, room) as (one, two):
        await typed(one, two, "Walton sailed.")
        await typed(two, one, " north", 13)
        snapshot = (await room.post("/snapshots", 201, name="Early"))["id"]
        early = await spans(room, at=f"snapshot:{snapshot}")
        await typed(one, two, " He wrote.")
        await typed(two, one, "not ", 7)
        before = await spans(room)
        await until_pruned(room)
        pruned = await spans(room)
        await typed(one, two, "And then: ", 0)
        after = await spans(room)
        head = await room.ada.seq(room.scene)

    gone = await room.ada.http.get(f"{room.path}/authorship", params={"at": "seq:1"})
    kept = (await room.get("/authorship", at=f"snapshot:{snapshot}"))["spans"]
    assert pruned == before
    assert after == [("And then: Walton ", "Ada"), *before[1:]]
    assert gone.status_code == 410
    assert await spans(room, at=f"snapshot:{snapshot}") == early
    assert {one["seq"] <= head for one in kept} == {True}


async def test_a_real_session_that_is_pruned(room: Room) -> None:
    """Four thousand edits in six sittings; what is kept is as long as a few edits."""
    recording = recorded()
    await room.play(recording)
    await until_pruned(room)
    ids = [room.ada.id, room.ben.id]

    told = await room.get("/authorship")

    wanted = replayed_authors(
        [edit.update for edit in recording.edits], [ids[edit.who] for edit in recording.edits]
    )
    assert authors_of(told["spans"]) == wanted
    size = await room.owner.fetchval(
        "SELECT sum(octet_length(part)) FROM authorship WHERE scene_id = $1", UUID(room.scene)
    )
    assert size < EDITS / 2
    newest = max(edit.at for edit in recording.edits)
    assert max(one["at"] for one in told["spans"])[:19] == newest.isoformat()[:19]


async def test_what_was_pruned_before_authors_were_kept(room: Room) -> None:
    """Of a session by one person the author is known; of one by two it is null."""
    recording = recorded(300)
    await room.play(recording, 1, 300)
    await until_pruned(room)
    scene = UUID(room.scene)
    await room.owner.execute("DELETE FROM authorship WHERE scene_id = $1", scene)

    both = (await room.get("/authorship"))["spans"]
    await room.owner.execute(
        "UPDATE editing_sessions SET authors = authors - $2::text WHERE scene_id = $1",
        scene,
        room.ben.id,
    )
    alone = (await room.get("/authorship"))["spans"]

    assert [(one["userId"], one["seq"], one["at"]) for one in both] == [(None, None, None)]
    assert [(one["userId"], one["seq"]) for one in alone] == [(room.ada.id, 300)]
    assert alone[0]["at"][:19] == recording.edits[-1].at.isoformat()[:19]
