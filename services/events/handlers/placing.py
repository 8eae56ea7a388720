"""Finding a place for a child; its parent is locked, so that places never collide."""

from uuid import UUID

from services.events.model.aggregate import Aggregate
from services.events.model.order import Place, is_worn, place, respaced
from services.events.model.rank import between
from services.events.store import Transaction


async def find_place(
    tx: Transaction, about: Aggregate, parent_id: UUID, *, child_id: UUID, index: int
) -> Place:
    """Return the place at *index*, or at the end when that is nearer.

    When inserting has made ranks too long here, all siblings are ranked anew first: the one case
    in which a move of one is an event of others too.
    """
    gap = await tx.gap(about, parent_id, child_id=child_id, index=index)
    rank = between(gap.low, gap.high)
    if is_worn(rank):
        siblings = await tx.lock_siblings(about, parent_id)
        await tx.record(respaced(about, siblings))
        gap = await tx.gap(about, parent_id, child_id=child_id, index=index)
        rank = between(gap.low, gap.high)
    return place(parent_id, gap.index, rank)
