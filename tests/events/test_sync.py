"""Sync: checkpoints whole and once, conflicts as data, and a pull that skips nothing."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from nats.aio.client import Client
from opentelemetry import baggage, context

from libs import errors
from libs.bus import Relay, connect_broker
from libs.bus.declare import declare
from libs.contracts.events.sync import LIST_CONFLICTS, ListConflicts, Pushed
from libs.contracts.ids import new_id
from libs.contracts.values import PROMPT_CHARS_MAX
from libs.postgres import Connection, Pool
from libs.telemetry import CAUSATION
from services.events.model.aggregates import SCENE
from services.events.model.log import CommandContext, PendingEvent
from services.events.store import Transaction
from services.events.sync.expiry import AnswerExpiry
from tests.events.bundling import Bundling, create, delete, fields_in, put
from tests.events.support import Json, World
from tests.events.syncing import Copy, Peer, checkpoint, digest
from tests.support.waiting import until
from tools.stack import Stack


@pytest.fixture(scope="module")
async def relayed(stack: Stack, pool: Pool, bus: Client) -> AsyncIterator[None]:
    """A relay at work: it gives events their positions."""
    await declare(bus)
    broker, client = await connect_broker(stack.nats_url("events"), service="events", replica="r")
    relay = asyncio.create_task(Relay(pool, client, service="events").run())
    yield
    relay.cancel()
    await asyncio.gather(relay, return_exceptions=True)
    await broker.stop()


@pytest.fixture
def peer(world: World) -> Peer:
    return Peer(world)


def statuses(pushed: Pushed) -> list[str]:
    return [each.status for each in pushed.results]


async def test_nobody_passes_for_the_peer_by_naming_its_session(world: World, peer: Peer) -> None:
    """A request may name any cause; what it changes is somebody else's all the same."""
    scene = await world.scene(title="0")
    token = context.attach(baggage.set_baggage(CAUSATION, str(peer.session_id)))
    try:
        changed = await world.change("scene", scene["id"], title="theirs")
    finally:
        context.detach(token)
    assert changed["version"] == 2

    pushed = await peer.push(1, put("scene", scene["id"], "title", "mine", baseVersion=1))

    assert statuses(pushed) == ["conflict"]
    assert (await world.read("scene", scene["id"]))["title"] == "theirs"


async def test_a_checkpoint_is_one_bundle_of_a_peer(world: World, peer: Peer, pool: Pool) -> None:
    chapter, scene = await world.chapter(), new_id()
    body = checkpoint(
        peer.session_id,
        1,
        create("scene", scene, chapter["id"], title="Offline"),
        put("scene", scene, "title", "Offline still", oldValue="Offline"),
        put("scene", scene, "summary", None, oldValue=None),
    )

    pushed = await peer.send(body)

    assert (pushed.status, pushed.last_checkpoint) == ("applied", 1)
    assert statuses(pushed) == ["applied", "applied", "unchanged"]
    assert (await world.read("scene", scene))["title"] == "Offline still"
    rows = await pool.fetch(
        "SELECT * FROM events WHERE bundle_id = $1 ORDER BY version", pushed.bundle_id
    )
    assert [str(row["id"]) for row in rows] == [each["id"] for each in body["operations"][:2]]
    assert {(row["source"], row["causation_id"]) for row in rows} == {("sync", peer.session_id)}


