"""The audit trail: all that happened, found again by whoever asks, and nothing that was altered."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor, Role
from libs.contracts.events import audit as a
from libs.contracts.events import bundles as b
from libs.contracts.events import teams as t
from libs.contracts.events.event import Event, Source
from libs.contracts.ids import new_id
from libs.postgres import Pool, load_queries
from services.events.audit import store as audit_store
from services.events.bundles.handlers import BundleHandlers
from services.events.store import Store, events_from_rows
from services.events.upkeep import LogUpkeep
from tests.events.bundling import ALL, OPERATIONS, create
from tests.events.integrity.damage import Operator, flip
from tests.events.integrity.test_archive import age
from tests.events.support import World

CHUNK_EVENTS = 5


async def trail(world: World, *, limit: int = 500, **filters: Any) -> list[a.AuditLine]:
    """All pages, and each of them checked for its size."""
    found: list[a.AuditLine] = []
    cursor = None
    for _ in range(500):
        question = a.ListAudit(cursor=cursor, limit=limit, **filters)
        page = await world.caller.ask(a.LIST_AUDIT, question, world.actor)
        assert len(page.items) <= limit
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found
    raise AssertionError("the trail has no end")


async def log_of(owner: Pool, world: World) -> list[Event]:
    """The whole log of a project, the newest first."""
    rows = await owner.fetch("SELECT * FROM event_log WHERE project_id = $1", world.project_id)
    return sorted(events_from_rows(rows), key=lambda each: (each.timestamp, each.id), reverse=True)


async def archive(owner: Pool, days: int) -> None:
    older_than = datetime.now(UTC) - timedelta(days=days)
    while await owner.fetchval("SELECT archive_events($1, $2)", older_than, CHUNK_EVENTS):
        pass


async def novel(world: World, people: int = 3) -> list[UUID]:
    """Some work of several people; returns who they are."""
    authors = [world.actor.user_id, *(new_id() for _ in range(people - 1))]
    for person in authors[1:]:
        await world.put_member(person, Role.WRITER)
    chapter = await world.chapter()
    for number in range(6):
        author = world.as_user(authors[number % people])
        scene = await author.scene(chapter, title=f"Scene {number}")
        await author.change("scene", scene["id"], title=f"Renamed {number}", summary="So.")
        if number % 2:
            await author.remove("scene", scene["id"])
    return authors


@pytest.fixture
async def aged(world: World, owner: Pool, monkeypatch: pytest.MonkeyPatch) -> World:
    """A project whose older half lies in chunks; few of them are unpacked for one page."""
    monkeypatch.setattr(audit_store, "CHUNKS_MAX", 2)
    await novel(world)
    await age(owner, world, 10)
    await archive(owner, 7)
    await novel(world)
    return world


class TestWhatItTells:
    async def test_who_did_what_with_the_old_value_and_the_new_one(self, world: World) -> None:
        scene = await world.scene(title="Ice")
        await world.change("scene", scene["id"], title="Snow")

        line, before = (await trail(world, aggregate_id=scene["id"]))[:2]

        assert (line.user_id, line.deed, line.field) == (world.actor.user_id, "changed", "title")
        assert (line.old_value, line.new_value, line.name) == ("Ice", "Snow", "Snow")
        assert (line.aggregate_type, str(line.aggregate_id)) == ("scene", scene["id"])
        assert line.source is Source.API
        assert line.bundle_id
        assert line.correlation_id
        assert (before.deed, before.name) == ("created", "Snow"), "by the name it has now"
        assert before.new_value["title"] == "Ice"

    async def test_what_is_gone_keeps_its_name(self, world: World) -> None:
        """Deleted and purged from its table, or removed for good: the trail still names it."""
        scene = await world.scene(title="Ice")
        await world.remove("scene", scene["id"])

        assert [(x.deed, x.name) for x in await trail(world, aggregate_id=scene["id"])] == [
            ("deleted", "Ice"),
            ("created", "Ice"),
        ]

    async def test_members_and_teams_say_whom_they_are_about(self, world: World) -> None:
        person, team = new_id(), new_id()
        await world.put_member(person, Role.WRITER)
        await world.put_member(person, Role.READER)
        grant = t.PutGrant(command_id=new_id(), team_id=team, role=Role.READER)
        await world.caller.ask(t.PUT_GRANT, grant, world.actor)

        lines = (await trail(world))[:3]

        assert [(each.aggregate_type, each.deed, each.subject_id) for each in lines] == [
            ("team_grant", "added", team),
            ("member", "changed", person),
            ("member", "added", person),
        ]
        assert (lines[1].field, lines[1].old_value, lines[1].new_value) == (
            "role",
            "WRITER",
            "READER",
        )

    async def test_a_deleted_project_tells_who_deleted_it(self, world: World) -> None:
        await world.remove("project", world.project_id)

        line = (await trail(world))[0]

        assert (line.event_type, line.user_id) == ("project.deleted", world.actor.user_id)


FILTERS: dict[str, Callable[[list[Event]], tuple[dict[str, Any], Callable[[Event], bool]]]] = {
    "nothing": lambda _: ({}, lambda _: True),
    "person": lambda log: (
        {"user_id": log[-1].user_id},
        lambda each: each.user_id == log[-1].user_id,
    ),
    "a person who came late": lambda log: (
        {"user_id": log[0].user_id},
        lambda each: each.user_id == log[0].user_id,
    ),
    "nobody": lambda _: ({"user_id": UUID(int=7)}, lambda _: False),
    "thing": lambda log: (
        {"aggregate_id": log[-1].aggregate_id},
        lambda each: each.aggregate_id == log[-1].aggregate_id,
    ),
    "kind": lambda _: (
        {"aggregate_type": "member"},
        lambda each: each.aggregate_type == "member",
    ),
    "type": lambda _: (
        {"event_type": "scene.deleted"},
        lambda each: each.event_type == "scene.deleted",
    ),
    "type and person": lambda log: (
        {"event_type": "scene.title_changed", "user_id": log[-1].user_id},
        lambda each: each.event_type == "scene.title_changed" and each.user_id == log[-1].user_id,
    ),
    "source": lambda _: ({"source": "sync"}, lambda each: each.source is Source.SYNC),
    "since": lambda log: (
        {"since": log[20].timestamp},
        lambda each: each.timestamp >= log[20].timestamp,
    ),
    "until": lambda log: (
        {"until": log[-10].timestamp},
        lambda each: each.timestamp < log[-10].timestamp,
    ),
    "between": lambda log: (
        {"since": log[-12].timestamp, "until": log[12].timestamp},
        lambda each: log[-12].timestamp <= each.timestamp < log[12].timestamp,
    ),
}


class TestFinding:
    @pytest.mark.parametrize("limit", [1, 3, 500])
    async def test_every_filter_finds_what_a_look_at_everything_finds(
        self, aged: World, owner: Pool, limit: int
    ) -> None:
        """Young or in chunks, in pages of any size: each event once, the newest first."""
        log = await log_of(owner, aged)
        young = await owner.fetchval(
            "SELECT count(*) FROM events WHERE project_id = $1", aged.project_id
        )
        assert 0 < young < len(log)

        for name, made in FILTERS.items():
            asked, wanted = made(log)
            found = await trail(aged, limit=limit, **asked)
            assert [line.id for line in found] == [e.id for e in log if wanted(e)], name

    async def test_events_of_one_moment_that_fill_many_chunks_are_all_found(
        self, world: World, owner: Pool, pool: Pool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A large bundle has one time: more chunks are read until the page gets somewhere."""
        monkeypatch.setattr(audit_store, "CHUNKS_MAX", 1)
        chapter = await world.chapter()
        scenes = [
            create("scene", new_id(), chapter["id"], title="Ice") for _ in range(5 * CHUNK_EVENTS)
        ]
        question = b.Commit(
            command_id=new_id(), operations=OPERATIONS.validate_python(scenes), may=ALL
        )
        await BundleHandlers(Store(pool)).commit(question, world.actor)
        await age(owner, world, 10)
        await archive(owner, 7)
        log = await log_of(owner, world)
        assert len([each for each in log if each.timestamp == log[0].timestamp]) == len(scenes)

        found = await trail(world, limit=2)

        assert sorted(line.id for line in found) == sorted(event.id for event in log)
        assert [line.id for line in found] == [event.id for event in log]

    async def test_what_is_archived_between_two_pages_is_neither_lost_nor_told_twice(
        self, world: World, owner: Pool
    ) -> None:
        await novel(world)
        await age(owner, world, 10)
        log = await log_of(owner, world)
        first = await world.caller.ask(a.LIST_AUDIT, a.ListAudit(limit=7), world.actor)

        await archive(owner, 7)
        rest = await world.caller.ask(
            a.LIST_AUDIT, a.ListAudit(limit=500, cursor=first.next_cursor), world.actor
        )

        assert [line.id for line in (*first.items, *rest.items)] == [event.id for event in log]


