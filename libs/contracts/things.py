"""Things that search finds, in the words of events and of the indexer."""

from enum import StrEnum
from uuid import UUID

from libs.contracts.wire import Wire


class ThingKind(StrEnum):
    """A kind of thing that can be found by search."""

    SCENE = "scene"
    ENTITY = "entity"
    FACT = "fact"
    COMMENT = "comment"


class PathPart(Wire):
    """Something that a thing is in, by its title."""

    kind: str
    id: UUID
    title: str
