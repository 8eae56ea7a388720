"""Lists of the world: filters, orders, and cursors that neither skip nor repeat."""

import asyncio
import base64
import json
from typing import Any

import pytest

from libs import errors
from libs.contracts.actor import Role
from libs.contracts.events.resources import Kind
from libs.contracts.ids import new_id
from tests.events.support import Json, World

PAST, SOON, LATER = "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z", "2101-01-01T00:00:00Z"


async def names(world: World, kind: Kind = "entity", parent: Any = None, **more: Any) -> list[str]:
    items = await world.items(kind, parent or world.project_id, **more)
    return [each.get("name") or each.get("fact") or each["title"] for each in items]


async def walk(world: World, kind: Kind, limit: int, **more: Any) -> list[Json]:
    """All pages, one after the other."""
    found: list[Json] = []
    cursor: str | None = None
    while True:
        page = await world.page(kind, world.project_id, limit=limit, cursor=cursor, **more)
        assert len(page.items) <= limit
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.fixture
async def library(world: World) -> World:
    """Entities of several types, tasks with and without dates."""
    mate = new_id()
    await world.put_member(mate, Role.WRITER)
    given: list[Json] = [
        {"type": "character", "name": "Victor Frankenstein", "aliases": ["The Student"]},
        {"type": "character", "name": "victoria", "slug": "vic"},
        {"type": "location", "name": "Ingolstadt"},
        {"type": "task", "name": "Late", "task": {"due_date": PAST, "priority": 1}},
        {"type": "task", "name": "Soon", "task": {"due_date": SOON, "assignee_id": str(mate)}},
        {"type": "task", "name": "Done", "task": {"due_date": PAST, "status": "done"}},
        {"type": "task", "name": "Whenever", "task": {"priority": 3}},
    ]
    for fields in given:
        await world.create("entity", world.project_id, **fields)
    return world


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"type": "character"}, ["Victor Frankenstein", "victoria"]),
        ({"type": "idea"}, []),
        ({"name": "VICTORIA"}, ["victoria"]),
        ({"name": "the student"}, ["Victor Frankenstein"]),
        ({"name_prefix": "VICTOR"}, ["Victor Frankenstein", "victoria"]),
        ({"name_prefix": "vict%"}, []),
        ({"name_contains": "FRANK"}, ["Victor Frankenstein"]),
        ({"name_contains": "_"}, []),
        ({"alias": "THE STUDENT"}, ["Victor Frankenstein"]),
        ({"alias": "victoria"}, []),
        ({"slug": "vic"}, ["victoria"]),
        ({"task_status": "done"}, ["Done"]),
        ({"due_before": SOON}, ["Late", "Done"]),
        ({"due_after": SOON}, ["Soon"]),
        ({"due_after": PAST, "due_before": LATER}, ["Late", "Soon", "Done"]),
        ({"overdue": True}, ["Late"]),
        ({"overdue": True, "type": "character"}, []),
        ({"overdue": False, "type": "task"}, ["Soon", "Done", "Whenever"]),
        ({"assignee_id": str(new_id())}, []),
    ],
)
async def test_entities_by_what_people_ask_for(
    library: World, filters: Json, expected: list[str]
) -> None:
    assert await names(library, filters=filters) == expected


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("name", ["Done", "Ingolstadt", "Late", "Soon", "Victor Frankenstein", "victoria"]),
        ("-createdAt", ["Whenever", "Done", "Soon", "Late", "Ingolstadt"]),
        ("dueDate", ["Late", "Done", "Soon"]),
        ("-dueDate", ["Soon", "Done", "Late"]),
        ("-priority", ["Whenever", "Late"]),
    ],
)
async def test_entities_in_an_order(library: World, sort: str, expected: list[str]) -> None:
    """Those without the key come last in both directions."""
    found = await names(library, sort=sort)

    assert found[: len(expected)] == expected
    assert len(found) == 7


@pytest.mark.parametrize("limit", [1, 2, 3, 500])
@pytest.mark.parametrize("sort", ["name", "-name", "dueDate", "-dueDate", "priority", "updatedAt"])
async def test_pages_follow_without_gap_or_repeat(library: World, sort: str, limit: int) -> None:
    """Keys are null, equal or both for many of them."""
    whole = await library.items("entity", library.project_id, sort=sort)

    assert await walk(library, "entity", limit, sort=sort) == whole
    assert len({each["id"] for each in whole}) == 7


async def test_pages_hold_while_others_write(world: World) -> None:
    """Whoever was there before the first page is on exactly one, however the rest moves."""
    for number in range(12):
        await world.create("entity", world.project_id, type="idea", name=f"m{number:02}")
    before = {each["id"] for each in await world.items("entity", world.project_id)}

    async def disturb() -> None:
        for number in range(12):
            await world.create("entity", world.project_id, type="idea", name=f"a{number} z{number}")

    seen, _ = await asyncio.gather(walk(world, "entity", 2, sort="name"), disturb())
    ids = [each["id"] for each in seen]
    assert before <= set(ids)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    "cursor",
    [
        "~",
        base64.urlsafe_b64encode(b'["v1", "a0"]').decode(),
        base64.urlsafe_b64encode(b'["v2", "name", 7, "x"]').decode(),
        base64.urlsafe_b64encode(
            json.dumps(["v2", "name", "a\0", str(new_id())]).encode()
        ).decode(),
        base64.urlsafe_b64encode(
            json.dumps(["v2", "dueDate", "x", str(new_id())]).encode()
        ).decode(),
        base64.urlsafe_b64encode(json.dumps(["v2", "name", [], str(new_id())]).encode()).decode(),
        "W1tb" * 300,
    ],
    ids=["tilde", "old", "number", "nul", "other-order", "list", "long"],
)
@pytest.mark.parametrize("sort", ["name", "dueDate"])
async def test_made_up_cursors_are_refused(world: World, cursor: str, sort: str) -> None:
    with pytest.raises(errors.Invalid, match="cursor"):
        await world.page("entity", world.project_id, sort=sort, cursor=cursor)


