"""What is refused for two reasons is refused for the graver one: the project before the version."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from libs import errors
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.model.aggregates import BOOK, TAG
from services.events.model.log import CommandContext, PendingEvent
from services.events.store import Store, Transaction
from tests.events.lifecycle.support import Ending
from tests.events.support import World

type Work = Callable[[Transaction], Awaitable[None]]


def rename_of_another_version(book_id: Any) -> Work:
    """Return what records a change after the book has moved on under the recorder's hands."""

    async def work(tx: Transaction) -> None:
        await tx.lock(BOOK, book_id)
        await tx.connection.execute(
            "UPDATE aggregates SET version = version + 1 WHERE aggregate_id = $1", book_id
        )
        await tx.record(
            [PendingEvent(BOOK, book_id, "title_changed", {"from": "Book", "to": "No"})]
        )

    return work


def creation_with_the_id_of(thing_id: Any) -> Work:
    """Return what begins a tag whose id another thing has."""

    async def work(tx: Transaction) -> None:
        await tx.record([PendingEvent(TAG, thing_id, "created", {"name": "No", "colour": None})])

    return work


WORKS = {
    "a stale version": rename_of_another_version,
    "an id that is taken": creation_with_the_id_of,
}


async def record(pool: Pool, world: World, work: Work) -> None:
    context = CommandContext(
        project_id=world.project_id,
        user_id=world.actor.user_id,
        bundle_id=new_id(),
        correlation_id="0" * 32,
    )
    await Store(pool).run_command(context, work)


@pytest.mark.parametrize("work", WORKS)
async def test_a_closed_project_is_told_before_a_version(
    work: str, world: World, pool: Pool, owner: Pool
) -> None:
    """An author whose project was archived must not be told to try again on the newest version."""
    book_id = UUID((await world.book())["id"])
    deed = WORKS[work](book_id)
    with pytest.raises(errors.ConcurrencyConflict):
        await record(pool, world, deed)
    await Ending(world).archive()
    with pytest.raises(errors.ProjectArchived):
        await record(pool, world, deed)
    await world.remove("project", world.project_id)

    with pytest.raises(errors.NotFound):
        await record(pool, world, deed)

    log = "SELECT count(*) FROM event_log WHERE aggregate_id = $1"
    assert await owner.fetchval(log, book_id) == 1


async def test_what_is_being_purged_is_told_before_everything(
    world: World, pool: Pool, owner: Pool
) -> None:
    """Before the version of what has that id, and before the archived project."""
    book_id = UUID((await world.book())["id"])
    await world.remove("book", book_id)
    await Ending(world).purge("book", book_id)
    creation = creation_with_the_id_of(book_id)
    with pytest.raises(errors.Gone):
        await record(pool, world, creation)
    await Ending(world).archive()

    with pytest.raises(errors.Gone):
        await record(pool, world, creation)

    log = "SELECT count(*) FROM event_log WHERE aggregate_id = $1"
    assert await owner.fetchval(log, book_id) == 2
