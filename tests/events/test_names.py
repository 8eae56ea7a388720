"""Names are compared in one normal form, and kept as they were given."""

import unicodedata
from pathlib import Path
from typing import Any

import pytest

from libs import errors
from libs.contracts.collab.branches import BranchCreate
from libs.contracts.collab.history import SnapshotCreate, SnapshotPatch
from libs.contracts.events import manuscript as m
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.workspaces.document import decode_line
from services.events.workspaces.numbering import Numbering
from tests.events.bundling import Bundling, create
from tests.events.support import World

ONE = unicodedata.normalize("NFC", "Café Müller")
TWO = unicodedata.normalize("NFD", "CAFÉ Müller")
MIGRATION = Path("services/events/migrations/0100_names.sql").read_text()
UNIQUE = MIGRATION[MIGRATION.index("DO $$") : MIGRATION.index("END $$;") + len("END $$;")]


async def listed(world: World, kind: Any, **filters: Any) -> list[str]:
    question = m.List(kind=kind, parent_id=world.project_id, filters=filters)
    page = await world.caller.ask(m.LIST, question, world.actor)
    return [item["name"] for item in page.items]


@pytest.mark.parametrize(("first", "second"), [(ONE, TWO), (TWO, ONE)])
async def test_a_tag_is_there_once(world: World, first: str, second: str) -> None:
    """Whichever way it was typed first, and whichever way the second comes."""
    tag = await world.create("tag", world.project_id, name=first)
    other = await world.create("tag", world.project_id, name="other")

    with pytest.raises(errors.AlreadyExists):
        await world.create("tag", world.project_id, name=second)
    with pytest.raises(errors.AlreadyExists):
        await world.change("tag", other["id"], name=second)
    with pytest.raises(errors.AlreadyExists):
        await Bundling(world).commit(create("tag", new_id(), name=second))

    assert (await world.read("tag", tag["id"]))["name"] == first


@pytest.mark.parametrize("kind", ["tag", "entity", "persona"])
@pytest.mark.parametrize(("given", "asked"), [(ONE, TWO), (TWO, ONE)])
async def test_it_is_found_the_other_way(world: World, kind: Any, given: str, asked: str) -> None:
    """Or else who looks first and makes it if it is not there is refused."""
    more: dict[str, Any] = {"type": "item"} if kind == "entity" else {}
    await world.create(kind, world.project_id, name=given, **more)

    assert await listed(world, kind, name=asked) == [given]
    assert await listed(world, kind, name_prefix=asked[:5]) == [given]
    if kind != "tag":
        assert await listed(world, kind, name_contains=asked[-6:]) == [given]


async def test_an_alias_is_named_once(world: World) -> None:
    fields: dict[str, Any] = {"type": "item", "name": "n"}
    with pytest.raises(errors.Invalid):
        await world.create("entity", world.project_id, **fields, aliases=[ONE, TWO])
    await world.create("entity", world.project_id, **fields, aliases=[TWO])

    assert await listed(world, "entity", alias=ONE) == ["n"]
    assert await listed(world, "entity", name=ONE) == ["n"]


def test_branches_and_named_snapshots_have_names_of_that_form() -> None:
    for model in (BranchCreate, SnapshotCreate, SnapshotPatch):
        decomposed = unicodedata.normalize("NFD", ONE)
        assert model.model_validate({"name": decomposed}).name == ONE


def test_aliases_that_were_taken_once_can_be_copied() -> None:
    """The release before took two spellings of one alias."""
    numbering = Numbering({"entity": 1})
    line = (
        '{"kind":"entity","id":1,"fields":{"type":"item","name":"n","aliases":'
        f'["{ONE}","x","{TWO}"]}}}}'
    )

    item = decode_line(line.encode(), 1, numbering, at="2026-01-02T03:04:05.000000Z")

    assert item.fields["aliases"] == [ONE, "x"]


async def test_tags_that_are_two_spellings_by_now_stay(world: World, owner: Pool) -> None:
    """The migration meets them, and the older one holds the name."""
    first = await world.create("tag", world.project_id, name=ONE)
    second = await world.create("tag", world.project_id, name="a")
    async with owner.acquire() as connection, connection.transaction():
        await connection.execute("DROP INDEX tags_named_exists")
        await connection.execute("UPDATE tags SET name = $2 WHERE id = $1", second["id"], TWO)
        await connection.execute(UNIQUE)

    with pytest.raises(errors.AlreadyExists):
        await world.create("tag", world.project_id, name=ONE)
    with pytest.raises(errors.AlreadyExists):
        await world.create("tag", world.project_id, name=TWO)
    await world.change("tag", second["id"], colour="#112233")
    await world.remove("tag", second["id"])
    await world.remove("tag", first["id"])
    await world.create("tag", world.project_id, name=TWO)
