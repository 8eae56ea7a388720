"""The steps that all offline workflows begin with."""

import asyncio
from collections.abc import Sequence

from libs.contracts.actor import Actor
from libs.contracts.wire import Wire
from services.ai.offline.words import SceneText
from services.ai.reading.manuscript import Manuscript, ScenePlace
from services.ai.runs.steps import Steps
from services.ai.store import Claimed

READ_AT_ONCE = 4
"""Scenes that are read at the same time."""


class Outline(Wire):
    """The scenes of a run in their order."""

    scenes: list[ScenePlace]


def actor_of(claimed: Claimed) -> Actor:
    """Return the person who began a run, in its project."""
    return Actor(user_id=claimed.created_by, project_id=claimed.project_id)


async def outline(manuscript: Manuscript, claimed: Claimed, steps: Steps) -> Outline:
    """Do the first step: find out which scenes there are."""

    async def read() -> Outline:
        places = await manuscript.places(
            actor_of(claimed), book=claimed.book_id, scene=claimed.scene_id
        )
        return Outline(scenes=places)

    return await steps.do("outline", Outline, read)


async def texts(
    manuscript: Manuscript, claimed: Claimed, steps: Steps, places: Sequence[ScenePlace]
) -> list[SceneText]:
    """Return the texts of scenes as they are now, and note their versions for the next record.

    It is no step: texts are read again by each step that needs them, and stored by none.
    """
    turns = asyncio.Semaphore(READ_AT_ONCE)
    actor = actor_of(claimed)

    async def read(place: ScenePlace) -> SceneText:
        async with turns:
            return await manuscript.text(place, actor)

    found = await asyncio.gather(*(read(place) for place in places))
    for text in found:
        steps.note_read(text.id, text.seq)
    return list(found)
