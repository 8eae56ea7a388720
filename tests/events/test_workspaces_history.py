"""The log that an export takes along: all of it, each event once, whole chains."""

import json
from collections.abc import AsyncIterator

import pytest
import zstandard

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events.workspaces import ReadLog
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.model.chain import digest
from services.events.store import Store
from services.events.workspaces import history
from services.events.workspaces.history import HistoryHandlers
from tests.events.integrity.test_archive import age, archive
from tests.events.support import Json, World
from tests.events.test_workspaces import novel


async def pages(pool: Pool, world: World) -> AsyncIterator[list[bytes]]:
    reading, question = HistoryHandlers(Store(pool)), ReadLog()
    while True:
        page = await reading.page(question, world.actor)
        yield zstandard.decompress(page.body).splitlines()
        if page.after is None:
            return
        question = ReadLog(after=page.after, version=page.version)


async def log_of(pool: Pool, world: World) -> list[bytes]:
    return [line async for page in pages(pool, world) for line in page]


def places(lines: list[bytes]) -> list[tuple[str, int]]:
    events: list[Json] = [json.loads(line) for line in lines]
    return [(each["aggregateId"], each["version"]) for each in events]


async def expected(owner: Pool, world: World) -> list[tuple[str, int]]:
    rows = await owner.fetch(
        "SELECT aggregate_id, version FROM event_log WHERE project_id = $1 ORDER BY 1, 2",
        world.project_id,
    )
    return [(str(row["aggregate_id"]), row["version"]) for row in rows]


@pytest.mark.parametrize("limits", [(1, 1), (2, 3), (100, 4), (100, 100)])
async def test_every_event_comes_once(
    world: World,
    pool: Pool,
    owner: Pool,
    monkeypatch: pytest.MonkeyPatch,
    limits: tuple[int, int],
) -> None:
    """In any number of pages, also of a thing with more events than one holds; archived, too."""
    monkeypatch.setattr(history, "THINGS_AT_ONCE", limits[0])
    monkeypatch.setattr(history, "EVENTS_AT_ONCE", limits[1])
    old = await novel(world)
    for number in range(7):
        await world.change("entity", old["hero"]["id"], name=f"Victor {number}")
    await age(owner, world, 10)
    assert await archive(pool)
    await world.change("entity", old["hero"]["id"], name="Victor")

    lines = await log_of(pool, world)

    assert places(lines) == await expected(owner, world)
    ends: dict[str, str] = {}
    for line in lines:
        event: Json = json.loads(line)
        content, _, said = line.rpartition(b',"checksum":"')
        before = ends.get(event["aggregateId"], "")
        ends[event["aggregateId"]] = event["checksum"]
        assert said.decode() == event["checksum"] + '"}'
        assert digest(before, content + b"}") == event["checksum"]


async def test_nobody_else_s_events(world: World, pool: Pool) -> None:
    """Nor any of a project that is deleted."""
    other = await World.begin(world.caller)
    await novel(other)

    lines = await log_of(pool, world)

    assert {json.loads(line)["projectId"] for line in lines} == {str(world.project_id)}
    await world.remove("project", world.project_id)
    with pytest.raises(errors.NotFound):
        await log_of(pool, world)
    with pytest.raises(errors.NotFound):
        nowhere = Actor(user_id=new_id(), project_id=new_id())
        await HistoryHandlers(Store(pool)).page(ReadLog(), nowhere)
