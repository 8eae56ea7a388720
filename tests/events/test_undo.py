"""Undo, redo and cherry-pick: what is taken back, and what others' later edits are owed."""

import asyncio

import pytest

from libs import errors
from libs.contracts.actor import Role
from libs.contracts.events.bundles import BundleType
from libs.contracts.ids import new_id
from libs.postgres import Pool
from tests.events.bundling import (
    Bundling,
    bundle_of,
    create,
    delete,
    field,
    fields_in,
    move,
    put,
)
from tests.events.support import Json, World


@pytest.fixture
def bundling(world: World) -> Bundling:
    return Bundling(world)


def told(refusal: pytest.ExceptionInfo[errors.Conflict]) -> list[Json]:
    return [
        {name: each[name] for name in ("field", "base", "theirs", "yours")}
        for each in fields_in(refusal.value.data["conflicts"])
    ]


async def shape(world: World, book_id: object) -> list[Json]:
    """Everything in a book that a person would see, in its order."""
    found: list[Json] = []
    for chapter in await world.items("chapter", book_id):
        scenes = await world.items("scene", chapter["id"])
        names = ("id", "title", "summary", "status")
        found.append(
            {
                "chapter": chapter["id"],
                "title": chapter["title"],
                "scenes": [{name: scene[name] for name in names} for scene in scenes],
            }
        )
    return found


async def test_undo_and_redo_of_everything_at_once(
    world: World, bundling: Bundling, pool: Pool
) -> None:
    """Creations are deleted, deletions restored, moves moved back, values set back; and again."""
    book = await world.book()
    one, two = await world.chapter(book, "One"), await world.chapter(book, "Two")
    a, b, c = [await world.scene(one, title=word) for word in "ABC"]
    before = await shape(world, book["id"])
    done = await bundling.commit(
        put("scene", a["id"], "title", "AA"),
        put("scene", a["id"], "summary", "S"),
        put("scene", a["id"], "title", "AAA"),
        move("scene", b["id"], 0, two["id"]),
        delete("scene", c["id"]),
        create("chapter", chapter := new_id(), book["id"], title="Three"),
        create("scene", new_id(), chapter, title="New"),
        label="Much",
    )
    after = await shape(world, book["id"])

    undone = bundle_of(await bundling.undo(bundle_of(done).id))
    assert await shape(world, book["id"]) == before
    redone = bundle_of(await bundling.redo(bundle_of(done).id))
    assert await shape(world, book["id"]) == after
    await bundling.undo(bundle_of(done).id)
    assert await shape(world, book["id"]) == before

    assert (undone.reverses, undone.causation_id, undone.label) == (
        bundle_of(done).id,
        bundle_of(done).id,
        "Undo: Much",
    )
    assert redone.reverses == undone.id
    causes = await pool.fetch(
        "SELECT DISTINCT causation_id FROM events WHERE bundle_id = $1", undone.id
    )
    assert [row["causation_id"] for row in causes] == [bundle_of(done).id]


async def test_undo_of_an_undo_is_a_redo(world: World, bundling: Bundling) -> None:
    scene = await world.scene(title="Old")
    done = bundle_of(await bundling.commit(put("scene", scene["id"], "title", "New")))

    first = bundle_of(await bundling.undo(done.id))
    second = bundle_of(await bundling.undo(first.id))
    assert (await world.read("scene", scene["id"]))["title"] == "New"
    assert (await bundling.read(done.id)).bundle.undone_by is None
    await bundling.undo(second.id)

    assert (await world.read("scene", scene["id"]))["title"] == "Old"
    assert (await bundling.read(done.id)).bundle.undone_by == first.id


async def test_what_is_undone_is_not_undone_twice(world: World, bundling: Bundling) -> None:
    scene = await world.scene(title="Old")
    done = bundle_of(await bundling.commit(put("scene", scene["id"], "title", "New")))
    with pytest.raises(errors.Conflict, match="not undone"):
        await bundling.redo(done.id)
    undone = bundle_of(await bundling.undo(done.id))

    with pytest.raises(errors.Conflict) as refusal:
        await bundling.undo(done.id)

    assert refusal.value.data["undoneBy"] == str(undone.id)


