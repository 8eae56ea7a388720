"""Who holds how many sockets of this gateway: a network address until they are known, a person."""

import time
from collections import Counter
from typing import Protocol
from uuid import UUID

from libs import errors
from services.gateway.limits import LimitClass, Limits

ANONYMOUS_SOCKETS_MAX = 200
"""Sockets of one network address at one gateway that have not authenticated yet."""
GUESSERS_MAX = 10_000
"""Addresses that are kept out for a while; more than that are forgotten."""
FULL_RETRY_S = 5


class Caller(Protocol):
    """A socket, as far as it matters here."""

    @property
    def caller(self) -> str:
        """The network address it comes from, as limits name it."""
        ...


class Places:
    """Counts the sockets of one gateway."""

    def __init__(self, limits: Limits, *, per_person_max: int) -> None:
        """Let a person have *per_person_max* sockets; count guesses in *limits*."""
        self._limits = limits
        self._per_person_max = per_person_max
        self._anonymous: dict[Caller, str] = {}
        self._of_address = Counter[str]()
        self._known: dict[Caller, UUID] = {}
        self._of_person = Counter[UUID]()
        self._kept_out: dict[str, float] = {}

    def wait_s(self, caller: str) -> int | None:
        """Return for how long an address may open no further socket; None when it may."""
        until = self._kept_out.get(caller, 0.0)
        if (left := until - time.monotonic()) > 0:
            return int(left) + 1
        self._kept_out.pop(caller, None)
        return FULL_RETRY_S if self._of_address[caller] >= ANONYMOUS_SOCKETS_MAX else None

    def opened(self, socket: Caller) -> None:
        """Count a socket of somebody unknown."""
        self._anonymous[socket] = socket.caller
        self._of_address[socket.caller] += 1

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
        """Count a token that is not valid, as a wrong password is counted.

        Raises:
            RateLimited: The address has guessed too often, and is kept out for a while.
        """
        spent = await self._limits.count(LimitClass.AUTH, caller)
        try:
            spent.require(None)
        except errors.RateLimited:
            if len(self._kept_out) >= GUESSERS_MAX:
                self._kept_out.clear()
            self._kept_out[caller] = time.monotonic() + spent.reset_s
            raise

    def _no_longer_anonymous(self, socket: Caller) -> None:
        if (caller := self._anonymous.pop(socket, None)) is not None:
            _take(self._of_address, caller)


def _take[K](counter: Counter[K], key: K) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
