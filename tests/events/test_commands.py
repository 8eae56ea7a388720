"""Commands: what they append, and that doing them twice does them once."""

import asyncio
from uuid import UUID

import pytest

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events import manuscript as m
from libs.contracts.ids import new_id
from libs.contracts.values import SUMMARY_CHARS_MAX
from libs.postgres import Pool
from tests.events.support import Json, World

WRITERS = 16


async def log_of(owner: Pool, aggregate_id: object) -> list[tuple[str, int]]:
    rows = await owner.fetch(
        "SELECT event_type, version FROM events WHERE aggregate_id = $1 ORDER BY version",
        aggregate_id,
    )
    return [(row["event_type"], row["version"]) for row in rows]


async def test_whole_manuscript(world: World) -> None:
    """The main path: every kind can be made, read, changed, moved, deleted and restored."""
    book = await world.book()
    first = await world.chapter(book)
    second = await world.chapter(book)
    scene = await world.scene(first, title="Opening", pov="THIRD")
    scene = await world.change("scene", scene["id"], title="Dawn", status="FINAL")
    moved = await world.move("scene", scene["id"], 0, parent_id=second["id"])

    assert (scene["version"], scene["pov"], scene["index"]) == (3, "THIRD_LIMITED", 0)
    assert (moved["chapterId"], moved["bookId"]) == (second["id"], book["id"])
    assert (await world.remove("scene", scene["id"]))["deletedBy"] == str(world.actor.user_id)
    with pytest.raises(errors.NotFound):
        await world.read("scene", scene["id"])
    assert (await world.restore("scene", scene["id"]))["deletedAt"] is None


async def test_patch_of_two_fields_is_two_events_of_one_bundle(world: World, owner: Pool) -> None:
    scene = await world.scene()
    command_id = new_id()

    changed = await world.change(
        "scene", scene["id"], command_id=command_id, title="A", tense="PAST"
    )

    rows = await owner.fetch(
        "SELECT event_type, version, data FROM events WHERE bundle_id = $1 ORDER BY version",
        command_id,
    )
    assert [(r["event_type"], r["version"], r["data"]) for r in rows] == [
        ("scene.title_changed", 2, {"from": None, "to": "A"}),
        ("scene.tense_changed", 3, {"from": None, "to": "PAST"}),
    ]
    assert changed["version"] == 3


async def test_project_begins_with_its_owner(world: World, owner: Pool) -> None:
    """Both are one bundle, so that neither ever exists alone."""
    rows = await owner.fetch(
        "SELECT event_type, data, bundle_id, correlation_id FROM events WHERE project_id = $1",
        world.project_id,
    )

    found = {row["event_type"]: row for row in rows}
    assert set(found) == {"project.created", "member.added"}
    assert found["member.added"]["data"] == {"userId": str(world.actor.user_id), "role": "OWNER"}
    assert len({row["bundle_id"] for row in rows}) == 1
    assert all(len(row["correlation_id"]) == 32 for row in rows)


async def test_sixteen_writers_of_one_version_one_wins(world: World, owner: Pool) -> None:
    book = await world.book()

    async def write(number: int) -> Json | errors.PreconditionFailed:
        try:
            return await world.change("book", book["id"], expected=1, title=f"T{number}")
        except errors.PreconditionFailed as error:
            return error

    answers = await asyncio.gather(*map(write, range(WRITERS)))

    refused = [each for each in answers if isinstance(each, errors.PreconditionFailed)]
    assert len(refused) == WRITERS - 1
    assert all(error.data == {"currentVersion": 2} for error in refused)
    assert await log_of(owner, book["id"]) == [("book.created", 1), ("book.title_changed", 2)]


async def test_sixteen_writers_without_a_version_all_append(world: World, owner: Pool) -> None:
    """Versions stay gapless whatever the order in which they come."""
    book = await world.book()

    answers = await asyncio.gather(
        *(world.change("book", book["id"], title=f"T{number}") for number in range(WRITERS))
    )

    assert sorted(each["version"] for each in answers) == list(range(2, WRITERS + 2))
    assert [version for _, version in await log_of(owner, book["id"])] == list(
        range(1, WRITERS + 2)
    )