async def test_repeats_and_leaps_change_nothing(world: World, peer: Peer) -> None:
    scene = await world.scene(title="0")
    first = checkpoint(peer.session_id, 1, put("scene", scene["id"], "title", "1", oldValue="0"))
    second = checkpoint(peer.session_id, 2, put("scene", scene["id"], "title", "2", oldValue="1"))
    assert await peer.resume() == 0
    early = await peer.send(second)
    applied = await peer.send(first)
    again = await asyncio.gather(*(peer.send(first) for _ in range(4)))
    await peer.send(second)
    late = await peer.send(first)

    assert (early.status, early.last_checkpoint) == ("expected", 0)
    assert {each.status for each in again} == {"repeated"}
    assert all(each.results == applied.results for each in [*again, late])
    assert (late.status, late.last_checkpoint, await peer.resume()) == ("repeated", 2, 2)
    assert (await world.read("scene", scene["id"]))["version"] == 3
    other = checkpoint(peer.session_id, 1, put("scene", scene["id"], "title", "X", oldValue="2"))
    with pytest.raises(errors.IdempotencyKeyReused):
        await peer.send(other)


async def test_old_answers_are_forgotten_but_not_that_they_were_given(
    world: World, peer: Peer, pool: Pool, owner: Pool
) -> None:
    scene = await world.scene(title="0")
    body = checkpoint(peer.session_id, 1, put("scene", scene["id"], "title", "1", oldValue="0"))
    await peer.send(body)
    await owner.execute(
        "UPDATE sync_checkpoints SET created_at = now() - interval '31 days' WHERE session_id = $1",
        peer.session_id,
    )

    await AnswerExpiry(pool).once()
    late = await peer.send(body)

    assert (late.status, late.last_checkpoint, late.results) == ("repeated", 1, [])
    assert (await world.read("scene", scene["id"]))["version"] == 2


async def test_operations_are_known_for_ever(world: World, peer: Peer) -> None:
    """A peer that lost its session brings them again in another one, and mixes in new ones."""
    scene = await world.scene(title="0")
    body = checkpoint(peer.session_id, 1, put("scene", scene["id"], "title", "1", oldValue="0"))
    await peer.send(body)
    await world.change("scene", scene["id"], title="9")
    anew = Peer(world)
    more = [
        *body["operations"],
        {"id": str(new_id()), **put("scene", scene["id"], "summary", "S", oldValue=None)},
    ]

    pushed = await anew.push(1, operations=more, checksum=digest(more))

    assert statuses(pushed) == ["known", "applied"]
    now = await world.read("scene", scene["id"])
    assert (now["title"], now["summary"]) == ("9", "S")


async def test_an_id_stands_for_one_thing(world: World, peer: Peer, pool: Pool) -> None:
    scene = await world.scene(title="0")
    stranger = await World.begin(world.caller)
    theirs = await stranger.scene(title="0")
    body = checkpoint(new_id(), 1, put("scene", theirs["id"], "title", "1", oldValue="0"))
    await Peer(stranger).send(body)
    event = await pool.fetchval("SELECT id FROM events WHERE aggregate_id = $1", UUID(scene["id"]))

    for taken in (body["operations"][0]["id"], str(event)):
        operation = {"id": taken, **put("scene", scene["id"], "title", "1", oldValue="0")}
        with pytest.raises(errors.IdempotencyKeyReused):
            await peer.push(1, operations=[operation], checksum=digest([operation]))

    assert await world.read("scene", scene["id"]) == scene
    assert await peer.resume() == 0


async def test_conflicts_come_back_as_data_and_wait(world: World, peer: Peer) -> None:
    scene, gone = await world.scene(title="0", summary="0"), await world.scene(title="0")
    await world.change("scene", scene["id"], title="Theirs")
    await world.remove("scene", gone["id"], expected=1)
    chapter = await world.chapter()
    await world.remove("chapter", chapter["id"], expected=1)
    orphan = new_id()

    pushed = await peer.push(
        1,
        put("scene", scene["id"], "title", "Mine", oldValue="0"),
        put("scene", scene["id"], "summary", "Mine", oldValue="0"),
        put("scene", gone["id"], "title", "Mine", oldValue="0"),
        create("scene", orphan, chapter["id"]),
        put("scene", orphan, "title", "Mine", oldValue=None),
        put("scene", scene["id"], "status", "FINAL", baseVersion=1),
    )

    assert statuses(pushed) == [
        "conflict",
        "applied",
        "conflict",
        "conflict",
        "conflict",
        "applied",
    ]
    told = {each["operation"]: each for each in fields_in(pushed.conflicts)}
    assert (told[0]["base"], told[0]["theirs"], told[0]["yours"]) == ("0", "Theirs", "Mine")
    assert [told[n]["reason"] for n in (0, 2, 3, 4)] == ["changed", "gone", "gone", "gone"]
    now = await world.read("scene", scene["id"])
    assert (now["title"], now["summary"], now["status"]) == ("Theirs", "Mine", "FINAL")
    kept = await peer.conflicts()
    assert [each.id for each in kept] == [r.conflict_id for r in pushed.results if r.conflict_id]
    assert kept[0].operation["value"] == "Mine"
    assert [each["field"] for each in fields_in(kept[0].conflicts)] == ["title"]


