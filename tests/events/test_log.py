"""The chain of checksums, and the log as the only truth about the projections."""

import asyncio
import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from libs.bus import Caller
from libs.contracts.actor import Role
from libs.contracts.events.event import Event, Source
from libs.contracts.events.resources import Kind
from libs.contracts.ids import new_id
from libs.errors import AppError
from libs.postgres import Pool
from services.events.model.aggregate import Row
from services.events.model.aggregates import AGGREGATES, PROJECT
from services.events.model.log import (
    CommandContext,
    PendingEvent,
    canonical,
    chain_events,
    checksum,
    first_broken,
    fold,
)
from services.events.store import events_from_rows
from tests.events.support import World

NAMES = st.text(st.characters(exclude_categories=("C",)), min_size=1, max_size=20).filter(str.strip)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | NAMES
    | st.floats(allow_nan=False, allow_infinity=False)
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
)
ASYNC = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)


def chain(data: list[Any]) -> list[Event]:
    aggregate_id = new_id()
    written = chain_events(
        [PendingEvent(PROJECT, aggregate_id, "name_changed", {"to": each}) for each in data],
        {},
        CommandContext(
            project_id=aggregate_id,
            user_id=new_id(),
            bundle_id=new_id(),
            correlation_id="0" * 32,
        ),
        at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        ids=[new_id() for _ in data],
    )
    return [each.event for each in written]


def test_recipe_of_the_checksum() -> None:
    """Golden: anybody can recompute it from the docstring, in any language."""
    event = Event(
        id=UUID(int=1),
        aggregate_id=UUID(int=2),
        aggregate_type="book",
        event_type="book.title_changed",
        project_id=UUID(int=3),
        user_id=UUID(int=4),
        data={"to": "Ä\n", "from": 1.0},
        metadata={},
        timestamp=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        version=2,
        causation_id=None,
        correlation_id="c",
        source=Source.API,
        bundle_id=UUID(int=5),
        checksum="",
    )
    text = (
        '{"aggregateId":"00000000-0000-0000-0000-000000000002","aggregateType":"book",'
        '"bundleId":"00000000-0000-0000-0000-000000000005","causationId":null,'
        '"correlationId":"c","data":{"from":1,"to":"Ä\\n"},"eventType":"book.title_changed",'
        '"id":"00000000-0000-0000-0000-000000000001","metadata":{},'
        '"projectId":"00000000-0000-0000-0000-000000000003","source":"api",'
        '"timestamp":"2026-01-02T03:04:05.000000Z",'
        '"userId":"00000000-0000-0000-0000-000000000004","version":2}'
    )
    previous = "ab" * 32

    assert checksum(previous, event) == sha256((previous + text).encode()).hexdigest()


@given(st.lists(JSON, min_size=1, max_size=5), st.data())
def test_any_altered_event_breaks_the_chain(values: list[Any], data: st.DataObject) -> None:
    events = chain(values)
    place = data.draw(st.integers(0, len(events) - 1))
    other = data.draw(JSON)
    altered = events[place].model_copy(update={"data": {"to": other}})
    changed = canonical(altered.data) != canonical(events[place].data)

    assert first_broken(events) is None
    found = first_broken([*events[:place], altered, *events[place + 1 :]])
    assert (found is not None) == changed


@given(st.integers(1, 5), st.data())
def test_missing_or_swapped_events_break_the_chain(count: int, data: st.DataObject) -> None:
    events = chain(list(range(count + 1)))
    place = data.draw(st.integers(0, count - 1))

    assert first_broken([*events[:place], *events[place + 1 :]]) is not None
    swapped = [*events]
    swapped[place], swapped[place + 1] = swapped[place + 1], swapped[place]
    assert first_broken(swapped) is not None


@given(value=JSON)
@ASYNC
async def test_checksum_survives_the_database(owner: Pool, value: Any) -> None:
    """What jsonb does to numbers and to the order of keys leaves the canonical form alone."""
    stored = await owner.fetchval("SELECT $1::jsonb", {"to": value})

    assert canonical(stored) == canonical({"to": value})


