"""Corrupt events: found by everybody who reads, set aside, never applied, mended by a person."""

from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs import errors
from libs.contracts.events.event import Event
from libs.contracts.events.sync import Pull
from libs.contracts.ids import new_id
from libs.postgres import Pool, load_queries
from services.events.integrity import drop_corrupt_events
from services.events.integrity.verifier import ChainVerifier
from services.events.model.chain import content_bytes, log_row_of
from services.events.model.log import canonical, checksum, content
from services.events.store import Store, events_from_rows
from services.events.sync.pull import PullHandlers
from tests.events.integrity.damage import Operator, event, flip, lose
from tests.events.support import Json, World
from tests.events.test_log import JSON, chain


async def titled(world: World, *titles: str) -> Json:
    """Return a book that was given some titles in turn: version 1 is its first."""
    book = await world.book(titles[0])
    for title in titles[1:]:
        book = await world.change("book", book["id"], title=title)
    return book


@given(st.lists(JSON, min_size=1, max_size=4), st.text(max_size=64))
def test_fast_recipe_is_the_recipe(values: list[object], odd: str) -> None:
    """Both ways to write an event for its checksum give the same bytes, for any content."""
    for each in chain(values):
        strange = each.model_copy(update={"correlation_id": odd, "metadata": {"m": odd}})
        for one in (each, strange):
            assert content_bytes(log_row_of(one)) == canonical(content(one))


async def test_altered_event_is_found_and_listed(
    world: World, owner: Pool, operator: Operator
) -> None:
    book = await titled(world, "A", "B", "C")
    assert await operator.verify(world.project_id) == []
    original = await flip(owner, book["id"], 2)

    found = await operator.verify(world.project_id)

    assert [(each.version, each.flaw) for each in found] == [(2, "altered")]
    (listed,) = await operator.quarantine(world.project_id)
    assert (str(listed.aggregate_id), listed.version, listed.state) == (book["id"], 2, "open")
    assert listed.stored is not None
    assert listed.stored["data"]["to"] == "~B"
    await operator.decide(book["id"], 2, original)


async def test_background_verifier_finds_it_too(
    world: World, owner: Pool, pool: Pool, operator: Operator
) -> None:
    book = await titled(world, "A", "B")
    original = await flip(owner, book["id"], 2)
    verifier = ChainVerifier(pool)

    while await verifier.step():
        pass

    (listed,) = await operator.quarantine(world.project_id)
    assert listed.found_by == "verifier"
    await operator.decide(book["id"], 2, original)


async def test_original_from_a_peer_mends_it(world: World, owner: Pool, operator: Operator) -> None:
    """The row stays as it is; everybody reads the original in its place."""
    book = await titled(world, "A", "B", "C")
    original = await flip(owner, book["id"], 3)
    await operator.verify(world.project_id)

    mended = await operator.decide(book["id"], 3, original)

    assert (mended.state, mended.decisions[0]["reason"]) == ("recovered", "looked at it")
    assert (await event(owner, book["id"], 3)).data["to"] == "~C"
    assert await operator.verify(world.project_id) == []
    row = (await operator.inspect(book["id"])).row
    assert row is not None
    assert (row["title"], row["version"]) == ("C", 3)
    with pytest.raises(errors.Conflict):
        await operator.decide(book["id"], 3)


async def test_forged_original_is_refused(world: World, owner: Pool, operator: Operator) -> None:
    """Neither another text, nor one whose checksum was computed anew, nor another event."""
    book = await titled(world, "A", "B", "C")
    first = await event(owner, book["id"], 1)
    original = await flip(owner, book["id"], 2)
    await operator.verify(world.project_id)
    lie = original.model_copy(update={"data": {"from": "A", "to": "Lie"}})
    resealed = lie.model_copy(update={"checksum": checksum(first.checksum, lie)})

    for forged in (lie, resealed, first):
        with pytest.raises(errors.Invalid):
            await operator.decide(book["id"], 2, forged)

    assert (await operator.show(book["id"], 2)).state == "open"
    await operator.decide(book["id"], 2, original)


