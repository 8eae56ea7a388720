"""Questions that a story bible answers: where somebody is, and who knows what when."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from libs.contracts.events.canon import CanonFact
from libs.contracts.events.manuscript import PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX
from libs.contracts.events.resources import Pov, SceneStatus, Tense
from libs.contracts.events.world import Appearance, AppearanceRole
from libs.contracts.rpc import Method
from libs.contracts.wire import Wire

Limit = Annotated[int, Field(ge=1, le=PAGE_ITEMS_MAX)]


class SceneSummary(Wire):
    """A scene in a few words, and where it stands."""

    id: UUID
    book_id: UUID
    chapter_id: UUID
    index: int
    title: str | None
    status: SceneStatus
    pov: Pov | None
    tense: Tense | None
    summary: str | None
    word_count: int


class SceneAppearance(Appearance):
    """How an entity is in a scene, with the scene."""

    scene: SceneSummary


class SceneAppearances(Wire):
    """A page, in manuscript order; `next_cursor` is null on the last one."""

    items: list[SceneAppearance]
    next_cursor: str | None = None


class AppearancesOf(Wire):
    """In which scenes is this entity, if asked in one role only?"""

    entity_id: UUID
    role: AppearanceRole | None = None
    cursor: str | None = None
    limit: Limit = PAGE_ITEMS_DEFAULT


class Witness(Wire):
    """A character who was there when a fact was revealed, and how."""

    id: UUID
    name: str
    role: AppearanceRole


class KnownFact(CanonFact):
    """A fact that the reader knows by now, and which characters do.

    `scene_title` is of the scene that revealed it.
    """

    scene_title: str | None
    known_by: list[Witness]


class Knowledge(Wire):
    """A page, in the order of telling; `next_cursor` is null on the last one."""

    items: list[KnownFact]
    next_cursor: str | None = None


class KnowledgeAt(Wire):
    """What is known at the end of this scene; with an entity, what that character knows."""

    scene_id: UUID
    entity_id: UUID | None = None
    cursor: str | None = None
    limit: Limit = PAGE_ITEMS_DEFAULT


APPEARANCES_OF = Method("events", "appearances_of", AppearancesOf, SceneAppearances)
KNOWLEDGE_AT = Method("events", "knowledge_at", KnowledgeAt, Knowledge)
