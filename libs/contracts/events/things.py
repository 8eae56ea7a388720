"""Scenes, entities and facts as the indexer needs them: what they say, and whether they show.

A question names things of any project. An answer leaves out what does not exist; `shown` is false
for what is deleted, itself or with something above it.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from libs.contracts.rpc import Method
from libs.contracts.things import PathPart, ThingKind
from libs.contracts.wire import Wire

THINGS_MAX = 500
"""Things of one question."""
TAGGED_MAX = 5_000
"""Things with one tag that an answer names."""


class ThingRef(Wire):
    """One thing by its kind and id."""

    kind: ThingKind
    id: UUID


class Thing(Wire):
    """A thing as it is now.

    `title` is the title of a scene, the name of an entity, and for a fact the name of its entity.
    `type` is the type of an entity or the kind of a scene's book, `status` that of a scene or of a
    task. `names` are further names
    of an entity. `texts` are what it says besides its title, when they were asked for.
    """

    kind: ThingKind
    id: UUID
    project_id: UUID
    version: int
    shown: bool
    title: str | None
    names: list[str] = Field(default_factory=list[str])
    type: str | None
    status: str | None
    path: list[PathPart]
    book_id: UUID | None = None
    chapter_id: UUID | None = None
    updated_at: datetime
    texts: list[str] = Field(default_factory=list[str])


class DescribeThings(Wire):
    """Describe things, with `texts` if wanted."""

    things: Annotated[list[ThingRef], Field(max_length=THINGS_MAX)]
    texts: bool = False


class Things(Wire):
    """The things that exist, of those that were asked for."""

    things: list[Thing]


class ListThings(Wire):
    """List the things of one kind by id, of one project or of all, after an id."""

    kind: ThingKind
    project_id: UUID | None = None
    after: UUID = UUID(int=0)
    limit: Annotated[int, Field(ge=1, le=THINGS_MAX)] = THINGS_MAX


class ListedThing(Wire):
    """A thing, and its project."""

    id: UUID
    project_id: UUID


class ListedThings(Wire):
    """A page of things; a full one may be followed by more."""

    things: list[ListedThing]


class ListTagged(Wire):
    """List the entities of the actor's project that have a tag, and the facts of them."""

    tag_id: UUID


class TaggedThings(Wire):
    """Ids of entities and facts, at most `TAGGED_MAX`."""

    ids: list[UUID]


DESCRIBE_THINGS = Method("events", "describe_things", DescribeThings, Things)
LIST_THINGS = Method("events", "list_things", ListThings, ListedThings)
LIST_TAGGED = Method("events", "list_tagged", ListTagged, TaggedThings)
