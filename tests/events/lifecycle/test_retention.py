"""What is old may be forgotten: what it made stays, and all proofs about the rest still hold."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from libs import errors
from libs.bus import Caller
from libs.contracts import bundles as b
from libs.contracts import following, sync
from libs.contracts import integrity as c
from libs.contracts.actor import Role
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.rebuild.__main__ import rebuild
from services.events.retention import forget
from services.events.upkeep import CHUNK_EVENTS, Policy, Upkeep
from tests.events.bundling import Bundling, bundle_of, delete, put
from tests.events.impatience import impatience
from tests.events.integrity.damage import Operator, flip
from tests.events.integrity.test_archive import age
from tests.events.lifecycle.support import (
    Ending,
    events_of_project,
    finish,
    flaws,
    furnished,
    require_equal,
    tables_with,
)
from tests.events.support import Json, World

WAIT_S_MAX = 20.0


@pytest.fixture
async def impatient(owner: Pool) -> AsyncGenerator[None]:
    async with impatience(owner):
        yield


async def announced(pool: Pool) -> None:
    async with asyncio.timeout(WAIT_S_MAX):
        while await pool.fetchval(  # noqa: ASYNC110 (the relay sends no signal)
            "SELECT count(*) FROM outbox WHERE published_at IS NULL"
        ):
            await asyncio.sleep(0.02)


async def forget_all(pool: Pool) -> datetime:
    """Forget all that happened so far; returns up to when."""
    await announced(pool)
    now = datetime.now(UTC)
    await forget(pool, now)
    return now


async def rows_of(owner: Pool, world: World) -> dict[str, list[Any]]:
    """All rows of a project in the tables that are folds of its log."""
    tables = await owner.fetch(
        "SELECT table_name FROM information_schema.columns JOIN information_schema.tables "
        "USING (table_schema, table_name) WHERE table_schema = 'public' "
        "AND column_name = 'project_id' AND table_type = 'BASE TABLE' AND table_name = ANY ($1)",
        [
            *("members", "books", "chapters", "scenes", "entities", "task_details"),
            *("story_details", "relations", "tags", "taggings", "appearances", "canon_facts"),
            *("style_guides", "context_rules", "personas", "prompt_presets"),
        ],
    )
    found: dict[str, list[Any]] = {}
    for row in tables:
        name = row["table_name"]
        query = f"SELECT t::text FROM {name} t WHERE project_id = $1 ORDER BY 1"
        found[name] = [each[0] for each in await owner.fetch(query, world.project_id)]
    return found


@pytest.mark.usefixtures("impatient")
class TestWhatStays:
    @pytest.mark.parametrize("is_archived", [False, True], ids=["hot", "archived"])
    async def test_all_that_is_there(
        self, is_archived: bool, world: World, owner: Pool, pool: Pool
    ) -> None:
        """Of every kind: rows are as they were, go on from there, and can be folded anew."""
        made = await furnished(world)
        await world.put_member(new_id(), Role.WRITER)
        await world.remove("relation", made["relation"]["id"])
        await world.remove("tag", made["tag"]["id"])
        if is_archived:
            while await pool.fetchval("SELECT archive_events(now(), $1)", CHUNK_EVENTS):
                pass
        before = await rows_of(owner, world)

        await forget_all(pool)

        assert await events_of_project(owner, world.project_id) == []
        assert await rows_of(owner, world) == before
        await require_equal(owner)
        scene = await world.change("scene", made["scene"]["id"], title="Gute Nacht")
        assert scene["version"] == made["scene"]["version"] + 1
        await world.change("entity", made["task"]["id"], task={"status": "done"})
        await world.restore("tag", made["tag"]["id"])
        await require_equal(owner)
        before = await rows_of(owner, world)
        await forget_all(pool)
        assert await events_of_project(owner, world.project_id) == []
        assert await rows_of(owner, world) == before
        await require_equal(owner)

    async def test_what_is_younger(self, world: World, owner: Pool, pool: Pool) -> None:
        """Its chain holds, it is undone as before, and nobody else's is touched."""
        stranger = await World.begin(world.caller)
        scene = await world.scene(title="A")
        old = await Bundling(world).commit(put("scene", scene["id"], "title", "B"))
        until = await forget_all(pool)
        theirs = await stranger.scene(title="X")
        young = await Bundling(world).commit(
            put("scene", scene["id"], "title", "C", oldValue="B"), delete("scene", scene["id"])
        )
        await announced(pool)

        assert await forget(pool, until) == 0
        assert await flaws(owner, world.project_id) == []
        left = await events_of_project(owner, world.project_id)
        assert {row["version"] for row in left} == {3, 4}
        assert len(await events_of_project(owner, stranger.project_id)) == 3
        await Bundling(world).undo(bundle_of(young).id)
        assert (await world.read("scene", scene["id"]))["title"] == "B"
        with pytest.raises(errors.NotFound):
            await Bundling(world).undo(bundle_of(old).id)
        listed = await world.caller.ask(b.LIST_BUNDLES, b.ListBundles(), world.actor)
        assert bundle_of(old).id not in {each.id for each in listed.items}
        assert (await stranger.read("scene", theirs["id"]))["title"] == "X"
        await require_equal(owner)

    async def test_an_end_of_a_chain_that_is_lost_is_found_again(
        self, world: World, owner: Pool, pool: Pool
    ) -> None:
        scene = await world.scene(title="A")
        await forget_all(pool)
        await owner.execute("DELETE FROM aggregates WHERE aggregate_id = $1", scene["id"])

        answer = await rebuild(owner, into=None, do_swap=True, force=False)

        assert answer["lostHeads"] == 1
        assert (await world.change("scene", scene["id"], title="B"))["version"] == 2
        await require_equal(owner)

    async def test_an_operator_sees_where_it_stands(
        self, world: World, pool: Pool, operator: Caller
    ) -> None:
        scene = await world.scene(title="A")
        await forget_all(pool)
        await world.change("scene", scene["id"], title="B")

        story = await operator.ask(c.INSPECT, c.Inspect(id=scene["id"]), world.actor)

        assert [each.event.version for each in story.chapters] == [2]
        assert all(each.sound for each in story.chapters)
        assert story.row is not None
        assert (story.row["title"], story.flawed) == ("B", [])


