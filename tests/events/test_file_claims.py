"""Claims on bytes: each is used once or refused for ever, and both sides agree which."""

import asyncio
from uuid import UUID, uuid4

import pytest

from libs import errors
from libs.contracts.blobs.transfers import CLAIM_LIFE_S_MAX
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.store import SQL
from services.events.upkeep import REFUSED_CLAIMS_KEPT_DAYS, LogUpkeep
from tests.events.files import (
    attach,
    dated,
    note,
    settle,
    stored,
)
from tests.events.support import World
from tests.support.waiting import until

WAIT_S = 5.0


async def test_a_used_claim_is_told_and_used_once(world: World) -> None:
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


async def test_a_settled_claim_is_never_used(world: World) -> None:
    entity, claim = await note(world), new_id()
    assert not await settle(world.caller, claim, world.project_id)

    with pytest.raises(errors.BlobUnavailable):
        await attach(world, entity["id"], claim_id=claim)

    assert not await settle(world.caller, claim, world.project_id)
    assert (await world.read("entity", entity["id"]))["file"] is None


async def test_a_settlement_waits_for_a_command_under_way(world: World, pool: Pool) -> None:
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


async def test_one_of_two_wins(world: World) -> None:
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


async def test_old_claims_are_refused_by_their_time(world: World) -> None:
    """Their refusal may be forgotten by then."""
    entity = await note(world)
    old, fresh = dated(CLAIM_LIFE_S_MAX + 60), dated(CLAIM_LIFE_S_MAX - 60)

    with pytest.raises(errors.BlobUnavailable):
        await attach(world, entity["id"], claim_id=old)
    await attach(world, entity["id"], claim_id=fresh)


@pytest.mark.parametrize("claim", [uuid4(), dated(-7200)])
async def test_a_claim_says_when_it_was_made(world: World, claim: UUID) -> None:
    """One dated ahead would outlive the record of its refusal."""
    entity = await note(world)
    with pytest.raises(errors.Invalid):
        await attach(world, entity["id"], claim_id=claim)


async def test_only_old_refusals_are_forgotten(world: World, pool: Pool, owner: Pool) -> None:
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

    await LogUpkeep(pool).once()

    left = await pool.fetch(
        "SELECT claim_id FROM file_claims WHERE claim_id = ANY($1)", [used, refused, recent]
    )
    assert {row[0] for row in left} == {used, recent}
    assert REFUSED_CLAIMS_KEPT_DAYS * 86_400 > CLAIM_LIFE_S_MAX


async def until_waiting(pool: Pool) -> None:
    """Return when a statement waits for another transaction."""
    waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
    await until(lambda: pool.fetchval(waits), WAIT_S)
