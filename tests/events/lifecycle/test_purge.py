"""What is purged is gone from everywhere for ever, and all proofs about the rest still hold."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from libs import errors
from libs.contracts.actor import Role
from libs.contracts.events.resources import Kind
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.lifecycle.orders import LASTING
from tests.events.bundling import Bundling, bundle_of, delete, put
from tests.events.lifecycle.support import (
    Ending,
    events_of_project,
    finish,
    flaws,
    furnished,
    require_equal,
    tables_with,
)
from tests.events.support import World


async def test_a_project_leaves_nothing_but_tombstones(
    world: World, ending: Ending, owner: Pool, pool: Pool
) -> None:
    """No table of the database holds a word of it, the log of all its things still verifies."""
    stranger = await World.begin(world.caller)
    kept = await stranger.scene(title="Frühlingstraum")
    made = await furnished(world, "Wasserflut")
    await world.put_member(new_id(), Role.WRITER)
    await Bundling(world).commit(
        put("book", made["book"]["id"], "title", "Wasserflut 2"), label="Wasserflut"
    )
    await world.remove("relation", made["relation"]["id"])
    await world.remove("project", world.project_id)
    things = await owner.fetchval(
        "SELECT count(*) FROM aggregates WHERE project_id = $1", world.project_id
    )

    ordered = await ending.purge("project", world.project_id)
    await finish(pool, ordered.id)

    done = await ending.progress(ordered.id)
    assert (done.state, done.things, done.buried, done.erased) == ("done", things, things, things)
    assert await tables_with(owner, "Wasserflut") == {}
    left = await events_of_project(owner, world.project_id)
    assert len(left) == things
    assert {row["event_type"].partition(".")[2] for row in left} == {"purged"}
    assert await flaws(owner, world.project_id) == []
    assert (await world.standing(world.actor.user_id, "project", world.project_id)).role is None
    assert (await stranger.read("scene", kept["id"]))["title"] == "Frühlingstraum"
    await require_equal(owner)


@pytest.mark.parametrize("kind", [about.kind for about in LASTING if about.kind != "project"])
async def test_a_thing_goes_with_all_below_it(
    kind: Kind, world: World, ending: Ending, owner: Pool, pool: Pool
) -> None:
    """Whatever it is: the rest stays, names it no more, and is the fold of its events."""
    made = await furnished(world)
    before = await owner.fetchval(
        "SELECT count(*) FROM aggregates WHERE project_id = $1", world.project_id
    )
    await world.remove(kind, made[kind]["id"])

    ordered = await ending.purge(kind, made[kind]["id"])
    await finish(pool, ordered.id)

    done = await ending.progress(ordered.id)
    rows = await events_of_project(owner, world.project_id)
    gone = {row["aggregate_id"] for row in rows if row["event_type"].endswith(".purged")}
    assert UUID(made[kind]["id"]) in gone
    assert done.things == len(gone) == done.erased < before
    assert len([row for row in rows if row["aggregate_id"] in gone]) == len(gone)
    assert await flaws(owner, world.project_id) == []
    await require_equal(owner)


async def test_what_names_it_is_told_by_an_event(
    world: World, ending: Ending, owner: Pool, pool: Pool
) -> None:
    made = await furnished(world)
    chapter, fact = made["chapter"]["id"], made["canon_fact"]["id"]
    await world.remove("chapter", chapter)

    await finish(pool, (await ending.purge("chapter", chapter)).id)

    assert (await world.read("canon_fact", fact))["revealSceneId"] is None
    last = await owner.fetchrow(
        "SELECT * FROM event_log WHERE aggregate_id = $1 ORDER BY version DESC", UUID(fact)
    )
    assert last is not None
    assert last["event_type"] == "canon_fact.reveal_scene_id_changed"
    assert last["source"] == "system"
    with pytest.raises(errors.NotFound):
        await world.read("appearance", made["appearance"]["id"])
    assert [each["id"] for each in await world.items("book", world.project_id)] == [
        made["book"]["id"]
    ]


async def test_what_calls_it_by_its_name_names_nothing(
    world: World, ending: Ending, owner: Pool, pool: Pool
) -> None:
    """Unless something else of that name is there, in the trash or not."""
    made = await furnished(world)
    own, scene = made["editor_definition"], made["scene"]["id"]
    await world.remove("editor_definition", own["id"])
    again = await world.create(
        "editor_definition", world.project_id, name=own["name"], definition=own["definition"]
    )

    await finish(pool, (await ending.purge("editor_definition", own["id"])).id)
    assert (await world.read("scene", scene))["editor"] == own["name"]
    await world.remove("editor_definition", again["id"])
    await finish(pool, (await ending.purge("editor_definition", again["id"])).id)

    assert (await world.read("scene", scene))["editor"] is None
    assert (await world.read("book", made["book"]["id"]))["editor"] is None
    assert (await world.read("project", world.project_id))["editor"] == "tiptap"
    await require_equal(owner)


async def test_nothing_comes_back(world: World, ending: Ending, owner: Pool, pool: Pool) -> None:
    """From the order on it cannot be restored; later its id is refused, and undo finds nothing."""
    book = await world.book()
    chapter = await world.chapter(book)
    bundle = bundle_of(await Bundling(world).commit(delete("chapter", chapter["id"])))
    ordered = await ending.purge("chapter", chapter["id"])

    with pytest.raises(errors.Gone):
        await world.restore("chapter", chapter["id"])
    with pytest.raises(errors.Gone):
        await Bundling(world).undo(bundle.id)
    await finish(pool, ordered.id)
    with pytest.raises(errors.NotFound):
        await world.restore("chapter", chapter["id"])
    with pytest.raises(errors.NotFound):
        await Bundling(world).undo(bundle.id)
    with pytest.raises(errors.Gone):
        await world.create("chapter", book["id"], id=UUID(chapter["id"]), title="Again")
    again = await ending.purge("chapter", chapter["id"])

    assert (again.id, again.state) == (ordered.id, "done")
    await require_equal(owner)


async def test_archived_events_are_erased_and_their_neighbours_stay(
    world: World, ending: Ending, owner: Pool, pool: Pool
) -> None:
    """A chunk of the archive is made anew without them; every other event reads as before."""
    made = await furnished(world)
    await owner.execute(
        "UPDATE outbox SET published_at = now() WHERE published_at IS NULL AND position IS NOT NULL"
    )
    # The checksum covers the time, so that the chunk is made of what is young.
    moment = datetime.now(UTC)
    await owner.execute("ALTER FUNCTION archive_events(timestamptz, integer) RENAME TO archive_old")
    source = await owner.fetchval(
        "SELECT pg_get_functiondef('archive_old(timestamptz, integer)'::regprocedure)"
    )
    await owner.execute(
        source.replace("archive_old", "archive_events").replace("interval '1 hour'", "interval '0'")
    )
    while await owner.fetchval("SELECT archive_events($1, 1000)", moment):
        pass
    await owner.execute("DROP FUNCTION archive_events(timestamptz, integer)")
    await owner.execute("ALTER FUNCTION archive_old(timestamptz, integer) RENAME TO archive_events")
    before = await events_of_project(owner, world.project_id)
    assert await owner.fetchval(
        "SELECT count(*) FROM event_archive WHERE project_id = $1", world.project_id
    )
    await world.remove("entity", made["entity"]["id"])

    await finish(pool, (await ending.purge("entity", made["entity"]["id"])).id)

    gone = {
        made["entity"]["id"],
        made["relation"]["id"],
        made["tagging"]["id"],
        made["appearance"]["id"],
    }
    after = {row["id"]: row for row in await events_of_project(owner, world.project_id)}
    for row in before:
        if str(row["aggregate_id"]) in gone:
            assert row["id"] not in after
        else:
            assert after[row["id"]] == row
    assert await flaws(owner, world.project_id) == []
    await require_equal(owner)
