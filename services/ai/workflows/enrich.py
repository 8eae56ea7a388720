"""Analyses a manuscript: its names, and of each scene its telling, key passages and entities."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from libs.bus import Caller
from libs.contracts.ai.findings import (
    Enrichment,
    FoundName,
    NameKind,
    Presence,
    SceneAnalysis,
)
from libs.contracts.ai.runs import RunOutput
from libs.contracts.wire import Wire
from services.ai.offline import NOTE
from services.ai.offline.continuity.story import Recorded
from services.ai.offline.mentions import Finder, Named
from services.ai.offline.names import Name, find_names
from services.ai.offline.passages import key_passages
from services.ai.offline.telling import telling_of
from services.ai.offline.words import SceneText, Span
from services.ai.reading.bible import Bible, read_bible
from services.ai.reading.manuscript import Manuscript, ScenePlace
from services.ai.runs.steps import Steps
from services.ai.runs.worker import Outcome
from services.ai.store import Claimed
from services.ai.workflows.outline import actor_of, outline, texts
from services.ai.workflows.quoting import quote_of

NAMES_MAX = 300
SCENES_MAX = 500
"""Scenes of one answer; a larger manuscript is analysed book by book."""
FORMS_MAX = 8
ENTITIES_MAX = 20
"""Entities of one scene that are told."""
SCENES_PER_STEP = 40


class Names(Wire):
    """The names that were found, and how many there is no room for."""

    names: list[FoundName]
    omitted: int


class Analyses(Wire):
    """Some scenes as rules read them."""

    scenes: list[SceneAnalysis]


class Enrich:
    """The workflow of `enrich`."""

    def __init__(self, caller: Caller) -> None:
        """Ask over *caller*."""
        self._caller = caller
        self._manuscript = Manuscript(caller)

    async def run(self, claimed: Claimed, steps: Steps) -> Outcome:
        """Read, analyse, and tell.

        Raises:
            LeaseLost: Another worker has the run.
            errors.AppError: A step failed.
        """
        places = (await outline(self._manuscript, claimed, steps)).scenes
        shown = places[:SCENES_MAX]

        async def names() -> Names:
            found = await texts(self._manuscript, claimed, steps, shown)
            bible = await read_bible(self._caller, actor_of(claimed))
            return await asyncio.to_thread(_names, found, bible.entities)

        named = await steps.do("names", Names, names)
        analysed: list[SceneAnalysis] = []
        for at in range(0, len(shown), SCENES_PER_STEP):
            part = shown[at : at + SCENES_PER_STEP]
            analysed += (await self._analyse(claimed, steps, part, at)).scenes
        enrichment = Enrichment(
            names=named.names,
            scenes=analysed,
            omitted_names=named.omitted,
            omitted_scenes=len(places) - len(shown),
        )
        return Outcome(
            RunOutput(note=NOTE, enrichment=enrichment),
            {"ai.enrichment_completed": {"names": len(named.names), "scenes": len(analysed)}},
        )

    async def _analyse(
        self, claimed: Claimed, steps: Steps, places: Sequence[ScenePlace], at: int
    ) -> Analyses:
        async def analyse() -> Analyses:
            found = await texts(self._manuscript, claimed, steps, places)
            bible = await read_bible(self._caller, actor_of(claimed))
            return await asyncio.to_thread(_analyses, found, bible)

        return await steps.do(f"scenes {at + 1} to {at + len(places)}", Analyses, analyse)


def _names(scenes: Sequence[SceneText], entities: Sequence[Named]) -> Names:
    owner = {name: entity.id for entity in entities for name in (entity.name, *entity.aliases)}
    found = find_names(scenes)
    return Names(
        names=[_name(each, owner) for each in found[:NAMES_MAX]],
        omitted=max(0, len(found) - NAMES_MAX),
    )


def _name(name: Name, owner: Mapping[str, UUID]) -> FoundName:
    forms = [form for form, _ in name.forms.most_common(FORMS_MAX)]
    entity = next((owner[form] for form in (name.name, *forms) if form in owner), None)
    return FoundName(
        name=name.name,
        kind=NameKind(name.kind),
        mentions=len(name.mentions),
        scenes=name.scenes,
        forms=forms,
        first=quote_of(name.mentions[0].sentence()),
        entity_id=entity,
    )


def _analyses(scenes: Sequence[SceneText], bible: Bible) -> Analyses:
    finder = Finder(bible.entities)
    passages = key_passages(scenes)
    return Analyses(
        scenes=[
            _analysis(scene, finder, bible.recorded.get(scene.id, Recorded()), passages[number])
            for number, scene in enumerate(scenes)
        ]
    )


def _analysis(
    scene: SceneText, finder: Finder, recorded: Recorded, passages: Sequence[Span]
) -> SceneAnalysis:
    telling = telling_of(scene)
    counts, speaks = Counter[UUID](), defaultdict[UUID, bool](bool)
    names: dict[UUID, str] = {}
    for mention in finder.in_scene(scene):
        entity = mention.entity
        counts[entity.id] += 1
        names[entity.id] = entity.name
        speaks[entity.id] |= mention.speaks
    return SceneAnalysis(
        scene_id=scene.id,
        title=scene.title,
        seq=scene.seq,
        words=scene.word_count,
        pov=telling.pov,
        tense=telling.tense,
        key_passages=[quote_of(span) for span in passages],
        entities=[
            Presence(
                entity_id=entity,
                name=names[entity],
                mentions=count,
                speaks=speaks[entity],
                recorded=recorded.roles.get(entity),
            )
            for entity, count in counts.most_common(ENTITIES_MAX)
        ],
    )