async def test_accepted_as_it_is_with_a_record(
    world: World, owner: Pool, pool: Pool, operator: Operator
) -> None:
    """Who, when and why stay on record; the service itself cannot take them out."""
    book = await titled(world, "A", "B")
    await flip(owner, book["id"], 2)
    await operator.verify(world.project_id)

    await operator.decide(book["id"], 2)

    assert await operator.verify(world.project_id) == []
    row = (await operator.inspect(book["id"])).row
    assert row is not None
    assert row["title"] == "~B"
    (noted,) = (await operator.show(book["id"], 2)).decisions
    assert (noted["decision"], noted["decided_by"]) == ("accepted", "the operator")
    for statement in ("DELETE FROM quarantine_decisions", "DELETE FROM quarantined_events"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)
    await world.change("book", book["id"], title="D")
    assert await operator.verify(world.project_id) == []


async def test_lost_events_come_back(world: World, owner: Pool, operator: Operator) -> None:
    """Together: only both show that the chain goes on from them."""
    book = await titled(world, "A", "B", "C", "D")
    second, third = await lose(owner, book["id"], 2), await lose(owner, book["id"], 3)

    found = await operator.verify(world.project_id)

    assert {(each.version, each.flaw) for each in found} >= {(2, "missing"), (3, "missing")}
    with pytest.raises(errors.Invalid):
        await operator.decide(book["id"], 2)  # there is nothing to accept
    for alone in ((2, second), (3, third)):
        with pytest.raises(errors.Invalid):
            await operator.decide(book["id"], *alone)
    await operator.decide(book["id"], 2, second, third)
    assert await operator.verify(world.project_id) == []
    assert await operator.quarantine(world.project_id) == []


async def test_newest_event_lost_is_missed(world: World, owner: Pool, operator: Operator) -> None:
    """Nothing follows it that could tell; the head does."""
    book = await titled(world, "A", "B")
    original = await lose(owner, book["id"], 2)

    found = await operator.verify(world.project_id)

    assert [(each.version, each.flaw) for each in found] == [(2, "missing")]
    await operator.decide(book["id"], 2, original)
    assert await operator.verify(world.project_id) == []


async def test_altered_checksum_blames_one_event_only(
    world: World, owner: Pool, operator: Operator
) -> None:
    book = await titled(world, "A", "B", "C", "D")
    original = await event(owner, book["id"], 2)
    await owner.execute(
        "UPDATE events SET checksum = repeat('0', 64) WHERE aggregate_id = $1 AND version = 2",
        book["id"],
    )

    found = await operator.verify(world.project_id)

    assert [(each.version, each.flaw) for each in found] == [(2, "altered")]
    await operator.decide(book["id"], 2, original)
    assert await operator.verify(world.project_id) == []


async def test_second_row_of_a_version_is_never_applied(
    world: World, owner: Pool, operator: Operator
) -> None:
    """Whether it is older or newer than the true one."""
    for hours in (-1, 1):
        book = await titled(world, "A", "B")
        await owner.execute(
            """INSERT INTO events SELECT (jsonb_populate_record(e, jsonb_build_object(
                'id', uuidv7(), 'timestamp', e."timestamp" + make_interval(hours => $2),
                'data', '{"from": "A", "to": "Forked"}'::jsonb))).*
            FROM events e WHERE aggregate_id = $1 AND version = 2""",
            book["id"],
            hours,
        )

        found = await operator.verify(world.project_id)

        assert [(each.version, each.flaw) for each in found] == [(2, "forked")]
        row = (await operator.inspect(book["id"])).row
        assert row is not None
        assert row["title"] == "B"
        await owner.execute(
            "DELETE FROM events WHERE aggregate_id = $1 AND data ->> 'to' = 'Forked'", book["id"]
        )
        await operator.decide(book["id"], 2)


