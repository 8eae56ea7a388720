"""Changes that lock nothing: they are whole, and whoever comes in between is never overwritten."""

import asyncio
from typing import Any

import pytest
from prometheus_client import REGISTRY

from libs import errors
from libs.contracts.ids import new_id
from libs.postgres import Connection, Pool
from services.events.model.log import CommandContext
from services.events.store import database
from services.events.store.optimistic import PreparedChange, write_change
from tests.events.support import World

WRITERS = 16
ROUNDS = 5


def counted(way: str) -> float:
    return REGISTRY.get_sample_value("scriptorium_events_changes_total", {"way": way}) or 0.0


class Meanwhile:
    """Does something once, between what a change reads without locks and what it writes."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    def do(self, world: World, scene_id: str, **fields: Any) -> None:
        async def interrupted(
            connection: Connection, context: CommandContext, prepared: PreparedChange
        ) -> bool:
            self._patch.undo()
            await world.change("scene", scene_id, **fields)
            return await write_change(connection, context, prepared)

        self._patch.setattr(database, "write_change", interrupted)


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    return Meanwhile(monkeypatch)


async def test_change_is_whole_and_locks_nothing(world: World, owner: Pool) -> None:
    scene = await world.scene()
    before, command_id = counted("optimistic"), new_id()

    await world.change("scene", scene["id"], command_id=command_id, title="A", tense="PAST")

    assert counted("optimistic") == before + 1
    kept = await owner.fetchrow(
        """SELECT s.title, s.version, a.version AS head, a.checksum = e.checksum AS chained,
            b.operations, (SELECT count(*) FROM outbox WHERE event_id IN (
                SELECT id FROM events WHERE bundle_id = $2)) AS announced,
            EXISTS (SELECT FROM commands WHERE command_id = $2) AS claimed
        FROM scenes s JOIN aggregates a ON a.aggregate_id = s.id
        JOIN events e ON e.aggregate_id = s.id AND e.version = a.version
        JOIN bundles b ON b.bundle_id = $2 WHERE s.id = $1""",
        scene["id"],
        command_id,
    )
    assert kept
    assert tuple(kept) == ("A", 3, 3, True, 2, 2, True)


async def test_change_in_between_is_seen(world: World, meanwhile: Meanwhile) -> None:
    scene = await world.scene(title="First")
    locked = counted("locked")
    meanwhile.do(world, scene["id"], title="Theirs")

    mine = await world.change("scene", scene["id"], summary="Mine")

    assert (mine["title"], mine["summary"], mine["version"]) == ("Theirs", "Mine", 3)
    assert counted("locked") == locked + 1


async def test_expected_version_holds_against_a_change_in_between(
    world: World, meanwhile: Meanwhile
) -> None:
    scene = await world.scene(title="First")
    meanwhile.do(world, scene["id"], title="Theirs")

    with pytest.raises(errors.PreconditionFailed):
        await world.change("scene", scene["id"], expected=1, title="Mine")

    assert (await world.read("scene", scene["id"]))["title"] == "Theirs"


async def test_no_change_of_many_is_lost(world: World, owner: Pool) -> None:
    scene = await world.scene()

    async def write(writer: int) -> None:
        for turn in range(ROUNDS):
            await world.change("scene", scene["id"], title=f"{writer} {turn}")

    await asyncio.gather(*(write(writer) for writer in range(WRITERS)))

    versions = [
        row["version"]
        for row in await owner.fetch(
            """SELECT e.version FROM outbox o JOIN events e ON e.id = o.event_id
            WHERE e.aggregate_id = $1 ORDER BY o.seq""",
            scene["id"],
        )
    ]
    assert versions == list(range(1, WRITERS * ROUNDS + 2))
    assert (await world.read("scene", scene["id"]))["version"] == versions[-1]


async def test_second_time_is_answered_and_not_done(world: World, owner: Pool) -> None:
    scene, command_id = await world.scene(), new_id()
    first = await world.change("scene", scene["id"], command_id=command_id, title="Once")
    await world.change("scene", scene["id"], title="Later")

    again = await world.change("scene", scene["id"], command_id=command_id, title="Once")

    assert (first["title"], again["title"], again["version"]) == ("Once", "Later", 3)
    written = "SELECT count(*) FROM events WHERE bundle_id = $1"
    assert await owner.fetchval(written, command_id) == 1


async def test_closed_project_is_named_as_the_reason(world: World, owner: Pool) -> None:
    scene = await world.scene(title="First")
    # What a request to archive does to the row; the test of that is elsewhere.
    await owner.execute(
        "UPDATE projects SET archived_at = now(), archived_by = $2 WHERE id = $1",
        world.project_id,
        world.actor.user_id,
    )

    with pytest.raises(errors.ProjectArchived):
        await world.change("scene", scene["id"], title="Too late")

    assert (await world.read("scene", scene["id"]))["title"] == "First"


async def test_component_and_reference_take_locks(world: World) -> None:
    task = await world.create("entity", world.project_id, type="task", name="Research")
    locked = counted("locked")

    await world.change("entity", task["id"], name="Read")

    assert counted("locked") == locked + 1