class TestWhoComesFromThePast:
    @pytest.fixture
    async def scene(self, world: World, pool: Pool, impatient: None) -> Json:  # noqa: ARG002
        """At version 4, of which three are forgotten."""
        scene = await world.scene(title="A")
        await world.change("scene", scene["id"], title="B")
        await world.change("scene", scene["id"], summary="S")
        await forget_all(pool)
        scene = await world.change("scene", scene["id"], title="C")
        await announced(pool)
        return scene

    async def test_a_change_made_from_there_is_a_conflict(self, world: World, scene: Json) -> None:
        with pytest.raises(errors.Conflict, match="forgotten"):
            await world.change("scene", scene["id"], base=2, title="D")

        assert (await world.change("scene", scene["id"], base=3, summary="T"))["title"] == "C"
        with pytest.raises(errors.Conflict) as conflict:
            await world.change("scene", scene["id"], base=3, title="D")
        assert conflict.value.data["currentVersion"] == 5

    async def test_a_peer_is_told_where_to_go_on(self, world: World, scene: Json) -> None:
        with pytest.raises(errors.Gone) as gone:
            await world.caller.ask(sync.PULL, sync.Pull(), world.actor)
        position = gone.value.data["position"]
        with pytest.raises(errors.Gone):
            await world.caller.ask(sync.PULL, sync.Pull(after=position - 1), world.actor)

        pulled = await world.caller.ask(sync.PULL, sync.Pull(after=position), world.actor)

        assert [str(each.event.aggregate_id) for each in pulled.items] == [scene["id"]]
        assert [each.event.version for each in pulled.items] == [4]

    @pytest.mark.usefixtures("scene")
    async def test_a_follower_is_told_to_begin_anew(self, world: World, pool: Pool) -> None:
        position = await pool.fetchval(
            "SELECT position FROM horizons WHERE project_id = $1", world.project_id
        )
        with pytest.raises(errors.Gone):
            question = following.Follow(after=position - 1)
            await world.caller.ask(following.FOLLOW, question, world.actor)

        question = following.Follow(after=position)
        followed = await world.caller.ask(following.FOLLOW, question, world.actor)

        assert [each.event.version for each in followed.items] == [4]