async def test_a_rule_that_only_the_database_knows_is_a_conflict_too(
    world: World, peer: Peer
) -> None:
    """Two tags of one name: the rest of the checkpoint must not be stuck behind it for ever."""
    scene = await world.scene(title="0")
    await world.create("tag", world.project_id, name="dark")

    pushed = await peer.push(
        1,
        put("scene", scene["id"], "title", "1", oldValue="0"),
        create("tag", new_id(), name="dark"),
        put("scene", scene["id"], "title", "2", oldValue="1"),
    )

    assert statuses(pushed) == ["applied", "conflict", "applied"]
    (told,) = fields_in(pushed.conflicts)
    assert (told["reason"], told["field"], told["operation"]) == ("refused", "ALREADY_EXISTS", 1)
    now = await world.read("scene", scene["id"])
    assert (now["title"], now["version"]) == ("2", 3)


@pytest.mark.parametrize(
    ("take", "more", "title"),
    [("mine", {}, "Mine"), ("theirs", {}, "Theirs"), ("value", {"value": "Both"}, "Both")],
)
async def test_a_conflict_is_resolved_once(
    world: World, peer: Peer, take: str, more: Json, title: str
) -> None:
    scene = await world.scene(title="0")
    await world.change("scene", scene["id"], title="Theirs")
    await peer.push(1, put("scene", scene["id"], "title", "Mine", oldValue="0"))
    (kept,) = await peer.conflicts()

    done = await peer.resolve(kept.id, take, **more)

    assert (await world.read("scene", scene["id"]))["title"] == title
    assert (done.bundle.type if done.bundle else None) == (
        None if take == "theirs" else "merge_resolution"
    )
    assert await peer.conflicts() == []
    (past,) = await peer.conflicts(resolved="true")
    assert await peer.conflicts(resolved="all") == [past]
    assert (past.id, past.operation, past.conflicts) == (kept.id, kept.operation, kept.conflicts)
    assert past.resolved_by == world.actor.user_id
    assert past.resolved_at is not None
    assert past.bundle_id == (done.bundle.id if done.bundle else None)
    with pytest.raises(errors.Conflict):
        await peer.resolve(kept.id, "mine")


async def test_conflicts_of_the_past_are_paged_beside_those_that_wait(
    world: World, peer: Peer
) -> None:
    scenes = [await world.scene(title="0") for _ in range(3)]
    for each in scenes:
        await world.change("scene", each["id"], title="Theirs")
    edits = [put("scene", each["id"], "title", "Mine", oldValue="0") for each in scenes]
    await peer.push(1, *edits)
    first, second, third = await peer.conflicts()
    for each in (first, third):
        await peer.resolve(each.id, "theirs")

    assert [each.id for each in await peer.conflicts()] == [second.id]
    seen, cursor = list[UUID](), None
    for _ in range(2):
        question = ListConflicts(resolved="all", limit=2, cursor=cursor)
        page = await world.caller.ask(LIST_CONFLICTS, question, world.actor)
        seen += [each.id for each in page.items]
        cursor = page.next_cursor
    assert seen == [first.id, second.id, third.id]
    assert cursor is None
    assert [each.id for each in await peer.conflicts(resolved="true")] == [first.id, third.id]
    other = await World.begin(world.caller)
    question = ListConflicts(resolved="all")
    assert (await world.caller.ask(LIST_CONFLICTS, question, other.actor)).items == []