async def test_two_who_undo_at_once_undo_once(world: World, bundling: Bundling) -> None:
    scene = await world.scene(title="Old")
    done = bundle_of(await bundling.commit(put("scene", scene["id"], "title", "New")))

    answers = await asyncio.gather(
        *(bundling.undo(done.id) for _ in range(6)), return_exceptions=True
    )

    assert sum(isinstance(each, errors.Conflict) for each in answers) == 5
    assert (await world.read("scene", scene["id"]))["version"] == 3


async def test_retries_answer_what_was_done(world: World, bundling: Bundling) -> None:
    scene = await world.scene(title="Old")
    done = bundle_of(await bundling.commit(put("scene", scene["id"], "title", "New")))
    undo, redo = new_id(), new_id()

    undone = [await bundling.undo(done.id, command_id=undo) for _ in range(2)]
    redone = [await bundling.redo(done.id, command_id=redo) for _ in range(2)]

    assert bundle_of(undone[0]).id == bundle_of(undone[1]).id
    assert bundle_of(redone[0]).id == bundle_of(redone[1]).id
    assert (await world.read("scene", scene["id"]))["version"] == 4


async def test_later_edits_are_presented_not_overwritten(world: World, bundling: Bundling) -> None:
    other = world.as_user(new_id())
    await world.put_member(other.actor.user_id, Role.WRITER)
    scene = await world.scene(title="Old", summary="Old")
    done = bundle_of(
        await bundling.commit(
            put("scene", scene["id"], "title", "Mine"), put("scene", scene["id"], "summary", "Mine")
        )
    )
    theirs = bundle_of(
        await Bundling(other).commit(put("scene", scene["id"], "title", "T"), label="Polish")
    )
    now = await world.read("scene", scene["id"])

    with pytest.raises(errors.Conflict) as refusal:
        await bundling.undo(done.id)

    assert told(refusal) == [{"field": "title", "base": "Mine", "theirs": "T", "yours": "Old"}]
    (bundle,) = refusal.value.data["conflicts"]
    assert (bundle["bundleId"], bundle["label"]) == (str(theirs.id), "Polish")
    assert bundle["by"] == str(other.actor.user_id)
    assert await world.read("scene", scene["id"]) == now


@pytest.mark.parametrize(
    ("resolution", "title"),
    [({"take": "mine"}, "Old"), ({"take": "theirs"}, "T"), ({"take": "value", "value": "V"}, "V")],
)
async def test_resolutions_decide_field_by_field(
    world: World, bundling: Bundling, resolution: Json, title: str
) -> None:
    scene = await world.scene(title="Old", summary="Old")
    done = bundle_of(
        await bundling.commit(
            put("scene", scene["id"], "title", "Mine"), put("scene", scene["id"], "summary", "Mine")
        )
    )
    await world.change("scene", scene["id"], title="T")

    resolved = bundle_of(
        await bundling.undo(
            done.id, resolutions=[field("scene", scene["id"], "title", **resolution)]
        )
    )

    now = await world.read("scene", scene["id"])
    assert (now["title"], now["summary"]) == (title, "Old")
    assert resolved.type == BundleType.MERGE_RESOLUTION


async def test_a_resolution_names_a_field_of_the_bundle(world: World, bundling: Bundling) -> None:
    scene = await world.scene(title="Old")
    done = bundle_of(await bundling.commit(put("scene", scene["id"], "title", "Mine")))

    for wrong in (field("scene", scene["id"], "status"), field("scene", new_id(), "title")):
        with pytest.raises(errors.Invalid):
            await bundling.undo(done.id, resolutions=[wrong | {"take": "mine"}])


