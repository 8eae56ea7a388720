"""A project at one moment, and what grows from it: all of it, in its order, and nothing shared."""

import json
from pkgutil import resolve_name
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs import errors
from libs.bus import Caller
from libs.contracts.events.resources import Kind
from libs.contracts.events.workspaces import AGGREGATES_MAX, FORMAT, Head
from libs.contracts.ids import new_id
from libs.postgres import Pool
from services.events.model.aggregate import AggregateSpec
from services.events.workspaces import exporting as taking
from services.events.workspaces.document import decode_line
from services.events.workspaces.importing import imported_id
from services.events.workspaces.numbering import KINDS, Numbering
from tests.events.support import Json, World
from tests.events.test_log import ASYNC, require_replayed
from tests.events.test_world_replay import STEPS, Busy
from tests.events.workspaces import everything_of, ids_of, pages, planted, taken, things

AT = "2026-01-01T00:00:00Z"


async def novel(world: World) -> dict[str, Json]:
    """One of everything, connected."""
    p = world.project_id
    book = await world.book("Letters")
    first = await world.chapter(book, "I")
    one = await world.scene(first, title="Ice")
    two = await world.scene(first, title="Fire")
    hero = await world.create("entity", p, type="character", name="Victor", slug="victor")
    ship = await world.create("entity", p, type="location", name="Ship")
    task = await world.create(
        "entity", p, type="task", name="Ask", task={"status": "done", "assigneeId": None}
    )
    await world.change("entity", task["id"], task={"assigneeId": str(world.actor.user_id)})
    tag = await world.create("tag", p, name="Cold", colour="#0000ff")
    await world.create("tagging", p, entity_id=ship["id"], tag_id=tag["id"])
    relation = await world.create(
        "relation", p, source_entity_id=ship["id"], target_entity_id=hero["id"], type="contains"
    )
    await world.create("appearance", p, scene_id=one["id"], entity_id=hero["id"], role="POV")
    fact = await world.create(
        "canon_fact",
        p,
        entity_id=hero["id"],
        fact="He is from Geneva",
        reveal_scene_id=two["id"],
        provenance={"scene_id": one["id"], "anchor_id": str(new_id()), "snippet": "Geneva"},
    )
    guide = await world.create("style_guide", p, name="Plain", guide={"tone": ["dry", 1.5]})
    rule = await world.create("context_rule", p, name="All", style_guide_id=guide["id"])
    persona = await world.create("persona", p, name="Mary", prompt="You are Mary.")
    preset = await world.create(
        "prompt_preset", p, name="Go on", persona_id=persona["id"], context_rule_id=rule["id"]
    )
    return {
        "one": one, "two": two, "hero": hero, "ship": ship, "task": task, "tag": tag,
        "relation": relation, "fact": fact, "rule": rule, "preset": preset, "chapter": first,
    }  # fmt: skip


async def test_a_copy_has_everything_under_new_names(world: World, pool: Pool, owner: Pool) -> None:
    """Every reference leads to the copy of what it led to; anchors and people stay behind."""
    old = await novel(world)
    package = await taken(pool, world.project_id)
    copier = new_id()

    copy = await planted(pool, package, copier)

    there = World(world.caller, world.actor.model_copy(update={"project_id": copy}))
    entities = {each["name"]: each for each in await there.items("entity", copy)}
    books = await there.items("book", copy)
    chapters = await there.items("chapter", books[0]["id"])
    scenes = await there.items("scene", chapters[0]["id"])
    facts = await there.items("canon_fact", copy)
    relations = await there.items("relation", copy)
    presets = await there.items("prompt_preset", copy)
    rules = await there.items("context_rule", copy)
    assert [each["title"] for each in scenes] == ["Ice", "Fire"]
    assert set(entities) == {"Victor", "Ship", "Ask"}
    assert entities["Victor"]["slug"] == "victor"
    assert entities["Ask"]["task"] == old["task"]["task"] | {"assigneeId": None}
    assert facts[0]["entityId"] == entities["Victor"]["id"]
    assert facts[0]["revealSceneId"] == scenes[1]["id"]
    assert facts[0]["provenance"]["sceneId"] == scenes[0]["id"]
    assert facts[0]["provenance"]["anchorId"] is None
    assert facts[0]["provenance"]["snippet"] == "Geneva"
    assert relations[0]["sourceEntityId"] == entities["Ship"]["id"]
    assert presets[0]["contextRuleId"] == rules[0]["id"]
    assert [each.user_id for each in await there.members()] == [copier]
    assert await pages(pool, await taken(pool, copy)) == await pages(pool, package)
    await require_replayed(owner, copy)


