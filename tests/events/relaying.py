"""A relay in the test's own process, and what must have arrived by it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from nats.aio.client import Client
from nats.errors import TimeoutError as NatsTimeoutError

from libs.bus import Relay
from libs.contracts.events.event import Announcement
from libs.postgres import Pool
from services.events.store import events_from_rows
from tests.events.support import World

ARRIVAL_S_MAX = 20.0


@asynccontextmanager
async def relaying(pool: Pool, client: Client) -> AsyncGenerator[asyncio.Task[None]]:
    task = asyncio.create_task(Relay(pool, client, service="events").run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def arrived(bus: Client, owner: Pool, project_id: UUID) -> list[Announcement]:
    """Wait until the stream holds the whole log of a project, and compare them."""
    rows = await owner.fetch("SELECT * FROM events WHERE project_id = $1", project_id)
    logged = {event.id: event for event in events_from_rows(rows)}
    found: list[Announcement] = []
    missing = set(logged)
    subject = f"scriptorium.v1.events.*.*.{project_id}"
    subscription = await bus.jetstream().subscribe(subject, ordered_consumer=True)
    with suppress(NatsTimeoutError):
        # A little longer than the last one takes, to see whether something comes twice.
        while True:
            message = await subscription.next_msg(timeout=ARRIVAL_S_MAX if missing else 0.1)
            found.append(Announcement.model_validate_json(message.data))
            missing.discard(found[-1].event.id)
    await subscription.unsubscribe()
    assert {each.event.id: each.event for each in found} == logged
    assert len(found) == len(logged)
    versions: dict[UUID, int] = {}
    for each in found:
        assert each.event.version == versions.get(each.event.aggregate_id, 0) + 1
        versions[each.event.aggregate_id] = each.event.version
    positions = [each.position for each in found]
    assert positions == sorted(set(positions))
    return found


async def scribble(world: World, books: int, changes: int) -> None:
    """Many writers of many aggregates, each aggregate with an order of its own."""

    async def one(number: int) -> None:
        book = await world.book(f"Book {number}")
        for turn in range(changes):
            await world.change("book", book["id"], title=f"Book {number}.{turn}")

    await asyncio.gather(*map(one, range(books)))


async def announced(pool: Pool, project_id: UUID | None = None) -> None:
    """Wait until subscribers were told everything, or all of one project."""
    waiting = (
        "SELECT count(*) FROM outbox WHERE published_at IS NULL "
        "AND ($1::uuid IS NULL OR payload ->> 'projectId' = $1::text)"
    )
    async with asyncio.timeout(ARRIVAL_S_MAX):
        while await pool.fetchval(waiting, project_id):  # noqa: ASYNC110 (the relay sends no signal)
            await asyncio.sleep(0.02)
