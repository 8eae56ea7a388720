"""Bundles: many operations as one, with old values, conflicts by field, and names for people."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest

from libs import errors
from libs.contracts.actor import Role
from libs.contracts.events.bundles import OPERATIONS_WARNED, BundleType
from libs.contracts.ids import new_id
from libs.postgres import Pool, load_queries
from services.events.model.log import first_broken
from services.events.store import events_from_rows
from services.events.store.transaction import BATCH_EVENTS_MAX
from tests.events.bundling import (
    Bundling,
    bundle_of,
    create,
    delete,
    fields_in,
    move,
    put,
    restore,
)
from tests.events.support import Json, World


@pytest.fixture
def bundling(world: World) -> Bundling:
    return Bundling(world)


async def test_new_aggregates_and_what_follows_are_one_action(
    world: World, bundling: Bundling, pool: Pool
) -> None:
    book, chapter, one, two = (new_id() for _ in range(4))

    done = await bundling.commit(
        create("book", book, title="Frankenstein"),
        create("chapter", chapter, book, title="Letter 1"),
        create("scene", one, chapter, title="Ice", status="FINAL"),
        create("scene", two, chapter),
        put("scene", two, "title", "Fire"),
        move("scene", two, 0),
        put("chapter", chapter, "title", "Letter I"),
        delete("scene", one),
        type=BundleType.IMPORT,
        label="From a file",
    )

    bundle = bundle_of(done)
    assert (bundle.type, bundle.label, bundle.operations) == ("import", "From a file", 8)
    assert done.versions == {str(book): 1, str(chapter): 2, str(one): 2, str(two): 3}
    assert done.warnings == []
    assert [s["title"] for s in await world.items("scene", chapter)] == ["Fire"]
    assert (await world.read("chapter", chapter))["title"] == "Letter I"
    rows = await pool.fetch("SELECT * FROM events WHERE bundle_id = $1", bundle.id)
    assert {row["bundle_id"] for row in rows} == {bundle.id} and len(rows) == 8
    for aggregate in (book, chapter, one, two):
        events = [e for e in events_from_rows(rows) if e.aggregate_id == aggregate]
        assert first_broken(sorted(events, key=lambda e: e.version)) is None


@pytest.mark.parametrize("bad", range(4))
async def test_one_bad_operation_refuses_all(world: World, bundling: Bundling, bad: int) -> None:
    scene = await world.scene(title="Old")
    wrong: list[Json] = [
        put("scene", new_id(), "title", "Nobody"),
        put("scene", scene["id"], "title", "New", oldValue="Older"),
        delete("scene", scene["id"], expectedVersion=9),
        create("scene", new_id(), new_id(), title="An orphan"),
    ]
    before = await bundling.list()

    with pytest.raises((errors.NotFound, errors.Conflict)):
        await bundling.commit(put("scene", scene["id"], "summary", "S"), wrong[bad])

    assert await world.read("scene", scene["id"]) == scene
    assert await bundling.list() == before


@pytest.mark.parametrize(
    ("operation", "code", "field"),
    [
        (put("wizard", new_id(), "title", "T"), "UNKNOWN_NAME", "operations.0.aggregate.kind"),
        (put("scene", new_id(), "colour", "T"), "UNKNOWN_NAME", "operations.0.path"),
        (put("scene", new_id(), "status", "T"), "VALIDATION_FAILED", "operations.0.value"),
        (put("scene", new_id(), "wordCount", 3), "UNKNOWN_NAME", "operations.0.path"),
        (put("member", new_id(), "role", "A"), "VALIDATION_FAILED", "operations.0.aggregate.kind"),
        (create("scene", new_id()), "VALIDATION_FAILED", "operations.0.parentId"),
        (create("book", new_id(), kind="x", title="T"), "VALIDATION", "operations.0.fields.kind"),
        (create("project", new_id(), name="P"), "VALIDATION_FAILED", "operations.0.op"),
    ],
)  # fmt: skip
async def test_what_is_unknown_or_wrong_is_named(
    bundling: Bundling, operation: Json, code: str, field: str
) -> None:
    with pytest.raises(errors.Invalid) as refusal:
        await bundling.commit(operation)

    assert refusal.value.data["errors"][0]["field"] == field
    assert refusal.value.code.startswith(code)


async def test_permissions_are_those_of_what_it_does(world: World, bundling: Bundling) -> None:
    scene = await world.scene()
    operations = [put("scene", scene["id"], "title", "T"), delete("scene", scene["id"])]

    with pytest.raises(errors.Forbidden) as refusal:
        await bundling.commit(*operations, may=frozenset({"scene.update"}))

    assert refusal.value.data["action"] == "scene.delete"
    assert await world.read("scene", scene["id"]) == scene


async def test_another_project_is_out_of_reach(world: World, bundling: Bundling) -> None:
    stranger = await World.begin(world.caller)
    theirs = await stranger.scene(title="Theirs")
    mine = await world.chapter()

    for operation in (
        put("scene", theirs["id"], "title", "Mine"),
        delete("scene", theirs["id"]),
        create("scene", new_id(), theirs["chapterId"]),
        move("scene", theirs["id"], 0, mine["id"]),
    ):
        with pytest.raises(errors.NotFound):
            await bundling.commit(operation)

    assert await stranger.read("scene", theirs["id"]) == theirs
    (listed,) = [each for each in (await Bundling(stranger).list()).items if each.operations == 1][
        :1
    ]
    with pytest.raises(errors.NotFound):
        await bundling.read(listed.id)
    with pytest.raises(errors.NotFound):
        await bundling.undo(listed.id)


async def test_conflicts_are_by_field_and_told_by_bundle(world: World, bundling: Bundling) -> None:
    other = world.as_user(new_id())
    await world.put_member(other.actor.user_id, Role.WRITER)
    scene = await world.scene(title="Old", summary="Old")
    theirs = bundle_of(
        await Bundling(other).commit(put("scene", scene["id"], "title", "T"), label="Polish")
    )

    with pytest.raises(errors.Conflict) as refusal:
        await bundling.commit(
            put("scene", scene["id"], "title", "Y", oldValue="Old"),
            put("scene", scene["id"], "summary", "Y", oldValue="Old"),
            put("scene", scene["id"], "status", "FINAL", baseVersion=1),
        )

    assert refusal.value.code == "CONFLICT"
    (told,) = refusal.value.data["conflicts"]
    assert (told["bundleId"], told["by"]) == (str(theirs.id), str(other.actor.user_id))
    assert (told["label"], datetime.fromisoformat(told["at"])) == ("Polish", theirs.created_at)
    (only,) = told["fields"]
    assert (only["field"], only["base"], only["theirs"], only["yours"]) == (
        "title",
        "Old",
        "T",
        "Y",
    )
    assert (only["operation"], only["name"]) == (0, "T")


async def test_base_version_merges_like_a_patch(world: World, bundling: Bundling) -> None:
    scene = await world.scene(title="Old", summary="Old")
    await world.change("scene", scene["id"], title="T")

    merged = await bundling.commit(put("scene", scene["id"], "summary", "Y", baseVersion=1))
    with pytest.raises(errors.Conflict) as refusal:
        await bundling.commit(put("scene", scene["id"], "title", "Y", baseVersion=1))
    with pytest.raises(errors.Invalid):
        await bundling.commit(put("scene", scene["id"], "title", "Y", baseVersion=99))

    assert merged.versions == {scene["id"]: 3}
    (only,) = fields_in(refusal.value.data["conflicts"])
    assert (only["base"], only["theirs"], only["yours"]) == ("Old", "T", "Y")


async def test_expected_version_is_exact(world: World, bundling: Bundling) -> None:
    scene = await world.scene()

    with pytest.raises(errors.ConcurrencyConflict) as refusal:
        await bundling.commit(put("scene", scene["id"], "title", "Y", expectedVersion=2))
    await bundling.commit(
        put("scene", scene["id"], "title", "Y", expectedVersion=1),
        put("scene", scene["id"], "title", "Z", expectedVersion=1),
    )

    assert refusal.value.code == "CONCURRENCY_CONFLICT"
    assert (await world.read("scene", scene["id"]))["title"] == "Z"


async def test_a_retry_is_the_same_bundle(world: World, bundling: Bundling) -> None:
    scene, command = await world.scene(title="Old"), new_id()
    operation = put("scene", scene["id"], "title", "New", oldValue="Old")

    first = await bundling.commit(operation, command_id=command)
    again = await bundling.commit(operation, command_id=command)
    with pytest.raises(errors.IdempotencyKeyReused):
        await bundling.commit(put("scene", scene["id"], "title", "X"), command_id=command)

    assert first == again


async def test_nothing_to_change_is_no_bundle(world: World, bundling: Bundling) -> None:
    scene = await world.scene(title="Old")

    done = await bundling.commit(put("scene", scene["id"], "title", "Old"))

    assert (done.bundle, done.versions) == (None, {})


async def test_order_among_many_siblings(world: World, bundling: Bundling) -> None:
    """Every place is where a list would have it, whatever the bundle does in between."""
    chapter = await world.chapter()
    scenes = [await world.scene(chapter, title=str(n)) for n in range(5)]
    ids = [scene["id"] for scene in scenes]
    late = str(new_id())

    await bundling.commit(
        move("scene", ids[4], 0),
        create("scene", late, chapter["id"], title="late") | {"index": 2},
        delete("scene", ids[0]),
        move("scene", ids[1], 99),
        restore("scene", ids[0]),
        move("scene", ids[2], 1),
    )

    expected = [ids[4], ids[2], ids[0], late, ids[3], ids[1]]
    assert [s["id"] for s in await world.items("scene", chapter["id"])] == expected


async def test_ranks_are_renewed_when_a_bundle_wears_them_out(
    world: World, bundling: Bundling
) -> None:
    """Moving to one gap again and again must not end in a refusal."""
    chapter = await world.chapter()
    ids = [(await world.scene(chapter))["id"] for _ in range(4)]
    turns = [move("scene", ids[2 + n % 2], 1) for n in range(700)]

    for _ in range(3):
        await bundling.commit(*turns)

    assert {s["id"] for s in await world.items("scene", chapter["id"])} == set(ids)
    assert (await world.items("scene", chapter["id"]))[1]["id"] == ids[3]


async def test_lists_and_filters(world: World, bundling: Bundling) -> None:
    other = world.as_user(new_id())
    await world.put_member(other.actor.user_id, Role.WRITER)
    scene = await world.scene()
    start = datetime.now(UTC)
    mine = bundle_of(await bundling.commit(put("scene", scene["id"], "title", "A")))
    theirs = bundle_of(
        await Bundling(other).commit(
            put("scene", scene["id"], "title", "B"), type=BundleType.IMPORT
        )
    )

    everything = (await bundling.list()).items
    seen: list[UUID] = []
    cursor = None
    while True:
        page = await bundling.list(limit=2, cursor=cursor)
        seen += [each.id for each in page.items]
        if (cursor := page.next_cursor) is None:
            break

    assert seen == [each.id for each in everything]
    assert seen[:2] == [theirs.id, mine.id]
    assert [e.id for e in (await bundling.list(user_id=other.actor.user_id)).items] == [theirs.id]
    assert [e.id for e in (await bundling.list(type=BundleType.IMPORT)).items] == [theirs.id]
    assert [e.id for e in (await bundling.list(since=start)).items] == [theirs.id, mine.id]
    assert len((await bundling.list(aggregate_id=UUID(scene["id"]))).items) == 3
    assert all(each.created_at < start for each in (await bundling.list(until=start)).items)


async def test_operations_read_as_sentences(world: World, bundling: Bundling) -> None:
    book = await world.book()
    first, second = await world.chapter(book, "One"), await world.chapter(book, "Two")
    done = await bundling.commit(
        put("chapter", second["id"], "title", "The second"),
        put("book", book["id"], "kind", "notes"),
        delete("chapter", first["id"]),
    )

    told = await bundling.read(bundle_of(done).id, limit=2)
    rest = await bundling.read(bundle_of(done).id, cursor=told.next_cursor)

    assert [(o.what, o.old_value, o.new_value) for o in told.items] == [
        ("Chapter 1: title", "Two", "The second"),
        ("Book 1: kind", "novel", "notes"),
    ]
    assert [(o.what, o.name) for o in rest.items] == [("Chapter “One”: deleted", "One")]
    assert rest.next_cursor is None


async def test_large_bundles_are_warned_about(world: World, bundling: Bundling, pool: Pool) -> None:
    chapter = await world.chapter()
    operations = [
        create("scene", new_id(), chapter["id"], title=f"Scene {n}")
        for n in range(OPERATIONS_WARNED + 1)
    ]

    done = await bundling.commit(*operations)

    assert len(done.warnings) == 1 and str(OPERATIONS_WARNED) in done.warnings[0]
    titles = [each["title"] for each in await world.items("scene", chapter["id"])]
    assert titles == [f"Scene {n}" for n in range(500)]
    facts = await pool.fetchval(
        "SELECT count(*) FROM outbox WHERE payload->>'bundleId' = $1", str(bundle_of(done).id)
    )
    assert facts == OPERATIONS_WARNED + 1


@pytest.mark.parametrize("place", [0, BATCH_EVENTS_MAX, 2 * BATCH_EVENTS_MAX])
async def test_a_batch_that_the_database_refuses_leaves_none(
    world: World, bundling: Bundling, place: int
) -> None:
    """Whichever it is: one that is written while the next is prepared, or the last."""
    taken = await world.create("tag", world.project_id, name="Taken")
    tags = [
        create("tag", new_id(), world.project_id, name=f"T{number}")
        for number in range(2 * BATCH_EVENTS_MAX + 1)
    ]
    wrong = [*tags]
    wrong[place] = create("tag", new_id(), world.project_id, name="tAKEN")

    with pytest.raises(errors.AppError) as refused:
        await bundling.commit(*wrong)

    assert refused.value.code != "INTERNAL_ERROR"
    assert await world.items("tag", world.project_id) == [taken]
    done = await bundling.commit(*tags)
    assert done.bundle
    assert done.bundle.operations == len(tags)


async def test_bundles_that_meet_wait_or_conflict(world: World, bundling: Bundling) -> None:
    """Whoever comes second sees what the first did; no deadlock is anybody's answer."""
    chapter = await world.chapter()
    ids = [(await world.scene(chapter, title="0"))["id"] for _ in range(10)]

    async def bump(order: list[str], word: str) -> None:
        await bundling.commit(*(put("scene", each, "title", word) for each in order))

    await asyncio.gather(
        *(bump(ids if n % 2 else ids[::-1], f"{n}") for n in range(8)),
        *(world.move("scene", ids[n], n) for n in range(5)),
    )

    titles = {s["title"] for s in await world.items("scene", chapter["id"])}
    assert len(titles) == 1


async def test_the_bundles_table_is_the_fold_of_the_log(
    world: World, bundling: Bundling, owner: Pool
) -> None:
    """What a bundle is can be read off its events, so the table can be made again."""
    scene = await world.scene()
    done = bundle_of(
        await bundling.commit(
            put("scene", scene["id"], "title", "A"), type=BundleType.IMPORT, label="L"
        )
    )
    await bundling.undo(done.id)
    queries = load_queries("services.events.bundles")

    log = await owner.fetch(queries.bundles_of_log, world.project_id)
    table = await owner.fetch(
        "SELECT * FROM bundles WHERE project_id = $1 ORDER BY bundle_id", world.project_id
    )

    assert [dict(row) for row in log] == [dict(row) for row in table]
    assert len(table) >= 6
