"""Entities and the links between them: the story bible and the working material of a project.

An entity's `task` and `story` are components: objects that only entities of certain types have.
A change of an entity lays the members that it names over what is there (as in RFC 7396).
"""

from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from libs.contracts.events.resources import Resource, Slug
from libs.contracts.values import Colour, JsonObject, KnownName, Moment, Name, Note, Text, name_key
from libs.contracts.wire import Wire

ALIASES_MAX = 50
GOALS_MAX = 20
PREVIEW_CHARS_MAX = 200
PRIORITY_MAX = 3


class EntityType(StrEnum):
    """The type of an entity: the first five belong to the story bible, the others to the work."""

    CHARACTER = "character"
    LOCATION = "location"
    ITEM = "item"
    ORGANIZATION = "organization"
    OTHER = "other"
    NOTE = "note"
    TASK = "task"
    PROJECT = "project"
    PAGE = "page"
    EVENT = "event"
    IDEA = "idea"


STORY_TYPES = frozenset(
    {
        EntityType.CHARACTER,
        EntityType.LOCATION,
        EntityType.ITEM,
        EntityType.ORGANIZATION,
        EntityType.OTHER,
    }
)
"""The types that have story details."""


class TaskStatus(StrEnum):
    """How far a task has come."""

    TODO = "todo"
    IN_PROGRESS = "in_progress"
    DONE = "done"
    CANCELLED = "cancelled"


class FileType(StrEnum):
    """The type of an entity's file."""

    MARKDOWN = "markdown"
    PDF = "pdf"
    AUDIO = "audio"
    VIDEO = "video"
    IMAGE = "image"
    OTHER = "other"


class RelationType(StrEnum):
    """The relation of one entity to another."""

    CONTAINS = "contains"
    RELATES_TO = "relates_to"
    BLOCKS = "blocks"
    DUPLICATES = "duplicates"
    MENTIONS = "mentions"
    DERIVED_FROM = "derived_from"


class AppearanceRole(StrEnum):
    """How an entity is in a scene; everybody but the MENTIONED is there."""

    POV = "POV"
    SPEAKING = "SPEAKING"
    MENTIONED = "MENTIONED"
    PRESENT = "PRESENT"


def _distinct(names: list[str]) -> list[str]:
    if len({name_key(name) for name in names}) != len(names):
        raise ValueError("names one twice")
    return names


Aliases = Annotated[list[Name], Field(max_length=ALIASES_MAX), AfterValidator(_distinct)]
Goals = Annotated[list[KnownName], Field(max_length=GOALS_MAX)]
Priority = Annotated[int, Field(strict=True, ge=0, le=PRIORITY_MAX)]
"""From 0, whenever, to 3, now."""


class TaskFields(Wire):
    """The fields of a task; the assignee is a member of the project."""

    status: TaskStatus = TaskStatus.TODO
    due_date: Moment | None = None
    priority: Priority = 0
    assignee_id: UUID | None = None


class Task(TaskFields):
    """A task; `completed_at` is when it was last done, and null when it is not."""

    completed_at: Moment | None


class StoryFields(Wire):
    """The story fields of an entity: its role in the story, its goal and its arc."""

    role: KnownName | None = None
    arc: Text | None = None
    goals: Goals = Field(default_factory=list[str])
    motivation: Text | None = None
    conflict: Text | None = None


class FileReference(Wire):
    """The file of an entity; set when a file was stored for it."""

    path: str | None
    url: str | None
    size: int | None
    type: FileType | None
    checksum: str | None


class Entity(Resource):
    """A node of the project's knowledge graph."""

    project_id: UUID
    type: EntityType
    name: str
    slug: str | None
    description: str | None
    aliases: list[str]
    traits: dict[str, Any]
    preview: str | None
    file: FileReference | None
    task: Task | None
    story: StoryFields | None


class EntityCreate(Wire):
    """A new entity; only a `task` takes task details, only the story bible story details."""

    type: EntityType
    name: Name
    slug: Slug | None = None
    description: Text | None = None
    aliases: Aliases = Field(default_factory=list[str])
    traits: JsonObject = Field(default_factory=dict)
    task: TaskFields | None = None
    story: StoryFields | None = None


