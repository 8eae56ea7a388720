"""Files of entities: set by a claim on their bytes or not at all, and told by events."""

import asyncio
import time
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs import errors
from libs.bus import Caller
from libs.contracts import files
from libs.contracts.actor import Actor
from libs.contracts.blobs import CLAIM_LIFE_S_MAX, SETTLE_CLAIM, SettleClaim
from libs.contracts.bundles import Committed
from libs.contracts.ids import new_id
from libs.contracts.sync import PUSH, Push
from libs.postgres import Pool
from services.events.model.aggregates import ENTITY
from services.events.model.log import canonical
from services.events.model.merge import field_changes
from services.events.store import SQL
from services.events.upkeep import REFUSED_CLAIMS_KEPT_DAYS, Upkeep
from tests.events.bundling import ALL, Bundling, bundle_of, create, field, put
from tests.events.support import Json, World
from tests.events.test_log import log, require_replayed

TEXT = "It was on a dreary night of November."
WAIT_S = 5.0


def stored(text: str = TEXT, **more: Any) -> files.StoredFile:
    body = text.encode()
    given: Json = {
        "path": "users/mary/notes/night.md",
        "url": "/api/blobs/x",
        "size": len(body),
        "type": "markdown",
        "checksum": sha256(body).hexdigest(),
        "preview": text[:200],
    }
    return files.StoredFile.model_validate(given | more)


def dated(seconds_ago: float) -> UUID:
    """A UUIDv7 of that time."""
    ms = int((time.time() - seconds_ago) * 1000)
    rest = new_id().int & ((1 << 80) - 1)
    return UUID(int=(ms << 80) | rest)


async def note(world: World, **fields: Any) -> Json:
    return await world.create("entity", world.project_id, type="note", name="Night", **fields)


async def attach(world: World, entity_id: Any, text: str = TEXT, **more: Any) -> Json:
    given: Json = {"claim_id": new_id(), "command_id": new_id(), "file": stored(text)}
    question = files.AttachFile(id=UUID(str(entity_id)), **(given | more))
    return (await world.caller.ask(files.ATTACH_FILE, question, world.actor)).resource


async def detach(world: World, entity_id: Any, **more: Any) -> Json:
    given: Json = {"id": entity_id, "command_id": new_id()}
    question = files.DetachFile.model_validate(given | more)
    return (await world.caller.ask(files.DETACH_FILE, question, world.actor)).resource


async def create_with_file(world: World, **more: Any) -> Json:
    given: Json = {
        "kind": "entity",
        "id": new_id(),
        "command_id": new_id(),
        "parent_id": world.project_id,
        "fields": {"type": "note", "name": "Night"},
        "claim_id": new_id(),
        "file": stored(),
    }
    question = files.CreateWithFile.model_validate(given | more)
    return (await world.caller.ask(files.CREATE_WITH_FILE, question, world.actor)).resource


async def settle(caller: Caller, claim_id: UUID, project_id: UUID) -> bool:
    question = SettleClaim(claim_id=claim_id, project_id=project_id)
    actor = Actor(user_id=new_id(), project_id=project_id)
    return (await caller.ask(SETTLE_CLAIM, question, actor)).used


@pytest.fixture
def bundling(world: World) -> Bundling:
    return Bundling(world)


def told(entity: Json) -> Json:
    file = entity["file"]
    return file | {"preview": entity["preview"]}


EXPECTED = stored().model_dump(mode="json")