async def test_changed_since_and_back_again_is_no_conflict(
    world: World, bundling: Bundling
) -> None:
    scene = await world.scene(title="Old")
    done = bundle_of(await bundling.commit(put("scene", scene["id"], "title", "Mine")))
    await world.change("scene", scene["id"], title="T")
    await world.change("scene", scene["id"], title="Mine")

    await bundling.undo(done.id)

    assert (await world.read("scene", scene["id"]))["title"] == "Old"


async def test_a_creation_that_others_worked_on_is_not_just_deleted(
    world: World, bundling: Bundling
) -> None:
    chapter = await world.chapter()
    scene = str(new_id())
    done = bundle_of(await bundling.commit(create("scene", scene, chapter["id"], title="Mine")))
    await world.change("scene", scene, title="T")

    with pytest.raises(errors.Conflict) as refusal:
        await bundling.undo(done.id)
    assert told(refusal) == [{"field": "deleted", "base": False, "theirs": False, "yours": True}]
    assert fields_in(refusal.value.data["conflicts"])[0]["since"] == ["title"]
    await bundling.undo(done.id, resolutions=[field("scene", scene, "deleted", take="mine")])

    assert await world.items("scene", chapter["id"]) == []


async def test_what_somebody_deleted_since_stays_deleted_unless_told(
    world: World, bundling: Bundling
) -> None:
    scene, other = await world.scene(title="Old"), await world.scene(title="Old")
    done = bundle_of(
        await bundling.commit(
            put("scene", scene["id"], "title", "Mine"), put("scene", other["id"], "title", "Mine")
        )
    )
    await world.remove("scene", scene["id"], expected=2)

    with pytest.raises(errors.Conflict) as refusal:
        await bundling.undo(done.id)
    assert told(refusal) == [{"field": "deleted", "base": False, "theirs": True, "yours": False}]
    await bundling.undo(
        done.id, resolutions=[field("scene", scene["id"], "deleted", take="theirs")]
    )

    assert (await world.read("scene", other["id"]))["title"] == "Old"
    left = await world.read("scene", scene["id"], include_deleted=True)
    assert left["title"] == "Mine" and left["deletedAt"]


async def test_cherry_pick_takes_some_fields_back_and_applies_them_again(
    world: World, bundling: Bundling
) -> None:
    scene, other = await world.scene(title="Old", summary="Old"), await world.scene(title="Old")
    done = bundle_of(
        await bundling.commit(
            put("scene", scene["id"], "title", "Mine"),
            put("scene", scene["id"], "summary", "Mine"),
            put("scene", other["id"], "title", "Mine"),
        )
    )

    picked = bundle_of(
        await bundling.pick(done.id, field("scene", scene["id"], "summary"), direction="undo")
    )
    now = await world.read("scene", scene["id"])
    assert (now["title"], now["summary"]) == ("Mine", "Old")
    assert (await world.read("scene", other["id"]))["title"] == "Mine"
    assert (picked.causation_id, picked.reverses) == (done.id, None)
    assert (await bundling.read(done.id)).bundle.undone_by is None

    await bundling.pick(done.id, field("scene", scene["id"], "summary"), direction="apply")
    assert (await world.read("scene", scene["id"]))["summary"] == "Mine"
    await world.change("scene", scene["id"], summary="T")
    with pytest.raises(errors.Conflict) as refusal:
        await bundling.pick(done.id, field("scene", scene["id"], "summary"), direction="apply")
    assert told(refusal) == [{"field": "summary", "base": "Old", "theirs": "T", "yours": "Mine"}]


async def test_a_move_is_undone_to_where_it_was(world: World, bundling: Bundling) -> None:
    chapter = await world.chapter()
    ids = [(await world.scene(chapter))["id"] for _ in range(4)]
    done = bundle_of(await bundling.commit(move("scene", ids[1], 3)))
    await world.remove("scene", ids[0], expected=1)

    await bundling.undo(done.id)

    assert [s["id"] for s in await world.items("scene", chapter["id"])] == ids[1:]