async def test_ones_own_earlier_checkpoints_are_no_conflict(world: World, peer: Peer) -> None:
    """A peer knows the version that it pulled, not those that its own pushes made."""
    scene = await world.scene(title="0")

    for number in (1, 2, 3):
        pushed = await peer.push(
            number, put("scene", scene["id"], "title", f"{number}", baseVersion=1)
        )
        assert statuses(pushed) == ["applied"]
    await world.change("scene", scene["id"], title="Theirs")
    pushed = await peer.push(4, put("scene", scene["id"], "title", "4", baseVersion=1))

    assert statuses(pushed) == ["conflict"]


async def test_what_is_malformed_applies_nothing(world: World, peer: Peer) -> None:
    scene = await world.scene(title="0")
    good = put("scene", scene["id"], "title", "1", oldValue="0")
    blind = put("scene", scene["id"], "title", "1")

    for body in (
        checkpoint(peer.session_id, 1, good, put("scene", scene["id"], "colour", 1, oldValue=0)),
        checkpoint(peer.session_id, 1, good, blind),
        checkpoint(peer.session_id, 1, good, good | {"op": "explode"}),
        checkpoint(peer.session_id, 1, good, delete("member", new_id())),
        checkpoint(peer.session_id, 1, good) | {"checksum": "0" * 64},
        checkpoint(peer.session_id, 1, {**good, "id": "one"}),
    ):
        with pytest.raises(errors.Invalid):
            await peer.send(body)

    assert await world.read("scene", scene["id"]) == scene
    assert await peer.resume() == 0


async def test_sessions_are_their_owners_and_projects(world: World, peer: Peer) -> None:
    scene = await world.scene(title="0")
    await peer.push(1, put("scene", scene["id"], "title", "1", oldValue="0"))
    thief = Peer(world.as_user(new_id()), peer.session_id)

    assert await thief.resume() == 0
    with pytest.raises(errors.NotFound):
        await thief.push(2, put("scene", scene["id"], "title", "2", oldValue="1"))
    stranger = Peer(await World.begin(world.caller), peer.session_id)
    pushed = await stranger.push(1, put("scene", scene["id"], "title", "2", oldValue="1"))
    assert statuses(pushed) == ["conflict"]
    assert (await world.read("scene", scene["id"]))["title"] == "1"


@pytest.mark.usefixtures("relayed")
async def test_pull_gives_all_in_order_and_only_ones_own(world: World, peer: Peer) -> None:
    chapter = await world.chapter()
    await Bundling(world).commit(
        *(create("scene", new_id(), chapter["id"], title=f"{n}") for n in range(250))
    )
    copy = Copy()

    async def whole() -> bool:
        await peer.pull_all(copy)
        return len(copy.ids) >= 254

    await until(whole, 20)
    first = await peer.pull()

    assert len(copy.ids) == len(set(copy.ids)) == 254
    assert (len(first.items), first.more) == (100, True)
    scenes = {row["id"]: row["title"] for row in copy.rows.values() if row and "chapter_id" in row}
    assert scenes == {
        UUID(each["id"]): each["title"] for each in await world.items("scene", chapter["id"])
    }
    other = await Peer(await World.begin(world.caller)).pull()
    assert {each.event.project_id for each in other.items} <= {
        each.event.aggregate_id for each in other.items[:1]
    }


