"""Whatever else can change an entity cannot give it a file, or take it away."""

from hashlib import sha256
from uuid import UUID

import pytest

from libs import errors
from libs.contracts.events.bundles import Committed
from libs.contracts.events.sync import PUSH, Push
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.model.aggregates import ENTITY
from services.events.model.log import canonical
from services.events.model.merge import field_changes
from tests.events.bundling import ALL, Bundling, bundle_of, create, field, put
from tests.events.files import EXPECTED, attach, create_with_file, detach, note, told
from tests.events.support import Json, World
from tests.events.test_log import require_replayed


@pytest.fixture
def bundling(world: World) -> Bundling:
    return Bundling(world)


@pytest.mark.parametrize(
    "fields",
    [
        {"file": EXPECTED},
        {"file": None},
        {"file_path": "x"},
        {"filePath": "x"},
        {"preview": "x"},
    ],
)
async def test_changes_and_creations(world: World, fields: Json) -> None:
    made = await create_with_file(world)
    with pytest.raises(errors.Invalid):
        await world.change("entity", made["id"], **fields)
    with pytest.raises(errors.Invalid):
        await note(world, **fields)

    assert told(await world.read("entity", made["id"])) == EXPECTED


@pytest.mark.parametrize(
    "path", ["file", "file.path", "file.checksum", "filePath", "file_path", "preview"]
)
async def test_bundles_jobs_and_peers(world: World, bundling: Bundling, path: str) -> None:
    made = await create_with_file(world)
    operation = put("entity", made["id"], path, "x" * 64)
    with pytest.raises(errors.Invalid):
        await bundling.commit(operation)
    with pytest.raises(errors.Invalid):
        await bundling.commit(
            create("entity", new_id(), type="note", name="N", **{path.partition(".")[0]: "x"})
        )
    with pytest.raises(errors.Invalid):
        job = new_id()
        await bundling.stage(job, 1, operation)
        await bundling.commit_job(job, 1)
    with pytest.raises(errors.Invalid):
        await push(world, operation | {"id": str(new_id()), "oldValue": None})

    assert told(await world.read("entity", made["id"])) == EXPECTED


async def test_undo_of_a_file_is_a_conflict(world: World, bundling: Bundling) -> None:
    entity = await note(world)
    for deed in (attach(world, entity["id"]), detach(world, entity["id"])):
        before = await deed
        bundle_id = await last_bundle(bundling)

        with pytest.raises(errors.Conflict) as refusal:
            await bundling.undo(bundle_id)
        names = {
            each["field"] for bundle in refusal.value.data["conflicts"] for each in bundle["fields"]
        }
        assert {"filePath", "fileChecksum", "preview"} <= names
        for take in ("mine", "value"):
            with pytest.raises((errors.Conflict, errors.Invalid)):
                await bundling.undo(bundle_id, resolutions=resolved(entity, names, take))
        with pytest.raises(errors.Conflict):
            await bundling.pick(
                bundle_id, field("entity", entity["id"], "filePath"), direction="undo"
            )

        assert await world.read("entity", entity["id"]) == before


def test_no_code_of_ours_makes_such_a_change() -> None:
    """Whatever comes by the checks before it ends here."""
    row = dict.fromkeys(ENTITY.fields)
    for name in ("file_path", "file_checksum", "preview"):
        with pytest.raises(errors.Invalid):
            field_changes(ENTITY, new_id(), row, {name: "x"})


async def test_undo_of_a_creation_deletes_the_file_with_it_and_redo_brings_both(
    world: World, bundling: Bundling, pool: Pool
) -> None:
    made = await create_with_file(world)
    bundle_id = await last_bundle(bundling)
    undone: Committed = await bundling.undo(bundle_id)
    with pytest.raises(errors.NotFound):
        await world.read("entity", made["id"])
    assert bundle_of(undone).reverses == bundle_id
    await bundling.redo(bundle_id)

    assert told(await world.read("entity", made["id"])) == EXPECTED
    await require_replayed(pool, world.project_id)


async def test_a_bundle_tells_of_the_file_in_words(world: World, bundling: Bundling) -> None:
    entity = await note(world)
    await attach(world, entity["id"])
    detail = await bundling.read(await last_bundle(bundling))

    (operation,) = detail.items
    assert (operation.field, operation.old_value) == ("file", None)
    assert operation.new_value == EXPECTED
    assert operation.what == "Entity “Night”: file"


def resolved(entity: Json, names: set[str], take: str) -> list[Json]:
    return [
        field("entity", entity["id"], name, take=take) | ({"value": "x"} if take == "value" else {})
        for name in sorted(names)
    ]


async def last_bundle(bundling: Bundling) -> UUID:
    return (await bundling.list(limit=1)).items[0].id


async def push(world: World, *operations: Json) -> None:
    question = Push(
        session_id=new_id(),
        checkpoint=1,
        operations=list(operations),
        checksum=sha256(canonical(list(operations))).hexdigest(),
        may=ALL,
    )
    await world.caller.ask(PUSH, question, world.actor)