async def test_a_place_whose_chapter_is_gone_is_not_gone_back_to(
    world: World, bundling: Bundling
) -> None:
    book = await world.book()
    one, two = await world.chapter(book), await world.chapter(book)
    scene = await world.scene(one)
    done = bundle_of(await bundling.commit(move("scene", scene["id"], 0, two["id"])))
    await world.remove("chapter", one["id"], expected=1)

    with pytest.raises(errors.Conflict) as refusal:
        await bundling.undo(done.id)

    [conflict] = fields_in(refusal.value.data["conflicts"])
    assert (conflict["reason"], conflict["field"]) == ("gone", "place")
    assert conflict["yours"]["parentId"] == one["id"]
    assert (await world.read("scene", scene["id"]))["chapterId"] == two["id"]
    await world.restore("chapter", one["id"])
    await bundling.undo(done.id)
    assert (await world.read("scene", scene["id"]))["chapterId"] == one["id"]


async def test_single_edits_are_bundles_too(world: World, bundling: Bundling) -> None:
    """An ordinary PATCH is undone like anything else; what made the project is not."""
    command = new_id()
    scene = await world.scene(title="Old")
    await world.change("scene", scene["id"], title="New", command_id=command)

    await bundling.undo(command)
    assert (await world.read("scene", scene["id"]))["title"] == "Old"
    first = (await bundling.list()).items[-1]
    with pytest.raises(errors.Conflict):
        await bundling.undo(first.id)


async def test_undo_needs_the_permission_of_what_it_does(world: World, bundling: Bundling) -> None:
    scene = await world.scene(title="Old")
    done = bundle_of(await bundling.commit(delete("scene", scene["id"])))
    other = Bundling(world.as_user(new_id()))

    with pytest.raises(errors.Forbidden) as refusal:
        await other.undo(done.id, may=frozenset({"scene.update", "scene.delete"}))

    assert refusal.value.data["action"] == "scene.restore"


async def test_parts_and_links_are_undone_like_anything_else(
    world: World, bundling: Bundling
) -> None:
    """What does not last is made again under its own id; what follows from a field goes with it."""
    tag, task, hero, link = (str(new_id()) for _ in range(4))
    await bundling.commit(
        create("tag", tag, name="dark"),
        create("entity", task, type="task", name="Research ice"),
        create("entity", hero, type="character", name="Victor"),
        create("tagging", link, entityId=hero, tagId=tag),
    )
    relation = str(new_id())
    done = bundle_of(
        await bundling.commit(
            put("entity", task, "task.status", "done", oldValue="todo"),
            create("relation", relation, sourceEntityId=hero, targetEntityId=task, type="blocks"),
            delete("tagging", link),
        )
    )
    assert (await world.read("entity", task))["task"]["completedAt"]

    await bundling.undo(done.id)
    now = await world.read("entity", task)
    assert (now["task"]["status"], now["task"]["completedAt"]) == ("todo", None)
    assert (await world.read("tagging", link))["tagId"] == tag
    with pytest.raises(errors.NotFound):
        await world.read("relation", relation)
    await bundling.redo(done.id)

    assert (await world.read("entity", task))["task"]["status"] == "done"
    assert (await world.read("relation", relation))["type"] == "blocks"
    with pytest.raises(errors.NotFound):
        await world.read("tagging", link)


async def test_a_reference_to_what_is_not_there_is_refused(
    world: World, bundling: Bundling
) -> None:
    stranger = await World.begin(world.caller)
    theirs = await stranger.create("entity", stranger.project_id, type="character", name="X")
    mine = await world.create("entity", world.project_id, type="character", name="Y")

    for other in (theirs["id"], str(new_id())):
        with pytest.raises(errors.NotFound):
            await bundling.commit(
                create(
                    "relation",
                    new_id(),
                    sourceEntityId=mine["id"],
                    targetEntityId=other,
                    type="blocks",
                )
            )
