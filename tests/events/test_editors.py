"""The editor that a text is written with: named, inherited, defined by a team, and copied along."""

from typing import Any
from uuid import UUID

import pytest

from libs import errors
from libs.contracts.editors import EditorInUse
from libs.contracts.events.event import Event
from libs.contracts.events.resources import Kind
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.model.aggregates import PROJECT
from services.events.model.log import fold
from tests.events.bundling import Bundling, create, delete, put
from tests.events.support import Json, World
from tests.events.syncing import Peer
from tests.events.test_libraries import library, save, take_over
from tests.events.test_log import require_replayed
from tests.events.workspaces import inside, planted, taken

DEFINITION: Json = {
    "kind": "prosemirror",
    "root": "default",
    "version": 3,
    "nodes": {
        "doc": {"content": "(paragraph | aside)+"},
        "paragraph": {"content": "text*"},
        "aside": {"content": "paragraph{1,3}", "attrs": {"tone": {"default": "dry"}}},
    },
}


async def house(world: World, name: str = "House", **more: Any) -> Json:
    definition = DEFINITION | more
    return await world.create(
        "editor_definition", world.project_id, name=name, definition=definition
    )


async def in_use(world: World, scene: Json) -> tuple[EditorInUse | None, int | None]:
    standing = await world.standing(world.actor.user_id, "scene", scene["id"])
    return standing.editor, standing.schema_version


class TestNames:
    async def test_the_nearest_counts(self, world: World) -> None:
        """The project's when nothing else is said, then the book's, then the scene's own."""
        book = await world.book()
        scene = await world.scene(await world.chapter(book))
        seen = [(await in_use(world, scene))[0]]
        await world.change("book", book["id"], editor="slate")
        seen.append((await in_use(world, scene))[0])
        await world.change("scene", scene["id"], editor="quill")
        seen.append((await in_use(world, scene))[0])
        await world.change("scene", scene["id"], editor=None)
        await world.change("book", book["id"], editor=None)
        await world.change("project", world.project_id, editor=None)
        seen.append((await in_use(world, scene))[0])

        assert [each.name if each else None for each in seen] == ["tiptap", "slate", "quill", None]

    async def test_a_scene_that_moves_has_the_editor_of_its_new_book(self, world: World) -> None:
        there = await world.create("book", world.project_id, title="There", editor="lexical")
        chapter = await world.chapter(there)
        scene = await world.scene()
        await world.move("scene", scene["id"], 0, parent_id=chapter["id"])

        assert (await in_use(world, scene))[0] == EditorInUse(name="lexical")

    async def test_new_projects_are_written_with_tiptap(self, world: World) -> None:
        """Unless they say otherwise; null is a word of its own."""
        usual = await world.read("project", world.project_id)
        none = await World.begin(world.caller)
        await none.change("project", none.project_id, editor=None)
        plain = await world.create("project", None, name="P", editor="plain")
        unnamed = await world.create("project", None, name="P", editor=None)

        assert usual["editor"] == "tiptap"
        assert (await none.read("project", none.project_id))["editor"] is None
        assert (plain["editor"], unnamed["editor"]) == ("plain", None)

    @pytest.mark.parametrize("kind", ["project", "book", "scene"])
    async def test_a_name_must_lead_somewhere(self, world: World, kind: Kind) -> None:
        """In a change, at the creation and in a bundle alike; the field is named."""
        scene = await world.scene()
        ids = {"project": world.project_id, "book": scene["bookId"], "scene": scene["id"]}
        above = {"project": None, "book": world.project_id, "scene": scene["chapterId"]}[kind]
        named: Json = {"name": "P"} if kind == "project" else {"title": "T"}
        deleted = await house(world, "Gone")
        await world.remove("editor_definition", deleted["id"])
        other = await World.begin(world.caller)
        await house(other, "Theirs")
        bundling = Bundling(world)

        for name in ("nothing", "Gone", "Theirs", "Tiptap", "", " ", "x" * 101, 7):
            refusals: list[errors.Invalid] = []
            with pytest.raises(errors.Invalid) as refusal:
                await world.change(kind, ids[kind], editor=name)
            refusals.append(refusal.value)
            with pytest.raises(errors.Invalid) as refusal:
                await world.create(kind, above, **named, editor=name)
            refusals.append(refusal.value)
            assert [each.data["errors"][0]["field"] for each in refusals] == ["editor", "editor"]
            with pytest.raises(errors.Invalid) as refusal:
                await bundling.commit(put(kind, ids[kind], "editor", name))
            assert refusal.value.data["errors"][0]["field"] == "operations.0.value"
            if kind != "project":
                with pytest.raises(errors.Invalid) as refusal:
                    await bundling.commit(create(kind, new_id(), above, **named, editor=name))
                field = refusal.value.data["errors"][0]["field"]
                assert field == "operations.0.fields.editor"
            assert {each.code for each in refusals} == {"VALIDATION_FAILED"}

    async def test_a_peer_s_name_must_lead_somewhere(self, world: World) -> None:
        """What cannot be named is kept as a conflict, and the rest of the checkpoint is done."""
        scene = await world.scene()
        seen: Json = {"oldValue": None}
        unknown = put("scene", scene["id"], "editor", "nothing", **seen)
        titled = put("scene", scene["id"], "title", "Kept", **seen)
        pushed = await Peer(world).push(1, unknown, titled)

        after = await world.read("scene", scene["id"])
        assert (after["editor"], after["title"]) == (None, "Kept")
        assert [each.conflict_id is None for each in pushed.results] == [False, True]

    async def test_an_event_from_before_names_none(self, world: World, owner: Pool) -> None:
        """What an older release recorded reads as a project without an editor."""
        row = await owner.fetchrow("SELECT * FROM events WHERE aggregate_id = $1", world.project_id)
        assert row is not None
        old = dict(row) | {"data": {"name": "Old", "slug": "old"}}

        folded = fold(PROJECT, None, Event.model_validate(old))
        assert folded and folded["editor"] is None


