"""Who knows what when, and where somebody is, told by *Frankenstein*."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

import pytest

from libs import errors
from libs.bus import Caller
from libs.contracts.events import story as s
from tests.events.support import Json, World

SCENES = ("Letter I", "The laboratory", "The glacier", "The hut", "The wedding night")


@dataclass
class Novel:
    """Walton's letters, then Victor's tale, with who is where and what comes out when."""

    world: World
    scenes: dict[str, Json]
    people: dict[str, Json]
    facts: dict[str, Json]

    async def knows(self, scene: str, who: str | None = None, limit: int = 50) -> list[s.KnownFact]:
        found: list[s.KnownFact] = []
        cursor: str | None = None
        while True:
            question = s.KnowledgeAt(
                scene_id=UUID(self.scenes[scene]["id"]),
                entity_id=UUID(self.people[who]["id"]) if who else None,
                limit=limit,
                cursor=cursor,
            )
            page = await self.world.caller.ask(s.KNOWLEDGE_AT, question, self.world.actor)
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return found

    async def told(self, scene: str, who: str | None = None) -> list[str]:
        return [each.fact for each in await self.knows(scene, who)]


@pytest.fixture
async def novel(world: World) -> Novel:
    letters = await world.book("Letters")
    tale = await world.book("The tale")
    first = await world.chapter(letters)
    second, third = await world.chapter(tale), await world.chapter(tale)
    where = dict(zip(SCENES, (first, second, third, third, third), strict=True))
    # Made backwards, so that no order but the manuscript's can be right.
    scenes = {title: await world.scene(where[title], title=title) for title in reversed(SCENES)}
    for title in ("The glacier", "The hut", "The wedding night"):
        await world.move("scene", scenes[title]["id"], SCENES.index(title) - 2)
    people = {
        name: await world.create("entity", world.project_id, type="character", name=name)
        for name in ("Walton", "Victor", "Creature", "Elizabeth")
    }
    people["Ice"] = await world.create("entity", world.project_id, type="location", name="Ice")
    there = {
        "Letter I": {"Walton": "POV", "Victor": "MENTIONED", "Ice": "PRESENT"},
        "The laboratory": {"Victor": "POV", "Creature": "PRESENT", "Elizabeth": "MENTIONED"},
        "The glacier": {"Victor": "POV", "Creature": "SPEAKING"},
        "The hut": {"Creature": "POV"},
        "The wedding night": {"Victor": "POV", "Elizabeth": "SPEAKING", "Creature": "PRESENT"},
    }
    for title, roles in there.items():
        for name, role in roles.items():
            await world.create(
                "appearance",
                world.project_id,
                scene_id=scenes[title]["id"],
                entity_id=people[name]["id"],
                role=role,
            )
    facts: dict[str, Json] = {}
    for fact, title, state in (
        ("He swore to be with her", "The wedding night", "REVEALED"),
        ("The creature lives", "The laboratory", "REVEALED"),
        ("Walton seeks the pole", "Letter I", "REVEALED"),
        ("The creature can read", "The hut", "REVEALED"),
        ("The creature killed William", "The glacier", "REVEALED"),
        ("Elizabeth suspects", "The laboratory", "HINTED"),
        ("Victor will die", "The wedding night", "HIDDEN"),
        ("Nobody knows where", None, "REVEALED"),
    ):
        facts[fact] = await world.create(
            "canon_fact",
            world.project_id,
            entity_id=people["Victor"]["id"],
            fact=fact,
            reveal_state=state,
            reveal_scene_id=scenes[title]["id"] if title else None,
        )
    return Novel(world, scenes, people, facts)


class TestKnowledge:
    async def test_the_reader_knows_what_was_told_so_far(self, novel: Novel) -> None:
        """In the order of telling, this scene included; hints and secrets are not told."""
        assert await novel.told("Letter I") == ["Walton seeks the pole"]
        assert await novel.told("The glacier") == [
            "Walton seeks the pole",
            "The creature lives",
            "The creature killed William",
        ]
        assert len(await novel.told("The wedding night")) == 5

    async def test_a_character_knows_what_they_were_there_for(self, novel: Novel) -> None:
        """To be mentioned is not to be there."""
        assert await novel.told("The wedding night", "Victor") == [
            "The creature lives",
            "The creature killed William",
            "He swore to be with her",
        ]
        assert await novel.told("The hut", "Elizabeth") == []
        assert await novel.told("The wedding night", "Elizabeth") == ["He swore to be with her"]
        assert await novel.told("The hut", "Creature") == [
            "The creature lives",
            "The creature killed William",
            "The creature can read",
        ]
        assert await novel.told("Letter I", "Ice") == []

    async def test_each_fact_names_who_was_there(self, novel: Novel) -> None:
        told = {each.fact: each for each in await novel.knows("The wedding night")}

        glacier = told["The creature killed William"]
        assert glacier.scene_title == "The glacier"
        assert [(each.name, each.role) for each in glacier.known_by] == [
            ("Creature", "SPEAKING"),
            ("Victor", "POV"),
        ]
        assert [each.name for each in told["Walton seeks the pole"].known_by] == ["Walton"]

    async def test_pages(self, novel: Novel) -> None:
        whole = await novel.knows("The wedding night")

        assert await novel.knows("The wedding night", limit=2) == whole
        assert await novel.knows("The wedding night", limit=1) == whole

    async def test_moving_a_scene_changes_who_knows_when(self, novel: Novel) -> None:
        await novel.world.move("scene", novel.scenes["The hut"]["id"], 0)

        assert "The creature can read" in await novel.told("The glacier")

    async def test_what_is_deleted_is_not_known(self, novel: Novel) -> None:
        world = novel.world
        await world.remove("scene", novel.scenes["The glacier"]["id"])
        await world.remove("canon_fact", novel.facts["The creature can read"]["id"])
        await world.remove("entity", novel.people["Elizabeth"]["id"])
        told = await novel.knows("The wedding night")

        assert [each.fact for each in told] == [
            "Walton seeks the pole",
            "The creature lives",
            "He swore to be with her",
        ]
        assert [each.name for each in told[-1].known_by] == ["Creature", "Victor"]
        with pytest.raises(errors.NotFound):
            await novel.told("The glacier")
        with pytest.raises(errors.NotFound):
            await novel.told("Letter I", "Elizabeth")

    async def test_another_project_knows_nothing(self, novel: Novel, caller: Caller) -> None:
        stranger = await World.begin(caller)
        theirs = await stranger.scene()
        ours = novel.scenes["Letter I"]["id"]

        for question in (
            s.KnowledgeAt(scene_id=UUID(ours)),
            s.KnowledgeAt(
                scene_id=UUID(theirs["id"]), entity_id=UUID(novel.people["Victor"]["id"])
            ),
        ):
            with pytest.raises(errors.NotFound):
                await caller.ask(s.KNOWLEDGE_AT, question, stranger.actor)


class TestAppearances:
    async def test_all_scenes_told_through_somebody(self, novel: Novel) -> None:
        question = s.AppearancesOf(
            entity_id=UUID(novel.people["Victor"]["id"]), role=s.AppearanceRole.POV
        )
        page = await novel.world.caller.ask(s.APPEARANCES_OF, question, novel.world.actor)

        titles = [each.scene.title for each in page.items]
        assert titles == ["The laboratory", "The glacier", "The wedding night"]
        scene = page.items[1].scene
        assert (str(scene.id), scene.index) == (novel.scenes["The glacier"]["id"], 0)
        assert str(scene.chapter_id) == novel.scenes["The glacier"]["chapterId"]

    async def test_pages(self, novel: Novel) -> None:
        seen: list[str | None] = []
        cursor: str | None = None
        while cursor is not None or not seen:
            question = s.AppearancesOf(
                entity_id=UUID(novel.people["Victor"]["id"]), limit=1, cursor=cursor
            )
            page = await novel.world.caller.ask(s.APPEARANCES_OF, question, novel.world.actor)
            seen += [each.scene.title for each in page.items]
            cursor = page.next_cursor

        assert seen == ["Letter I", "The laboratory", "The glacier", "The wedding night"]

    async def test_long_summaries_end_a_page_early(self, world: World) -> None:
        """Five hundred summaries of three bytes a letter would be 15 MB."""
        chapter = await world.chapter()
        hero = await world.create("entity", world.project_id, type="character", name="Victor")

        turn = asyncio.Semaphore(6)

        async def add(_: int) -> None:
            async with turn:
                scene = await world.scene(chapter, summary="氷" * 10_000)
                fields: Json = {"scene_id": scene["id"], "entity_id": hero["id"], "role": "POV"}
                await world.create("appearance", world.project_id, **fields)

        await asyncio.gather(*map(add, range(150)))
        found: list[s.SceneAppearance] = []
        pages, cursor = 0, None
        while cursor is not None or not pages:
            question = s.AppearancesOf(entity_id=UUID(hero["id"]), limit=500, cursor=cursor)
            page = await world.caller.ask(s.APPEARANCES_OF, question, world.actor)
            found += page.items
            pages, cursor = pages + 1, page.next_cursor

        assert pages == 2
        assert len({each.id for each in found}) == 150

    async def test_of_a_scene(self, novel: Novel) -> None:
        scene = novel.scenes["The laboratory"]["id"]
        found = await novel.world.items("appearance", scene, parent_kind="scene")
        speaking = await novel.world.items(
            "appearance", scene, parent_kind="scene", filters={"role": "POV"}
        )

        assert {each["role"] for each in found} == {"POV", "PRESENT", "MENTIONED"}
        assert [each["entityId"] for each in speaking] == [novel.people["Victor"]["id"]]

    async def test_another_projects_are_not_there(self, novel: Novel, caller: Caller) -> None:
        stranger = await World.begin(caller)
        question = s.AppearancesOf(entity_id=UUID(novel.people["Victor"]["id"]))

        with pytest.raises(errors.NotFound):
            await caller.ask(s.APPEARANCES_OF, question, stranger.actor)
