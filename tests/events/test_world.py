"""Entities, canon and craft: commands, constraints, merging."""

from typing import Any
from uuid import UUID

import pytest

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Role
from libs.contracts.events.event import Event
from libs.contracts.events.resources import Kind
from libs.contracts.ids import new_id
from libs.postgres import Pool
from tests.events.support import Json, World, entity
from tests.events.test_log import log, require_replayed

LASTING: dict[Kind, Json] = {
    "entity": {"type": "character", "name": "Victor"},
    "tag": {"name": "Gothic"},
    "style_guide": {"name": "House", "guide": {"spelling": "British"}},
    "context_rule": {"name": "All", "rag_k": 5},
    "persona": {"name": "Captain", "prompt": "Write as Walton."},
    "prompt_preset": {"name": "Storm", "constraints": {"maxWords": 100}},
    "editor_definition": {"name": "House", "definition": {"kind": "text", "root": "content"}},
}


async def changes(owner: Pool, thing: Json) -> list[tuple[str, Any]]:
    """The event types of a thing after the first, with what each changed to."""
    events: list[Event] = await log(owner, "aggregate_id", UUID(thing["id"]))
    return [(event.event_type, event.data.get("to")) for event in events[1:]]


class TestLife:
    @pytest.fixture(params=[*LASTING, "canon_fact"])
    def kind(self, request: pytest.FixtureRequest) -> Kind:
        return request.param

    @pytest.fixture
    async def thing(self, kind: Kind, world: World) -> Json:
        if kind in LASTING:
            return await world.create(kind, world.project_id, **LASTING[kind])
        fields: Json = {"entity_id": (await entity(world))["id"], "fact": "He made it."}
        return await world.create(kind, world.project_id, **fields)

    async def test_created_read_deleted_restored(
        self, kind: Kind, thing: Json, world: World, owner: Pool
    ) -> None:
        assert await world.read(kind, thing["id"]) == thing
        assert thing["projectId"] == str(world.project_id)
        gone = await world.remove(kind, thing["id"], expected=1)
        assert gone["deletedAt"] is not None
        with pytest.raises(errors.NotFound):
            await world.read(kind, thing["id"])
        assert await world.items(kind, world.project_id) == []
        kept = await world.items(kind, world.project_id, include_deleted=True)
        assert [each["id"] for each in kept] == [thing["id"]]
        back = await world.restore(kind, thing["id"])

        assert (back["deletedAt"], back["version"]) == (None, 3)
        assert await world.items(kind, world.project_id) == [back]
        await require_replayed(owner, world.project_id)

    async def test_a_deleted_project_hides_it(self, kind: Kind, thing: Json, world: World) -> None:
        await world.remove("project", world.project_id)

        for attempt in (
            world.read(kind, thing["id"]),
            world.page(kind, world.project_id),
            world.remove(kind, thing["id"]),
        ):
            with pytest.raises(errors.NotFound):
                await attempt

    async def test_unknown_fields_are_named(self, kind: Kind, thing: Json, world: World) -> None:
        with pytest.raises(errors.Unknown) as refusal:
            await world.change(kind, thing["id"], no_such_field=1)

        assert refusal.value.data["errors"][0]["field"] == "noSuchField"

    async def test_it_cannot_be_moved(self, kind: Kind, thing: Json, world: World) -> None:
        with pytest.raises(errors.Invalid):
            await world.move(kind, thing["id"], 0)

    async def test_an_id_is_used_once(self, kind: Kind, thing: Json, world: World) -> None:
        fields: Json = LASTING.get(kind) or {"entity_id": thing["entityId"], "fact": "x"}
        if kind == "tag":
            fields = {"name": "Another"}
        with pytest.raises(errors.ConcurrencyConflict):
            await world.create(kind, world.project_id, id=UUID(thing["id"]), **fields)