async def test_flipped_byte_in_the_log_is_found(world: World, owner: Pool) -> None:
    scene = await world.scene(title="Night")
    await world.change("scene", scene["id"], title="Dawn")
    events = await log(owner, "aggregate_id", scene["id"])
    assert first_broken(events) is None

    flipped = json.loads(json.dumps(events[1].data).replace("Dawn", "Dawm"))

    broken = [events[0], events[1].model_copy(update={"data": flipped})]
    assert first_broken(broken) is broken[1]


async def log(owner: Pool, column: str, key: object) -> list[Event]:
    return events_from_rows(
        await owner.fetch(
            f"SELECT * FROM events WHERE {column} = $1 ORDER BY aggregate_id, version", key
        )
    )


async def require_replayed(owner: Pool, project_id: UUID) -> None:
    """Fold every aggregate's log and compare with its row; nothing may be left over."""
    chains: dict[UUID, list[Event]] = {}
    for event in await log(owner, "project_id", project_id):
        chains.setdefault(event.aggregate_id, []).append(event)
    replayed: dict[tuple[str, UUID], Row] = {}
    for aggregate_id, events in chains.items():
        assert first_broken(events) is None
        spec, row = AGGREGATES[events[0].aggregate_type], None
        for event in events:
            row = fold(spec, row, event)
        if row is not None:
            replayed[spec.kind, aggregate_id] = row
        head = await owner.fetchrow(
            "SELECT version, checksum FROM aggregates WHERE aggregate_id = $1", aggregate_id
        )
        assert head is not None
        assert tuple(head) == (events[-1].version, events[-1].checksum)
    assert await projections(owner, project_id) == tables_of(replayed)


type Table = dict[UUID, Row]


def tables_of(replayed: dict[tuple[str, UUID], Row]) -> dict[str, Table]:
    """Return what every table has to hold, components' too, after a replay."""
    tables: dict[str, Table] = {}
    for (kind, key), row in replayed.items():
        for table, values in AGGREGATES[kind].stored(row):
            tables.setdefault(table, {})[key] = values
    return tables


async def projections(owner: Pool, project_id: UUID) -> dict[str, Table]:
    """Return what every table does hold of a project."""
    tables: dict[str, Table] = {}
    for spec in AGGREGATES.values():
        own = "id" if spec is PROJECT else "project_id"
        parts = [(part.table or "", f"{spec.kind}_id") for part in spec.components]
        for table, key in [(spec.table, "id"), *parts]:
            rows = await owner.fetch(f"SELECT * FROM {table} WHERE {own} = $1", project_id)
            if rows:
                tables[table] = {row[key]: dict(row) for row in rows}
    return tables


STEP = st.tuples(
    st.sampled_from(
        ["book", "chapter", "scene", "change", "move", "remove", "restore", "put", "drop"]
    ),
    st.integers(0, 9),
    st.integers(0, 9),
    NAMES,
)


@given(steps=st.lists(STEP, min_size=5, max_size=30))
@ASYNC
async def test_projections_equal_a_replay(
    caller: Caller, owner: Pool, steps: list[tuple[str, int, int, str]]
) -> None:
    """Whatever is commanded, refused or not, a row is the fold of its events."""
    world = await World.begin(caller)
    await act(world, steps)

    await require_replayed(owner, world.project_id)


KINDS: tuple[Kind, ...] = ("book", "chapter", "scene")
ABOVE: dict[Kind, Kind] = {"book": "project", "chapter": "book", "scene": "chapter"}


