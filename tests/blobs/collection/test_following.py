"""Facts of events become references, once, in whatever order and however often they come."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from uuid import UUID

import nats
import pytest

from libs.bus import PoisonMessage, Relay, connect_broker
from libs.contracts.blobs.operations import Fate, Reconcile
from libs.contracts.events.event import Event, Source
from libs.contracts.ids import new_id
from libs.postgres import Pool
from tests.blobs.collection.support import DAY, Desk, Vault, check
from tests.support import waiting
from tools.stack import Stack

ARRIVAL_S_MAX = 20.0
SHA256 = "ab" * 32


async def refs(desk: Desk) -> dict[UUID, str]:
    rows = await desk.vault.owner.fetch(
        "SELECT source_id, sha256 FROM refs WHERE project_id = $1 AND source = 'entity'",
        desk.project_id,
    )
    return {row["source_id"]: row["sha256"] for row in rows}


async def until(desk: Desk, wanted: dict[UUID, str]) -> None:
    async def arrived() -> bool:
        return await refs(desk) == wanted

    await waiting.until(arrived)


@asynccontextmanager
async def following(stack: Stack, events: Pool, vault: Vault) -> AsyncGenerator[None]:
    """Events' relay and the consumers of blobs."""
    relay_broker, relay_client = await connect_broker(
        stack.nats_url("events"), service="events", replica="relay"
    )
    broker, client = await connect_broker(
        stack.nats_url("blobs"), service="blobs", replica="following"
    )
    vault.room.serve(broker, client)
    relay = asyncio.create_task(Relay(events, relay_client, service="events").run())
    await broker.start()
    try:
        yield
    finally:
        relay.cancel()
        with suppress(asyncio.CancelledError):
            await relay
        await broker.stop()
        await relay_broker.stop()


def fact(desk: Desk, entity: UUID, version: int, what: str, **data: object) -> Event:
    return Event(
        id=new_id(),
        aggregate_id=entity,
        aggregate_type="entity",
        event_type=f"entity.{what}",
        project_id=desk.project_id,
        user_id=desk.actor.user_id,
        data=dict(data),
        metadata={},
        timestamp=datetime.now(UTC),
        version=version,
        causation_id=None,
        correlation_id="test",
        source=Source.API,
        bundle_id=new_id(),
        checksum=SHA256,
    )


async def test_files_begin_and_end_references(
    stack: Stack, events: Pool, vault: Vault, desk: Desk
) -> None:
    """Through relay, stream and consumer; an emptied stream that is filled again does no harm."""
    one, two = await desk.entity(), await desk.entity()
    a, b = await desk.upload(b"a"), await desk.upload(b"b")
    async with following(stack, events, vault):
        await desk.give(one, a)
        await desk.give(two, a)
        await until(desk, {one: a, two: a})
        await desk.give(one, b)
        await desk.detach(two)
        await until(desk, {one: b})
        settled = await vault.owner.fetchval(
            "SELECT count(*) FROM claims WHERE project_id = $1 AND used", desk.project_id
        )
        assert settled == 3

        admin = await nats.connect(stack.nats_url("admin"))
        await admin.jetstream().purge_stream("EVENTS")
        for row in await events.fetch("SELECT subject, payload FROM outbox ORDER BY position"):
            body = json.dumps({"position": 1, "event": json.loads(row["payload"])}).encode()
            await admin.jetstream().publish(row["subject"], body)
        last = await desk.entity()
        await desk.give(last, a)
        await until(desk, {one: b, last: a})
        await admin.close()

    assert await desk.end() == {}
    await check(desk)


async def test_repeated_and_late_facts_change_nothing(desk: Desk) -> None:
    hear, entity = desk.vault.room.following, new_id()
    old, new = await desk.upload(b"old"), await desk.upload(b"new")
    await hear.on_uploaded(fact(desk, entity, 5, "file_uploaded", checksum=new))
    for _ in range(2):
        await hear.on_uploaded(fact(desk, entity, 3, "file_uploaded", checksum=old))
        await hear.on_ended(fact(desk, entity, 4, "file_deleted"))
        await hear.on_uploaded(fact(desk, entity, 5, "file_uploaded", checksum=new))
    assert await refs(desk) == {entity: new}
    await hear.on_ended(fact(desk, entity, 6, "purged"))
    await hear.on_uploaded(fact(desk, entity, 5, "file_uploaded", checksum=new))

    assert await refs(desk) == {}


