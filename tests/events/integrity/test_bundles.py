"""Bundles over a damaged log: nothing corrupt is shown, and nothing is undone by it."""

from typing import Any
from uuid import UUID

import pytest

from libs import errors
from libs.contracts.events import bundles as b
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.bundles.handlers import BundleHandlers
from services.events.bundles.undoing import UndoHandlers
from services.events.store import Store
from tests.events.bundling import ALL, OPERATIONS, bundle_of, put
from tests.events.integrity.damage import Operator, event, flip, lose
from tests.events.support import Json, World


async def renamed(pool: Pool, world: World, *books: Json) -> UUID:
    """Rename books with one bundle; returns its id."""
    operations: list[Any] = [put("book", book["id"], "title", "New") for book in books]
    question = b.Commit(
        command_id=new_id(), operations=OPERATIONS.validate_python(operations), may=ALL
    )
    done = await BundleHandlers(Store(pool)).commit(question, world.actor)
    return bundle_of(done).id


async def undo(pool: Pool, world: World, bundle_id: UUID) -> b.Committed:
    question = b.Undo(command_id=new_id(), bundle_id=bundle_id, may=ALL)
    return await UndoHandlers(Store(pool)).undo(question, world.actor)


async def test_damaged_event_is_not_shown_nor_undone(
    world: World, owner: Pool, pool: Pool, operator: Operator
) -> None:
    one, two = await world.book("One"), await world.book("Two")
    bundle_id = await renamed(pool, world, one, two)
    original = await flip(owner, two["id"], 2)
    read = BundleHandlers(Store(pool)).read

    shown = await read(b.ReadBundle(bundle_id=bundle_id), world.actor)

    assert [str(each.aggregate.id) for each in shown.items] == [one["id"]]
    (found,) = await operator.quarantine(world.project_id)
    assert (str(found.aggregate_id), found.version) == (two["id"], 2)
    with pytest.raises(errors.Conflict, match="damaged"):
        await undo(pool, world, bundle_id)
    assert (await world.read("book", one["id"]))["title"] == "New"

    await operator.decide(two["id"], 2, original)

    shown = await read(b.ReadBundle(bundle_id=bundle_id), world.actor)
    assert [each.new_value for each in shown.items] == ["New", "New"]
    await undo(pool, world, bundle_id)
    titles = [(await world.read("book", each["id"]))["title"] for each in (one, two)]
    assert titles == ["One", "Two"]


async def test_lost_event_is_not_passed_over(
    world: World, owner: Pool, pool: Pool, operator: Operator
) -> None:
    """Undoing what is left of an action would be half an undo."""
    one, two = await world.book("One"), await world.book("Two")
    bundle_id = await renamed(pool, world, one, two)
    original = await lose(owner, two["id"], 2)

    with pytest.raises(errors.Conflict, match="lost"):
        await undo(pool, world, bundle_id)

    assert (await world.read("book", one["id"]))["title"] == "New"
    await operator.verify(world.project_id)
    await operator.decide(two["id"], 2, original)
    shown = await BundleHandlers(Store(pool)).read(b.ReadBundle(bundle_id=bundle_id), world.actor)
    assert {str(each.aggregate.id): each.new_value for each in shown.items} == {
        one["id"]: "New",
        two["id"]: "New",
    }
    undone = bundle_of(await undo(pool, world, bundle_id))
    titles = [(await world.read("book", each["id"]))["title"] for each in (one, two)]
    assert titles == ["One", "Two"]
    assert undone.reverses == bundle_id


async def test_event_recovered_from_another_bundle_is_not_undone_with_this_one(
    world: World, owner: Pool, pool: Pool, operator: Operator
) -> None:
    """A row that names a bundle falsely is no part of it, and the one it belongs to is whole."""
    one, two = await world.book("One"), await world.book("Two")
    first, second = await renamed(pool, world, one), await renamed(pool, world, two)
    original = await event(owner, two["id"], 2)
    await owner.execute("UPDATE events SET bundle_id = $2 WHERE id = $1", original.id, first)
    await operator.verify(world.project_id)
    await operator.decide(two["id"], 2, original)

    await undo(pool, world, first)

    titles = [(await world.read("book", each["id"]))["title"] for each in (one, two)]
    assert titles == ["One", "New"]
    await undo(pool, world, second)
    assert (await world.read("book", two["id"]))["title"] == "Two"


async def test_conflict_does_not_tell_of_a_damaged_event(
    world: World, owner: Pool, pool: Pool, operator: Operator
) -> None:
    """It is still refused, by the field; who wrote the damaged event, and what, is not repeated."""
    book = await world.book("One")
    await world.change("book", book["id"], title="Two")
    original = await flip(owner, book["id"], 2)
    operation = put("book", book["id"], "title", "Three", oldValue="One")
    question = b.Commit(
        command_id=new_id(), operations=OPERATIONS.validate_python([operation]), may=ALL
    )

    with pytest.raises(errors.Conflict) as refused:
        await BundleHandlers(Store(pool)).commit(question, world.actor)

    assert "~" not in str(refused.value.data)
    assert (await world.read("book", book["id"]))["title"] == "Two"
    await operator.verify(world.project_id)
    await operator.decide(book["id"], 2, original)
