"""Merging over a damaged log: what others did since is known for sure, or nothing is merged."""

from typing import Any
from uuid import UUID

import pytest

from libs import errors
from libs.contracts.events import bundles as b
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.bundles.handlers import BundleHandlers
from services.events.store import Store
from tests.events.bundling import ALL, OPERATIONS, fields_in, put
from tests.events.files import attach, detach, note
from tests.events.integrity.damage import Operator, event, lose
from tests.events.support import Json, World


async def forge_base(owner: Pool, aggregate_id: Any, version: int) -> None:
    """Let a change say that what it changed was what it left: as if nobody had changed anything."""
    done = await owner.execute(
        """UPDATE events SET data = jsonb_set(data, '{from}', data -> 'to')
        WHERE aggregate_id = $1 AND version = $2""",
        aggregate_id,
        version,
    )
    assert done == "UPDATE 1"


async def renamed(world: World) -> Json:
    """Return the first of two books, which somebody else has renamed since its version 1."""
    book, _ = await world.book("Mine"), await world.book("Another")
    await world.change("book", book["id"], title="Theirs")
    return book


async def commit(pool: Pool, world: World, *operations: Json) -> None:
    question = b.Commit(
        command_id=new_id(), operations=OPERATIONS.validate_python([*operations]), may=ALL
    )
    await BundleHandlers(Store(pool)).commit(question, world.actor)


async def test_forged_change_does_not_decide_a_merge(
    world: World, owner: Pool, operator: Operator
) -> None:
    """Not until somebody has decided about it; then by the original."""
    book = await renamed(world)
    original = await event(owner, book["id"], 2)
    await forge_base(owner, book["id"], 2)

    with pytest.raises(errors.Conflict, match="damaged"):
        await world.change("book", book["id"], base=1, title="Later")

    assert (await world.read("book", book["id"]))["title"] == "Theirs"
    await operator.verify(world.project_id)
    await operator.decide(book["id"], 2, original)
    with pytest.raises(errors.Conflict) as refusal:
        await world.change("book", book["id"], base=1, title="Later")
    (told,) = fields_in(refusal.value.data["conflicts"])
    assert (told["base"], told["theirs"]) == ("Mine", "Theirs")


async def test_accepted_change_decides_as_it_is_stored(
    world: World, owner: Pool, operator: Operator
) -> None:
    book = await renamed(world)
    await forge_base(owner, book["id"], 2)
    await operator.verify(world.project_id)
    await operator.decide(book["id"], 2)

    merged = await world.change("book", book["id"], base=1, title="Later")

    assert (merged["title"], merged["version"]) == ("Later", 3)


@pytest.mark.parametrize("version", [2, 3])
async def test_lost_change_is_not_passed_over(
    world: World, owner: Pool, operator: Operator, version: int
) -> None:
    """Whether others follow it or not: what it changed is not known."""
    book = await renamed(world)
    await world.move("book", book["id"], 1)
    original = await lose(owner, book["id"], version)

    with pytest.raises(errors.Conflict, match="lost"):
        await world.change("book", book["id"], base=1, title="Later")

    await operator.verify(world.project_id)
    await operator.decide(book["id"], version, original)
    with pytest.raises(errors.Conflict) as refusal:
        await world.change("book", book["id"], base=1, title="Later")
    assert [each["field"] for each in fields_in(refusal.value.data["conflicts"])] == ["title"]


async def test_damage_before_the_base_is_no_matter(
    world: World, owner: Pool, operator: Operator
) -> None:
    book = await renamed(world)
    original = await event(owner, book["id"], 2)
    await world.change("book", book["id"], title="Third")
    await world.move("book", book["id"], 1)
    await forge_base(owner, book["id"], 2)

    merged = await world.change("book", book["id"], base=3, title="Later")

    assert merged["title"] == "Later"
    await operator.verify(world.project_id)
    await operator.decide(book["id"], 2, original)


@pytest.mark.parametrize("damage", [forge_base, lose])
async def test_nor_does_it_decide_a_bundle(
    world: World, owner: Pool, pool: Pool, operator: Operator, damage: Any
) -> None:
    """Operations with a `baseVersion` are merged by the same rule."""
    book = await renamed(world)
    original = await event(owner, book["id"], 2)
    await damage(owner, book["id"], 2)
    operation = put("book", book["id"], "title", "Later", baseVersion=1)

    with pytest.raises(errors.Conflict, match="damaged"):
        await commit(pool, world, operation)

    await operator.verify(world.project_id)
    await operator.decide(book["id"], 2, original)
    with pytest.raises(errors.Conflict) as refusal:
        await commit(pool, world, operation)
    (told,) = fields_in(refusal.value.data["conflicts"])
    assert (told["base"], told["theirs"]) == ("Mine", "Theirs")


async def test_nor_whether_a_file_is_another_one(
    world: World, owner: Pool, operator: Operator
) -> None:
    entity = await note(world)
    await attach(world, entity["id"])
    original = await lose(owner, UUID(entity["id"]), 2)

    with pytest.raises(errors.Conflict, match="lost"):
        await detach(world, entity["id"], base_version=1)

    await operator.verify(world.project_id)
    await operator.decide(entity["id"], 2, original)
    with pytest.raises(errors.Conflict) as refusal:
        await detach(world, entity["id"], base_version=1)
    assert refusal.value.data["conflicts"][0]["fields"][0]["base"] is None