class TestDefinitions:
    async def test_a_team_gives_its_own(self, world: World, owner: Pool) -> None:
        """A scene names it, and needs the greater of the two schema versions."""
        own = await house(world)
        scene = await world.scene(editor="House", schema_version=2)
        first = await in_use(world, scene)
        await world.change("scene", scene["id"], schema_version=5)
        second = await in_use(world, scene)
        changed = await world.change(
            "editor_definition", own["id"], definition=DEFINITION | {"version": 8}
        )
        third = await in_use(world, scene)

        used = EditorInUse(name="House", definition_id=UUID(own["id"]), definition_version=1)
        assert first == (used, 3)
        assert second == (used, 5)
        assert third == (used.model_copy(update={"definition_version": 2}), 8)
        assert changed["definition"]["nodes"]["aside"]["attrs"]["tone"]["default"] == "dry"
        kept = await owner.fetchval(
            "SELECT definition FROM editor_definitions WHERE id = $1", UUID(own["id"])
        )
        assert kept == DEFINITION | {"version": 8}
        await require_replayed(owner, world.project_id)

    async def test_names_are_unique(self, world: World) -> None:
        """In whatever case, also beside those that are built in; one that was deleted is free."""
        own = await house(world)
        with pytest.raises(errors.AlreadyExists):
            await house(world, "HOUSE")
        for name in ("tiptap", "Slate", ""):
            with pytest.raises(errors.Invalid) as refusal:
                await house(world, name)
            assert refusal.value.data["errors"][0]["field"] == "name"
        with pytest.raises(errors.Invalid):
            await world.change("editor_definition", own["id"], name="Other")
        await world.remove("editor_definition", own["id"])
        await house(world)
        with pytest.raises(errors.AlreadyExists):
            await world.restore("editor_definition", own["id"])

    async def test_a_deleted_one_still_keeps_older_editors_out(self, world: World) -> None:
        """Texts of it are there; only new names are refused, until one of that name is made."""
        own = await house(world)
        scene = await world.scene(editor="House")
        await world.remove("editor_definition", own["id"])
        after = await in_use(world, scene)
        newer = await house(world, version=9)

        assert after[0] and after[0].definition_id == UUID(own["id"])
        assert after[1] == 3
        used, needed = await in_use(world, scene)
        assert (used and used.definition_id, needed) == (UUID(newer["id"]), 9)

    async def test_its_version_rises(self, world: World) -> None:
        """By a change and by a bundle; undoing a raise is refused as well."""
        own, bundling = await house(world), Bundling(world)
        lower = DEFINITION | {"version": 2}
        without = {name: value for name, value in DEFINITION.items() if name != "version"}
        for definition in (lower, without):
            with pytest.raises(errors.SchemaLowered):
                await world.change("editor_definition", own["id"], definition=definition)
            with pytest.raises(errors.SchemaLowered):
                await bundling.commit(put("editor_definition", own["id"], "definition", definition))
        raised = await bundling.commit(
            put("editor_definition", own["id"], "definition", DEFINITION | {"version": 4})
        )
        assert raised.bundle
        with pytest.raises(errors.Conflict):
            await bundling.undo(raised.bundle.id)

    async def test_a_scene_s_version_rises_in_bundles_too(self, world: World) -> None:
        """The same rule holds however a change arrives."""
        scene = await world.scene(schema_version=4)
        for lower in (3, None):
            with pytest.raises(errors.SchemaLowered):
                await Bundling(world).commit(put("scene", scene["id"], "schemaVersion", lower))

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"nodes": {"doc": {"content": "paragraph+"}}}, "'paragraph' is not defined"),
            ({"topNode": "page"}, "'page' is not defined"),
            ({"nodes": {"doc": {"content": "(doc"}}}, "ends too early"),
            ({"nodes": {"doc": {"content": "doc)"}}}, "not opened"),
            ({"nodes": {"doc": {"content": "+"}}}, "name is missing"),
            ({"nodes": {"doc": {"content": "list-item"}}}, "cannot be read"),
            ({"nodes": {"doc": {"content": "((text{99}){99})"}}}, "written out"),
            ({"nodes": {"doc": {"marks": "bold"}}}, "'bold' is not defined"),
            ({"blocks": [{"block": "quote", "type": "blockquote"}]}, "'blockquote' is not defined"),
            ({"version": 0}, ""),
            ({"version": True}, ""),
            ({"kind": "word"}, ""),
            ({"root": ""}, ""),
            ({"colour": 1}, ""),
            ({"nodes": {"doc": {"attrs": {"x": {"default": "x" * 30_000}}}}}, "bytes at most"),
            ({"nodes": {"doc": {"attrs": {"x": {"default": "\0"}}}}}, "NUL"),
        ],
    )
    async def test_a_definition_must_hold_together(
        self, world: World, wrong: Json, said: str
    ) -> None:
        """What an editor would refuse to start with is refused where it can be mended."""
        with pytest.raises(errors.Invalid) as refusal:
            await house(world, **wrong)

        problem = refusal.value.data["errors"][0]
        assert problem["field"].startswith("definition")
        assert said in problem["detail"]

    async def test_a_bundle_makes_one_and_uses_it(self, world: World) -> None:
        """Later operations see what earlier ones made, and what they deleted."""
        scene, own = await world.scene(), new_id()
        made = create("editor_definition", own, name="New", definition=DEFINITION)
        used = put("scene", scene["id"], "editor", "New")
        bundling = Bundling(world)
        done = await bundling.commit(made, used)

        assert done.bundle
        assert (await world.read("scene", scene["id"]))["editor"] == "New"
        book = put("book", scene["bookId"], "editor", "New")
        with pytest.raises(errors.Invalid):
            await bundling.commit(delete("editor_definition", own), book)
        await bundling.undo(done.bundle.id)
        assert (await world.read("scene", scene["id"]))["editor"] is None

    async def test_undo_names_nothing_that_is_gone(self, world: World) -> None:
        """A name that was taken back after its definition was deleted stays away."""
        own, bundling = await house(world), Bundling(world)
        scene = await world.scene(editor="House")
        cleared = await bundling.commit(put("scene", scene["id"], "editor", None))
        assert cleared.bundle
        await world.remove("editor_definition", own["id"])

        with pytest.raises(errors.Conflict):
            await bundling.undo(cleared.bundle.id)