class EntityPatch(Wire):
    """Fields to change; absent fields stay, null clears an optional one.

    Another type brings its details at their defaults and takes away those it does not have.
    """

    type: EntityType = EntityType.OTHER
    name: Name = ""
    slug: Slug | None = None
    description: Text | None = None
    aliases: Aliases = Field(default_factory=list[str])
    traits: JsonObject = Field(default_factory=dict)
    task: TaskFields = TaskFields()
    story: StoryFields = StoryFields()


class EntityFilter(Wire):
    """A filter for entities: every given member must match.

    Names are compared without regard to case.
    """

    type: EntityType | None = None
    tag_id: UUID | None = None
    name: Name | None = Field(None, description="Its name or one of its aliases is this.")
    name_prefix: Name | None = None
    name_contains: Name | None = None
    alias: Name | None = None
    slug: Slug | None = None
    task_status: TaskStatus | None = None
    assignee_id: UUID | None = None
    due_before: Moment | None = None
    due_after: Moment | None = Field(None, description="Due then or later.")
    overdue: bool | None = Field(None, description="Due in the past, and not done or cancelled.")


class Relation(Resource):
    """The relation of one entity to another of the same project: `source` `type` `target`."""

    project_id: UUID
    source_entity_id: UUID
    target_entity_id: UUID
    type: RelationType
    note: str | None


class RelationCreate(Wire):
    """A new relation; there is one of each type from one entity to another, at most."""

    source_entity_id: UUID
    target_entity_id: UUID
    type: RelationType
    note: Note | None = None


class RelationPatch(Wire):
    """Fields to change; to connect other entities make another relation."""

    note: Note | None = None


class RelationFilter(Wire):
    """A filter for relations: every given member must match."""

    type: RelationType | None = None
    source_entity_id: UUID | None = None
    target_entity_id: UUID | None = None
    entity_id: UUID | None = Field(None, description="At either end.")


class Tag(Resource):
    """A word that entities are marked with; two of a project differ not in case alone."""

    project_id: UUID
    name: str
    colour: str | None


class TagCreate(Wire):
    """A new tag."""

    name: Name
    colour: Colour | None = None


class TagPatch(Wire):
    """Fields to change; absent fields stay, null clears an optional one."""

    name: Name = ""
    colour: Colour | None = None


class TagFilter(Wire):
    """A filter for tags: every given member must match."""

    name: Name | None = None
    name_prefix: Name | None = None
    entity_id: UUID | None = Field(None, description="Only tags of this entity.")


class Tagging(Resource):
    """That an entity is marked with a tag."""

    project_id: UUID
    entity_id: UUID
    tag_id: UUID


class TaggingCreate(Wire):
    """Marks an entity with a tag, once."""

    entity_id: UUID
    tag_id: UUID


class TaggingFilter(Wire):
    """A filter for taggings: every given member must match."""

    entity_id: UUID | None = None
    tag_id: UUID | None = None


class Appearance(Resource):
    """How an entity is in a scene; `anchor_id` is the place in the text where that begins."""

    project_id: UUID
    scene_id: UUID
    entity_id: UUID
    role: AppearanceRole
    anchor_id: UUID | None
    notes: str | None


class AppearanceCreate(Wire):
    """A new appearance; an entity has one in a scene, at most."""

    scene_id: UUID
    entity_id: UUID
    role: AppearanceRole
    anchor_id: UUID | None = None
    notes: Note | None = None


class AppearancePatch(Wire):
    """Fields to change; absent fields stay, null clears an optional one."""

    role: AppearanceRole = AppearanceRole.PRESENT
    anchor_id: UUID | None = None
    notes: Note | None = None


class AppearanceFilter(Wire):
    """A filter for appearances: every given member must match."""

    scene_id: UUID | None = None
    entity_id: UUID | None = None
    role: AppearanceRole | None = None


type EntitySort = Literal[
    "createdAt", "-createdAt", "updatedAt", "-updatedAt", "name", "-name",
    "dueDate", "-dueDate", "priority", "-priority",
]  # fmt: skip
type NamedSort = Literal["createdAt", "-createdAt", "updatedAt", "-updatedAt", "name", "-name"]
type DatedSort = Literal["createdAt", "-createdAt", "updatedAt", "-updatedAt"]
type CreatedSort = Literal["createdAt", "-createdAt"]
type AppearanceSort = Literal[
    "manuscript", "-manuscript", "createdAt", "-createdAt", "updatedAt", "-updatedAt"
]
