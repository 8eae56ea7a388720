"""A purged scene leaves nothing in collab, whoever dies meanwhile; no other scene notices."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import nats
import pytest
from nats.aio.client import Client

from libs.contracts import subjects
from libs.contracts.events.event import Announcement, Event, Source
from libs.contracts.streams import DEAD_LETTERS, EVENTS
from libs.contracts.wire import Wire
from libs.postgres import Pool, connect
from libs.tasks.failpoints import CRASH
from tests.collab.upkeep.support import COLLABS, Desk, text_of, typed
from tests.support.stack import TwoCollabs
from tests.support.waiting import until

ROWS = 400
YOUNG = timedelta(minutes=5)
STEPS = ("purging.marked", "purging.piece", "purging.erased")
DYING, OTHER = COLLABS
DEATH_WAIT_S = 60.0
PROJECT = uuid4()


@pytest.fixture(scope="module")
async def bus(desk: Desk) -> AsyncIterator[Client]:
    client = await nats.connect(desk.stack.nats_url("admin"))
    yield client
    await client.close()


@pytest.fixture(scope="module")
async def pool(desk: Desk) -> AsyncIterator[Pool]:
    """The database as the run-time role."""
    opened = await connect(desk.stack.postgres_url("collab", "collab"), application="tests")
    yield opened
    await opened.close()


def announced(scene: UUID, action: str = "purged") -> Wire:
    event = Event(
        id=uuid4(),
        aggregate_id=scene,
        aggregate_type="scene",
        event_type=f"scene.{action}",
        project_id=PROJECT,
        user_id=uuid4(),
        data={},
        metadata={},
        timestamp=datetime.now(UTC),
        version=2,
        causation_id=None,
        correlation_id="test",
        source=Source.SYSTEM,
        bundle_id=uuid4(),
        checksum="0" * 64,
    )
    return Announcement(position=1, event=event)


async def tell(bus: Client, scene: UUID, action: str = "purged", *, said: str = "") -> None:
    """Announce that *scene* is purged; *said* is what the event says instead."""
    subject = subjects.fact("events", "scene", action, PROJECT)
    body = announced(scene, said or action).to_wire()
    await bus.jetstream().publish(subject, body)


async def furnished(desk: Desk) -> tuple[UUID, UUID]:
    """A scene of which every table knows something, and a branch of it."""
    scene = await desk.log(typed(ROWS), YOUNG)
    branch = await desk.log(typed(20, seed=2), YOUNG)
    owner, state = desk.owner, b"zstd"
    await owner.execute(
        "INSERT INTO branches (id, scene_id, project_id, name, base_seq, base, base_size, "
        "base_checksum, created_by) VALUES ($1, $2, $3, 'one', 0, $4, 4, 0, $3)",
        branch,
        scene,
        PROJECT,
        state,
    )
    await owner.execute(
        "INSERT INTO branch_merges (id, branch_id, conflicts, merged_by) VALUES ($1, $2, 0, $1)",
        uuid4(),
        branch,
    )
    await owner.execute(
        "INSERT INTO named_snapshots (id, scene_id, project_id, name, seq, state, size, checksum, "
        "created_by, updated_by) VALUES ($1, $2, $3, 'one', 1, $4, 4, 0, $3, $3)",
        uuid4(),
        scene,
        PROJECT,
        state,
    )
    await owner.execute(
        "INSERT INTO restorations (id, scene_id, from_at, from_seq, restored_by) "
        "VALUES ($1, $2, 'seq:1', 1, $1)",
        uuid4(),
        scene,
    )
    await owner.execute(
        "INSERT INTO migrated_scenes (scene_id, content_blocks, content_bytes, block_count, "
        "yjs_update) VALUES ($1, $2, 4, 1, $2)",
        scene,
        state,
    )
    await owner.execute(
        "INSERT INTO imported_scenes (scene_id, content_blocks, content_bytes, block_count) "
        "VALUES ($1, $2, 4, 1)",
        scene,
        state,
    )
    # Counting begins with what a replica commits, or with a walk; these rows came by neither.
    await owner.execute(
        "INSERT INTO word_counts (scene_id, seq, words, rules) VALUES ($1, 1, 1, 1)"
        " ON CONFLICT (scene_id) DO NOTHING",
        scene,
    )
    await owner.execute(
        "INSERT INTO text_notices (scene_id, seq) VALUES ($1, 1) ON CONFLICT (scene_id) DO NOTHING",
        scene,
    )
    for log_id in (scene, branch):
        await _derived(owner, log_id)
    await _reviewed(owner, scene)
    assert {name for name, rows in (await kept(desk, scene, branch)).items() if not rows} == set()
    return scene, branch


async def _reviewed(owner: Pool, scene: UUID) -> None:
    """A thread with a comment that somebody is told of, and what was announced of it."""
    anchor, thread, comment, person = uuid4(), uuid4(), uuid4(), uuid4()
    await owner.execute(
        "INSERT INTO anchors (id, project_id, scene_id, status, quote, before, after, grams, "
        "pieces, from_offset, seq, followed_seq, created_by) "
        "VALUES ($1, $2, $3, 'orphaned', 'ice', '', '', '{}', '[]', 0, $4, $4, $2)",
        anchor,
        PROJECT,
        scene,
        ROWS,
    )
    await owner.execute(
        "INSERT INTO anchored_scenes (scene_id, followed_seq) VALUES ($1, $2)", scene, ROWS
    )
    await owner.execute(
        "INSERT INTO threads (id, project_id, scene_id, anchor_id, created_by, updated_by) "
        "VALUES ($1, $2, $3, $4, $2, $2)",
        thread,
        PROJECT,
        scene,
        anchor,
    )
    await owner.execute(
        "INSERT INTO suggestions (id, project_id, scene_id, anchor_id, kind, base, text, "
        "created_by, updated_by) "
        "VALUES ($1, $2, $3, $4, 'replace', 'words', 'secret', $2, $2)",
        uuid4(),
        PROJECT,
        scene,
        anchor,
    )
    patch = uuid4()
    await owner.execute(
        "INSERT INTO patches (id, project_id, scene_id, base_version, title, created_by, "
        "updated_by) VALUES ($1, $2, $3, 1, 'secret', $2, $2)",
        patch,
        PROJECT,
        scene,
    )
    await owner.execute(
        "INSERT INTO patch_hunks (id, project_id, scene_id, patch_id, number, anchor_id, kind, "
        "base, text) VALUES ($1, $2, $3, $4, 1, $5, 'replace', 'words', 'secret')",
        uuid4(),
        PROJECT,
        scene,
        patch,
        anchor,
    )
    refactor = uuid4()
    await owner.execute(
        "INSERT INTO refactors (id, project_id, kind, asked, state, created_by, updated_by) "
        "VALUES ($1, $2, 'replace', $3, 'READY', $2, $2)",
        refactor,
        PROJECT,
        {"from": "secret"},
    )
    await owner.execute(
        "INSERT INTO refactor_scenes (refactor_id, project_id, scene_id, position, title) "
        "VALUES ($1, $2, $3, 0, 'secret')",
        refactor,
        PROJECT,
        scene,
    )
    await owner.execute(
        "INSERT INTO refactor_hits (id, refactor_id, project_id, scene_id, number, anchor_id, "
        "kind, base, text, before, after, sure, chosen) "
        "VALUES ($1, $2, $3, $4, 0, $5, 'replace', 'secret', 'words', '', '', true, true)",
        uuid4(),
        refactor,
        PROJECT,
        scene,
        anchor,
    )
    await owner.execute(
        "INSERT INTO refactor_fields (id, refactor_id, project_id, scene_id, number, kind, "
        "aggregate_id, field, sure, chosen) "
        "VALUES ($1, $2, $3, $4, 0, 'scene', $4, 'title', true, true)",
        uuid4(),
        refactor,
        PROJECT,
        scene,
    )
    await owner.execute(
        "INSERT INTO comments (id, project_id, scene_id, thread_id, number, body, created_by, "
        "updated_by) VALUES ($1, $2, $3, $4, 1, 'secret', $2, $2)",
        comment,
        PROJECT,
        scene,
        thread,
    )
    await owner.execute("INSERT INTO mentions VALUES ($1, $2)", comment, person)
    await owner.execute("INSERT INTO reactions VALUES ($1, 'x', $2)", comment, person)
    await owner.execute(
        "INSERT INTO notifications (id, person_id, kind, actor_id, project_id, scene_id, "
        "thread_id, comment_id) VALUES ($1, $2, 'mention', $3, $3, $4, $5, $6)",
        uuid4(),
        person,
        PROJECT,
        scene,
        thread,
        comment,
    )
    for _ in range(2):
        await owner.execute(
            "INSERT INTO outbox (event_id, subject, payload, headers) VALUES ($1, $2, $3, '{}')",
            uuid4(),
            subjects.fact("collab", "comment", "created", PROJECT),
            json.dumps({"data": {"sceneId": str(scene), "body": "secret"}}),
        )


async def said(desk: Desk, scene: UUID) -> int:
    """How many announced facts, mentions and reactions tell of a scene."""
    return await desk.owner.fetchval(
        """
        SELECT (SELECT count(*) FROM outbox WHERE payload -> 'data' ->> 'sceneId' = $1::text)
            + (SELECT count(*) FROM mentions) + (SELECT count(*) FROM reactions)
        """,
        str(scene),
    )


async def _derived(owner: Pool, log_id: UUID) -> None:
    """What upkeep and snapshots would have made of a log by and by."""
    for statement in (
        "DELETE FROM docs WHERE scene_id = $1",
        (
            "INSERT INTO docs (scene_id, upto_seq, snapshot, size, state_vector, checksum) "
            "VALUES ($1, 1, '', 0, '', 0)"
        ),
        "INSERT INTO quarantined_updates (scene_id, seq, reason) VALUES ($1, 2, 'bad')",
        (
            "INSERT INTO compactions (scene_id, seq, from_seq, updates, bytes_before, bytes_after, "
            "source, digest, took_ms) VALUES ($1, 1, 1, 1, 1, 1, 'log', '', 1)"
        ),
        (
            "INSERT INTO editing_sessions (scene_id, seq_from, seq_to, started_at, ended_at, "
            "authors, updates, bytes) VALUES ($1, 1, 1, now(), now(), '{}', 1, 1)"
        ),
        (
            "INSERT INTO repairs (scene_id, kind, severity, detail, action, outcome, repaired_at, "
            "evidence) VALUES ($1, 'log', 'MINOR', '{}', 'none', 'repaired', now(), 'bytes')"
        ),
        (
            "INSERT INTO scene_snapshots (scene_id, snapshot_id, content_blocks, content_bytes, "
            "block_count, snapshot_source, yjs_derived, yjs_checksum, yjs_position, seq, "
            "first_yjs_seq, rendering) VALUES ($1, $1, '', 1, 1, 'yjs', true, repeat('0', 64), "
            "'', 1, 1, 1)"
        ),
        (
            "INSERT INTO scene_snapshot_metadata (snapshot_id, scene_id, snapshot_source, "
            "yjs_version_count, yjs_checksum, generation_time_ms, snapshot_size_bytes) "
            "VALUES (gen_random_uuid(), $1, 'yjs', 1, repeat('0', 64), 1, 1)"
        ),
        "INSERT INTO snapshot_checks (scene_id) VALUES ($1)",
        "INSERT INTO authorship (scene_id, seq, from_seq, part) VALUES ($1, 1, 1, '')",
        "INSERT INTO row_runs (scene_id, seq, run_id) VALUES ($1, 1, $1)",
    ):
        await owner.execute(statement, log_id)


async def kept(desk: Desk, *ids: UUID) -> dict[str, int]:
    """Every table that names scenes, and how many of its rows name one of *ids*.

    Found in the catalogue, so that a table that comes later cannot be forgotten.
    """
    columns = await desk.owner.fetch(
        "SELECT table_name, column_name FROM information_schema.columns JOIN pg_class c "
        "ON c.relname = table_name AND c.relkind = 'r' WHERE table_schema = 'public' "
        "AND column_name IN ('scene_id', 'branch_id', 'log_id') AND table_name <> 'purged_scenes'"
    )
    found: dict[str, int] = {}
    for table, column in columns:
        found[table] = await desk.owner.fetchval(
            f'SELECT count(*) FROM "{table}" WHERE "{column}" = ANY ($1::uuid[])', ids
        )
    return found


async def erased(desk: Desk, *ids: UUID) -> bool | None:
    rows = await desk.owner.fetch(
        "SELECT FROM purged_scenes WHERE log_id = ANY ($1::uuid[]) AND erased_at IS NOT NULL", ids
    )
    return len(rows) == len(ids) or None


async def test_nothing_of_it_is_left(desk: Desk, bus: Client) -> None:
    """In no table, and of no branch; a neighbour keeps all it had."""
    scene, branch = await furnished(desk)
    neighbour, other = await furnished(desk)
    before = await kept(desk, neighbour, other)
    assert (await said(desk, scene), await said(desk, neighbour)) == (6, 6)

    refactors = "SELECT count(*) FROM refactors WHERE asked ->> 'from' = 'secret'"
    assert await desk.owner.fetchval(refactors) == 2
    await tell(bus, scene)
    await until(lambda: erased(desk, scene, branch))

    assert set((await kept(desk, scene, branch)).values()) == {0}
    after = await kept(desk, neighbour, other)
    # Upkeep may find something in the neighbour meanwhile, and says so.
    assert after.pop("repairs") >= before.pop("repairs")
    assert after == before
    # A refactor with no scene left says nothing any more.
    assert await desk.owner.fetchval(refactors) == 1
    assert (await said(desk, scene), await said(desk, neighbour)) == (2, 4)


async def test_told_twice_it_is_erased_once(desk: Desk, bus: Client) -> None:
    """Facts come at least once; the record of the first time stays."""
    scene = await desk.log(typed(10), YOUNG)
    await tell(bus, scene)
    await until(lambda: erased(desk, scene))
    first = await desk.owner.fetchrow("SELECT * FROM purged_scenes WHERE log_id = $1", scene)
    await tell(bus, scene)
    await tell(bus, await desk.log(typed(10), YOUNG))
    await asyncio.sleep(0.5)

    again = await desk.owner.fetchrow("SELECT * FROM purged_scenes WHERE log_id = $1", scene)
    assert first is not None
    assert again is not None
    assert (again["event_id"], again["erased_at"]) == (first["event_id"], first["erased_at"])


async def test_an_edit_that_was_under_way_goes_too(desk: Desk, bus: Client) -> None:
    """What is written after the erasure is found when it is looked at again."""
    scene = await desk.log(typed(10), YOUNG)
    await tell(bus, scene)
    await until(lambda: erased(desk, scene))
    await desk.log(typed(1), YOUNG, scene=scene)
    await desk.owner.execute(
        "UPDATE purged_scenes SET swept_at = now() - interval '2 minutes' WHERE log_id = $1", scene
    )

    async def gone() -> bool | None:
        return (await desk.seqs(scene)) == [] or None

    await until(gone)


async def test_nothing_else_can_be_erased(desk: Desk, pool: Pool) -> None:
    """The function asks what was purged, whoever calls it; the log is append-only as before."""
    scene = await desk.log(typed(10), YOUNG)
    with pytest.raises(asyncpg.RaiseError):
        await pool.fetchval("SELECT erase_scene($1, 100)", scene)
    with pytest.raises(asyncpg.RestrictViolationError):
        await pool.execute("DELETE FROM scene_versions WHERE scene_id = $1", scene)
    for statement in ("DELETE FROM purged_scenes", "DELETE FROM docs", "DELETE FROM branches"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute(statement)

    assert len(await desk.seqs(scene)) == 10


async def test_poison_goes_to_the_dead_letters(desk: Desk, bus: Client) -> None:
    """A fact that says something else than its subject erases nothing and holds up nobody."""
    scene, next_one = [await desk.log(typed(10), YOUNG) for _ in range(2)]
    letters = f"dlq.{subjects.PURGES_CONSUMER}.>"
    stream = bus.jetstream()
    before = (await stream.stream_info(DEAD_LETTERS.name, subjects_filter=letters)).state.subjects
    await tell(bus, scene, said="deleted")
    await tell(bus, next_one)
    await until(lambda: erased(desk, next_one))

    after = (await stream.stream_info(DEAD_LETTERS.name, subjects_filter=letters)).state.subjects
    assert sum((after or {}).values()) == sum((before or {}).values()) + 1
    assert await desk.text(scene) == text_of(typed(10))


async def test_collab_hears_of_purges_and_of_nothing_else(desk: Desk) -> None:
    """Least privilege: its user may make one consumer, under one name."""
    refused: list[str] = []

    async def failed(error: Exception) -> None:
        refused.append(str(error).lower())

    client = await nats.connect(
        desk.stack.nats_url("collab"),
        inbox_prefix=subjects.inbox("collab").encode(),
        error_cb=failed,
    )
    stream = client.jetstream(timeout=0.5)
    with pytest.raises(TimeoutError):
        await stream.add_consumer(EVENTS.name, durable_name="other")
    await client.subscribe("scriptorium.v1.events.>")

    async def both() -> bool | None:
        wanted = ("consumer.durable.create", "scriptorium.v1.events")
        return all(any(each in said for said in refused) for each in wanted) or None

    # A refusal is told when it comes; a flush does not wait for it.
    await until(both)
    await client.close()


async def test_killed_at_every_step(desk: Desk, bus: Client) -> None:
    """After each death the next one goes on; in the end nothing is left, nothing counted twice."""
    scene, branch = await furnished(desk)
    rows = await desk.owner.fetchval(
        "SELECT count(*) FROM scene_versions WHERE scene_id = $1", scene
    )
    for part in COLLABS:
        desk.stack.hold(part)
        desk.stack.kill(part)
        await desk.stack.wait_ended(part)
    await tell(bus, scene)
    for step in STEPS:
        await start(desk, {CRASH: step})
        await desk.stack.wait_ended(DYING, DEATH_WAIT_S)
        assert not await erased(desk, scene, branch), step
    await start(desk, {})
    await until(lambda: erased(desk, scene, branch))

    assert set((await kept(desk, scene, branch)).values()) == {0}
    counted = await desk.owner.fetchval(
        "SELECT erased_rows FROM purged_scenes WHERE log_id = $1", scene
    )
    assert rows < counted < 2 * rows
    desk.stack.release(DYING)
    desk.stack.release(OTHER)


async def start(desk: Desk, environment: dict[str, str]) -> None:
    """Start the one that dies; it stays down when it does."""
    assert isinstance(desk.stack, TwoCollabs)
    told = desk.stack.environments[DYING]
    told.pop(CRASH, None)
    told.update(environment)
    desk.stack.release(DYING)

    async def born() -> bool:
        return desk.stack.pid(DYING) is not None

    await until(born)
    desk.stack.hold(DYING)
