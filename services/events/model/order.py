"""Places among siblings, as `created` and `moved` events hold them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.events.model.aggregate import AggregateSpec, Row
from services.events.model.log import PendingEvent
from services.events.model.rank import RANK_CHARS_MAX, after

type Place = dict[str, Any]
"""The `parentId`, the `index` that readers saw, and the `rank` that the projection keeps."""


def place_at(parent_id: UUID, index: int, rank: str) -> Place:
    """Return a place as events hold it."""
    return {"parentId": str(parent_id), "index": index, "rank": rank}


def place_of(row: Row) -> Place:
    """Return the place of a row that was read from its view."""
    return place_at(row["parent_id"], row["index"], row["rank"])


def move_event(spec: AggregateSpec, row: Row, to: Place) -> PendingEvent:
    """Return the event that moves a row to another place."""
    return PendingEvent(spec, row["id"], "moved", {"from": place_of(row), "to": to})


def is_too_long(rank: str) -> bool:
    """Return whether a rank is so long that its siblings must be ranked again."""
    return len(rank) > RANK_CHARS_MAX


def respace_events(spec: AggregateSpec, siblings: Sequence[Row]) -> list[PendingEvent]:
    """Return moves that give all siblings, in their order, short ranks at the same indexes.

    All new ranks are above all old ones, so that no two rows share a rank in between.
    """
    ranks = after(siblings[-1]["rank"], len(siblings))
    return [
        move_event(spec, row, place_of(row) | {"rank": rank})
        for row, rank in zip(siblings, ranks, strict=True)
    ]
