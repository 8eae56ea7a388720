"""Which events there are, as the events service tells; asked again now and then."""

import time
from uuid import UUID

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.events.following import DESCRIBE, Describe, Described
from services.gateway.http.route import Answer

FRESH_S = 60.0
"""A release that knows more is noticed after this."""
TYPES_MAX = 50
_ANY = ".*"
_NOBODY = UUID(int=0)


class Catalogue:
    """Answers from what was told last."""

    def __init__(self, caller: Caller) -> None:
        """Ask over *caller*."""
        self._caller = caller
        self._told: Described | None = None
        self._document = Answer()
        self._fresh_until = float("-inf")

    async def document(self) -> Answer:
        """Return the AsyncAPI document.

        Raises:
            Unavailable: It was never told, and cannot be now.
        """
        await self._current()
        return self._document

    async def chosen(self, given: str | None) -> frozenset[str] | None:
        """Return the event types that a filter means: names, or `<aggregate>.*`; None for all.

        Raises:
            Invalid: It has too many parts.
            Unknown: It names what is not known here.
            Unavailable: That cannot be told now.
        """
        if not given:
            return None
        names = [each.strip() for each in given.split(",")]
        if len(names) > TYPES_MAX:
            raise errors.Invalid(f"types: at most {TYPES_MAX} at once")
        known = (await self._current()).types
        found: set[str] = set()
        for name in names:
            meant = {each for each in known if _is_meant(name, each)}
            if not meant:
                raise errors.Unknown(
                    f"types: {name!r} is not known here",
                    errors=[{"field": "query.types", "detail": f"{name!r} is not known here"}],
                )
            found |= meant
        return frozenset(found)

    async def _current(self) -> Described:
        if self._told is None or time.monotonic() >= self._fresh_until:
            try:
                told = await self._caller.ask(DESCRIBE, Describe(), Actor(user_id=_NOBODY))
            except errors.AppError:
                if self._told is None:
                    raise
                return self._told
            self._told, self._document = told, Answer.json(told.asyncapi)
            self._fresh_until = time.monotonic() + FRESH_S
        return self._told


def _is_meant(name: str, event_type: str) -> bool:
    if name.endswith(_ANY):
        return event_type.partition(".")[0] == name.removesuffix(_ANY)
    return event_type == name