@pytest.mark.usefixtures("impatient")
class TestWhatIsLeftAlone:
    async def test_what_is_flawed(self, world: World, owner: Pool, pool: Pool) -> None:
        """Nothing is folded over a hole, and a person can still look into it."""
        well, ill = await world.scene(title="A"), await world.scene(title="X")
        await world.change("scene", ill["id"], title="Y")
        await flip(owner, ill["id"], 2)

        await forget_all(pool)

        left = await events_of_project(owner, world.project_id)
        assert {str(row["aggregate_id"]) for row in left} == {ill["id"]}
        assert len(left) == 2
        assert (await world.read("scene", well["id"]))["title"] == "A"
        await owner.execute("DELETE FROM quarantined_events")
        # As it was, for the proofs of others about the whole log.
        await owner.execute("DELETE FROM events WHERE aggregate_id = $1", ill["id"])
        await owner.execute("DELETE FROM aggregates WHERE aggregate_id = $1", ill["id"])
        await owner.execute("DELETE FROM scenes WHERE id = $1", ill["id"])
        await owner.execute("DELETE FROM bundles WHERE project_id = $1", world.project_id)

    async def test_what_a_person_decided_about(
        self, world: World, owner: Pool, pool: Pool, operator: Caller
    ) -> None:
        """What stands in a row's place is nowhere else; the rest of the project goes."""
        well, ill = await world.scene(title="A"), await world.scene(title="X")
        await world.change("scene", ill["id"], title="Y")
        original = await flip(owner, ill["id"], 2)
        asked = Operator(operator, world.actor)
        assert [each.version for each in await asked.verify(world.project_id)] == [2]
        await asked.decide(ill["id"], 2, original)

        await forget_all(pool)

        left = await events_of_project(owner, world.project_id)
        assert {str(row["aggregate_id"]) for row in left} == {ill["id"]}
        assert (await world.read("scene", well["id"]))["title"] == "A"
        assert (await world.change("scene", ill["id"], title="Z"))["version"] == 3
        await require_equal(owner)

    async def test_what_nobody_heard_of(self, world: World, owner: Pool, pool: Pool) -> None:
        scene = await world.scene(title="A")
        await announced(pool)
        waits = "UPDATE outbox SET published_at = {} WHERE payload ->> 'aggregateId' = $1"
        await owner.execute(waits.format("NULL"), scene["id"])

        await forget(pool, datetime.now(UTC))
        assert len(await events_of_project(owner, world.project_id)) > 0

        await owner.execute(waits.format("now()"), scene["id"])
        await forget(pool, datetime.now(UTC))
        assert await events_of_project(owner, world.project_id) == []


@pytest.mark.usefixtures("impatient")
async def test_a_purge_leaves_as_little_of_it(
    world: World, ending: Ending, owner: Pool, pool: Pool
) -> None:
    """Also of what was kept of forgotten events."""
    await furnished(world, "Irrlicht")
    await forget_all(pool)
    assert "beginnings" in await tables_with(owner, "Irrlicht")
    await world.remove("project", world.project_id)

    ordered = await ending.purge("project", world.project_id)
    await finish(pool, ordered.id)

    assert await tables_with(owner, "Irrlicht") == {}
    known = "SELECT count(*) FROM {} WHERE project_id = $1"
    for table in ("beginnings", "horizons"):
        assert await owner.fetchval(known.format(table), world.project_id) == 0
    assert await flaws(owner, world.project_id) == []
    await require_equal(owner)


async def test_upkeep_does_as_the_policy_says(world: World, owner: Pool, pool: Pool) -> None:
    """For ever, unless an age is set; then what is older goes, whether archived or not."""
    scene = await world.scene(title="A")
    await world.change("scene", scene["id"], title="B")
    await announced(pool)
    await age(owner, world, 40)
    everything = len(await events_of_project(owner, world.project_id))

    for policy in (Policy(archive_after_days=7), Policy(7, 60)):
        await Upkeep(pool, policy).once()
        assert len(await events_of_project(owner, world.project_id)) == everything

    await Upkeep(pool, Policy(7, 30)).once()
    assert await events_of_project(owner, world.project_id) == []
    assert (await world.read("scene", scene["id"]))["title"] == "B"
    await require_equal(owner)


async def test_the_service_cannot_forget_what_it_should_not(
    world: World, owner: Pool, pool: Pool
) -> None:
    """Nothing young, and nothing but the whole beginning of a chain with its checksum."""
    scene = await world.scene(title="A")
    await world.change("scene", scene["id"], title="B")
    await announced(pool)
    query = (
        "SELECT forget_events($1, $2, ARRAY[$3::uuid], ARRAY[$4::bigint], ARRAY[$5], "
        "ARRAY['{}'::jsonb])"
    )
    now = datetime.now(UTC)
    with pytest.raises(asyncpg.RaiseError, match="last day"):
        await pool.execute(query, world.project_id, now, scene["id"], 2, "0" * 64)

    await age(owner, world, 10)
    rows = await owner.fetch(
        "SELECT version, checksum FROM events WHERE aggregate_id = $1 ORDER BY version", scene["id"]
    )
    older_than = datetime.fromtimestamp(now.timestamp() - 5 * 86_400, UTC)
    for version, checksum in ((2, rows[0]["checksum"]), (3, rows[1]["checksum"])):
        with pytest.raises(asyncpg.RaiseError, match="not the whole beginning"):
            arguments = world.project_id, older_than, scene["id"], version, checksum
            await pool.execute(query, *arguments)
    stranger = await World.begin(world.caller)
    with pytest.raises(asyncpg.RaiseError, match="not the whole beginning"):
        arguments = stranger.project_id, older_than, scene["id"], 2, rows[1]["checksum"]
        await pool.execute(query, *arguments)
    for table in ("beginnings", "horizons"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(f"DELETE FROM {table}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("SELECT take_out($1, '{}', '{}', '{}')", world.project_id)