class TestEntities:
    async def test_components_come_with_the_type(self, world: World) -> None:
        task = await entity(world, "Research ice", type="task", task={"priority": 2})
        hero = await entity(world, "Victor", story={"role": "protagonist", "goals": ["Glory"]})
        note = await entity(world, "Idea", type="note")

        assert task["task"] == {
            "status": "todo",
            "dueDate": None,
            "priority": 2,
            "assigneeId": None,
            "completedAt": None,
        }
        assert (task["story"], hero["task"]) == (None, None)
        assert hero["story"]["goals"] == ["Glory"]
        assert (note["task"], note["story"], note["file"], note["traits"]) == (None, None, None, {})

    async def test_components_of_other_types_are_refused(self, world: World) -> None:
        with pytest.raises(errors.Invalid, match="story"):
            await entity(world, "x", type="task", story={"role": "hero"})
        with pytest.raises(errors.Invalid, match="task"):
            await entity(world, "x", task={})
        hero = await entity(world)
        with pytest.raises(errors.Invalid, match="task"):
            await world.change("entity", hero["id"], task={"status": "done"})

    async def test_done_is_noted_and_forgotten(self, world: World, owner: Pool) -> None:
        task = await entity(world, "Research", type="task")
        done = await world.change("entity", task["id"], task={"status": "done"})
        assert done["task"]["completedAt"] is not None
        again = await world.change("entity", task["id"], task={"status": "done", "priority": 1})
        assert again["task"]["completedAt"] == done["task"]["completedAt"]
        opened = await world.change("entity", task["id"], task={"status": "in_progress"})

        assert opened["task"]["completedAt"] is None
        assert [name for name, _ in await changes(owner, task)] == [
            "entity.task_status_changed",
            "entity.task_completed_at_changed",
            "entity.task_priority_changed",
            "entity.task_status_changed",
            "entity.task_completed_at_changed",
        ]
        born_done = await entity(world, "Old", type="task", task={"status": "done"})
        assert born_done["task"]["completedAt"] is not None
        await require_replayed(owner, world.project_id)

    async def test_another_type_brings_and_takes_components(
        self, world: World, owner: Pool
    ) -> None:
        """Each step is an event of one field, so that replay and undo need no rule about types."""
        hero = await entity(world, story={"role": "hero", "goals": ["Glory"]})
        place = await world.change("entity", hero["id"], type="location")
        assert place["story"]["role"] == "hero"
        task = await world.change("entity", hero["id"], type="task", task={"priority": 3})

        assert (task["story"], task["task"]["priority"], task["task"]["status"]) == (
            None,
            3,
            "todo",
        )
        count = "SELECT (SELECT count(*) FROM task_details WHERE entity_id = $1),"
        count += " (SELECT count(*) FROM story_details WHERE entity_id = $1)"
        assert tuple(await owner.fetchrow(count, hero["id"]) or ()) == (1, 0)
        assert ("entity.story_role_changed", None) in await changes(owner, hero)
        assert ("entity.task_status_changed", "todo") in await changes(owner, hero)
        back = await world.change("entity", hero["id"], type="character")
        assert back["story"]["role"] is None
        await require_replayed(owner, world.project_id)

    async def test_changes_of_a_component_merge_by_field(self, world: World) -> None:
        task = await entity(world, "Research", type="task")
        await world.change("entity", task["id"], base=1, task={"priority": 2})
        merged = await world.change(
            "entity", task["id"], base=1, task={"due_date": "2031-01-02T03:04:05+02:00"}
        )

        assert merged["task"]["priority"] == 2
        assert merged["task"]["dueDate"] == "2031-01-02T01:04:05Z"
        with pytest.raises(errors.Conflict) as refusal:
            await world.change("entity", task["id"], base=1, task={"priority": 3})
        (bundle,) = refusal.value.data["conflicts"]
        assert bundle["fields"] == [{"field": "taskPriority", "base": 0, "theirs": 2, "yours": 3}]
        with pytest.raises(errors.Conflict) as refusal:
            await world.change(
                "entity", task["id"], base=1, task={"due_date": "2032-01-01T00:00:00Z"}
            )
        ours = refusal.value.data["conflicts"][0]["fields"][0]
        assert ours["theirs"] == "2031-01-02T01:04:05Z"
        same = {"due_date": "2031-01-02T01:04:05+00:00"}
        agreed = await world.change("entity", task["id"], base=1, task=same)
        assert agreed["version"] == merged["version"]

    async def test_the_assignee_is_a_member(self, world: World) -> None:
        mate = new_id()
        with pytest.raises(errors.Invalid, match=r"task\.assigneeId"):
            await entity(world, "x", type="task", task={"assignee_id": str(mate)})
        await world.put_member(mate, Role.WRITER)
        task = await entity(world, "x", type="task", task={"assignee_id": str(mate)})
        await world.remove_member(mate)

        assert task["task"]["assigneeId"] == str(mate)
        changed = await world.change("entity", task["id"], task={"priority": 1})
        assert changed["task"]["assigneeId"] == str(mate)

    async def test_slugs_are_unique_within_a_project(self, world: World, caller: Caller) -> None:
        await entity(world, slug="victor")
        other = await World.begin(caller)

        assert (await entity(other, slug="victor"))["slug"] == "victor"
        with pytest.raises(errors.SlugTaken):
            await entity(world, slug="victor")
        second = await entity(world)
        with pytest.raises(errors.SlugTaken):
            await world.change("entity", second["id"], slug="victor")

    @pytest.mark.parametrize(
        "traits",
        [
            {"a": "\0"},
            {"\0": 1},
            {"a": "x" * 30_000},
            [1],
            {"a": [[[[[[[[[[[1]]]]]]]]]]]},
        ],
    )
    async def test_traits_are_bounded(self, world: World, traits: Any) -> None:
        with pytest.raises(errors.Invalid):
            await entity(world, traits=traits)

    async def test_traits_and_aliases_are_fields_like_others(
        self, world: World, owner: Pool
    ) -> None:
        hero = await entity(world, aliases=["Doctor"], traits={"age": 25.0, "eyes": ["grey"]})
        changed = await world.change("entity", hero["id"], aliases=["Doctor", "The Student"])

        assert (changed["aliases"], changed["version"]) == (["Doctor", "The Student"], 2)
        with pytest.raises(errors.Invalid):
            await world.change("entity", hero["id"], aliases=["A", "a"])
        await require_replayed(owner, world.project_id)

    async def test_an_unknown_type_is_refused(self, world: World) -> None:
        with pytest.raises(errors.Invalid, match="type"):
            await entity(world, type="ghost")


