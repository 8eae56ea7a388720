"""Places for children; the parent is locked, so that places never collide."""

from uuid import UUID

from services.events.model.aggregate import AggregateSpec
from services.events.model.order import Place, is_too_long, place_at, respace_events
from services.events.model.rank import between
from services.events.store import Transaction


async def find_place(
    tx: Transaction, spec: AggregateSpec, parent_id: UUID, *, child_id: UUID, index: int
) -> Place:
    """Return the place at *index*, or at the end when that is nearer.

    When the rank there would be too long, all siblings are ranked again first: the only case
    in which the move of one child records events of others.
    """
    gap = await tx.gap(spec, parent_id, child_id=child_id, index=index)
    rank = between(gap.low, gap.high)
    if is_too_long(rank):
        siblings = await tx.lock_siblings(spec, parent_id)
        await tx.record(respace_events(spec, siblings))
        gap = await tx.gap(spec, parent_id, child_id=child_id, index=index)
        rank = between(gap.low, gap.high)
    return place_at(parent_id, gap.index, rank)
