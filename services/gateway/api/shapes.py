"""The aggregates that routes address by id: what differs between them, as data."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from inspect import cleandoc
from typing import Any, cast

from pydantic import BaseModel, create_model

from libs.contracts.events.canon import SceneFilter, SceneSort
from libs.contracts.events.resources import (
    Book,
    BookCreate,
    BookPatch,
    Chapter,
    ChapterCreate,
    ChapterPatch,
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
from services.gateway.access import permissions
from services.gateway.http.endpoint import Context
from services.gateway.http.pages import Slice
from services.gateway.http.route import AnyCall, Query, Version

type Check = Callable[[Context, AnyCall], Awaitable[None]]


def change_of(patch: type[Wire]) -> type[Wire]:
    """Return *patch* with the version that it was made from."""
    return create_model(
        patch.__name__.removesuffix("Patch") + "Change",
        __base__=patch,
        __doc__=cleandoc(patch.__doc__ or "")
        + "\n\n`baseVersion` is the version they were changed from.",
        base_version=(Version | None, None),
    )


class One(Query):
    """How to read one thing."""

    include_deleted: bool = False


class Page(Slice):
    """A page of a list."""

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
        ordered: Whether it can be moved among its siblings.
        lasting: Whether a deleted one can be restored.
        problems: Codes that creating and changing may answer with besides the usual.
        check: Refuses a body that names what another service does not have.
    """

    kind: Kind
    plural: str
    parent: Kind | None
    create: type[Wire]
    change: type[Wire] | None
    resource: type[Resource]
    listing: type[Slice] = Page
    ordered: bool = True
    lasting: bool = True
    problems: tuple[str, ...] = ()
    check: Check | None = None

    def action(self, deed: str) -> str:
        """Return the action of doing *deed* to it."""
        return permissions.action_of(self.kind, deed)

    @property
    def tag(self) -> str:
        """Its section of the documentation."""
        return self.plural.replace("-", " ").capitalize()

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


SCENE = Shape(
    "scene",
    "scenes",
    "chapter",
    SceneCreate,
    change_of(ScenePatch),
    Scene,
    listing=listing_of(SceneFilter, SceneSort),
)
MANUSCRIPT_SHAPES = (
    Shape(
        "project",
        "projects",
        None,
        ProjectCreate,
        change_of(ProjectPatch),
        Project,
        ordered=False,
        problems=("SLUG_TAKEN",),
    ),
    Shape("book", "books", "project", BookCreate, change_of(BookPatch), Book),
    Shape("chapter", "chapters", "book", ChapterCreate, change_of(ChapterPatch), Chapter),
    SCENE,
)
