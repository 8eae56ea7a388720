"""Questions to the story bible: appearances of an entity, and knowledge at the end of a scene."""

from uuid import UUID

from libs.contracts.events.canon import CanonFact
from libs.contracts.events.resources import Pov, SceneStatus, Tense
from libs.contracts.events.world import Appearance, AppearanceRole
from libs.contracts.pages import PAGE_ITEMS_DEFAULT, Cursor, Page, PageLimit
from libs.contracts.rpc import Method
from libs.contracts.wire import Wire


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


class SceneAppearances(Page[SceneAppearance]):
    """A page, in manuscript order; `next_cursor` is null on the last one."""


class AppearancesOf(Wire):
    """List the scenes in which an entity appears, or appears in one role."""

    entity_id: UUID
    cursor: Cursor | None = None
    limit: PageLimit = PAGE_ITEMS_DEFAULT
    role: AppearanceRole | None = None


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


class Knowledge(Page[KnownFact]):
    """A page, in the order of telling; `next_cursor` is null on the last one."""


class KnowledgeAt(Wire):
    """List the facts that are known at the end of a scene, or that a character knows then."""

    scene_id: UUID
    cursor: Cursor | None = None
    limit: PageLimit = PAGE_ITEMS_DEFAULT
    entity_id: UUID | None = None


APPEARANCES_OF = Method("events", "appearances_of", AppearancesOf, SceneAppearances)
KNOWLEDGE_AT = Method("events", "knowledge_at", KnowledgeAt, Knowledge)