async def test_same_command_again_appends_nothing(world: World, owner: Pool) -> None:
    """The retry of a command answers with what is there now."""
    scene, command_id = await world.scene(), new_id()
    await world.change("scene", scene["id"], command_id=command_id, title="A")
    await world.change("scene", scene["id"], title="B")

    again = await world.change("scene", scene["id"], command_id=command_id, title="A")

    assert (again["title"], again["version"]) == ("B", 3)
    assert len(await log_of(owner, scene["id"])) == 3


async def test_a_retry_is_not_refused_for_what_the_first_time_did(world: World) -> None:
    """The version it asked for is gone, what it removed is gone; it was done all the same."""
    book, tag = await world.book(), await world.create("tag", world.project_id, name="Ice")
    change = m.Change(
        kind="book", id=book["id"], command_id=new_id(), fields={"title": "A"}, expected_version=1
    )
    removal = m.Remove(kind="book", id=book["id"], command_id=new_id(), expected_version=2)
    note = await world.create("entity", world.project_id, type="note", name="Ice")
    bound = await world.create("tagging", world.project_id, tag_id=tag["id"], entity_id=note["id"])
    unbinding = m.Remove(kind="tagging", id=bound["id"], command_id=new_id())

    for _ in range(2):
        answer = await world.caller.ask(m.CHANGE, change, world.actor)
        assert answer.resource["title"] == "A"
    for question in (removal, unbinding):
        for _ in range(2):
            await world.caller.ask(m.REMOVE, question, world.actor)


async def test_a_retry_of_what_changed_nothing_changes_nothing(world: World) -> None:
    """Not even when it would change something by now."""
    scene, command_id = await world.scene(title="A"), new_id()
    await world.change("scene", scene["id"], command_id=command_id, title="A")
    await world.change("scene", scene["id"], title="B")

    again = await world.change("scene", scene["id"], command_id=command_id, title="A")

    assert again["title"] == "B"


async def test_same_command_sixteen_times_at_once(world: World) -> None:
    """Retries that overtake each other create once, even when each drew another id."""
    chapter, command_id = await world.chapter(), new_id()

    answers = await asyncio.gather(
        *(
            world.create("scene", chapter["id"], command_id=command_id, title="Once")
            for _ in range(WRITERS)
        )
    )

    assert len({each["id"] for each in answers}) == 1
    assert len(await world.items("scene", chapter["id"])) == 1


async def test_creating_a_project_twice_creates_one(world: World) -> None:
    outside = World(world.caller, Actor(user_id=new_id()))
    command_id = new_id()
    first = await outside.create("project", None, command_id=command_id, name="Twice")

    again = await outside.create("project", None, command_id=command_id, name="Twice")

    assert again == first
    assert [each["id"] for each in await outside.items("project")] == [first["id"]]


async def test_command_id_of_another_action_is_refused(world: World) -> None:
    """It is neither done nor answered with somebody else's data."""
    scene, command_id = await world.scene(), new_id()
    await world.change("scene", scene["id"], command_id=command_id, title="A")

    with pytest.raises(errors.IdempotencyKeyReused):
        await world.change("scene", scene["id"], command_id=command_id, title="B")
    with pytest.raises(errors.IdempotencyKeyReused):
        await world.as_user(new_id()).change("scene", scene["id"], command_id=command_id, title="A")


async def test_failed_command_may_be_repeated(world: World) -> None:
    """A refusal leaves no claim behind."""
    book, command_id = await world.book(), new_id()
    with pytest.raises(errors.PreconditionFailed):
        await world.change("book", book["id"], command_id=command_id, expected=9, title="A")

    done = await world.change("book", book["id"], command_id=command_id, title="A")

    assert done["title"] == "A"