class TestFiles:
    async def test_a_file_comes_is_replaced_and_goes(self, world: World, pool: Pool) -> None:
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
        assert three.data == {"from": {k: two.data[k] for k in EXPECTED}}
        await require_replayed(pool, world.project_id)

    async def test_an_entity_and_its_file_are_created_together(
        self, world: World, pool: Pool
    ) -> None:
        made = await create_with_file(world)

        assert told(made) == EXPECTED
        events = await log(pool, "aggregate_id", UUID(made["id"]))
        assert [e.event_type for e in events] == ["entity.created", "entity.file_uploaded"]
        assert len({e.bundle_id for e in events}) == 1
        await require_replayed(pool, world.project_id)

    async def test_a_refused_claim_creates_nothing(self, world: World, pool: Pool) -> None:
        claim, key = new_id(), new_id()
        assert not await settle(world.caller, claim, world.project_id)

        with pytest.raises(errors.BlobUnavailable):
            await create_with_file(world, claim_id=claim, id=key)

        assert await log(pool, "aggregate_id", key) == []
        with pytest.raises(errors.NotFound):
            await world.read("entity", key)

    async def test_a_retry_with_a_claim_of_its_own_happens_once(self, world: World) -> None:
        """The first answer was lost; its claim was used, and the second one stays unused."""
        entity, command = await note(world), new_id()
        first = await attach(world, entity["id"], command_id=command)
        retried = new_id()
        second = await attach(world, entity["id"], command_id=command, claim_id=retried)

        assert second == first
        assert not await settle(world.caller, retried, world.project_id)

        made = await create_with_file(world, command_id=(other := new_id()))
        assert await create_with_file(world, command_id=other) == made

    async def test_versions_protect_a_file(self, world: World) -> None:
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
        self, world: World, caller: Caller
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

    async def test_a_restored_entity_has_its_file(self, world: World) -> None:
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
    async def test_malformed_files_are_refused(self, world: World, wrong: Json) -> None:
        entity = await note(world)
        file = files.StoredFile.model_construct(**(stored().model_dump() | wrong))
        question = files.AttachFile.model_construct(
            id=UUID(entity["id"]), command_id=new_id(), claim_id=new_id(), file=file
        )
        with pytest.raises(errors.Invalid):
            await world.caller.ask(files.ATTACH_FILE, question, world.actor)


class TestClaims:
    async def test_a_used_claim_is_told_and_used_once(self, world: World) -> None:
        entity, claim = await note(world), new_id()
        await attach(world, entity["id"], claim_id=claim)

        assert await settle(world.caller, claim, world.project_id)
        assert await settle(world.caller, claim, world.project_id)
        with pytest.raises(errors.Invalid):
            await attach(world, entity["id"], "Other", claim_id=claim)
        other = await World.begin(world.caller)
        theirs = await note(other)
        with pytest.raises(errors.Invalid):
            await attach(other, theirs["id"], claim_id=claim)
        assert not await settle(world.caller, claim, other.project_id)

    async def test_a_settled_claim_is_never_used(self, world: World) -> None:
        entity, claim = await note(world), new_id()
        assert not await settle(world.caller, claim, world.project_id)

        with pytest.raises(errors.BlobUnavailable):
            await attach(world, entity["id"], claim_id=claim)

        assert not await settle(world.caller, claim, world.project_id)
        assert (await world.read("entity", entity["id"]))["file"] is None

    async def test_a_settlement_waits_for_a_command_under_way(
        self, world: World, pool: Pool
    ) -> None:
        """The command has recorded its claim and not committed: neither answer is true yet."""
        for commits in (True, False):
            claim = new_id()
            async with pool.acquire() as connection:
                transaction = connection.transaction()
                await transaction.start()
                await connection.execute(SQL.record_file_claim, claim, world.project_id, "used")
                asked = asyncio.create_task(settle(world.caller, claim, world.project_id))
                await until_waiting(pool)
                assert not asked.done()
                await (transaction.commit() if commits else transaction.rollback())

            async with asyncio.timeout(WAIT_S):
                assert await asked is commits

    async def test_one_of_two_wins(self, world: World) -> None:
        """Twenty times a command and a settlement at once: they never both have their way."""
        entity = await note(world)
        outcomes = set[bool]()
        for _ in range(20):
            claim = new_id()
            used, done = await asyncio.gather(
                settle(world.caller, claim, world.project_id),
                attach(world, entity["id"], str(claim), claim_id=claim),
                return_exceptions=True,
            )
            assert isinstance(used, bool)
            assert isinstance(done, errors.BlobUnavailable) is not used, (used, done)
            outcomes.add(used)
            file = (await world.read("entity", entity["id"]))["file"]
            assert (file and file["checksum"] == stored(str(claim)).checksum) or not used

    async def test_old_claims_are_refused_by_their_time(self, world: World) -> None:
        """Their refusal may be forgotten by then."""
        entity = await note(world)
        old, fresh = dated(CLAIM_LIFE_S_MAX + 60), dated(CLAIM_LIFE_S_MAX - 60)

        with pytest.raises(errors.BlobUnavailable):
            await attach(world, entity["id"], claim_id=old)
        await attach(world, entity["id"], claim_id=fresh)

    @pytest.mark.parametrize("claim", [uuid4(), dated(-7200)])
    async def test_a_claim_says_when_it_was_made(self, world: World, claim: UUID) -> None:
        """One dated ahead would outlive the record of its refusal."""
        entity = await note(world)
        with pytest.raises(errors.Invalid):
            await attach(world, entity["id"], claim_id=claim)

    async def test_only_old_refusals_are_forgotten(
        self, world: World, pool: Pool, owner: Pool
    ) -> None:
        entity, used, refused, recent = await note(world), new_id(), new_id(), new_id()
        await attach(world, entity["id"], claim_id=used)
        await settle(world.caller, refused, world.project_id)
        await settle(world.caller, recent, world.project_id)
        await owner.execute(
            "UPDATE file_claims SET at = now() - make_interval(days => $1, secs => 1)"
            " WHERE claim_id = ANY($2)",
            REFUSED_CLAIMS_KEPT_DAYS,
            [used, refused],
        )

        await Upkeep(pool).once()

        left = await pool.fetch(
            "SELECT claim_id FROM file_claims WHERE claim_id = ANY($1)", [used, refused, recent]
        )
        assert {row[0] for row in left} == {used, recent}
        assert REFUSED_CLAIMS_KEPT_DAYS * 86_400 > CLAIM_LIFE_S_MAX