class TestCopies:
    async def test_they_bring_editors_along(self, world: World, pool: Pool, owner: Pool) -> None:
        """The project's, those of books and scenes, and the definitions that they name."""
        await house(world)
        gone = await house(world, "Gone")
        book = await world.create("book", world.project_id, title="B", editor="House")
        chapter = await world.chapter(book)
        await world.scene(chapter, editor="lexical")
        await world.scene(chapter, editor="Gone")
        await world.change("project", world.project_id, editor="House")
        await world.remove("editor_definition", gone["id"])

        package = await taken(pool, world.project_id)
        copy = inside(world, await planted(pool, package, world.actor.user_id))

        assert (await copy.read("project", copy.project_id))["editor"] == "House"
        [own] = await copy.items("editor_definition", copy.project_id)
        assert own["name"] == "House"
        assert own["definition"]["nodes"].keys() == DEFINITION["nodes"].keys()
        [book] = await copy.items("book", copy.project_id)
        scenes = await copy.items("scene", copy.project_id, parent_kind="project")
        assert book["editor"] == "House"
        # Nothing in the copy can be called by the name of what was deleted.
        assert [each["editor"] for each in scenes] == ["lexical", None]
        await require_replayed(owner, copy.project_id)

    async def test_what_was_sent_must_hold_together(self, world: World, pool: Pool) -> None:
        """A package may come from anywhere; a name in it that leads nowhere is refused."""
        await world.scene(editor="lexical")
        package = await taken(pool, world.project_id)
        head = await pool.fetchval("SELECT head FROM packages WHERE package_id = $1", package)
        assert head["editor"] == "tiptap"
        change = "UPDATE packages SET head = $2 WHERE package_id = $1"
        await pool.execute(change, package, head | {"editor": "Nobody's"})
        with pytest.raises(errors.Invalid, match="Nobody's"):
            await planted(pool, package, world.actor.user_id)
        # One of an older release says nothing of editors.
        await pool.execute(change, package, {k: v for k, v in head.items() if k != "editor"})
        copy = inside(world, await planted(pool, package, world.actor.user_id))
        assert (await copy.read("project", copy.project_id))["editor"] is None

    @pytest.mark.usefixtures("worker")
    async def test_a_library_keeps_them(self, world: World) -> None:
        """They go there and back; one that the target has by its name is not made again."""
        own = await house(world)
        await save(world, ("editor_definition", own))
        shelf = await library(world)
        [kept] = await shelf.items("editor_definition", shelf.project_id)
        other = inside(world, UUID((await world.create("project", None, name="Other"))["id"]))
        await take_over(other, ("editor_definition", kept))
        await take_over(other, ("editor_definition", kept))

        assert [e["name"] for e in await other.items("editor_definition", other.project_id)] == [
            "House"
        ]
