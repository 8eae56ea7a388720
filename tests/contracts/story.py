"""A project in which all happens that can happen, on a real stack, and what was announced."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import nats

from libs.bus import Caller, connect_broker
from libs.contracts.actor import Role
from libs.contracts.events import lifecycle, teams
from libs.contracts.events.manuscript import CHANGE, Change
from libs.contracts.events.resources import Kind
from libs.contracts.ids import new_id
from libs.postgres import connect
from services.events.catalogue.types import event_types
from services.events.model.aggregates import AGGREGATES
from services.events.model.log import CommandContext, PendingEvent
from services.events.store import Store, Transaction
from tests.events.files import attach, detach
from tests.events.support import World
from tools.stack import Stack

type Json = dict[str, Any]

PURGED_WAIT_S = 60
MOMENT = "2026-01-02T03:04:05Z"
LATER = "2026-02-03T04:05:06Z"
UNSET: Mapping[str, Any] = {
    "scene.word_count_changed": 7,
}
"""Changes that no request makes yet; they are recorded as whoever will make them would."""


async def told(stack: Stack) -> list[Json]:
    """Live the story on a stack with the events service; returns its messages, in order."""
    broker, client = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica="story"
    )
    world = await World.begin(Caller(client))
    await _live(world)
    await _record_what_nothing_sets(stack, world)
    await _end(world)
    await broker.stop()
    return await _announced(stack, world.project_id)


async def _live(world: World) -> None:
    project = world.project_id
    await _change(
        world, "project", project, name="Frankenstein", slug=f"frankenstein-{project}"[:40]
    )
    friend = new_id()
    await world.put_member(friend, Role.WRITER)
    await world.put_member(friend, Role.READER)
    team = new_id()
    for role in (Role.WRITER, Role.READER):
        grant = teams.PutGrant(command_id=new_id(), team_id=team, role=role)
        await world.caller.ask(teams.PUT_GRANT, grant, world.actor)

    definition: Json = {"kind": "text", "root": "content", "version": 2}
    own = await world.create("editor_definition", project, name="house", definition=definition)
    await _all(world, "editor_definition", own["id"], definition={**definition, "version": 3})
    await _change(world, "project", project, editor="house")

    book = await world.book("Letters")
    await world.book("Notes")
    await _all(world, "book", book["id"], title="Volume I", kind="screenplay", editor="slate")
    chapter = await world.chapter(book)
    await world.chapter(book)
    await _all(world, "chapter", chapter["id"], title="I")
    scene = await world.scene(chapter, title="Ice")
    await world.scene(chapter)
    said = {"pov": "FIRST", "tense": "PAST", "summary": "Cold.", "schema_version": 2}
    await _all(world, "scene", scene["id"], title="The ice", status="FINAL", editor="quill", **said)

    async def make(kind: Kind, **fields: Any) -> str:
        return str((await world.create(kind, project, **fields))["id"])

    hero = await make("entity", type="character", name="Victor", slug="victor")
    task = await make("entity", type="task", name="Research ice")
    aside = {"description": "A student.", "aliases": ["V."], "traits": {"eyes": "grey"}}
    story = {"role": "Hero", "arc": "Falls.", "goals": ["Life"], "motivation": "Pride."}
    await _all(
        world, "entity", hero, name="Victor F.", slug="victor-f", **aside,
        story={**story, "conflict": "Nature."},
    )  # fmt: skip
    when = {"due_date": MOMENT, "priority": 2, "assignee_id": str(friend)}
    await world.change("entity", task, task={"status": "done", **when})
    await world.change("entity", task, type="note")
    for text in ("The ice was here", "It is all around"):
        await attach(world, hero, text)
    await detach(world, UUID(hero))
    relation = await make(
        "relation", source_entity_id=hero, target_entity_id=task, type="relates_to"
    )
    await _all(world, "relation", relation, note="Why?")
    tag = await make("tag", name="dark", colour="#000000")
    tagging = await make("tagging", entity_id=hero, tag_id=tag)
    await _all(world, "tagging", tagging)
    await _all(world, "tag", tag, name="darker", colour="#111111")
    seen = await make("appearance", scene_id=scene["id"], entity_id=hero, role="POV")
    await _all(
        world, "appearance", seen, role="SPEAKING", anchor_id=str(new_id()), notes="On deck."
    )  # fmt: skip
    found = {"anchor_id": str(new_id()), "scene_id": scene["id"], "confidence": 0.5}
    fact = await make("canon_fact", entity_id=hero, fact="He made it.", confidence=0.5)
    revealed = {"reveal_state": "REVEALED", "reveal_scene_id": scene["id"], "reveal_at": LATER}
    await _all(
        world, "canon_fact", fact, fact="He made him.", confidence=1, **revealed,
        provenance={**found, "snippet": "I made"},
    )  # fmt: skip
    guide = await make("style_guide", name="House")
    await _change(world, "style_guide", guide, name="Our house", guide={"tense": "past"})
    rule = await make("context_rule", name="All")
    limits = {"rag_k": 4, "max_input_tokens": 1000, "style_guide_id": guide}
    off = {"enabled": False, "structure": False, "kb": False}
    await _change(world, "context_rule", rule, name="Some", **off, **limits)
    persona = await make("persona", name="Captain")
    await _change(world, "persona", persona, name="Walton", description="Cold.", prompt="Write.")
    preset = await make("prompt_preset", name="Storm")
    refers = {"persona_id": persona, "context_rule_id": rule, "model_profile_ref": "large"}
    await _change(
        world, "prompt_preset", preset, name="Gale", prompt="Blow.", constraints={"k": 1}, **refers
    )  # fmt: skip
    kinds: tuple[tuple[Kind, str], ...] = (
        ("prompt_preset", preset), ("persona", persona), ("context_rule", rule),
        ("style_guide", guide),
    )  # fmt: skip
    for kind, key in kinds:
        await _all(world, kind, key)
    # One of each that does not last stays for the end of the project.
    await make("relation", source_entity_id=hero, target_entity_id=task, type="mentions")
    tag = await make("tag", name="cold")
    await make("tagging", entity_id=hero, tag_id=tag)
    await make("appearance", scene_id=scene["id"], entity_id=hero, role="POV")
    for user_id in (friend,):
        await world.remove_member(user_id)
    gone = teams.RemoveGrant(command_id=new_id(), team_id=team)
    await world.caller.ask(teams.REMOVE_GRANT, gone, world.actor)
    await world.caller.ask(
        teams.PUT_GRANT,
        teams.PutGrant(command_id=new_id(), team_id=team, role=Role.READER),
        world.actor,
    )


async def _change(world: World, kind: Kind, key: Any, /, **fields: Any) -> None:
    """Change one field after the other."""
    for name, value in fields.items():
        asked = Change(kind=kind, id=key, command_id=new_id(), fields={name: value})
        await world.caller.ask(CHANGE, asked, world.actor)


async def _all(world: World, kind: Kind, key: Any, /, **fields: Any) -> None:
    """Everything that can happen to one thing, in the order of a life."""
    spec = AGGREGATES[kind]
    await _change(world, kind, key, **fields)
    if spec.parent and spec.ordered:
        await world.move(kind, key, 1)
    await world.remove(kind, key)
    if spec.keeps_deleted:
        await world.restore(kind, key)


async def _record_what_nothing_sets(stack: Stack, world: World) -> None:
    ids = {"scene": (await _first_scene(world))["id"]}
    context = CommandContext(
        project_id=world.project_id,
        user_id=world.actor.user_id,
        bundle_id=new_id(),
        correlation_id="0" * 32,
    )

    async def work(tx: Transaction) -> None:
        pending_events: list[PendingEvent] = []
        for event_type, value in UNSET.items():
            kind, _, action = event_type.partition(".")
            spec, key = AGGREGATES[kind], UUID(str(ids[kind]))
            row = await tx.lock(spec, key)
            assert row
            before = row[action.removesuffix("_changed")]
            pending_events.append(PendingEvent(spec, key, action, {"from": before, "to": value}))
        await tx.record(pending_events)

    pool = await connect(stack.postgres_url("events", "events"), application="story")
    await Store(pool).run_command(context, work)
    await pool.close()


async def _first_scene(world: World) -> Json:
    for book in await world.items("book", world.project_id):
        for chapter in await world.items("chapter", book["id"]):
            for scene in await world.items("scene", chapter["id"]):
                return scene
    raise AssertionError("the story has no scene")


async def _end(world: World) -> None:
    """Archive the project and open it again; delete, restore and delete it; purge it."""
    project = world.project_id
    for archived in (True, False):
        asked = lifecycle.SetArchived(command_id=new_id(), archived=archived)
        await world.caller.ask(lifecycle.SET_ARCHIVED, asked, world.actor)
    await world.remove("project", project)
    await world.restore("project", project)
    await world.remove("project", project)
    order = lifecycle.Purge(command_id=new_id(), kind="project", id=project)
    purge = await world.caller.ask(lifecycle.PURGE, order, world.actor)
    async with asyncio.timeout(PURGED_WAIT_S):
        while purge.buried < purge.things or not purge.things:
            await asyncio.sleep(0.2)
            asked = lifecycle.ReadPurge(id=purge.id)
            purge = await world.caller.ask(lifecycle.READ_PURGE, asked, world.actor)
            assert purge.state != lifecycle.PurgeState.FAILED, purge.failure


async def _announced(stack: Stack, project_id: UUID) -> list[Json]:
    """Everything that the stream was told of a project, up to the end of the project itself."""
    client = await nats.connect(stack.nats_url("admin"))
    subject = f"scriptorium.v1.events.*.*.{project_id}"
    subscription = await client.jetstream().subscribe(subject, ordered_consumer=True)
    found: list[Json] = []
    try:
        while not found or found[-1]["event"]["eventType"] != "project.purged":
            found.append(json.loads((await subscription.next_msg(timeout=10)).data))
    finally:
        await client.close()
    return found


def types_missing(messages: list[Json]) -> list[str]:
    """The types of the catalogue that the story did not tell, but for those that nothing says."""
    seen = {each["event"]["eventType"] for each in messages}
    return [each.name for each in event_types() if each.name not in seen and not each.historic]