async def test_reference_to_bytes_that_are_not_here_is_told(desk: Desk) -> None:
    """A back-up of blobs older than that of events brings it about; no fact is lost over it."""
    entity, hear = new_id(), desk.vault.room.following
    await hear.on_uploaded(fact(desk, entity, 2, "file_uploaded", checksum=SHA256))
    assert await refs(desk) == {}
    with pytest.raises(PoisonMessage):
        await hear.on_uploaded(fact(desk, entity, 3, "file_uploaded"))


async def test_condemned_bytes_are_rescued_by_a_fact(desk: Desk) -> None:
    entity, sha256 = await desk.entity(), await desk.upload(b"told late")
    await desk.pass_time(100 * DAY)
    await desk.fates()
    await desk.vault.room.following.on_uploaded(
        fact(desk, entity, 2, "file_uploaded", checksum=sha256)
    )
    assert await desk.state(sha256) == "live"


async def test_purged_project_is_let_go_after_the_grace_period(desk: Desk) -> None:
    """Paths and files of it keep nothing, and retention is over."""
    path, file = await desk.upload(b"path"), await desk.upload(b"file")
    await desk.put_path("project/a", path)
    hear, entity = desk.vault.room.following, new_id()
    await hear.on_uploaded(fact(desk, entity, 2, "file_uploaded", checksum=file))
    for _ in range(2):
        await hear.on_project_purged(fact(desk, desk.project_id, 9, "purged"))
    assert await desk.fates() == {Fate.CONDEMN: 2}
    await desk.pass_time(2 * DAY)

    assert await desk.fates() == {Fate.COLLECT: 2}
    await check(desk)


async def test_reconciling_sets_right_what_a_recovery_left(desk: Desk) -> None:
    """Files that we missed, files that are no more, versions from before the recovery."""
    missed, kept, ended = await desk.entity(), await desk.entity(), await desk.entity()
    a, b = await desk.upload(b"aa"), await desk.upload(b"bb")
    await desk.give(missed, a)
    await desk.give(kept, b)
    hear = desk.vault.room.following
    await hear.on_uploaded(fact(desk, kept, 2, "file_uploaded", checksum=b))
    await hear.on_uploaded(fact(desk, ended, 90, "file_uploaded", checksum=b))
    question = Reconcile(project_id=desk.project_id, dry_run=True)
    told = await hear.reconcile(question, desk.actor)
    assert (told.files, told.begun, told.ended, told.missing) == (2, 1, 1, [])
    assert await refs(desk) == {kept: b, ended: b}
    await hear.reconcile(question.model_copy(update={"dry_run": False}), desk.actor)
    assert await refs(desk) == {missed: a, kept: b}
    # The entity is younger than what was once heard of it, and is heard again.
    await hear.on_uploaded(fact(desk, ended, 3, "file_uploaded", checksum=a))

    assert await refs(desk) == {missed: a, kept: b, ended: a}


async def test_reconciling_tells_which_bytes_are_missing(desk: Desk) -> None:
    entity, sha256 = await desk.entity(), await desk.upload(b"restored without me")
    await desk.give(entity, sha256)
    await desk.vault.owner.execute("DELETE FROM claims WHERE project_id = $1", desk.project_id)
    for table in ("blob_frames", "uploads", "blobs"):
        await desk.vault.owner.execute(
            f"DELETE FROM {table} WHERE project_id = $1", desk.project_id
        )

    told = await desk.vault.room.following.reconcile(
        Reconcile(project_id=desk.project_id), desk.actor
    )

    assert [(each.sha256, each.reason) for each in told.missing] == [(sha256, "unknown")]
