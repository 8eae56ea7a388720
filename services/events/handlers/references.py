"""What an aggregate refers to: of the same project, not deleted, and held until the commit."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from libs import errors
from services.events.handlers.action import require_visible
from services.events.model.aggregate import Aggregate
from services.events.model.aggregates import AGGREGATES, MEMBER
from services.events.model.refusal import refused
from services.events.store import Transaction


async def require_references(tx: Transaction, about: Aggregate, fields: Mapping[str, Any]) -> None:
    """Return when everything that *fields* name is there, and stays until the end.

    Raises:
        errors.NotFound: Something is not in this project, or is deleted.
        errors.Invalid: Somebody is not a member of it.
    """
    named: list[tuple[str, UUID, str]] = []
    for name, kind in about.references.items():
        if fields.get(name) is not None and kind in AGGREGATES:
            named.append((kind, UUID(fields[name]), name))
    # In one order, so that two who refer to the same things never wait for each other in turn.
    for kind, thing_id, name in sorted(named):
        field = about.path_of(name)
        if kind == MEMBER.kind:
            if await tx.member_id(thing_id) is None:
                raise refused(field, "is not a member of this project")
            continue
        try:
            require_visible(await tx.hold(AGGREGATES[kind], thing_id))
        except errors.NotFound:
            detail = f"there is no such {kind} in this project"
            raise errors.NotFound(
                f"{field}: {detail}", errors=[{"field": field, "detail": detail}]
            ) from None