async def test_what_is_handed_out_is_checked(
    world: World, owner: Pool, pool: Pool, operator: Operator
) -> None:
    """`screened` is what every reader of single events passes them through."""
    book = await titled(world, "A", "B", "C")
    good = await titled(world, "X", "Y")
    await flip(owner, book["id"], 2)
    rows = await owner.fetch(
        "SELECT * FROM event_log WHERE project_id = $1 AND version > 1", world.project_id
    )

    async with pool.acquire() as connection:
        found = await drop_corrupt_events(connection, events_from_rows(rows))

    assert {(str(e.aggregate_id), e.version) for e in found} == {
        (book["id"], 3),
        (good["id"], 2),
    }
    assert [each.version for each in await operator.quarantine(world.project_id)] == [2]
    await operator.decide(book["id"], 2)
    async with pool.acquire() as connection:
        assert len(await drop_corrupt_events(connection, events_from_rows(rows))) == len(rows)


async def test_corrupt_event_is_not_pulled(
    world: World, owner: Pool, pool: Pool, operator: Operator
) -> None:
    book = await titled(world, "A", "B", "C")
    await owner.execute(load_queries("libs.bus").place, 100_000)
    original = await flip(owner, book["id"], 2)
    pulls = PullHandlers(Store(pool))

    before = await pulls.pull(Pull(), world.actor)
    await operator.decide(book["id"], 2, original)
    after = await pulls.pull(Pull(), world.actor)

    assert len(after.items) == len(before.items) + 1
    assert original.id not in {each.event.id for each in before.items}
    assert original in [each.event for each in after.items]


async def test_story_tells_what_is_wrong(world: World, owner: Pool, operator: Operator) -> None:
    book = await titled(world, "A", "B", "C")
    original = await flip(owner, book["id"], 2)
    await operator.verify(world.project_id)

    story = await operator.inspect(original.id)

    assert str(story.aggregate_id) == book["id"]
    assert [(each.sound, each.state) for each in story.chapters] == [
        (True, None),
        (False, "open"),
        (True, None),
    ]
    assert story.row is not None
    assert story.row["title"] == "C"
    await operator.decide(book["id"], 2, original)
    with pytest.raises(errors.NotFound):
        await operator.inspect(new_id())


async def test_search_finds_by_project_person_type_and_text(
    world: World, operator: Operator
) -> None:
    await titled(world, "The Whale", "Moby Dick")
    user = world.actor.user_id

    found = await operator.search(project_id=world.project_id, text="moby", user_id=user)

    assert [each.event_type for each in found] == ["book.title_changed"]
    assert await operator.search(project_id=world.project_id, type="scene") == []
    assert await operator.search(project_id=new_id(), text="moby") == []
    assert len(await operator.search(project_id=world.project_id, type="member.added")) == 1


async def test_export_works_without_projections(
    world: World, owner: Pool, operator: Operator
) -> None:
    """An emergency: the tables are gone, the log is there."""
    scene = await world.scene(title="Kept")
    tables = ("scenes", "chapters", "books", "members", "projects")
    for table in tables:
        await owner.execute(f"ALTER TABLE {table} RENAME TO {table}_broken")
    try:
        exported = await operator.export(world.project_id)
    finally:
        for table in tables:
            await owner.execute(f"ALTER TABLE {table}_broken RENAME TO {table}")

    kinds = sorted(item["aggregateType"] for item in exported.items)
    assert kinds == ["book", "chapter", "member", "project", "scene"]
    (kept,) = [item["row"] for item in exported.items if item["aggregateType"] == "scene"]
    assert (kept["id"], kept["title"], kept["chapterId"]) == (
        scene["id"],
        "Kept",
        scene["chapterId"],
    )
    assert exported.damaged == []


def test_event_type() -> None:
    """What an operator gives as the original is an `Event` as it was exported."""
    (one,) = chain([1])

    assert Event.model_validate_json(one.model_dump_json(by_alias=True)) == one
    assert isinstance(one.id, UUID)