async def test_nothing_links_across(world: World, pool: Pool, owner: Pool) -> None:
    """No id of the source is anywhere in the copy: not in a row, an event, a fact or a bundle."""
    await novel(world)
    ids = await ids_of(owner, world.project_id)

    copy = await planted(pool, await taken(pool, world.project_id), new_id())

    text = await everything_of(owner, copy)
    assert len(ids) > 15
    assert str(copy) in text and "Geneva" in text
    assert [each for each in ids if each in text] == []
    assert ids & await ids_of(owner, copy) == set()


async def test_what_is_deleted_stays_behind(world: World, pool: Pool) -> None:
    """And with it what needs it; what may do without does without."""
    old = await novel(world)
    await world.remove("scene", old["one"]["id"])
    await world.remove("entity", old["ship"]["id"])
    await world.remove("context_rule", old["rule"]["id"])

    found = await things(pool, await taken(pool, world.project_id))

    kinds = [each["kind"] for each in found]
    fact = next(each for each in found if each["kind"] == "canon_fact")
    preset = next(each for each in found if each["kind"] == "prompt_preset")
    scene = next(each for each in found if each["kind"] == "scene")
    assert not {"relation", "tagging", "appearance", "context_rule"} & set(kinds)
    assert kinds.count("scene") == 1 and kinds.count("entity") == 2
    assert fact["fields"]["revealSceneId"] == scene["id"]
    assert fact["fields"]["provenance"]["sceneId"] is None
    assert preset["fields"]["contextRuleId"] is None
    assert preset["fields"]["personaId"] is not None
    assert [each["id"] for each in found] == list(range(1, len(found) + 1))


async def test_order_is_that_of_the_manuscript(world: World, pool: Pool) -> None:
    """Whatever was moved where, and into as many pages as there are."""
    one, two = await world.book("B"), await world.book("A")
    await world.move("book", two["id"], 0)
    chapters = [await world.chapter(each, f"{each['title']}1") for each in (one, two)]
    for number, chapter in enumerate((chapters[0], chapters[1], chapters[0])):
        await world.scene(chapter, title=str(number), summary="long " * 1_900)
    await world.move("chapter", chapters[0]["id"], 0, parent_id=two["id"])
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patch:
        patch.setattr(taking, "PAGE_BYTES", 10_000)
        patch.setattr(taking, "ROWS_AT_ONCE", 2)
        package = await taken(pool, world.project_id)

    found = await things(pool, package)

    titles = [each["fields"].get("title") for each in found]
    assert titles == ["A", "B", "B1", "A1", "0", "2", "1"]
    assert [each.get("parent") for each in found] == [None, None, 1, 1, 3, 3, 4]
    assert len(await pages(pool, package)) > 1
    copy = await planted(pool, package, new_id())
    assert await things(pool, await taken(pool, copy)) == found


@given(steps=STEPS)
@ASYNC
async def test_any_project_survives_the_way_there_and_back(
    caller: Caller, pool: Pool, owner: Pool, steps: list[tuple[Kind, str, int, int, str]]
) -> None:
    """Taken, planted and taken again it is the same to the byte; its rows are its events."""
    world = await World.begin(caller)
    chapter = await world.chapter()
    busy = Busy(world, [(await world.scene(chapter))["id"] for _ in range(3)])
    await world.remove("scene", busy.made["scene"][1])
    for step in steps:
        await busy.act(*step)
    package = await taken(pool, world.project_id)

    copy = await planted(pool, package, new_id())

    assert await pages(pool, await taken(pool, copy)) == await pages(pool, package)
    await require_replayed(owner, copy)


