"""Ranges of a scene's text that stay with their words while people type.

Comments, suggestions, hunks, text chunks, appearances and the provenance of canon point at
anchors; there is no other kind of range. An anchor holds the Yjs ids of its first and last
character, so any editor finds it with the relative positions of Yjs alone.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from libs.contracts.editors import ForEditor
from libs.contracts.positions import YjsRange
from libs.contracts.rpc import Method
from libs.contracts.wire import Wire

QUOTE_CHARS_MAX = 20_000
"""Of the words an anchor stands on: a long paragraph of a novel has 5,000."""
CONTEXT_CHARS = 32
"""Of the text on each side that is remembered with an anchor."""
PREFIX_CHARS_MAX = 1_000
"""Of what a caller gives to tell one place from others."""
CANDIDATES_SHOWN_MAX = 10
ANCHORS_TOGETHER_MAX = 1_000
"""Anchors that one request makes or reads."""
SCENE_ANCHORS_MAX = 20_000
"""Anchors of a scene, of all sorts, beyond which people make none by themselves."""

Offset = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]
_Words = Annotated[str, StringConstraints(min_length=1, max_length=QUOTE_CHARS_MAX)]
_Side = Annotated[str, StringConstraints(max_length=PREFIX_CHARS_MAX)]


class AnchorStatus(StrEnum):
    """How sure an anchor is of its place.

    `exact`: it stands on the characters it was made for, or on the same characters written again
    in one edit. `recovered`: its words came back or only a part of them is left. `orphaned`: its
    words are gone; it may come back with them.
    """

    EXACT = "exact"
    RECOVERED = "recovered"
    ORPHANED = "orphaned"


class TextRange(Wire):
    """UTF-16 offsets into the text of a scene (`format=text`); `to` is not included."""

    from_: Offset = Field(alias="from")
    to: Offset

    @model_validator(mode="after")
    def _ordered(self) -> "TextRange":
        if self.to <= self.from_:
            raise ValueError("`to` must be greater than `from`")
        return self


class AnchorTarget(Wire):
    """The target of an anchor: exactly one of `yjs`, `quote` and `range`.

    `prefix` and `suffix` are text right before and after the quote; `seq` is the version whose
    text the offsets of `range` count in, without it that of now.
    """

    yjs: YjsRange | None = None
    quote: _Words | None = None
    prefix: _Side | None = None
    suffix: _Side | None = None
    range: TextRange | None = None
    seq: Annotated[int, Field(strict=True, ge=0)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "AnchorTarget":
        if sum(way is not None for way in (self.yjs, self.quote, self.range)) != 1:
            raise ValueError("an anchor needs exactly one of `yjs`, `quote` and `range`")
        if self.quote is None and (self.prefix is not None or self.suffix is not None):
            raise ValueError("`prefix` and `suffix` belong to a `quote`")
        if self.range is None and self.seq is not None:
            raise ValueError("`seq` belongs to a `range`")
        return self


class Deletion(Wire):
    """When and by whom the words of an anchor were deleted; null where the log forgot."""

    at: datetime | None
    by: UUID | None


class Anchor(Wire):
    """An anchor as it stands now.

    `from` and `to` are UTF-16 offsets into the text of the scene (`format=text`) at `seq`. Those
    of an orphaned anchor are equal, and so are the ends of `yjs`: its nearest living neighbour.
    `generation` counts how often it got new ids.
    """

    id: UUID
    status: AnchorStatus
    generation: int
    seq: int
    from_: int = Field(alias="from")
    to: int
    quote: str
    yjs: YjsRange | None
    deleted: Deletion | None = None


class CreateAnchors(ForEditor):
    """Make anchors in a scene: all of them or none."""

    scene_id: UUID
    targets: Annotated[list[AnchorTarget], Field(min_length=1, max_length=ANCHORS_TOGETHER_MAX)]
    run_id: UUID | None = None


class ReadAnchors(ForEditor):
    """Resolve anchors of a scene; ids that are not its anchors are left out."""

    scene_id: UUID
    ids: Annotated[list[UUID], Field(min_length=1, max_length=ANCHORS_TOGETHER_MAX)]


class Anchors(Wire):
    """Anchors, and the version of the scene at which they were resolved."""

    seq: int
    anchors: list[Anchor]


class AnchorCreate(Wire):
    """The words on which an appearance or a fact of the story bible shall stand."""

    anchor: AnchorTarget


class CreateAnchor(AnchorCreate, ForEditor):
    """Make an anchor in a scene, on which nothing stands yet."""

    id: UUID
    scene_id: UUID


class OneAnchor(ForEditor):
    """An anchor of the actor's project."""

    id: UUID


CREATE_ANCHORS = Method("collab", "create_anchors", CreateAnchors, Anchors)
READ_ANCHORS = Method("collab", "read_anchors", ReadAnchors, Anchors)
"""Both are for other services."""
CREATE_ANCHOR = Method("collab", "create_anchor", CreateAnchor, Anchor)
READ_ANCHOR = Method("collab", "read_anchor", OneAnchor, Anchor)


def shown(anchor: Anchor) -> dict[str, Any]:
    """Return *anchor* as JSON, for events and documents."""
    return anchor.model_dump(mode="json", by_alias=True, exclude_none=True)
