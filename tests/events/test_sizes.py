"""What was accepted can be changed, copied and read: an event holds it, and a page ends in time."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from libs import errors
from libs.contracts.events import manuscript as m
from libs.contracts.events.manuscript import LIST_BOOK_SCENES, ListBookScenes
from libs.contracts.events.world import ALIASES_MAX, GOALS_MAX
from libs.contracts.ids import new_id
from libs.contracts.values import (
    OBJECT_BYTES_MAX,
    OBJECT_WRITTEN_BYTES_MAX,
    PROMPT_CHARS_MAX,
    SUMMARY_CHARS_MAX,
    JsonObject,
)
from services.events.model.actions import changeable_fields
from services.events.model.aggregate import AggregateSpec
from services.events.model.aggregates import AGGREGATES
from services.events.model.equality import same
from services.events.model.log import CommandContext, PendingEvent, canonical, chain_events
from services.events.model.page import PAGE_BYTES_MAX
from tests.events.bundling import Bundling, bundle_of, create, fields_in, put
from tests.events.support import World

WIDEST = "\x01"
"""Six bytes in JSON, and allowed in texts; in a name four bytes are most."""
OBJECTS: TypeAdapter[dict[str, Any]] = TypeAdapter(JsonObject)


def largest_object() -> dict[str, Any]:
    """As many bytes as may be, of which storing makes many more."""
    number = 1e300
    count = (OBJECT_WRITTEN_BYTES_MAX - OBJECT_BYTES_MAX) // 296
    rest = OBJECT_BYTES_MAX - len(json.dumps([number] * count, separators=(",", ":"))) - 20
    return {"a": [number] * count, "b": "x" * rest}


def largest(schema: dict[str, Any], definitions: dict[str, Any]) -> Any:
    """The largest value that a JSON schema of ours allows, as it is written in JSON."""
    if schema.get("title") == "EditorDefinition":
        return largest_object()  # its members are bounded each, and all together as an object
    if "$ref" in schema:
        return largest(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if choices := schema.get("anyOf"):
        return max((largest(each, definitions) for each in choices), key=size)
    match schema.get("type"):
        case "string" if "enum" in schema:
            return max(schema["enum"], key=len)
        case "string" if schema.get("format") == "uuid":
            return str(UUID(int=1))
        case "string" if schema.get("format") == "date-time":
            return "2026-01-02T03:04:05.000001Z"
        case "string":
            pattern = schema.get("pattern", "")
            letter = WIDEST if pattern == r"^[^\x00]*$" else "🖋" if r"\x7f" in pattern else "a"
            return letter * schema.get("maxLength", 64)
        case "array":
            items, count = schema["items"], schema["maxItems"]
            return [largest(items, definitions)] * count
        case "object" if "properties" in schema:
            return {k: largest(v, definitions) for k, v in schema["properties"].items()}
        case "object":
            return largest_object()
        case "number" | "integer":
            return schema.get("maximum", 1)
        case _:
            return True


def size(value: Any) -> int:
    return len(canonical(value))


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(by_alias=False)


def changes(spec: AggregateSpec) -> Iterator[tuple[str, Any]]:
    """Every field that a client changes, with the largest value that it may get."""
    if spec.patch is None:
        return
    schema = schema_of(spec.patch)
    parts = {part.name: part for part in spec.parts}
    for name, each in schema["properties"].items():
        value = largest(each, schema.get("$defs", {}))
        if name in parts:
            for own, inner in value.items():
                yield parts[name].columns[own], inner
        else:
            yield name, value


def record(spec: AggregateSpec, action: str, data: Any) -> None:
    context = CommandContext(
        project_id=new_id(), user_id=new_id(), bundle_id=new_id(), correlation_id="0" * 32
    )
    pending_event = PendingEvent(spec, new_id(), action, data)
    chain_events([pending_event], {}, context, at=datetime.now(UTC), ids=[new_id()])


@pytest.mark.parametrize("spec", AGGREGATES.values(), ids=lambda spec: spec.kind)
def test_an_event_holds_the_largest_thing_and_the_largest_change(spec: AggregateSpec) -> None:
    schema = schema_of(spec.create)
    whole = largest(schema, schema.get("$defs", {}))
    place = {"parentId": str(new_id()), "index": 1_000_000, "rank": "a" * 200}
    record(spec, "added" if spec.grants_access else "created", whole | place)
    for name, value in changes(spec):
        if name in changeable_fields(spec):
            record(spec, f"{name}_changed", {"from": value, "to": value})


def test_the_largest_is_no_less_than_what_is_taken() -> None:
    """The test above would be about nothing if its values were smaller than those of clients."""
    assert len(largest({"type": "string", "maxLength": PROMPT_CHARS_MAX, "pattern": r"^[^\x00]*$"},
                       {})) == PROMPT_CHARS_MAX  # fmt: skip
    schema = schema_of(AGGREGATES["entity"].create)
    whole = largest(schema, schema["$defs"])
    assert len(whole["aliases"]) == ALIASES_MAX
    assert len(whole["story"]["goals"]) == GOALS_MAX
    assert OBJECTS.validate_python(whole["traits"]) == whole["traits"]
    assert size(whole["traits"]) > OBJECT_WRITTEN_BYTES_MAX * 0.9


@pytest.mark.parametrize(
    "value",
    [{"x": [1e300] * 95}, {"x": "a" * (OBJECT_BYTES_MAX - 8)}, {"x": [1.5e-7] * 3000}],
)
async def test_a_free_object_is_of_one_size_before_and_after_it_was_stored(
    world: World, value: dict[str, Any]
) -> None:
    """Storing writes numbers out; what comes back can be sent, and copied, once more."""
    entity = await world.create("entity", world.project_id, type="item", name="n", traits=value)
    stored = await world.read("entity", entity["id"])

    again = await world.create(
        "entity", world.project_id, type="item", name="n", traits=stored["traits"]
    )

    assert again["traits"] == stored["traits"]
    assert same(stored["traits"], value)


@pytest.mark.parametrize("value", [{"x": [1e300] * 300}, {"x": "a" * OBJECT_BYTES_MAX}])
def test_more_than_that_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="bytes at most"):
        OBJECTS.validate_python(value)


class TestPages:
    """Each of these was more than a message carries, so that nobody was answered."""

    COUNT = 150
    PROMPT = "永" * PROMPT_CHARS_MAX

    @pytest.fixture
    def bundling(self, world: World) -> Bundling:
        return Bundling(world)

    async def _personas(self, bundling: Bundling) -> list[UUID]:
        ids = [new_id() for _ in range(self.COUNT)]
        for start in range(0, self.COUNT, 50):
            made = (
                create("persona", each, name="p", prompt=self.PROMPT)
                for each in ids[start : start + 50]
            )
            await bundling.commit(*made)
        return ids

    async def test_of_a_bundle_and_of_conflicts(self, bundling: Bundling) -> None:
        ids = await self._personas(bundling)
        changed = await bundling.commit(*(put("persona", each, "prompt", "x") for each in ids))
        bundle_id = bundle_of(changed).id

        assert await self._operations(bundling, bundle_id) == ids

        for start in range(0, self.COUNT, 50):
            some = ids[start : start + 50]
            await bundling.commit(*(put("persona", each, "prompt", self.PROMPT) for each in some))
        with pytest.raises(errors.Conflict) as committing:
            wanted = (put("persona", each, "prompt", "z", oldValue="y") for each in ids)
            await bundling.commit(*wanted)
        other = (put("persona", each, "prompt", "z" * PROMPT_CHARS_MAX) for each in ids)
        await bundling.commit(*other)
        with pytest.raises(errors.Conflict) as undoing:
            await bundling.undo(bundle_id)
        for refusal in (committing, undoing):
            told = fields_in(refusal.value.data["conflicts"])
            assert 0 < len(told) < self.COUNT
            assert len(told) + refusal.value.data["conflictsLeftOut"] == self.COUNT

    async def _operations(self, bundling: Bundling, bundle_id: UUID) -> list[UUID]:
        """What a bundle was about, page by page; of more than one."""
        seen: list[UUID] = []
        pages = 0
        more: dict[str, Any] = {}
        while True:
            page = await bundling.read(bundle_id, limit=500, **more)
            assert len(page.to_wire()) < 2 * PAGE_BYTES_MAX
            seen += [item.aggregate.id for item in page.items]
            pages, more = pages + 1, {"cursor": page.next_cursor}
            if page.next_cursor is None:
                assert pages > 1
                return seen

    async def test_of_scenes(self, world: World) -> None:
        """Summaries of a chapter, and of a book: their lists are cut as those of entities are."""
        book = await world.book()
        chapter = await world.chapter(book)
        bundling, count = Bundling(world), 100
        ids = [new_id() for _ in range(count)]
        summary = WIDEST * SUMMARY_CHARS_MAX
        await bundling.commit(
            *(create("scene", each, chapter["id"], summary=summary) for each in ids)
        )

        seen: list[str] = []
        cursor: str | None = None
        while True:
            question = m.List(kind="scene", parent_id=chapter["id"], limit=500, cursor=cursor)
            page = await world.caller.ask(m.LIST, question, world.actor)
            seen += [item["id"] for item in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        of_book: list[str] = []
        while True:
            asked = ListBookScenes(book_id=book["id"], limit=500, cursor=cursor)
            scenes = await world.caller.ask(LIST_BOOK_SCENES, asked, world.actor)
            of_book += [str(item.scene.id) for item in scenes.items]
            if not scenes.more:
                break
            cursor = scenes.items[-1].cursor

        assert seen == of_book == [str(each) for each in ids]
