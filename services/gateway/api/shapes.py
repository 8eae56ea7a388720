"""The aggregates that routes address by id: what differs between them, as data."""

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Protocol, cast
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, create_model

from libs.contracts.events.canon import SceneFilter, SceneSort
from libs.contracts.events.manuscript import PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX
from libs.contracts.events.resources import (
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
from services.gateway.http.route import Query

CURSOR_CHARS_MAX = 2000

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


class Change(Protocol):
    """A change of any kind of thing."""

    @property
    def base_version(self) -> int | None:
        """The version that it was made from."""
        ...

    def model_dump(self, *, mode: str, exclude_unset: bool, exclude: set[str]) -> dict[str, Any]:
        """Return its fields as JSON."""
        ...


def change_of(patch: type[Wire]) -> type[Wire]:
    """Return *patch* with the version that it was made from."""
    return create_model(
        patch.__name__.removesuffix("Patch") + "Change",
        __base__=patch,
        __doc__=(patch.__doc__ or "") + "\n\n`baseVersion` is the version they were changed from.",
        base_version=(Version | None, None),
    )


class MoveTo(Wire):
    """Where to put it: an index, and if given another parent of the same project."""

    parent_id: UUID | None = None
    index: Index


class One(Query):
    """How to read one thing."""

    include_deleted: bool = False


class Slice(Query):
    """Which part of a list of things that are not kept when they are removed."""

    cursor: Annotated[str, StringConstraints(max_length=CURSOR_CHARS_MAX)] | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE_ITEMS_MAX)] = PAGE_ITEMS_DEFAULT


class Page(Slice):
    """Which part of a list."""

    include_deleted: bool = False


def listing_of(filters: type[Wire], sort: Any, *, page: type[Slice] = Page) -> type[Slice]:
    """Return the query of a list: a page of what passes *filters*, in an order of *sort*."""
    fields: dict[str, Any] = {"sort": (sort | None, None)}
    made = create_model(
        filters.__name__.removesuffix("Filter") + "Listing",
        # The page comes last: it settles that unknown parameters are ignored.
        __base__=(filters, page),
        **fields,
    )
    return cast("type[Slice]", made)


def filters_in(query: BaseModel) -> dict[str, Any]:
    """Return the filters that a list's query names, as JSON."""
    return query.model_dump(mode="json", exclude_none=True, exclude={*Page.model_fields, "sort"})


class Basis(Query):
    """The version that is meant, for clients that cannot send If-Match."""

    base_version: Version | None = None


@cache
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
    """One kind of aggregate, as its routes see it.

    Args:
        kind: Its name in requests.
        plural: Its name in paths.
        parent: What it is created and listed under.
        create: What creates it.
        change: What changes it; none when nothing of it can change.
        resource: What a client receives.
        listing: The query of its lists.
        thing: Its name in the permission matrix, when that is another.
        ordered: Whether it can be moved among its siblings.
        lasting: Whether a deleted one can be restored.
        problems: Codes that creating and changing may answer with besides the usual.
    """

    kind: Kind
    plural: str
    parent: Kind | None
    create: type[Wire]
    change: type[Wire] | None
    resource: type[Resource]
    listing: type[Slice] = Page
    thing: str = ""
    ordered: bool = True
    lasting: bool = True
    problems: tuple[str, ...] = ()

    def action(self, deed: str) -> str:
        """Return the action of doing *deed* to it."""
        return f"{self.thing or self.kind}.{deed}"

    @property
    def words(self) -> str:
        """Its name in a sentence, with its article."""
        article = "an" if self.kind[0] in "aeiou" else "a"
        return f"{article} {self.kind.replace('_', ' ')}"

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
    Shape(
        "project",
        "projects",
        None,
        ProjectCreate,
        ProjectChange,
        Project,
        ordered=False,
        problems=("SLUG_TAKEN",),
    ),
    Shape("book", "books", "project", BookCreate, BookChange, Book),
    Shape("chapter", "chapters", "book", ChapterCreate, ChapterChange, Chapter),
    Shape(
        "scene",
        "scenes",
        "chapter",
        SceneCreate,
        SceneChange,
        Scene,
        listing=listing_of(SceneFilter, SceneSort),
    ),
)