class TestIsolation:
    async def test_another_project_sees_nothing_of_ours(
        self, aged: World, caller: Caller, owner: Pool
    ) -> None:
        """Not by our ids, and not by our cursors."""
        stranger = await World.begin(caller)
        log = await log_of(owner, aged)
        ours = {event.id for event in log}
        mine = {line.id for line in await trail(stranger)}
        assert mine
        assert not mine & ours

        attempts: tuple[dict[str, Any], ...] = (
            {"aggregate_id": log[0].aggregate_id},
            {"aggregate_id": log[-1].aggregate_id},
            {"user_id": aged.actor.user_id},
            {"aggregate_type": "project", "aggregate_id": aged.project_id},
        )
        for asked in attempts:
            assert await trail(stranger, **asked) == []
        page = await caller.ask(a.LIST_AUDIT, a.ListAudit(limit=1), aged.actor)
        with pytest.raises(errors.Invalid):
            question = a.ListAudit(cursor=page.next_cursor)
            await caller.ask(a.LIST_AUDIT, question, stranger.actor)

    @pytest.mark.parametrize("cursor", ["", "x", "W10", "WyJ2MiIsImF1ZGl0IixudWxsLCIiXQ"])
    async def test_a_cursor_that_is_none_is_refused(self, world: World, cursor: str) -> None:
        with pytest.raises(errors.Invalid):
            await world.caller.ask(a.LIST_AUDIT, a.ListAudit(cursor=cursor), world.actor)

    async def test_what_is_no_project_has_no_trail(self, caller: Caller) -> None:
        nowhere = World(caller, Actor(user_id=new_id(), project_id=new_id()))

        with pytest.raises(errors.NotFound):
            await trail(nowhere)