class TestNoOtherWay:
    """Whatever else can change an entity cannot give it a file, or take it away."""

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
    async def test_changes_and_creations(self, world: World, fields: Json) -> None:
        made = await create_with_file(world)
        with pytest.raises(errors.Invalid):
            await world.change("entity", made["id"], **fields)
        with pytest.raises(errors.Invalid):
            await note(world, **fields)

        assert told(await world.read("entity", made["id"])) == EXPECTED

    @pytest.mark.parametrize(
        "path", ["file", "file.path", "file.checksum", "filePath", "file_path", "preview"]
    )
    async def test_bundles_jobs_and_peers(
        self, world: World, bundling: Bundling, path: str
    ) -> None:
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

    async def test_undo_of_a_file_is_a_conflict(self, world: World, bundling: Bundling) -> None:
        entity = await note(world)
        for deed in (attach(world, entity["id"]), detach(world, entity["id"])):
            before = await deed
            bundle_id = await last_bundle(bundling)

            with pytest.raises(errors.Conflict) as refusal:
                await bundling.undo(bundle_id)
            names = {
                each["field"]
                for bundle in refusal.value.data["conflicts"]
                for each in bundle["fields"]
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

    def test_no_code_of_ours_makes_such_a_change(self) -> None:
        """Whatever comes by the checks before it ends here."""
        row = dict.fromkeys(ENTITY.fields)
        for name in ("file_path", "file_checksum", "preview"):
            with pytest.raises(errors.Invalid):
                field_changes(ENTITY, new_id(), row, {name: "x"})

    async def test_undo_of_a_creation_deletes_the_file_with_it_and_redo_brings_both(
        self, world: World, bundling: Bundling, pool: Pool
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

    async def test_a_bundle_tells_of_the_file_in_words(
        self, world: World, bundling: Bundling
    ) -> None:
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


async def until_waiting(pool: Pool) -> None:
    """Return when a statement waits for another transaction."""
    async with asyncio.timeout(WAIT_S):
        while not await pool.fetchval(  # noqa: ASYNC110 (another transaction's lock)
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
        ):
            await asyncio.sleep(0.01)
