"""The aggregates that routes address by id: what differs between them, as data."""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, create_model

from libs.contracts.manuscript import PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX
from libs.contracts.resources import (
    Book,
    BookCreate,
    BookPatch,
    Chapter,
    ChapterCreate,
    ChapterPatch,
    Index,
    Kind,
    Project,
    ProjectCreate,
    ProjectPatch,
    Resource,
    Scene,
    SceneCreate,
    ScenePatch,
)
from libs.contracts.wire import Wire
from services.gateway.edge.route import Query

CURSOR_CHARS_MAX = 500

Version = Annotated[int, Field(ge=1, le=2**31 - 1)]


class ProjectChange(ProjectPatch):
    """Fields to change; `baseVersion` is the version they were changed from."""

    base_version: Version | None = None


class BookChange(BookPatch):
    """Fields to change; `baseVersion` is the version they were changed from."""

    base_version: Version | None = None


class ChapterChange(ChapterPatch):
    """Fields to change; `baseVersion` is the version they were changed from."""

    base_version: Version | None = None


class SceneChange(ScenePatch):
    """Fields to change; `baseVersion` is the version they were changed from."""

    base_version: Version | None = None


type AnyChange = ProjectChange | BookChange | ChapterChange | SceneChange


class MoveTo(Wire):
    """Where to put it: an index, and if given another parent of the same project."""

    parent_id: UUID | None = None
    index: Index


class One(Query):
    """How to read one thing."""

    include_deleted: bool = False


class Page(Query):
    """Which part of a list."""

    cursor: Annotated[str, StringConstraints(max_length=CURSOR_CHARS_MAX)] | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE_ITEMS_MAX)] = PAGE_ITEMS_DEFAULT
    include_deleted: bool = False


class Basis(Query):
    """The version that is meant, for clients that cannot send If-Match."""

    base_version: Version | None = None


def page_of(model: type[BaseModel]) -> type[BaseModel]:
    """Return the model of a page of *model*."""
    listed: Any = list[model]  # pyright: ignore[reportInvalidTypeForm]  # known at run time only
    return create_model(
        f"{model.__name__}Page",
        __base__=Wire,
        __doc__="A page; `nextCursor` is null on the last one.",
        items=(listed, ...),
        next_cursor=(str | None, None),
    )


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of aggregate, as its routes see it."""

    kind: Kind
    plural: str
    parent: Kind | None
    create: type[Wire]
    change: type[Wire]
    resource: type[Resource]

    @property
    def collection(self) -> str:
        """Path of those under one parent."""
        if self.parent is None:
            return f"/api/{self.plural}"
        return f"/api/{self.parent}s/{{id}}/{self.plural}"

    @property
    def item(self) -> str:
        """Path of one."""
        return f"/api/{self.plural}/{{id}}"


SHAPES = (
    Shape("project", "projects", None, ProjectCreate, ProjectChange, Project),
    Shape("book", "books", "project", BookCreate, BookChange, Book),
    Shape("chapter", "chapters", "book", ChapterCreate, ChapterChange, Chapter),
    Shape("scene", "scenes", "chapter", SceneCreate, SceneChange, Scene),
)
