"""Positions in a text by the ids that Yjs gave to its characters."""

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from libs.contracts.wire import Wire

_CLOCK_MAX = 2**53 - 1
Clock = Annotated[int, Field(strict=True, ge=0, le=_CLOCK_MAX)]


class CharacterId(Wire):
    """The id that Yjs gave to a character."""

    client: Clock
    clock: Clock


class RelativePosition(Wire):
    """A relative position of Yjs as its `JSON.stringify` writes it.

    `item` is the character it is bound to: its left side when `assoc` is 0 or more, its right
    side below. Without one it is an end of the root `tname` or of the element `type`.
    """

    type: CharacterId | None = None
    tname: Annotated[str, StringConstraints(max_length=200)] | None = None
    item: CharacterId | None = None
    assoc: Annotated[int, Field(ge=-1, le=2**31)] = 0

    @model_validator(mode="after")
    def _bound(self) -> "RelativePosition":
        if self.item is None and self.type is None and self.tname is None:
            raise ValueError("a relative position names an item, a type or a root")
        return self


class YjsRange(Wire):
    """A range between two relative positions."""

    start: RelativePosition
    end: RelativePosition
