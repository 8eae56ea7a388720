"""Announcing what happens in the review, in the transaction in which it happens."""

from datetime import UTC, datetime
from uuid import UUID

from libs.bus import Fact, announce
from libs.contracts import subjects
from libs.contracts.collab.facts import FACTS, ReviewEvent
from libs.contracts.ids import new_id
from libs.contracts.wire import Wire
from libs.postgres import Connection
from libs.telemetry import inject_trace


def fact(
    event_type: str,
    subject: UUID,
    *,
    project: UUID,
    by: UUID | None,
    version: int,
    data: Wire,
) -> Fact:
    """Return a fact about the thread, the comment or the scene *subject*, for `tell`.

    Raises:
        TypeError: The data are not those of that type.
    """
    if type(data) is not FACTS[event_type].data:
        raise TypeError(f"{event_type} has no {type(data).__name__}")
    aggregate, _, action = event_type.partition(".")
    event = ReviewEvent(
        id=new_id(),
        aggregate_id=subject,
        aggregate_type=aggregate,
        event_type=event_type,
        project_id=project,
        user_id=by,
        data=data.model_dump(mode="json", by_alias=True),
        timestamp=datetime.now(UTC),
        version=version,
    )
    return Fact(
        event_id=event.id,
        subject=subjects.fact("collab", aggregate, action, project),
        event=event.model_dump(mode="json", by_alias=True),
        headers=inject_trace(),
    )


async def tell(connection: Connection, *facts: Fact) -> None:
    """Announce *facts* with the transaction of *connection*."""
    await announce(connection, facts)