@pytest.mark.usefixtures("relayed")
async def test_what_commits_late_is_not_skipped(world: World, peer: Peer, pool: Pool) -> None:
    """A transaction held open on purpose: drawn first, seen last, and never missed."""
    early, late = await world.scene(title="0"), await world.scene(title="0")
    copy = await _settled(peer, Copy())
    async with pool.acquire() as held:
        transaction = held.transaction()
        await transaction.start()
        event_id = await _append_by_hand(held, UUID(late["id"]))
        for n in range(5):
            await world.change("scene", early["id"], title=f"{n + 1}")
        before = len(copy.ids)
        await _until_seen(peer, copy, before + 5)
        assert event_id not in copy.ids
        await transaction.commit()
    await pool.execute("SELECT pg_notify('outbox', '')")

    await _until_seen(peer, copy, before + 6)

    assert copy.ids[-1] == event_id
    assert len(copy.ids) == len(set(copy.ids))


async def _append_by_hand(connection: Connection, scene_id: UUID) -> UUID:
    """One more event and its outbox row, as any writer makes them, in an open transaction."""
    project_id = await connection.fetchval("SELECT project_id FROM scenes WHERE id = $1", scene_id)
    context = CommandContext(
        project_id=project_id, user_id=new_id(), bundle_id=new_id(), correlation_id="held"
    )
    tx = Transaction(connection, context)
    await tx.lock(SCENE, scene_id)
    event_id = new_id()
    pending_event = PendingEvent(SCENE, scene_id, "title_changed", {"from": "0", "to": "late"})
    await tx.record([pending_event], [event_id])
    return event_id


async def _until_seen(peer: Peer, copy: Copy, count: int) -> None:
    async def seen() -> bool:
        await peer.pull_all(copy)
        return len(copy.ids) >= count

    await until(seen, 20)


async def _settled(peer: Peer, copy: Copy) -> Copy:
    count = sum(each.operations for each in (await Bundling(peer.world).list()).items)
    await _until_seen(peer, copy, count)
    return copy


@pytest.mark.usefixtures("relayed")
async def test_a_place_ahead_of_the_log_is_told(world: World, peer: Peer) -> None:
    """After a back-up was restored a peer is ahead: what is written up to there it would miss."""
    scene, copy = await world.scene(), Copy()

    async def has_all() -> bool:
        return UUID(scene["id"]) in (await peer.pull_all(copy)).rows

    await until(has_all, 20)
    for ahead in (2**62, 2**63 - 1):
        with pytest.raises(errors.Gone):
            await peer.pull(ahead)
    end = await peer.pull(copy.after)
    assert (end.items, end.next, end.more) == ([], copy.after, False)
    assert [each.event.id for each in (await peer.pull(-(2**63))).items] == copy.ids


class TestLarge:
    """Checkpoints and lists of long texts end before they are more than a message carries."""

    PROMPT = "\x01" * PROMPT_CHARS_MAX

    @pytest.mark.usefixtures("relayed")
    async def test_events_and_conflicts(self, world: World, peer: Peer) -> None:
        bundling, ids = Bundling(world), [new_id() for _ in range(90)]
        for start in range(0, len(ids), 30):
            some = ids[start : start + 30]
            await bundling.commit(
                *(create("persona", each, name="p", prompt=self.PROMPT) for each in some)
            )

        pushed = await peer.push(
            1, *(put("persona", each, "prompt", "mine", oldValue="seen") for each in ids)
        )

        assert statuses(pushed) == ["conflict"] * len(ids)
        told = fields_in(pushed.conflicts)
        assert 0 < len(told) < len(ids)
        assert len(told) + pushed.conflicts_left_out == len(ids)
        kept: list[UUID] = []
        cursor: str | None = None
        while True:
            question = ListConflicts(limit=500, cursor=cursor)
            page = await world.caller.ask(LIST_CONFLICTS, question, world.actor)
            kept += [each.id for each in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        assert kept == [each.conflict_id for each in pushed.results]
        copy = Copy()

        async def has_all() -> bool:
            return set(ids) <= (await peer.pull_all(copy)).rows.keys()

        await until(has_all, 60)
