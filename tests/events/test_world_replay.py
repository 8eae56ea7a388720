"""A busy project of every kind: whatever is commanded, each row is the fold of its events."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs import errors
from libs.bus import Caller
from libs.contracts.events.resources import Kind
from libs.contracts.events.world import AppearanceRole, EntityType, RelationType, TaskStatus
from libs.contracts.ids import new_id
from libs.errors import AppError
from libs.postgres import Pool
from services.events.model.aggregate import AggregateSpec
from services.events.model.aggregates import AGGREGATES
from services.events.model.log import CommandContext, PendingEvent
from services.events.model.merge import field_changes
from services.events.store import Store, Transaction
from tests.events.support import Json, World
from tests.events.test_log import ASYNC, NAMES, log, require_replayed

CLOCK_NOISE = timedelta(seconds=1)
"""An event's time is drawn before its locks are waited for."""

KINDS: tuple[Kind, ...] = (
    "entity",
    "relation",
    "tag",
    "tagging",
    "appearance",
    "canon_fact",
    "style_guide",
    "context_rule",
    "persona",
    "prompt_preset",
    "editor_definition",
)
DEEDS = ("create", "create", "create", "change", "change", "remove", "restore")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(KINDS), st.sampled_from(DEEDS), st.integers(0, 99), st.integers(0, 9), NAMES
    ),
    min_size=10,
    max_size=60,
)


class Busy:
    """Somebody who does one thing after the other, and keeps what there is."""

    def __init__(self, world: World, scenes: list[str]) -> None:
        self.world = world
        self.made: dict[str, list[str]] = {"scene": scenes}

    def some(self, kind: str, number: int) -> str:
        known = self.made.get(kind) or [str(self.world.project_id)]
        return known[number % len(known)]

    def fields(self, kind: Kind, one: int, two: int, name: str) -> Json:
        """What a new one is made of."""
        kind_of = list(EntityType)[one % len(EntityType)]
        entity: Json = {"type": kind_of, "name": name, "aliases": [name], "traits": {name: two}}
        if kind_of is EntityType.TASK:
            due = f"2{two:03}-01-01T00:00:00.{one:06}Z"
            status = list(TaskStatus)[two % 4]
            entity["task"] = {"status": status, "priority": two % 4, "due_date": due}
        given: dict[str, Json] = {
            "entity": entity,
            "relation": {
                "source_entity_id": self.some("entity", one),
                "target_entity_id": self.some("entity", two),
                "type": list(RelationType)[two % 2],
            },
            "tag": {"name": name, "colour": f"#{one:06}"},
            "tagging": {"entity_id": self.some("entity", one), "tag_id": self.some("tag", two)},
            "appearance": {
                "scene_id": self.some("scene", two),
                "entity_id": self.some("entity", one),
                "role": list(AppearanceRole)[two % 4],
            },
            "canon_fact": {
                "entity_id": self.some("entity", one),
                "fact": name,
                "reveal_scene_id": self.some("scene", two) if two % 2 else None,
                "reveal_state": "REVEALED",
                "reveal_at": "1818-01-01T00:00:00Z",
                "confidence": two / 9,
                "provenance": {"scene_id": self.some("scene", one), "confidence": 1},
            },
            "style_guide": {"name": name, "guide": {name: [two, one / 7]}},
            "context_rule": {
                "name": name,
                "style_guide_id": self.some("style_guide", one) if two % 2 else None,
            },
            "persona": {"name": name, "prompt": name},
            "prompt_preset": {
                "name": name,
                "persona_id": self.some("persona", one) if two % 2 else None,
                "constraints": {"n": two},
            },
            "editor_definition": {
                "name": name,
                "definition": {"kind": "text", "root": name, "version": two or None},
            },
        }
        return given[kind]

    def changed(self, kind: Kind, one: int, two: int, name: str) -> Json:
        """What of an old one becomes different."""
        new = self.fields(kind, one, two, name)
        patch = AGGREGATES[kind].patch
        allowed: Any = patch.model_fields if patch else {}
        return {key: value for key, value in new.items() if key in allowed}

    async def act(self, kind: Kind, deed: str, one: int, two: int, name: str) -> None:
        world, target = self.world, self.some(kind, one)
        try:
            match deed:
                case "create":
                    fields = self.fields(kind, one, two, name)
                    new = await world.create(kind, world.project_id, **fields)
                    self.made.setdefault(kind, []).append(new["id"])
                case "change":
                    await world.change(kind, target, **self.changed(kind, one, two, name))
                case "remove":
                    await world.remove(kind, target)
                case _:
                    await world.restore(kind, target)
        except AppError as error:
            assert error.code not in ("INTERNAL", "UNAVAILABLE"), (kind, deed, error.detail)


