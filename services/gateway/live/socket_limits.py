"""Who holds how many sockets of this gateway: a network address until they are known, a person."""

from collections import Counter
from typing import Protocol
from uuid import UUID

from libs import errors
from services.gateway.access.limits import LimitClass, Limits

ANONYMOUS_SOCKETS_MAX = 1000
"""Sockets of one network address at one gateway that have not authenticated yet: an office whose
editors all come back at once."""
SILENT_SOCKETS_MAX = 100
"""Of those, the ones that came without a token and have not said anything about it yet."""
FULL_RETRY_S = 5


class Caller(Protocol):
    """A socket, as far as it matters here."""

    @property
    def caller(self) -> str:
        """The network address it comes from, as limits name it."""
        ...

    @property
    def token(self) -> str:
        """The token that it came with; empty without one."""
        ...


class SocketLimits:
    """Counts the sockets of one gateway."""

    def __init__(self, limits: Limits, *, per_person_max: int) -> None:
        """Let a person have *per_person_max* sockets; count guesses in *limits*."""
        self._limits = limits
        self._per_person_max = per_person_max
        self._anonymous: dict[Caller, str] = {}
        self._of_address = Counter[str]()
        self._silent = Counter[str]()
        self._known: dict[Caller, UUID] = {}
        self._of_person = Counter[UUID]()

    def has_room(self, socket: Caller) -> bool:
        """Return whether a socket may be opened, beside the others of its address."""
        if self._of_address[socket.caller] >= ANONYMOUS_SOCKETS_MAX:
            return False
        return bool(socket.token) or self._silent[socket.caller] < SILENT_SOCKETS_MAX

    def opened(self, socket: Caller) -> None:
        """Count a socket of somebody unknown."""
        self._anonymous[socket] = socket.caller
        self._of_address[socket.caller] += 1
        if not socket.token:
            self._silent[socket.caller] += 1

    def recognise(self, socket: Caller, user_id: UUID) -> None:
        """Count a socket for the person it turned out to be of.

        Raises:
            RateLimited: They have as many as one person may.
        """
        if self._of_person[user_id] >= self._per_person_max:
            raise errors.RateLimited(
                f"One person may have {self._per_person_max} sockets open at one gateway.",
                retryAfterS=FULL_RETRY_S,
            )
        self._no_longer_anonymous(socket)
        self._known[socket] = user_id
        self._of_person[user_id] += 1

    def closed(self, socket: Caller) -> None:
        """Count a socket no more."""
        self._no_longer_anonymous(socket)
        if (user_id := self._known.pop(socket, None)) is not None:
            _take(self._of_person, user_id)

    async def guessed(self, caller: str) -> None:
        """Count a token that is not valid, as a wrong password is, and beside those.

        Good tokens go on being good: others may come from the same address.

        Raises:
            RateLimited: The address has tried too many in this minute.
        """
        (await self._limits.count(LimitClass.AUTH, f"{caller}-tokens")).require(None)

    def _no_longer_anonymous(self, socket: Caller) -> None:
        if (caller := self._anonymous.pop(socket, None)) is not None:
            _take(self._of_address, caller)
            if not socket.token:
                _take(self._silent, caller)


def _take[K](counter: Counter[K], key: K) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
