"""kill -9 between any two steps: what was acknowledged is there, all else is nowhere in the end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.blobs import operations as c
from libs.contracts.blobs import transfers as b
from libs.contracts.events.files import ATTACH_FILE, AttachFile, StoredFile
from libs.contracts.events.world import FileType
from libs.contracts.ids import new_id
from tests.blobs.collection.crashing import collected, emptied, finished, insist
from tests.blobs.collection.processes import DYING, HASTY, Mortal, hands
from tests.blobs.collection.support import DAY, Desk, check
from tests.blobs.support import Desk as Client
from tests.blobs.support import sha256
from tests.support.waiting import until

COLLECTING = (
    "collection.marked",
    "collection.condemned",
    "collection.settling",
    "collection.settled",
    "collection.asked",
    "collection.collecting",
    "collection.collected",
    "sweep.deleted",
)
IMPORT = (
    "INSERT INTO imported_contents (id, project_id, user_id, path, content)"
    " VALUES ($1, $2, $3, $4, $5)"
)


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mortal]:
    replicas = {"events": 1, "blobs": 1}
    async with Mortal(tmp_path_factory.mktemp("crashes"), replicas, HASTY) as running:
        yield running


@pytest.fixture(scope="module")
async def people(stack: Mortal) -> AsyncIterator[tuple[Desk, Client]]:
    async with hands(stack) as made:
        yield made


@pytest.mark.long
@pytest.mark.parametrize("step", ["upload.leased", "upload.stored", "upload.committed"])
async def test_killed_in_an_upload(stack: Mortal, people: tuple[Desk, Client], step: str) -> None:
    """The same upload again is that one; what the first try stored is used or deleted."""
    desk, client = people
    content, upload_id = f"killed at {step}".encode() * 9_000, new_id()
    await stack.die_at(step)
    await stack.wait_ready(DYING)
    begun = await client.begin(upload_id=upload_id)
    with pytest.raises((httpx.HTTPError, AssertionError)):
        assert (await client.send(begun.ticket, content)).status_code == 200
    await stack.dead()
    rows = await desk.vault.owner.fetch(
        "SELECT sha256 FROM blobs WHERE project_id = $1 AND sha256 = $2",
        desk.project_id,
        sha256(content),
    )
    assert len(rows) == (step == "upload.committed"), "nothing is visible before its commit"
    await check(desk)
    await stack.alive()

    await insist(lambda: finished(client, content, upload_id))
    path = f"project/{step}"
    await desk.put_path(path, sha256(content))
    assert await desk.read(sha256(content)) == content
    await check(desk)
    await desk.delete_path(path)
    await collected(desk, sha256(content))
    await emptied(desk, 0)
    await check(desk)


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("upload.received", marks=pytest.mark.long),
        "upload.stored",
        pytest.param("upload.committed", marks=pytest.mark.long),
        "upload.refusing",
    ],
)
async def test_killed_at_the_end_of_an_upload_in_pieces(
    stack: Mortal, people: tuple[Desk, Client], step: str
) -> None:
    """All bytes had arrived: what becomes of them is settled though nobody asks again."""
    desk, client = people
    content, upload_id = f"killed at {step} of pieces".encode() * 9_000, new_id()
    wrong = "0" * 64 if step == "upload.refusing" else None
    await stack.die_at(step)
    await stack.wait_ready(DYING)
    size = len(content)
    begun = await client.begin(upload_id=upload_id, resumable=True, size=size, sha256=wrong)
    assert begun.ticket
    half = size // 2
    assert (await client.patch(begun.ticket, 0, content[:half])).status_code == 200
    with pytest.raises(httpx.HTTPError):
        await client.patch(begun.ticket, half, content[half:])
    await stack.dead()
    await desk.vault.owner.execute("UPDATE uploads SET retry_at = now() WHERE id = $1", upload_id)
    await stack.alive()

    async def settled() -> bool:
        row = await desk.vault.owner.fetchrow("SELECT * FROM uploads WHERE id = $1", upload_id)
        assert row
        if wrong:
            return row["refusal"] is not None and row["refusal"]["code"] == "CONTENT_MISMATCH"
        return row["blob_sha256"] == sha256(content)

    await until(settled)
    await check(desk)


async def test_killed_when_a_piece_is_stored(stack: Mortal, people: tuple[Desk, Client]) -> None:
    """The piece counts by its row alone: the upload is where it was, and goes on."""
    desk, client = people
    content = b"piece by piece" * 5_000
    begun = await client.begin(resumable=True, size=len(content))
    assert begun.ticket
    assert (await client.patch(begun.ticket, 0, content[:10_000])).status_code == 200
    await stack.die_at("upload.piece_stored")
    await stack.wait_ready(DYING)
    with pytest.raises(httpx.HTTPError):
        await client.patch(begun.ticket, 10_000, content[10_000:])
    await stack.dead()
    await check(desk)
    await stack.alive()
    found = await client.ask(b.FIND_UPLOAD, b.FindUpload(upload_id=begun.upload.id))

    assert found.upload.offset == 10_000
    assert (await client.patch(found.ticket, 10_000, content[10_000:])).status_code == 200
    assert await desk.read(sha256(content)) == content
    await collected(desk, sha256(content))
    await emptied(desk, 0)
    await check(desk)


def _later(part: str, step: str) -> Any:
    return pytest.param(part, step, marks=pytest.mark.long)


@pytest.mark.parametrize(
    ("part", "step"),
    [
        _later(DYING, "claim.recorded"),
        _later(DYING, "claim.committed"),
        _later(DYING, "path.pointed"),
        _later(DYING, "path.committed"),
        _later("events-1", "attachments.claimed"),
        ("events-1", "attachments.recorded"),
        _later("events-1", "attachments.committed"),
    ],
)
async def test_killed_between_the_steps_of_a_reference(
    stack: Mortal, people: tuple[Desk, Client], part: str, step: str
) -> None:
    """What was not answered is asked again, and was done once: a claim, a file, a path."""
    desk, client = people
    content = f"referred to through {step}".encode()
    digest, entity = (await client.upload(content)).sha256, await desk.entity()
    # Waits are short here: something else keeps the bytes meanwhile.
    await desk.put_path("project/keeps", digest)
    claim = b.ClaimBlob(claim_id=new_id(), sha256=digest, source="entity", source_id=entity)
    place = f"users/{desk.actor.user_id}/attachments/{entity}/a"
    file = StoredFile(path=place, size=len(content), type=FileType.OTHER, checksum=digest)
    attach = AttachFile(id=entity, command_id=new_id(), claim_id=claim.claim_id, file=file)
    put = b.PutPath(path=f"project/{step}", sha256=digest)

    async def refer(deadline_s: float) -> int:
        found = await client.ask(b.PUT_PATH, put, deadline_s=deadline_s)
        await client.ask(b.CLAIM_BLOB, claim, deadline_s=deadline_s)
        await client.ask(ATTACH_FILE, attach, deadline_s=deadline_s)
        return found.version

    await stack.die_at(step, part)
    await stack.wait_ready(part)
    with pytest.raises((errors.Unavailable, errors.DeadlineExceeded)):
        await refer(5)
    await stack.dead(part)
    await check(desk)
    await stack.alive(part)
    assert await insist(lambda: refer(20)) == 1

    async def known() -> bool:
        rows = await desk.vault.owner.fetch(
            "SELECT source, count(*) FROM refs WHERE project_id = $1 AND sha256 = $2 GROUP BY 1",
            desk.project_id,
            digest,
        )
        return {row["source"]: row["count"] for row in rows} == {"entity": 1, "path": 3}

    await until(known)
    used = "SELECT used FROM claims WHERE id = $1"
    assert await desk.vault.owner.fetchval(used, claim.claim_id)
    await check(desk)
    for path in ("project/keeps", put.path):
        await desk.delete_path(path)
    await desk.pass_time(DAY)
    assert await desk.read(digest) == content
    await desk.detach(entity)
    await collected(desk, digest)
    await emptied(desk, 0)
    await check(desk)


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("attachments.settling", marks=pytest.mark.long),
        pytest.param("attachments.settled", marks=pytest.mark.long),
    ],
)
async def test_killed_while_a_claim_is_settled(
    stack: Mortal, people: tuple[Desk, Client], step: str
) -> None:
    """Events dies under the question: nothing goes before it is answered, and then everything."""
    desk, client = people
    await stack.die_at(step, "events-1")
    await stack.wait_ready("events-1")
    blob = await client.upload(f"never used, {step}".encode())
    claim_id = await desk.claim(blob.sha256, new_id())
    await stack.dead("events-1")
    await check(desk)
    assert await desk.state(blob.sha256) == "condemned"
    await stack.alive("events-1")
    await collected(desk, blob.sha256)

    used = "SELECT used FROM claims WHERE id = $1"
    assert await desk.vault.owner.fetchval(used, claim_id) is False
    await emptied(desk, 0)
    await check(desk)


@pytest.mark.long  # it waits for a fact to come again, several times
async def test_killed_while_a_reference_begins_and_ends(
    stack: Mortal, people: tuple[Desk, Client]
) -> None:
    """The fact comes again; before it does, events is asked, so the bytes stay all along."""
    desk, client = people
    for step in ("following.learnt", "following.begun", "following.ended"):
        content = f"referred through {step}".encode()
        await stack.alive()
        await client.upload(content)
        entity = await desk.entity()
        await stack.die_at(step)
        await desk.give(entity, sha256(content))
        if step == "following.ended":
            await asyncio.sleep(2)
            await desk.detach(entity)
        await stack.dead()
        await stack.alive()
        if step == "following.ended":
            await collected(desk, sha256(content))
        else:
            await asyncio.sleep(4)
            assert await desk.state(sha256(content)) == "live", step
            assert await desk.read(sha256(content)) == content
            await desk.detach(entity)
            await collected(desk, sha256(content))
        await check(desk)


@pytest.mark.long
async def test_killed_at_every_step_of_a_collection(
    stack: Mortal, people: tuple[Desk, Client]
) -> None:
    """Whoever comes next goes on; what is referred to is read after each death."""
    desk, client = people
    kept = [f"kept {n}".encode() for n in range(3)]
    await stack.alive()
    for number, content in enumerate(kept):
        await client.upload(content)
        await desk.put_path(f"project/kept/{number}", sha256(content))
    gone: list[str] = []
    for step in COLLECTING:
        await stack.alive()
        content = f"to die at {step}".encode()
        blob = await client.upload(content)
        gone.append(blob.sha256)
        # A claim that is never used: it must be settled.
        await desk.claim(blob.sha256, new_id())
        await stack.die_at(step)
        await stack.dead()
        await check(desk)
        for number, each in enumerate(kept):
            assert await desk.read(sha256(each)) == each, (step, number)
    await stack.alive()
    await collected(desk, *gone)
    for each in gone:
        count = await desk.vault.owner.fetchval(
            "SELECT count(*) FROM audit WHERE project_id = $1 AND sha256 = $2"
            " AND action = 'collected'",
            desk.project_id,
            each,
        )
        assert count == 1, "an audit line for each deletion, and one only"
    await emptied(desk, len(kept))
    await check(desk)
    for number in range(len(kept)):
        await desk.delete_path(f"project/kept/{number}")


@pytest.mark.long
@pytest.mark.parametrize("step", ["move.leased", "move.copied", "move.renamed"])
async def test_killed_while_moving_to_the_cold_tier(
    stack: Mortal, people: tuple[Desk, Client], step: str
) -> None:
    """The blob is in one place or in the other, and whole."""
    desk, client = people
    content = f"cold at {step}".encode() * 100_000
    await stack.alive()
    blob = await client.upload(content)
    await desk.put_path(f"project/{step}", blob.sha256)
    await stack.die_at(step)
    await stack.wait_ready(DYING)
    question = c.Archive(project_id=desk.project_id, sha256=blob.sha256)
    with pytest.raises(errors.Unavailable):
        await client.caller.ask(c.ARCHIVE, question, Actor(user_id=new_id()), deadline_s=5)
    await stack.dead()
    assert await desk.read(blob.sha256) == content
    await check(desk)
    await stack.alive()
    archived = await insist(
        lambda: client.caller.ask(c.ARCHIVE, question, Actor(user_id=new_id()), deadline_s=20)
    )

    assert archived.state == "archived"
    opened = await client.ask(b.OPEN_BLOB, b.OpenBlob(sha256=blob.sha256))
    assert (opened.ticket, opened.retry_after_s is not None) == (None, True)

    async def back() -> bool:
        return await desk.state(blob.sha256) == "live"

    await until(back)
    assert await desk.read(blob.sha256) == content
    await desk.delete_path(f"project/{step}")
    await collected(desk, blob.sha256)
    await emptied(desk, 0)
    await check(desk)


@pytest.mark.parametrize(
    "step",
    [
        pytest.param("migrating.begun", marks=pytest.mark.long),
        "migrating.stored",
        pytest.param("migrating.named", marks=pytest.mark.long),
    ],
)
async def test_killed_while_contents_are_migrated(
    stack: Mortal, people: tuple[Desk, Client], step: str
) -> None:
    """The row is migrated once, whenever it dies."""
    desk, client = people
    row, content, path = new_id(), f"from a row, {step}".encode() * 200_000, f"project/{step}.txt"
    await desk.vault.owner.execute(IMPORT, row, desk.project_id, desk.actor.user_id, path, content)
    await stack.die_at(step)
    await stack.wait_ready(DYING)
    nobody = Actor(user_id=UUID(int=0))
    with pytest.raises(errors.Unavailable):
        await client.caller.ask(c.IMPORT, c.Import(id=row), nobody, deadline_s=5)
    await stack.dead()
    await check(desk)
    await stack.alive()
    done = await insist(
        lambda: client.caller.ask(c.IMPORT, c.Import(id=row), nobody, deadline_s=20)
    )

    assert (done.outcome, done.reason) == (c.ImportOutcome.MIGRATED, "")
    again = await client.caller.ask(c.IMPORT, c.Import(id=row), nobody)
    assert again.outcome is c.ImportOutcome.SKIPPED
    verified = c.Import(id=row, verify_only=True)
    told = await client.caller.ask(c.IMPORT, verified, nobody)
    assert told.outcome is c.ImportOutcome.VERIFIED
    found = await desk.vault.store.paths.read(desk.project_id, path, None)
    assert (found.sha256, found.version) == (sha256(content), 1)
    assert await desk.read(sha256(content)) == content
    await desk.delete_path(path)
    await emptied(desk, 1)
    await desk.pass_time(DAY)
    await collected(desk, sha256(content))
    await check(desk)
