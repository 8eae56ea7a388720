"""Files of entities: they come, are replaced and go, each with its event."""

from uuid import UUID

import pytest

from libs import errors
from libs.bus import Caller
from libs.contracts.events import files
from libs.contracts.ids import new_id
from libs.postgres import Pool
from tests.events.files import (
    EXPECTED,
    attach,
    create_with_file,
    detach,
    note,
    settle,
    stored,
    told,
)
from tests.events.support import Json, World
from tests.events.test_log import log, require_replayed


async def test_a_file_comes_is_replaced_and_goes(world: World, pool: Pool) -> None:
    entity = await note(world)
    claim = new_id()
    first = await attach(world, entity["id"], claim_id=claim)
    second = await attach(world, entity["id"], "Frankenstein")
    gone = await detach(world, entity["id"])
    again = await detach(world, entity["id"])

    assert told(first) == EXPECTED
    assert told(second)["preview"] == "Frankenstein"
    assert (gone["file"], gone["preview"], gone["version"]) == (None, None, 4)
    assert again == gone
    _, one, two, three = await log(pool, "aggregate_id", UUID(entity["id"]))
    assert [e.event_type for e in (one, two, three)] == [
        "entity.file_uploaded",
        "entity.file_uploaded",
        "entity.file_deleted",
    ]
    assert one.data == EXPECTED | {"claimId": str(claim), "from": None}
    assert two.data["from"] == EXPECTED
    went = {k: two.data[k] for k in EXPECTED}
    assert three.data == went | {"from": went}
    await require_replayed(pool, world.project_id)


async def test_an_entity_and_its_file_are_created_together(world: World, pool: Pool) -> None:
    made = await create_with_file(world)

    assert told(made) == EXPECTED
    events = await log(pool, "aggregate_id", UUID(made["id"]))
    assert [e.event_type for e in events] == ["entity.created", "entity.file_uploaded"]
    assert len({e.bundle_id for e in events}) == 1
    await require_replayed(pool, world.project_id)


async def test_a_refused_claim_creates_nothing(world: World, pool: Pool) -> None:
    claim, key = new_id(), new_id()
    assert not await settle(world.caller, claim, world.project_id)

    with pytest.raises(errors.BlobUnavailable):
        await create_with_file(world, claim_id=claim, id=key)

    assert await log(pool, "aggregate_id", key) == []
    with pytest.raises(errors.NotFound):
        await world.read("entity", key)


async def test_a_retry_with_a_claim_of_its_own_happens_once(world: World) -> None:
    """The first answer was lost; its claim was used, and the second one stays unused."""
    entity, command = await note(world), new_id()
    first = await attach(world, entity["id"], command_id=command)
    retried = new_id()
    second = await attach(world, entity["id"], command_id=command, claim_id=retried)

    assert second == first
    assert not await settle(world.caller, retried, world.project_id)

    made = await create_with_file(world, command_id=(other := new_id()))
    assert await create_with_file(world, command_id=other) == made


async def test_versions_protect_a_file(world: World) -> None:
    entity = await note(world)
    await world.change("entity", entity["id"], name="Day")
    with pytest.raises(errors.PreconditionFailed):
        await attach(world, entity["id"], expected_version=1)
    # Another field changed since: that is no conflict.
    await attach(world, entity["id"], base_version=1)

    with pytest.raises(errors.Conflict) as refusal:
        await attach(world, entity["id"], "Other", base_version=2)
    with pytest.raises(errors.Conflict):
        await detach(world, entity["id"], base_version=2)

    (bundle,) = refusal.value.data["conflicts"]
    (conflict,) = bundle["fields"]
    assert (conflict["field"], conflict["base"]) == ("file", None)
    assert conflict["theirs"] == EXPECTED
    await detach(world, entity["id"], expected_version=3)


async def test_other_projects_and_what_is_deleted_have_no_such_entity(
    world: World, caller: Caller
) -> None:
    stranger, entity = await World.begin(caller), await note(world)
    claim = new_id()
    for attempt in (
        attach(stranger, entity["id"], claim_id=claim),
        detach(stranger, entity["id"]),
    ):
        with pytest.raises(errors.NotFound):
            await attempt
    await world.remove("entity", entity["id"])
    with pytest.raises(errors.NotFound):
        await attach(world, entity["id"])

    # What failed used nothing.
    assert not await settle(caller, claim, stranger.project_id)


async def test_a_restored_entity_has_its_file(world: World) -> None:
    made = await create_with_file(world)
    await world.remove("entity", made["id"])
    back = await world.restore("entity", made["id"])

    assert told(back) == EXPECTED


@pytest.mark.parametrize(
    "wrong",
    [
        {"checksum": "A" * 64},
        {"checksum": "abc"},
        {"size": -1},
        {"path": ""},
        {"path": "a\nb"},
        {"preview": "x" * 201},
        {"preview": "\0"},
        {"type": "exe"},
    ],
)
async def test_malformed_files_are_refused(world: World, wrong: Json) -> None:
    entity = await note(world)
    file = files.StoredFile.model_construct(**(stored().model_dump() | wrong))
    question = files.AttachFile.model_construct(
        id=UUID(entity["id"]), command_id=new_id(), claim_id=new_id(), file=file
    )
    with pytest.raises(errors.Invalid):
        await world.caller.ask(files.ATTACH_FILE, question, world.actor)