async def test_one_moment(world: World, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written while a package is taken is not in it, whichever kind comes next."""
    await novel(world)
    expected = await pages(pool, await taken(pool, world.project_id))
    place = "services.events.workspaces.exporting._PackageWriter.write"
    write = resolve_name(place)

    async def meanwhile(self: object, spec: AggregateSpec) -> int:
        hero = await world.create("entity", world.project_id, type="character", name=spec.kind)
        scene = await world.scene(title=spec.kind)
        await world.create(
            "appearance",
            world.project_id,
            scene_id=scene["id"],
            entity_id=hero["id"],
            role="POV",
        )
        return await write(self, spec)

    monkeypatch.setattr(place, meanwhile)
    package = await taken(pool, world.project_id)
    monkeypatch.undo()

    assert await pages(pool, package) == expected
    assert await pages(pool, await taken(pool, world.project_id)) != expected


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_planted_ids(one: int, two: int) -> None:
    """UUIDv7 of the seed's time, the same each time, in the order of their numbers."""
    seed = UUID("0192f0c1-2f9a-7c3e-8f10-1a2b3c4d5e6f")
    first, second = imported_id(seed, one), imported_id(seed, two)

    assert first.version == 7 and first.variant == "specified in RFC 4122"
    assert first.int >> 80 == seed.int >> 80
    assert (first < second, first == second) == (one < two, one == two)
    assert imported_id(new_id(), one) != first


HEAD = Head(format=FORMAT, name="N", kinds={"book": 1, "chapter": 1, "scene": 1, "entity": 2})
HERO: Json = {"kind": "entity", "id": 4, "fields": {"type": "character", "name": "V"}}
FACTS = Head(format=FORMAT, name="N", kinds={"scene": 0, "entity": 1, "canon_fact": 1})
FACT: Json = {"kind": "canon_fact", "id": 2, "fields": {"entityId": 1, "fact": "x"}}


@pytest.mark.parametrize(
    ("head", "line", "code", "field"),
    [
        (HEAD, "{", "VALIDATION_FAILED", "line"),
        (HEAD, "[" * 100_000, "VALIDATION_FAILED", "line"),
        (HEAD, "7", "VALIDATION_FAILED", "line"),
        (HEAD, '{"kind": "entity", "id": 4, "x": NaN}', "VALIDATION_FAILED", "line"),
        (HEAD, HERO | {"kind": "motif"}, "UNKNOWN_NAME", "kind"),
        (HEAD, HERO | {"kind": "member"}, "UNKNOWN_NAME", "kind"),
        (HEAD, HERO | {"kind": ["entity"]}, "UNKNOWN_NAME", "kind"),
        (HEAD, HERO | {"kind": "scene"}, "VALIDATION_FAILED", "kind"),
        (HEAD, HERO | {"id": 5}, "VALIDATION_FAILED", "id"),
        (HEAD, HERO | {"id": 4.0}, "VALIDATION_FAILED", "id"),
        (HEAD, HERO | {"more": 1}, "UNKNOWN_NAME", "more"),
        (HEAD, HERO | {"fields": None}, "VALIDATION_FAILED", "fields"),
        (HEAD, HERO | {"fields": {"type": "character"}}, "VALIDATION_FAILED", "name"),
        (HEAD, HERO | {"fields": {"type": "ghost", "name": "V"}}, "VALIDATION_FAILED", "type"),
        (
            HEAD,
            HERO | {"fields": HERO["fields"] | {"ownerId": 1}},
            "UNKNOWN_NAME",
            "ownerId",
        ),
        (
            HEAD,
            HERO | {"fields": HERO["fields"] | {"traits": {"x": "\ud800"}}},
            "VALIDATION_FAILED",
            "traits",
        ),
        (HEAD, HERO | {"derived": {"preview": "x" * 201}}, "VALIDATION_FAILED", "derived.preview"),
        (HEAD, HERO | {"derived": {"filePath": "x"}}, "UNKNOWN_NAME", "derived.filePath"),
        (HEAD, HERO | {"derived": 3}, "VALIDATION_FAILED", "derived"),
        (
            HEAD,
            HERO | {"fields": {"type": "task", "name": "T", "task": {"assigneeId": 1}}},
            "VALIDATION_FAILED",
            "task.assigneeId",
        ),
        (FACTS, FACT | {"fields": {"entityId": 2, "fact": "x"}}, "VALIDATION_FAILED", "entityId"),
        (FACTS, FACT | {"fields": {"entityId": 3, "fact": "x"}}, "VALIDATION_FAILED", "entityId"),
        (
            FACTS,
            FACT | {"fields": {"entityId": True, "fact": "x"}},
            "VALIDATION_FAILED",
            "entityId",
        ),
        (
            FACTS,
            FACT | {"fields": {"entityId": str(new_id()), "fact": "x"}},
            "VALIDATION_FAILED",
            "entityId",
        ),
        (FACTS, FACT | {"fields": {"fact": "x"}}, "VALIDATION_FAILED", "entityId"),
        (
            FACTS,
            FACT | {"fields": {"entityId": 1, "fact": "x", "provenance": {"sceneId": 1}}},
            "VALIDATION_FAILED",
            "provenance.sceneId",
        ),
        (
            FACTS,
            FACT | {"fields": {"entityId": 1, "fact": "x", "provenance": {"anchorId": 1}}},
            "VALIDATION_FAILED",
            "provenance.anchorId",
        ),
    ],
)
def test_a_line_that_cannot_be_says_why(head: Head, line: Any, code: str, field: str) -> None:
    """Whatever is sent, the answer names the thing and its field."""
    raw = line if isinstance(line, str) else json.dumps(line)
    numbering = Numbering.of(head)
    number = 2 if head is FACTS else 4

    with pytest.raises(errors.Invalid) as refused:
        decode_line(raw.encode(), number, numbering, at=AT)

    assert refused.value.code == code
    assert refused.value.data["at"] == number
    assert refused.value.data["errors"][0]["field"] == field


def test_good_lines_are_read() -> None:
    """The lines above are wrong in one thing only."""
    hero = decode_line(json.dumps(HERO).encode(), 4, Numbering.of(HEAD), at=AT)
    fact = decode_line(json.dumps(FACT).encode(), 2, Numbering.of(FACTS), at=AT)

    assert hero.fields["name"] == "V" and hero.above is None
    assert list(fact.references()) == [("entity_id", 1)]


def test_a_place_needs_a_parent_before_it() -> None:
    """A scene hangs under a chapter of the same document."""
    numbering = Numbering.of(HEAD)
    for parent in (None, 1, 3, 4, True, "2"):
        line = json.dumps({"kind": "scene", "id": 3, "parent": parent, "fields": {}})
        with pytest.raises(errors.Invalid) as refused:
            decode_line(line.encode(), 3, numbering, at=AT)
        assert refused.value.data["errors"][0]["field"] == "parent"
    good = json.dumps({"kind": "scene", "id": 3, "parent": 2, "fields": {}})
    assert decode_line(good.encode(), 3, numbering, at=AT).above == 2


def test_a_document_of_another_kind_is_refused() -> None:
    """Another format, an unknown kind, too many things."""
    with pytest.raises(errors.Unsupported):
        Numbering.of(HEAD.model_copy(update={"format": "scriptorium.project/2"}))
    with pytest.raises(errors.Unknown):
        Numbering.of(HEAD.model_copy(update={"kinds": {"member": 1}}))
    with pytest.raises(errors.TooLarge):
        Numbering.of(HEAD.model_copy(update={"kinds": {"tag": AGGREGATES_MAX, "book": 1}}))


def test_numbers_tell_kinds() -> None:
    """As the counts say, in the one order of kinds."""
    numbering = Numbering(HEAD.kinds)

    kinds = [spec.kind if (spec := numbering.kind_of(n)) else None for n in range(7)]
    assert kinds == [None, "book", "chapter", "scene", "entity", "entity", None]
    assert {"book", "scene", "prompt_preset"} <= {spec.kind for spec in KINDS}
    assert not {"project", "member", "team_grant"} & {spec.kind for spec in KINDS}
