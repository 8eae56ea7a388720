"""What those who run the system do about files at their terminal, on a real stack."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from libs.contracts.ids import new_id
from services.blobs.operating.handlers import STEP_BLOBS
from tests.blobs.collection.processes import DYING, Mortal, figures, hands
from tests.blobs.collection.support import DAY, LONG, Desk, check
from tests.blobs.support import Desk as Client
from tests.blobs.support import text
from tests.support.command import scriptorium
from tests.support.waiting import until

REPLICAS = {"events": 1, "blobs": 2}
PARTS = (DYING, "blobs-2")
CALM = {"SCRIPTORIUM_COLLECTION": "false"}

TEXT, NOISE, LOST = text(100_000), os.urandom(30_000), os.urandom(7_000)


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mortal]:
    async with Mortal(tmp_path_factory.mktemp("operating"), REPLICAS, CALM) as running:
        yield running


@pytest.fixture
async def people(stack: Mortal) -> AsyncIterator[tuple[Desk, Client]]:
    async with hands(stack) as made:
        yield made


async def blobs(stack: Mortal, *words: object) -> tuple[int, str]:
    return await scriptorium("blobs", *words, "--data-dir", stack.data_dir)


async def test_figures_say_what_happened(stack: Mortal, people: tuple[Desk, Client]) -> None:
    """Counters at once; gauges are measured now and then, and when the service begins.

    It comes first, for what is measured is the sum over all projects.
    """
    desk, client = people
    kept = await client.upload(TEXT)
    await client.upload(TEXT)
    begun = await client.begin(size=len(TEXT), sha256=kept.sha256)
    again = await client.begin(upload_id=begun.upload.id, size=len(TEXT), sha256=kept.sha256)
    assert again.upload.deduplicated, "told again, it is not counted again"
    idle, lost = await client.upload(NOISE), await client.upload(LOST)
    for name in "ab":
        await desk.put_path(f"project/{name}", kept.sha256)
    await desk.give(await desk.entity(), kept.sha256)
    row = await desk.vault.store.blob(desk.project_id, lost.sha256)
    (stack.data_dir / "blobs" / row["key"]).unlink()
    await blobs(stack, "verify", "--project", desk.project_id)
    now = await figures(stack, PARTS)

    assert now["received_bytes_total"] == len(TEXT + NOISE + LOST)
    assert now["deduplicated_bytes_total"] == 2 * len(TEXT)
    assert now["stored_bytes_total"] == kept.stored_size + len(NOISE + LOST)
    assert (now["uploads_total"], now["damage_total"]) == (5, 1)

    refs = "SELECT count(*) FROM refs WHERE project_id = $1"

    async def followed() -> bool:
        return await desk.vault.owner.fetchval(refs, desk.project_id) == 4

    await until(followed)
    await desk.claim(kept.sha256, new_id())
    await desk.vault.owner.execute(
        "UPDATE blobs SET state = 'condemned', condemned_at = now() - $3::interval"
        " WHERE project_id = $1 AND sha256 = $2",
        desk.project_id,
        idle.sha256,
        3 * DAY,
    )
    await stack.alive()

    async def measured() -> bool:
        return (await figures(stack))["condemned"] > 0

    await until(measured)
    now = await figures(stack)
    assert now["referenced_bytes"] / now["referenced_once_bytes"] == 3, "two paths and an entity"
    assert now["referenced_once_bytes"] == len(TEXT)
    assert (now["kept"], now["kept_bytes"]) == (3, len(TEXT + NOISE + LOST))
    assert now["kept_stored_bytes"] == kept.stored_size + len(NOISE + LOST)
    assert now["kept_stored_bytes"] < now["kept_bytes"]
    assert (now["condemned"], now["condemned_bytes"]) == (1, len(NOISE))
    assert 0 <= now["condemned_overdue_seconds"] - (2 * DAY).total_seconds() < 600
    # The claim of the entity's file may be settled by its fact, or not yet.
    assert now["open_claims"] >= 1
    assert now["quarantine_open"] == 1


async def test_figures_usage_and_quota(stack: Mortal, people: tuple[Desk, Client]) -> None:
    desk, client = people
    await client.upload(b"a" * 10_000)
    figures, usage = await asyncio.gather(
        blobs(stack, "stat"), blobs(stack, "usage", desk.project_id)
    )
    assert (figures[0], usage[0]) == (0, 0), (figures, usage)
    assert "live" in figures[1]
    assert "1 blobs, 10.0 kB" in usage[1]
    code, said = await blobs(stack, "quota", desk.project_id, "20K")
    assert code == 0 and "of 20.5 kB" in said, said
    with pytest.raises(AssertionError, match="QUOTA_EXCEEDED"):
        await client.upload(os.urandom(20_000))
    assert (await blobs(stack, "quota", desk.project_id, "a lot"))[0] != 0
    await blobs(stack, "quota", desk.project_id, "default")
    await client.upload(os.urandom(20_000))


async def test_collecting_and_taking_back(stack: Mortal, people: tuple[Desk, Client]) -> None:
    """First what would be done, then that, then somebody changes their mind, then the end."""
    desk, client = people
    blob = await client.upload(b"nobody needs this")
    await desk.pass_time(LONG)
    project = ("--project", desk.project_id)
    told = await blobs(stack, "collect", "--dry-run", *project)
    assert told[0] == 0 and "would condemn 1 blobs, 17 B" in told[1], told
    assert await desk.state(blob.sha256) == "live"
    done = await blobs(stack, "collect", *project)
    assert "condemn 1 blobs" in done[1], done
    where = (desk.project_id, blob.sha256)
    back = await blobs(stack, "undelete", *where, "--reason", "needed", "--by", "ops")
    assert back[0] == 0 and "is live again" in back[1], back
    shown = await blobs(stack, "stat", *where)
    assert "ops: needed" in shown[1], shown
    await desk.pass_time(LONG)
    await blobs(stack, "collect", *project)
    await desk.pass_time(2 * DAY)
    done = await blobs(stack, "collect", *project)
    assert "collect 1 blobs" in done[1], done
    late = await blobs(stack, "undelete", *where, "--reason", "too late")

    assert late[0] == 1 and "BLOB_UNAVAILABLE" in late[1], late
    await check(desk)


async def test_damage_is_listed_and_verification_says_so(
    stack: Mortal, people: tuple[Desk, Client]
) -> None:
    desk, client = people
    blob = await client.upload(os.urandom(5000))
    sound = await blobs(stack, "verify", "--project", desk.project_id)
    assert sound[0] == 0 and "1 blobs, 5.0 kB were read" in sound[1], sound
    key = (await desk.vault.store.blob(desk.project_id, blob.sha256))["key"]
    (stack.data_dir / "blobs" / key).write_bytes(b"something else")
    code, said = await blobs(stack, "verify", "--project", desk.project_id)
    assert code == 2 and blob.sha256 in said, said
    listed = await blobs(stack, "quarantine", "--project", desk.project_id)

    assert blob.sha256 in listed[1] and "short at frame 0" in listed[1], listed


async def test_many_are_verified_or_one(stack: Mortal, people: tuple[Desk, Client]) -> None:
    """However many answers it takes; and what was mended is told when it is asked for."""
    desk, client = people
    for number in range(STEP_BLOBS):
        await desk.upload(b"%d" % number)
    content = os.urandom(100)
    blob, project = await client.upload(content), ("--project", desk.project_id)
    one = (*project, "--blob", blob.sha256)
    many, sound = await asyncio.gather(
        blobs(stack, "verify", *project), blobs(stack, "verify", *one)
    )
    assert f"{STEP_BLOBS + 1} blobs" in many[1], many
    assert sound[0] == 0 and "1 blobs, 100 B" in sound[1], sound
    key = (await desk.vault.store.blob(desk.project_id, blob.sha256))["key"]
    (stack.data_dir / "blobs" / key).unlink()
    assert (await blobs(stack, "verify", *one))[0] == 2
    await client.upload(content)
    empty, whole = await asyncio.gather(
        blobs(stack, "quarantine", *project), blobs(stack, "quarantine", *project, "--all")
    )

    assert "is empty" in empty[1], empty
    assert "mended" in whole[1] and blob.sha256 in whole[1], whole


async def test_a_collection_is_of_one_project_and_one_at_a_time(
    stack: Mortal, people: tuple[Desk, Client]
) -> None:
    desk, client = people
    blob = await client.upload(b"of somebody else")
    await desk.pass_time(LONG)
    nobodys = await blobs(stack, "collect", "--project", new_id())
    assert nobodys[0] == 1 and "there is no project" in nobodys[1], nobodys
    assert await desk.state(blob.sha256) == "live"
    async with desk.vault.room.positions.turn("collect") as ours:
        assert ours
        busy = await blobs(stack, "collect")
    assert busy[0] == 1 and "another collection is under way" in busy[1], busy

    assert await desk.state(blob.sha256) == "live"


async def test_reconciling_says_what_is_missing(stack: Mortal, people: tuple[Desk, Client]) -> None:
    """Nothing is set in a dry run; what is missing is the end of the command."""
    desk, client = people
    entity, blob = await desk.entity(), await client.upload(b"named, and then lost")
    await desk.give(entity, blob.sha256)
    refs = "SELECT count(*) FROM refs WHERE project_id = $1"

    async def begun() -> bool:
        return await desk.vault.owner.fetchval(refs, desk.project_id) > 0

    await until(begun)
    await desk.vault.owner.execute("DELETE FROM refs WHERE project_id = $1", desk.project_id)
    await desk.vault.owner.execute("DELETE FROM followed WHERE project_id = $1", desk.project_id)
    code, said = await blobs(stack, "reconcile", desk.project_id, "--dry-run")
    assert code == 0 and "would begin 1 references" in said, said
    assert not await begun()
    key = (await desk.vault.store.blob(desk.project_id, blob.sha256))["key"]
    (stack.data_dir / "blobs" / key).unlink()
    await blobs(stack, "verify", "--project", desk.project_id)
    code, said = await blobs(stack, "reconcile", desk.project_id)

    assert code == 2 and f"{blob.sha256} is quarantined" in said, said
    assert await begun()


async def test_archiving_and_reconciling(stack: Mortal, people: tuple[Desk, Client]) -> None:
    desk, client = people
    content = os.urandom(100_000)
    blob = await client.upload(content)
    where = (desk.project_id, blob.sha256)
    gone = await blobs(stack, "archive", *where)
    back = await blobs(stack, "archive", *where, "--restore")
    assert (gone[0], back[0]) == (0, 0), (gone, back)
    assert "is archived" in gone[1] and "is live" in back[1]
    assert await desk.read(blob.sha256) == content
    entity = await desk.entity()
    await desk.give(entity, blob.sha256)
    code, said = await blobs(stack, "reconcile", desk.project_id)

    assert code == 0 and "1 files" in said, said
    await check(desk)