async def test_change_that_changes_nothing_appends_nothing(world: World) -> None:
    scene = await world.scene(title="Same")

    assert await world.change("scene", scene["id"], title="Same", status="DRAFT") == scene
    assert await world.change("scene", scene["id"]) == scene
    assert (await world.move("scene", scene["id"], 5)) == scene


async def test_taken_id_is_a_conflict(world: World) -> None:
    scene = await world.scene()

    with pytest.raises(errors.ConcurrencyConflict):
        await world.create("scene", scene["chapterId"], id=UUID(scene["id"]))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"title": ""}, "title"),
        ({"title": "a\x00b"}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"status": "LOST"}, "status"),
        ({"status": None}, "status"),
        ({"word_count": 7}, "wordCount"),
        ({"book_id": "x"}, "bookId"),
        ({"summary": "x" * (SUMMARY_CHARS_MAX + 1)}, "summary"),
    ],
)
async def test_wrong_field_is_named(world: World, fields: Json, named: str) -> None:
    scene = await world.scene()

    with pytest.raises(errors.Invalid) as refusal:
        await world.change("scene", scene["id"], **fields)

    assert refusal.value.data["errors"][0]["field"] == named
    assert refusal.value.detail.startswith(named)


async def test_the_longest_text_is_changed_into_another(world: World) -> None:
    """Old and new value together fit into one event, whatever they are written in."""
    scene = await world.scene(summary="🖋" * SUMMARY_CHARS_MAX)

    changed = await world.change("scene", scene["id"], summary="\x01" * SUMMARY_CHARS_MAX)

    assert changed["summary"] == "\x01" * SUMMARY_CHARS_MAX


async def test_what_is_below_the_deleted_is_hidden(world: World) -> None:
    book = await world.book()
    chapter = await world.chapter(book)
    scene = await world.scene(chapter)
    await world.remove("book", book["id"])

    for attempt in (
        world.read("scene", scene["id"]),
        world.change("scene", scene["id"], title="A"),
        world.move("scene", scene["id"], 0),
        world.remove("chapter", chapter["id"]),
        world.items("scene", chapter["id"]),
        world.scene(chapter),
    ):
        with pytest.raises(errors.NotFound):
            await attempt
    assert (await world.read("scene", scene["id"], include_deleted=True))["deletedAt"] is None
    assert await world.items("book", world.project_id) == []
    deleted = await world.items("book", world.project_id, include_deleted=True)
    assert [each["id"] for each in deleted] == [book["id"]]


async def test_restore_needs_what_is_above(world: World) -> None:
    chapter = await world.chapter()
    scene = await world.scene(chapter)
    await world.remove("scene", scene["id"])
    await world.remove("chapter", chapter["id"])

    with pytest.raises(errors.Conflict):
        await world.restore("scene", scene["id"])

    await world.restore("chapter", chapter["id"])
    assert (await world.restore("scene", scene["id"]))["deletedAt"] is None
    assert (await world.restore("scene", scene["id"]))["version"] == 3


async def test_deleted_project_takes_everything_along(world: World) -> None:
    scene = await world.scene()
    await world.remove("project", world.project_id)

    with pytest.raises(errors.NotFound):
        await world.read("scene", scene["id"])
    with pytest.raises(errors.NotFound):
        await world.members()
    assert await world.items("project") == []
    standing = await world.standing(world.actor.user_id, "scene", scene["id"])
    assert (standing.project_id, standing.role, standing.deleted) == (
        world.project_id,
        "OWNER",
        True,
    )
    assert (await world.restore("project", world.project_id))["role"] == "OWNER"


async def test_stale_if_match_refuses_everything(world: World) -> None:
    scene = await world.scene()
    await world.change("scene", scene["id"], title="A")

    for attempt in (
        world.change("scene", scene["id"], expected=1, title="B"),
        world.move("scene", scene["id"], 0, expected=1),
        world.remove("scene", scene["id"], expected=1),
    ):
        with pytest.raises(errors.PreconditionFailed) as refusal:
            await attempt
        assert refusal.value.data == {"currentVersion": 2}
