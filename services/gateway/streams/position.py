"""Where a follower is: a place in the log of events, and one among the facts of collab.

As the id of an event it is written `1234-56`, and `1234` for a follower of events alone. Ids from
before there were facts of collab have that form, too.
"""

import re
from typing import NamedTuple

from libs import errors
from libs.contracts.events.following import POSITION_MAX

_ID = re.compile(r"(-?[0-9]{1,19})(?:-([0-9]{1,19}))?")


class StreamPosition(NamedTuple):
    """Positions in both; `review` None: not known."""

    events: int
    review: int | None = None

    def __str__(self) -> str:
        """Return it as the id of an event."""
        return str(self.events) if self.review is None else f"{self.events}-{self.review}"


def position_of(given: str | None) -> StreamPosition | None:
    """Return the position that an event id stands for; None when none is given.

    Raises:
        Invalid: It is not an id of ours.
    """
    if not given:
        return None
    found = _ID.fullmatch(given)
    if not found or any(abs(int(each)) > POSITION_MAX for each in found.groups() if each):
        raise errors.Invalid(
            "Last-Event-ID is not an id of this stream; without one you follow from now on.",
            errors=[{"field": "lastEventId", "detail": "must be the id of an event"}],
        )
    return StreamPosition(int(found[1]), int(found[2]) if found[2] else None)
