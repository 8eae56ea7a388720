"""A claim outlasts any wait: before bytes go, what became of it is decided once and for all."""

import asyncio
from uuid import UUID

import pytest

from libs import errors
from libs.contracts.blobs.operations import Fate
from tests.blobs.collection.support import DAY, LONG, Desk, check


async def test_writer_that_comes_after_the_collection_is_refused(desk: Desk) -> None:
    """However long it was frozen between its claim and its command."""
    entity, sha256 = await desk.entity(), await desk.upload(b"late")
    claim = await desk.claim(sha256, entity)
    assert await desk.end() == {Fate.COLLECT: 1}

    with pytest.raises(errors.BlobUnavailable):
        await desk.attach(entity, sha256, claim)
    assert (await desk.world.read("entity", entity))["file"] is None
    await check(desk)


async def test_writer_that_came_before_keeps_its_bytes(desk: Desk) -> None:
    """Though no fact was delivered: events is asked about the claim, and who has the bytes."""
    entity, sha256 = await desk.entity(), await desk.upload(b"in time")
    claim = await desk.claim(sha256, entity)
    await desk.pass_time(LONG)
    assert await desk.fates() == {Fate.CONDEMN: 1}
    await desk.attach(entity, sha256, claim)
    await desk.pass_time(2 * DAY)

    assert await desk.fates() == {Fate.RESCUE: 1}
    assert await desk.read(sha256) == b"in time"
    assert await desk.end() == {}, "now it is a reference"
    used = await desk.vault.owner.fetchval("SELECT used FROM claims WHERE id = $1", claim)
    assert used is True
    await check(desk)


async def test_fresh_claim_is_waited_for(desk: Desk) -> None:
    """A writer that is just about to write is not asked about, and its bytes stay."""
    entity, sha256 = await desk.entity(), await desk.upload(b"just now")
    await desk.pass_time(LONG)
    await desk.fates()
    await desk.pass_time(2 * DAY)
    claim = await desk.claim(sha256, entity)
    # As if the claim had not rescued it.
    await desk.vault.owner.execute(
        "UPDATE blobs SET state = 'condemned', condemned_at = now() - interval '3 days'"
        " WHERE project_id = $1",
        desk.project_id,
    )

    assert await desk.fates(dry_run=True) == {Fate.WAIT: 1}
    assert await desk.fates() == {Fate.WAIT: 1}
    await desk.attach(entity, sha256, claim)
    assert await desk.read(sha256) == b"just now"


async def test_claim_that_was_used_and_ended_since_keeps_nothing(desk: Desk) -> None:
    entity, sha256 = await desk.entity(), await desk.upload(b"came and went")
    await desk.give(entity, sha256)
    await desk.detach(entity)

    assert await desk.end() == {Fate.COLLECT: 1}
    await check(desk)


async def test_deleted_entity_keeps_its_file_because_it_may_be_restored(desk: Desk) -> None:
    entity, sha256 = await desk.entity(), await desk.upload(b"in the bin")
    await desk.give(entity, sha256)
    await desk.world.remove("entity", entity)
    assert await desk.end() == {Fate.RESCUE: 1}
    await desk.world.restore("entity", entity)

    assert (await desk.world.read("entity", entity))["file"]["checksum"] == sha256
    assert await desk.read(sha256) == b"in the bin"


async def test_settlement_and_command_meet(desk: Desk) -> None:
    """One of the two wins; over many meetings there is never a reference to nothing."""
    told = kept = 0
    for turn in range(20):
        entity, content = await desk.entity(), f"meeting {turn}".encode()
        sha256 = await desk.upload(content)
        claim = await desk.claim(sha256, entity)
        await desk.pass_time(LONG)
        await desk.fates()
        await desk.pass_time(2 * DAY)

        written, _ = await asyncio.gather(
            _write(desk, (turn % 10) * 0.003, entity, sha256, claim), desk.fates()
        )
        if written:
            assert await desk.read(sha256) == content
            kept += 1
        else:
            assert await desk.state(sha256) == "collected"
            told += 1
    assert told, "no race was lost by the writer: the test proves nothing"
    assert kept, "no race was won by the writer: the test proves nothing"
    await check(desk)


async def _write(desk: Desk, after_s: float, entity: UUID, sha256: str, claim: UUID) -> bool:
    await asyncio.sleep(after_s)
    try:
        await desk.attach(entity, sha256, claim)
    except errors.BlobUnavailable:
        return False
    return True