class TestCanon:
    async def test_provenance_is_laid_over_and_cleared(self, world: World, owner: Pool) -> None:
        hero, scene = await entity(world), await world.scene()
        fact = await world.create(
            "canon_fact",
            world.project_id,
            entity_id=hero["id"],
            fact="  He made it.  ",
            provenance={"scene_id": scene["id"], "confidence": 0.5, "snippet": "It lives"},
        )
        assert (fact["fact"], fact["confidence"], fact["revealState"]) == (
            "He made it.",
            1,
            "HIDDEN",
        )
        anchor = str(new_id())
        changed = await world.change("canon_fact", fact["id"], provenance={"anchor_id": anchor})
        assert changed["provenance"] == {
            "sceneId": scene["id"],
            "anchorId": anchor,
            "confidence": 0.5,
            "snippet": "It lives",
        }
        assert await changes(owner, fact) == [("canon_fact.provenance_anchor_id_changed", anchor)]
        cleared = await world.change("canon_fact", fact["id"], provenance=None)
        assert cleared["provenance"] is None
        await require_replayed(owner, world.project_id)

    @pytest.mark.parametrize("confidence", [-0.1, 1.1, "high", float("nan")])
    async def test_confidence_is_between_none_and_full(
        self, world: World, confidence: object
    ) -> None:
        hero = await entity(world)
        with pytest.raises(errors.Invalid, match="confidence"):
            await world.create(
                "canon_fact",
                world.project_id,
                entity_id=hero["id"],
                fact="x",
                confidence=confidence,
            )

    async def test_an_entity_appears_once_in_a_scene(self, world: World, owner: Pool) -> None:
        hero, scene = await entity(world), await world.scene()
        pair = {"scene_id": scene["id"], "entity_id": hero["id"]}
        made = await world.create("appearance", world.project_id, role="POV", **pair)

        with pytest.raises(errors.AlreadyExists):
            await world.create("appearance", world.project_id, role="PRESENT", **pair)
        changed = await world.change("appearance", made["id"], role="SPEAKING", notes="Loudly.")
        assert (changed["role"], changed["notes"]) == ("SPEAKING", "Loudly.")
        await world.remove("scene", scene["id"])
        with pytest.raises(errors.NotFound):
            await world.read("appearance", made["id"])
        await require_replayed(owner, world.project_id)

    async def test_presets_name_personas_and_rules(self, world: World) -> None:
        guide = await world.create("style_guide", world.project_id, name="House")
        rule = await world.create(
            "context_rule", world.project_id, name="All", style_guide_id=guide["id"]
        )
        persona = await world.create("persona", world.project_id, name="Captain")
        preset = await world.create(
            "prompt_preset",
            world.project_id,
            name="Storm",
            persona_id=persona["id"],
            context_rule_id=rule["id"],
        )
        await world.remove("persona", persona["id"])

        changed = await world.change("prompt_preset", preset["id"], name="Gale")
        assert changed["personaId"] == persona["id"]
        same = await world.change("prompt_preset", preset["id"], persona_id=persona["id"])
        assert same["version"] == changed["version"]
        with pytest.raises(errors.NotFound, match="personaId"):
            await world.create(
                "prompt_preset", world.project_id, name="x", persona_id=persona["id"]
            )