async def act(world: World, steps: list[tuple[str, int, int, str]]) -> None:
    made: dict[Kind, list[str]] = {"project": [str(world.project_id)]}
    people = [new_id() for _ in range(3)]
    for action, one, two, name in steps:
        kind = KINDS[one % 3]
        known = made.get(kind) or [str(new_id())]
        parents = made.get(ABOVE[kind]) or [str(new_id())]
        target, parent = known[two % len(known)], parents[one % len(parents)]
        try:
            match action:
                case "book" | "chapter" | "scene":
                    parents = made.get(ABOVE[action]) or [str(new_id())]
                    new = await world.create(action, parents[two % len(parents)], title=name)
                    made.setdefault(action, []).append(new["id"])
                case "change":
                    await world.change(kind, target, title=name)
                case "move":
                    await world.move(kind, target, two, parent_id=parent if one > 4 else None)
                case "remove":
                    await world.remove(kind, target)
                case "restore":
                    await world.restore(kind, target)
                case "put":
                    await world.put_member(people[one % 3], list(Role)[two % 4])
                case _:
                    await world.remove_member(people[one % 3])
        except AppError as error:
            assert error.code not in ("INTERNAL", "UNAVAILABLE"), action


async def test_correlation_is_the_request_of_the_caller(world: World, owner: Pool) -> None:
    """A fact can be found from the trace of the request that caused it."""
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("request") as span:
        book = await world.book()
        trace_id = trace.format_trace_id(span.get_span_context().trace_id)

    (event,) = await log(owner, "aggregate_id", book["id"])
    assert event.correlation_id == trace_id
    headers = json.loads(
        await owner.fetchval("SELECT headers FROM outbox WHERE event_id = $1", event.id)
    )
    if headers:  # without a provider in this process there is nothing to carry on
        assert trace_id in headers["traceparent"]


async def test_replay_after_concurrent_work(world: World, owner: Pool) -> None:
    """Commands that ran into each other leave the log and the rows in agreement."""
    book = await world.book()
    chapters = [await world.chapter(book) for _ in range(3)]
    scenes = [await world.scene(chapters[0]) for _ in range(6)]

    async def stir(number: int) -> None:
        scene, chapter = scenes[number % 6], chapters[number % 3]
        try:
            await world.move("scene", scene["id"], number % 4, parent_id=chapter["id"])
            await world.change("scene", scene["id"], title=f"T{number}")
            await world.move("chapter", chapter["id"], number % 3)
            if number % 5 == 0:
                await world.remove("scene", scene["id"])
                await world.restore("scene", scene["id"])
        except AppError as error:
            assert error.code in ("NOT_FOUND", "CONFLICT"), error.code

    await asyncio.gather(*map(stir, range(24)))

    await require_replayed(owner, world.project_id)


async def test_project_is_not_needed_by_its_replay(world: World, owner: Pool) -> None:
    await world.change("project", world.project_id, name="Renamed")
    await world.remove("project", world.project_id)

    await require_replayed(owner, world.project_id)


@pytest.mark.parametrize("kind", list(AGGREGATES))
async def test_row_and_table_agree(owner: Pool, kind: str) -> None:
    """An aggregate's columns are its table's; a forgotten one would be lost silently."""
    spec = AGGREGATES[kind]
    rows = await owner.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_name = $1", spec.table
    )

    assert {row["column_name"] for row in rows} == set(spec.columns)
    for part in spec.components:
        rows = await owner.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = $1", part.table
        )
        keys = {f"{kind}_id", "project_id", f"{kind}_{part.by}"}
        assert {row["column_name"] for row in rows} == keys | part.columns.keys()


@pytest.mark.parametrize("kind", list(AGGREGATES))
async def test_view_shows_all_that_a_list_asks_for(owner: Pool, kind: str) -> None:
    """Fields, components' too, and what lists are filtered and sorted by."""
    spec = AGGREGATES[kind]
    wanted = {*spec.columns, *spec.fields, "project_id", "parent_id", "hidden", "deleted_at"}
    listing = spec.listing
    keys = {key.column for key in listing.keys.values()}
    keys |= {asked.column for asked in listing.filters.values()}

    for view, names in ((spec.view, wanted), (listing.view or spec.view, keys)):
        rows = await owner.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_name = $1", view
        )
        assert names <= {row["column_name"] for row in rows}
    assert set(listing.filters) == set(listing.model.model_fields)
