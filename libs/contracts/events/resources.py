"""Projects, members, books, chapters and scenes as clients see them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, StringConstraints

from libs.contracts.actor import Role
from libs.contracts.editors import BuiltIn, EditorName
from libs.contracts.values import Name, Summary
from libs.contracts.wire import Wire

INDEX_MAX = 1_000_000
SCHEMA_VERSION_MAX = 2**31 - 1

# NUL cannot be stored by PostgreSQL.
_TEXT = r"^[^\x00]*$"

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$")]
Index = Annotated[int, Field(ge=0, le=INDEX_MAX)]
SchemaVersion = Annotated[int, Field(strict=True, ge=1, le=SCHEMA_VERSION_MAX)]
"""The version of the editor schema of a text; a newer one has a larger number."""


class BookKind(StrEnum):
    """The kind of a book; a screenplay is also called a script."""

    NOVEL = "novel"
    SCREENPLAY = "screenplay"
    NOTES = "notes"


class SceneStatus(StrEnum):
    """How far a scene has come."""

    DRAFT = "DRAFT"
    REVISED = "REVISED"
    FINAL = "FINAL"


class Pov(StrEnum):
    """The point of view of a scene."""

    FIRST = "FIRST"
    SECOND = "SECOND"
    THIRD_LIMITED = "THIRD_LIMITED"
    THIRD_OMNISCIENT = "THIRD_OMNISCIENT"
    EPISTOLARY = "EPISTOLARY"
    STREAM = "STREAM"


class Tense(StrEnum):
    """The grammatical tense of the narration."""

    PAST = "PAST"
    PRESENT = "PRESENT"
    FUTURE = "FUTURE"
    MIXED = "MIXED"


_POV_ALIASES = {"THIRD": Pov.THIRD_LIMITED, "OMNISCIENT": Pov.THIRD_OMNISCIENT}


def _pov(value: object) -> object:
    return _POV_ALIASES.get(value, value) if isinstance(value, str) else value


PovIn = Annotated[Pov, BeforeValidator(_pov)]
"""A POV that also accepts the older names THIRD and OMNISCIENT."""


class Resource(Wire):
    """The members of every aggregate, besides its own fields."""

    id: UUID
    version: int
    created_at: datetime
    updated_at: datetime
    created_by: UUID
    updated_by: UUID
    deleted_at: datetime | None = None
    deleted_by: UUID | None = None


class Project(Resource):
    """An isolated workspace; `role` is the reader's own. An archived one can only be read.

    `editor` is the editor of its scenes, unless their book or they themselves name another one.
    """

    name: str
    slug: str
    editor: str | None = None
    archived_at: datetime | None = None
    archived_by: UUID | None = None
    role: Role | None = None


class Member(Resource):
    """A person's place in a project."""

    project_id: UUID
    user_id: UUID
    role: Role


class Book(Resource):
    """A manuscript of a project; `word_count` is the sum of its scenes."""

    project_id: UUID
    title: str
    kind: BookKind
    editor: str | None = None
    word_count: int = 0
    index: int


class Chapter(Resource):
    """A part of a book; `word_count` is the sum of its scenes."""

    project_id: UUID
    book_id: UUID
    title: str
    word_count: int = 0
    index: int


class Scene(Resource):
    """The unit of live editing; its text lives in collab.

    Editors that declare a schema older than `schema_version`, or none, may read and not write.
    `editor` is the editor of the scene; null stands for the editor of its book, or else of its
    project.
    """

    project_id: UUID
    book_id: UUID
    chapter_id: UUID
    title: str | None
    status: SceneStatus
    pov: Pov | None
    tense: Tense | None
    summary: str | None
    word_count: int
    schema_version: int | None = None
    editor: str | None = None
    index: int


class ProjectCreate(Wire):
    """A new project; without a slug one is made from the name.

    `editor` names the editor of its scenes. Null names none: then the first text that is put into
    a scene decides how that scene is laid out.
    """

    name: Name
    slug: Slug | None = None
    editor: EditorName | None = BuiltIn.TIPTAP.value


class ProjectPatch(Wire):
    """Fields to change; absent fields stay, null clears the editor."""

    name: Name = ""
    slug: Slug = ""
    editor: EditorName | None = None


class BookCreate(Wire):
    """A new book at the end of its project."""

    title: Name
    kind: BookKind = BookKind.NOVEL
    editor: EditorName | None = None


class BookPatch(Wire):
    """Fields to change; absent fields stay, null clears the editor."""

    title: Name = ""
    kind: BookKind = BookKind.NOVEL
    editor: EditorName | None = None


class ChapterCreate(Wire):
    """A new chapter at the end of its book."""

    title: Name


class ChapterPatch(Wire):
    """Fields to change; absent fields stay."""

    title: Name = ""


class SceneCreate(Wire):
    """A new scene at the end of its chapter."""

    title: Name | None = None
    status: SceneStatus = SceneStatus.DRAFT
    pov: PovIn | None = None
    tense: Tense | None = None
    summary: Summary | None = None
    schema_version: SchemaVersion | None = None
    editor: EditorName | None = None


class ScenePatch(Wire):
    """Fields to change; absent fields stay, null clears an optional one.

    `schema_version` may be raised and never lowered or cleared.
    """

    title: Name | None = None
    status: SceneStatus = SceneStatus.DRAFT
    pov: PovIn | None = None
    tense: Tense | None = None
    summary: Summary | None = None
    schema_version: SchemaVersion | None = None
    editor: EditorName | None = None


type Kind = Literal[
    "project", "book", "chapter", "scene",
    "entity", "relation", "tag", "tagging", "appearance",
    "canon_fact", "style_guide", "context_rule", "persona", "prompt_preset", "editor_definition",
]  # fmt: skip
"""The aggregates that routes address by id."""