@given(steps=STEPS)
@ASYNC
async def test_projections_equal_a_replay(
    caller: Caller, owner: Pool, steps: list[tuple[Kind, str, int, int, str]]
) -> None:
    world = await World.begin(caller)
    busy = Busy(world, [(await world.scene())["id"]])
    for step in steps:
        await busy.act(*step)

    await require_replayed(owner, world.project_id)


async def test_many_in_one_action(world: World, pool: Pool, owner: Pool) -> None:
    """Rows that are written as sets, components too: what was linked first comes first."""
    entity, relation = AGGREGATES["entity"], AGGREGATES["relation"]
    ids = [new_id() for _ in range(4)]
    context = CommandContext(
        project_id=world.project_id,
        user_id=world.actor.user_id,
        bundle_id=new_id(),
        correlation_id="0" * 32,
    )
    given: Json = {"type": "task", "name": "x", "aliases": ["a", "b"], "traits": {"n": [1.5, None]}}
    given["task"] = {"status": "done", "due_date": "2030-01-01T00:00:00Z"}
    ends = [
        {"source_entity_id": str(one), "target_entity_id": str(two), "type": "contains"}
        for one, two in pairwise(ids)
    ]

    def born(spec: AggregateSpec, fields: Json) -> Json:
        return spec.born(spec.initial(fields, at="2026-01-01T00:00:00Z"))

    async def make(tx: Transaction) -> None:
        links = [PendingEvent(relation, new_id(), "created", born(relation, each)) for each in ends]
        things = [PendingEvent(entity, each, "created", born(entity, given)) for each in ids]
        await tx.record([*links, *things])

    async def change(tx: Transaction) -> None:
        pending_events: list[PendingEvent] = []
        for each in ids:
            row = await tx.lock(entity, each)
            assert row is not None
            wanted = entity.completed(row, {"type": "item"}, at="2026-01-01T00:00:00Z")
            pending_events += field_changes(entity, each, row, wanted)
        await tx.record(pending_events)

    store = Store(pool)
    await store.run_command(context, make)
    await require_replayed(owner, world.project_id)
    await store.run_command(replace(context, bundle_id=new_id()), change)
    await require_replayed(owner, world.project_id)

    async def close(tx: Transaction) -> None:
        circle = {"source_entity_id": str(ids[3]), "target_entity_id": str(ids[0])}
        await tx.record(
            [
                PendingEvent(
                    relation, new_id(), "created", born(relation, circle | {"type": "contains"})
                )
            ]
        )

    with pytest.raises(errors.RelationCycle):
        await store.run_command(replace(context, bundle_id=new_id()), close)

    async def cherry_pick(tx: Transaction) -> None:
        await tx.lock(entity, ids[0])
        await tx.record(
            [PendingEvent(entity, ids[0], "task_priority_changed", {"from": None, "to": 1})]
        )

    with pytest.raises(errors.Invalid, match="task"):
        await store.run_command(replace(context, bundle_id=new_id()), cherry_pick)


async def test_nothing_refers_to_what_was_deleted_at_the_same_moment(
    world: World, owner: Pool
) -> None:
    """A reference holds what it names: either it came first, or it is refused."""
    for _ in range(10):
        hero = await world.create("entity", world.project_id, type="character", name="Victor")
        outcomes = await asyncio.gather(
            world.remove("entity", hero["id"]),
            world.create("canon_fact", world.project_id, entity_id=hero["id"], fact="x"),
            world.create("canon_fact", world.project_id, entity_id=hero["id"], fact="y"),
            return_exceptions=True,
        )
        assert not isinstance(outcomes[0], BaseException)
        times = "SELECT max(created_at) FROM canon_facts WHERE entity_id = $1"
        newest = await owner.fetchval(times, hero["id"])
        gone = await owner.fetchval("SELECT deleted_at FROM entities WHERE id = $1", hero["id"])
        for each in outcomes[1:]:
            if isinstance(each, BaseException):
                assert isinstance(each, errors.NotFound)
        assert newest is None or newest <= gone + CLOCK_NOISE

    await require_replayed(owner, world.project_id)


async def test_replay_after_a_crowd(caller: Caller, owner: Pool) -> None:
    """Eight people at once over the same things, who meet and are refused, and still."""
    world = await World.begin(caller)
    chapter = await world.chapter()
    scenes = [(await world.scene(chapter))["id"] for _ in range(3)]
    busy = Busy(world, scenes)

    async def work(who: int) -> None:
        for turn in range(40):
            number = who * 37 + turn * 13
            kind = KINDS[number % len(KINDS)]
            deed = DEEDS[(number // 3) % len(DEEDS)]
            await busy.act(kind, deed, number % 100, turn % 10, f"n{who}-{turn}")

    await asyncio.gather(*map(work, range(8)))

    kinds = {event.aggregate_type for event in await log(owner, "project_id", world.project_id)}
    assert {*KINDS} <= kinds
    await require_replayed(owner, world.project_id)
