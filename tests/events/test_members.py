"""Members: one place per person, and always an owner."""

import asyncio
from uuid import UUID

import pytest

from libs import errors
from libs.contracts.actor import Role
from libs.contracts.events.resources import Kind
from libs.contracts.ids import new_id
from libs.postgres import Pool
from tests.events.support import World


async def test_put_change_and_remove(world: World, owner: Pool) -> None:
    person = new_id()
    added = await world.put_member(person, Role.WRITER)
    changed = await world.put_member(person, Role.READER)
    same = await world.put_member(person, Role.READER)

    assert (added.role, added.version) == (Role.WRITER, 1)
    assert (changed.id, changed.role, changed.version) == (added.id, Role.READER, 2)
    assert same == changed
    assert {each.user_id for each in await world.members()} == {world.actor.user_id, person}
    await world.remove_member(person)
    assert {each.user_id for each in await world.members()} == {world.actor.user_id}
    rows = await owner.fetch(
        "SELECT event_type, data FROM events WHERE aggregate_id = $1 ORDER BY version", added.id
    )
    who = {"userId": str(person)}
    assert [(row["event_type"], row["data"]) for row in rows] == [
        ("member.added", who | {"role": "WRITER"}),
        ("member.role_changed", who | {"from": "WRITER", "to": "READER"}),
        ("member.removed", who | {"role": "READER"}),
    ]


async def test_pages_and_roles(world: World) -> None:
    """However many there are: each once, the oldest first, of all roles or of one."""
    added = [await world.put_member(new_id(), Role.READER) for _ in range(4)]
    writer = await world.put_member(new_id(), Role.WRITER)
    seen: list[UUID] = []
    page = await world.member_page(limit=2)
    while page.next_cursor:
        assert len(page.items) == 2
        seen += [each.user_id for each in page.items]
        page = await world.member_page(limit=2, cursor=page.next_cursor)
    seen += [each.user_id for each in page.items]

    assert seen == [world.actor.user_id, *(each.user_id for each in added), writer.user_id]
    assert await world.members(role="WRITER") == [writer]
    assert (await world.member_page(role="READER", limit=4)).next_cursor is None
    for cursor in (
        "x",
        (await world.page("book", world.project_id)).next_cursor or "WyJ2MSIsICJhIl0",
    ):
        with pytest.raises(errors.Invalid):
            await world.members(cursor=cursor)


async def test_who_comes_back_is_a_new_member(world: World) -> None:
    person = new_id()
    first = await world.put_member(person, Role.WRITER)
    await world.remove_member(person)

    second = await world.put_member(person, Role.WRITER)

    assert second.id != first.id
    assert second.version == 1


async def test_stranger_cannot_be_removed(world: World) -> None:
    with pytest.raises(errors.NotFound):
        await world.remove_member(new_id())


async def test_last_owner_stays(world: World) -> None:
    me = world.actor.user_id
    with pytest.raises(errors.LastOwner):
        await world.remove_member(me)
    with pytest.raises(errors.LastOwner):
        await world.put_member(me, Role.MAINTAINER)

    heir = new_id()
    await world.put_member(heir, Role.OWNER)

    await world.remove_member(me)
    assert [each.user_id for each in await world.members()] == [heir]


@pytest.mark.parametrize("leave", ["remove", "demote"])
async def test_all_owners_leaving_at_once_leave_one(world: World, leave: str) -> None:
    """Each sees the others go: the project's head is locked."""
    owners = [world.actor.user_id, *(new_id() for _ in range(7))]
    for person in owners[1:]:
        await world.put_member(person, Role.OWNER)

    async def go(person: UUID) -> bool:
        try:
            if leave == "remove":
                await world.remove_member(person)
            else:
                await world.put_member(person, Role.READER)
        except errors.LastOwner:
            return False
        return True

    gone = await asyncio.gather(*map(go, owners))

    assert gone.count(False) == 1
    left = [each for each in await world.members() if each.role is Role.OWNER]
    assert [each.user_id for each in left] == [owners[gone.index(False)]]


async def test_same_person_added_at_once_is_one_member(world: World) -> None:
    person = new_id()

    answers = await asyncio.gather(*(world.put_member(person, Role.WRITER) for _ in range(8)))

    assert len({each.id for each in answers}) == 1
    assert len(await world.members()) == 2


async def test_standing(world: World) -> None:
    """Where a thing belongs and what a person is there, for every kind."""
    scene = await world.scene()
    reader = new_id()
    await world.put_member(reader, Role.READER)
    things: tuple[tuple[Kind, object], ...] = (
        ("project", world.project_id),
        ("book", scene["bookId"]),
        ("chapter", scene["chapterId"]),
        ("scene", scene["id"]),
    )

    for kind, thing in things:
        mine = await world.standing(reader, kind, thing)
        strange = await world.standing(new_id(), kind, thing)
        nothing = await world.standing(reader, kind, new_id())
        assert (mine.project_id, mine.role, mine.deleted) == (world.project_id, "READER", False)
        assert (strange.project_id, strange.role) == (world.project_id, None)
        assert nothing.project_id is None
    await world.remove("chapter", scene["chapterId"])
    assert (await world.standing(reader, "scene", scene["id"])).deleted
    assert not (await world.standing(reader, "book", scene["bookId"])).deleted
