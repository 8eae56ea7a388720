"""What is old may be forgotten: what it made stays, and all proofs about the rest still hold."""

import asyncio
import json
from datetime import UTC, datetime

import asyncpg
import pytest
import zstandard

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Role
from libs.contracts.events import bundles as b
from libs.contracts.events import integrity as c
from libs.contracts.events.workspaces import ReadLog
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.rebuild.__main__ import rebuild
from services.events.retention import forget, forgetting
from services.events.store import Store
from services.events.upkeep import CHUNK_EVENTS, LogPolicy, LogUpkeep
from services.events.workspaces.history import HistoryHandlers
from tests.events.bundling import Bundling, bundle_of, delete, put
from tests.events.integrity.damage import Operator, flip
from tests.events.integrity.test_archive import age
from tests.events.lifecycle.forgetting import forget_all, rows_of
from tests.events.lifecycle.support import (
    Ending,
    events_of_project,
    finish,
    flaws,
    furnished,
    require_equal,
    tables_with,
)
from tests.events.relaying import announced
from tests.events.support import Json, World
from tools.stack import Stack


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

    async def test_what_is_written_meanwhile(self, world: World, owner: Pool, pool: Pool) -> None:
        """By many, about the same things; two replicas forget at once."""
        scenes = [await world.scene(title="0") for _ in range(6)]
        await announced(pool)

        async def write(scene: Json) -> None:
            for turn in range(1, 16):
                await world.change("scene", scene["id"], title=str(turn))

        async def forgetting() -> None:
            for _ in range(6):
                await forget(pool, datetime.now(UTC))
                await asyncio.sleep(0.01)

        await asyncio.gather(*map(write, scenes), forgetting(), forgetting())

        await forget_all(pool)
        assert await events_of_project(owner, world.project_id) == []
        for scene in scenes:
            row = await world.read("scene", scene["id"])
            assert (row["version"], row["title"]) == (16, "15")
        await require_equal(owner)

    async def test_what_is_exported_of_the_past(self, world: World, pool: Pool) -> None:
        """The history begins with what is kept, and comes to its end."""
        scenes = [await world.scene(title="A") for _ in range(40)]
        await forget_all(pool)
        await world.change("scene", scenes[0]["id"], title="B")
        found, question = list[str](), ReadLog()
        while True:
            page = await HistoryHandlers(Store(pool)).page(question, world.actor)
            found += zstandard.decompress(page.body).decode().splitlines()
            if page.after is None:
                break
            question = ReadLog(after=page.after, version=page.version)

        assert [json.loads(each)["version"] for each in found] == [2]

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


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("after_s", [0.05, 0.12, 0.2])
async def test_killed_in_the_middle_loses_nothing(  # noqa: PLR0917
    after_s: float,
    stack: Stack,
    world: World,
    owner: Pool,
    pool: Pool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """PostgreSQL dies while it forgets: of each thing all or nothing went, and the rest can go."""
    monkeypatch.setattr(forgetting, "CHAINS_AT_ONCE", 3)
    chapter = await world.chapter()
    for number in range(30):
        await world.scene(chapter, title=f"Scene {number}")
    await announced(pool)
    before = await rows_of(owner, world)

    working = asyncio.create_task(forget(pool, datetime.now(UTC)))
    await asyncio.sleep(after_s)
    stack.kill("postgres")
    await asyncio.gather(working, return_exceptions=True)
    await stack.wait_ready("postgres")

    assert await rows_of(owner, world) == before
    assert await flaws(owner, world.project_id) == []
    await require_equal(owner)
    await forget_all(pool)
    assert await events_of_project(owner, world.project_id) == []
    assert await rows_of(owner, world) == before
    await require_equal(owner)


async def test_upkeep_does_as_the_policy_says(world: World, owner: Pool, pool: Pool) -> None:
    """For ever, unless an age is set; then what is older goes, whether archived or not."""
    scene = await world.scene(title="A")
    await world.change("scene", scene["id"], title="B")
    await announced(pool)
    await age(owner, world, 40)
    everything = len(await events_of_project(owner, world.project_id))

    for policy in (LogPolicy(archive_after_days=7), LogPolicy(7, 60)):
        await LogUpkeep(pool, policy).once()
        assert len(await events_of_project(owner, world.project_id)) == everything

    await LogUpkeep(pool, LogPolicy(7, 30)).once()
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