class TestQuarantine:
    async def test_an_altered_event_is_told_of_and_not_believed(
        self, world: World, owner: Pool, operator: Operator
    ) -> None:
        """Until a person decides; then what they decided is what is told."""
        scene = await world.scene(title="Ice")
        await world.change("scene", scene["id"], title="Snow")
        original = await flip(owner, scene["id"], 2)

        line = (await trail(world, aggregate_id=scene["id"]))[0]
        assert (line.id, line.version) == (original.id, 2)
        assert (line.deed, line.user_id, line.new_value, line.name) == (None, None, None, None)

        await operator.decide(scene["id"], 2, original)
        line = (await trail(world, aggregate_id=scene["id"]))[0]
        assert (line.deed, line.user_id, line.new_value) == (
            "changed",
            world.actor.user_id,
            "Snow",
        )


async def count(pool: Pool, owner: Pool) -> None:
    """Let what happened so far be placed and counted by the hour."""
    await owner.execute(load_queries("libs.bus").place, 100_000)
    await LogUpkeep(pool).count()


async def five_hours_ago(owner: Pool, world: World) -> datetime:
    """Let what was counted of a project be of another hour; returns which."""
    past = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)
    await owner.execute(
        "UPDATE event_hours SET hour = $2 WHERE project_id = $1", world.project_id, past
    )
    return past


class TestActivity:
    async def counted(self, world: World, **more: datetime) -> dict[str, int]:
        now = datetime.now(UTC)
        question = a.ReadActivity(
            since=more.get("since", now - timedelta(days=30)), until=more.get("until", now)
        )
        answer = await world.caller.ask(a.READ_ACTIVITY, question, world.actor)
        found: dict[str, int] = {}
        for each in answer.items:
            found[each.event_type] = found.get(each.event_type, 0) + each.count
        return found

    async def test_the_current_hour_is_counted_as_it_is(self, world: World, owner: Pool) -> None:
        await novel(world)
        expected: dict[str, int] = {}
        for event in await log_of(owner, world):
            expected[event.event_type] = expected.get(event.event_type, 0) + 1

        assert await self.counted(world) == expected
        await world.book()
        assert (await self.counted(world))["book.created"] == expected["book.created"] + 1

    async def test_older_hours_come_from_the_counts_and_none_is_counted_twice(
        self, world: World, pool: Pool, owner: Pool
    ) -> None:
        """Counted hours end where the log begins to be counted."""
        await world.book()
        await count(pool, owner)
        now = await self.counted(world)
        assert now["book.created"] == 1, "the hour is in the counts, and is read from the log"
        past = await five_hours_ago(owner, world)

        both = await self.counted(world)
        assert both["book.created"] == 2, "five hours ago by the counts, and now by the log"
        until = past + timedelta(hours=1)
        assert (await self.counted(world, since=past, until=until))["book.created"] == 1
        assert await self.counted(world, since=until, until=until + timedelta(hours=1)) == {}

    async def test_it_is_of_the_actors_project(self, world: World, caller: Caller) -> None:
        await novel(world)
        stranger = await World.begin(caller)

        assert "scene.created" not in await self.counted(stranger)

    async def test_what_does_not_fit_is_asked_for_from_where_it_ended(
        self, world: World, pool: Pool, owner: Pool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Hours are told whole or not at all."""
        await novel(world)
        await count(pool, owner)
        past = await five_hours_ago(owner, world)
        types = len(await self.counted(world))
        monkeypatch.setattr(a, "ACTIVITY_ROWS_MAX", types + 1)
        now = datetime.now(UTC)
        question = a.ReadActivity(since=now - timedelta(days=1), until=now)

        answer = await world.caller.ask(a.READ_ACTIVITY, question, world.actor)

        assert [each.hour for each in answer.items] == [past] * types
        assert answer.more_from == now.replace(minute=0, second=0, microsecond=0)