async def test_a_cursor_is_of_one_order(library: World) -> None:
    page = await library.page("entity", library.project_id, sort="name", limit=2)

    with pytest.raises(errors.Invalid, match="cursor"):
        await library.page("entity", library.project_id, sort="-name", cursor=page.next_cursor)


async def test_unknown_filters_and_orders_are_named(world: World) -> None:
    with pytest.raises(errors.Unknown, match="colour"):
        await world.page("entity", world.project_id, filters={"colour": "red"})
    with pytest.raises(errors.Invalid, match="sort"):
        await world.page("entity", world.project_id, sort="colour")
    with pytest.raises(errors.Invalid, match="parentKind"):
        await world.page("persona", world.project_id, parent_kind="chapter")


async def test_relations_by_either_end(world: World) -> None:
    a, b, c = [
        await world.create("entity", world.project_id, type="character", name=name)
        for name in "ABC"
    ]
    for source, target, kind in ((a, b, "contains"), (b, c, "contains"), (c, a, "blocks")):
        await world.create(
            "relation",
            world.project_id,
            source_entity_id=source["id"],
            target_entity_id=target["id"],
            type=kind,
        )

    async def ends(**more: Any) -> list[tuple[str, str]]:
        of = {each["id"]: each["name"] for each in (a, b, c)}
        parent = more.pop("parent", world.project_id)
        return [
            (of[each["sourceEntityId"]], of[each["targetEntityId"]])
            for each in await world.items("relation", parent, **more)
        ]

    assert await ends(filters={"source_entity_id": a["id"]}) == [("A", "B")]
    assert await ends(filters={"target_entity_id": a["id"]}) == [("C", "A")]
    assert await ends(filters={"entity_id": a["id"]}) == [("A", "B"), ("C", "A")]
    assert await ends(filters={"type": "contains"}) == [("A", "B"), ("B", "C")]
    below = await ends(parent=a["id"], parent_kind="entity", filters={"type": "blocks"})
    assert below == [("C", "A")]
    with pytest.raises(errors.Invalid, match="entityId"):
        await ends(parent=a["id"], parent_kind="entity", filters={"entity_id": b["id"]})


async def test_facts_by_reveal(world: World) -> None:
    hero = await world.create("entity", world.project_id, type="character", name="Victor")
    other = await world.create("entity", world.project_id, type="character", name="Walton")
    scene = await world.scene()
    for fact, state, at, whose, sure in (
        ("Made it", "REVEALED", scene["id"], hero, 0.9),
        ("Fears it", "HINTED", None, hero, 0.5),
        ("Is alone", "HIDDEN", None, other, 0.7),
    ):
        await world.create(
            "canon_fact",
            world.project_id,
            entity_id=whose["id"],
            fact=fact,
            reveal_state=state,
            reveal_scene_id=at,
            confidence=sure,
        )

    assert await names(world, "canon_fact", filters={"reveal_state": "HINTED"}) == ["Fears it"]
    found = await names(world, "canon_fact", filters={"reveal_scene_id": scene["id"]})
    assert found == ["Made it"]
    assert await names(world, "canon_fact", filters={"fact_contains": "IT"}) == [
        "Made it",
        "Fears it",
    ]
    by_sure = await names(world, "canon_fact", sort="-confidence")
    assert by_sure == ["Made it", "Is alone", "Fears it"]
    below = await names(world, "canon_fact", hero["id"], parent_kind="entity")
    assert below == ["Made it", "Fears it"]


async def test_scenes_of_a_whole_project_in_manuscript_order(world: World) -> None:
    """Over chapters and books, wherever things were made or moved to."""
    first, second = await world.book("One"), await world.book("Two")
    early, late = await world.chapter(first), await world.chapter(first)
    third = await world.chapter(second)
    await world.scene(third, title="7", status="FINAL", pov="FIRST")
    await world.scene(late, title="4", pov="FIRST")
    await world.scene(early, title="2")
    moved = await world.scene(late, title="1", status="FINAL")
    await world.move("scene", moved["id"], 0, parent_id=early["id"])
    await world.move("book", second["id"], 0)

    assert await names(world, "scene", parent_kind="project") == ["7", "1", "2", "4"]
    assert await names(world, "scene", parent_kind="project", sort="-manuscript") == [
        "4",
        "2",
        "1",
        "7",
    ]
    status = {"status": "FINAL"}
    assert await names(world, "scene", parent_kind="project", filters=status) == ["7", "1"]
    pov = {"pov": "FIRST", "book_id": first["id"]}
    assert await names(world, "scene", parent_kind="project", filters=pov) == ["4"]
    assert await names(world, "scene", early["id"], filters=status) == ["1"]
    assert await walk(world, "scene", 1, parent_kind="project") == await world.items(
        "scene", world.project_id, parent_kind="project"
    )
    await world.remove("chapter", early["id"])
    assert await names(world, "scene", parent_kind="project") == ["7", "4"]


async def test_a_page_of_huge_things_still_fits_a_message(world: World) -> None:
    """Five hundred of the largest would be 14 MB; the page ends earlier and says so."""
    guide = {"text": "x" * 27_000}
    await asyncio.gather(
        *(
            world.create("style_guide", world.project_id, name=f"G{number}", guide=guide)
            for number in range(160)
        )
    )
    first = await world.page("style_guide", world.project_id, limit=500)

    assert 100 < len(first.items) < 160
    whole = await walk(world, "style_guide", 500)
    assert len({each["id"] for each in whole}) == 160
