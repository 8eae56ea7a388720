"""Entities, canon, and what is recorded of scenes, as the offline engine reads them."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.events.canon import CanonFact
from libs.contracts.events.manuscript import LIST, List
from libs.contracts.events.resources import Kind, Scene
from libs.contracts.events.world import STORY_TYPES, Appearance, Entity
from libs.contracts.pages import PAGE_ITEMS_MAX
from services.ai.offline.continuity.story import Canon, Recorded
from services.ai.offline.mentions import Named

DEADLINE_S = 15.0


class Bible:
    """What a project knows beside its texts."""

    def __init__(
        self,
        entities: Sequence[Named],
        facts: Sequence[Canon],
        recorded: Mapping[UUID, Recorded],
        traits: Mapping[UUID, Mapping[str, Any]],
    ) -> None:
        """Keep what was read."""
        self.entities = entities
        self.facts = facts
        self.recorded = recorded
        self.traits = traits


async def read_bible(caller: Caller, actor: Actor) -> Bible:
    """Read the story bible of the actor's project; deleted things are left out.

    Raises:
        errors.AppError: Events is away.
    """
    entities = [
        Entity.model_validate(each, extra="ignore") async for each in _all(caller, actor, "entity")
    ]
    facts = [
        CanonFact.model_validate(each, extra="ignore")
        async for each in _all(caller, actor, "canon_fact")
    ]
    roles: defaultdict[UUID, dict[UUID, str]] = defaultdict(dict)
    async for each in _all(caller, actor, "appearance"):
        appearance = Appearance.model_validate(each, extra="ignore")
        roles[appearance.scene_id][appearance.entity_id] = appearance.role.value
    recorded: dict[UUID, Recorded] = {}
    async for each in _all(caller, actor, "scene"):
        scene = Scene.model_validate(each, extra="ignore")
        recorded[scene.id] = Recorded(
            pov=scene.pov and scene.pov.value,
            tense=scene.tense and scene.tense.value,
            roles=roles.get(scene.id, {}),
            book=scene.book_id,
        )
    story = [entity for entity in entities if entity.type in STORY_TYPES]
    return Bible(
        [Named(each.id, each.name, tuple(each.aliases), each.type.value) for each in story],
        [_canon(fact) for fact in facts],
        recorded,
        {each.id: each.traits for each in story},
    )


async def _all(caller: Caller, actor: Actor, kind: Kind) -> AsyncIterator[dict[str, Any]]:
    """Yield all things of a kind in the actor's project."""
    cursor: str | None = None
    while True:
        question = List(
            kind=kind,
            parent_id=actor.scope(),
            parent_kind="project",
            cursor=cursor,
            limit=PAGE_ITEMS_MAX,
        )
        page = await caller.ask(LIST, question, actor, deadline_s=DEADLINE_S)
        for each in page.items:
            yield each
        cursor = page.next_cursor
        if cursor is None:
            return


def _canon(fact: CanonFact) -> Canon:
    source = fact.provenance
    return Canon(
        fact.id,
        fact.entity_id,
        fact.fact,
        fact.reveal_state.value,
        fact.reveal_scene_id,
        source.scene_id if source else None,
        source.snippet if source else None,
    )
