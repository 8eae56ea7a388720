"""The tables of events are broken, and a service that comes up with them can tell the log."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs import errors
from libs.bus import Caller, connect_broker
from libs.postgres import Pool, connect
from tests.events.integrity.test_commands import scriptorium
from tests.events.support import World
from tests.support.breakable import BreakableStack

TABLES = ("entities", "scenes", "chapters", "books", "members", "projects")
SERVICE = "events-1"


@pytest.fixture
async def owner(stack: BreakableStack) -> AsyncIterator[Pool]:
    url = stack.postgres_url("events", "events_owner")
    opened = await connect(url, application="tests-owner", size_max=2)
    yield opened
    await opened.close()


@pytest.fixture
async def world(stack: BreakableStack) -> AsyncIterator[World]:
    broker, client = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica="emergency"
    )
    for part in stack.parts:
        await stack.wait_ready(part)
    yield await World.begin(Caller(client))
    await broker.stop()


async def test_everything_is_exported_by_a_service_that_starts_with_broken_tables(
    stack: BreakableStack, world: World, owner: Pool, tmp_path: Path
) -> None:
    """As an operator does it; and when the tables are whole again, all goes on."""
    scene = await world.scene(title="Kept")
    file = tmp_path / "export.jsonl"
    for table in TABLES:
        await owner.execute(f"ALTER TABLE {table} RENAME TO {table}_broken")
    try:
        await stack.restart(SERVICE)
        with pytest.raises(errors.AppError):
            await world.change("scene", scene["id"], title="Lost")
        words = ("events", "export", "-o", file, "--project", world.project_id)
        done = await scriptorium(stack, *words)
        verified = await scriptorium(stack, "events", "verify", "--project", world.project_id)
    finally:
        for table in TABLES:
            await owner.execute(f"ALTER TABLE {table}_broken RENAME TO {table}")

    assert done.code == 0, done.err
    assert verified.code == 0, verified.err
    things = [json.loads(line) for line in file.read_text().splitlines()]
    kinds = sorted(each["aggregateType"] for each in things)
    assert kinds == ["book", "chapter", "member", "project", "scene"]
    (kept,) = [each["row"] for each in things if each["aggregateType"] == "scene"]
    assert (kept["id"], kept["title"]) == (scene["id"], "Kept")
    assert (await world.change("scene", scene["id"], title="Later"))["title"] == "Later"
