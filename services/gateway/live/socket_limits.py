"""Limits on open sockets: by network address before authentication, by user after it."""

from collections import Counter
from typing import TYPE_CHECKING
from uuid import UUID

from libs import errors
from services.gateway.access.limits import LimitClass, Limits

if TYPE_CHECKING:
    from services.gateway.live.socket import Socket

ANONYMOUS_SOCKETS_MAX = 1000
"""Sockets of one network address at one gateway that have not authenticated yet: an office whose
editors all reconnect at once."""
SILENT_SOCKETS_MAX = 100
"""Of those, the sockets that came without a token and have not sent one since."""
FULL_RETRY_S = 5


class SocketLimits:
    """Counts the open sockets of one gateway."""

    def __init__(self, limits: Limits, *, per_user_max: int) -> None:
        """Allow *per_user_max* sockets for a user; count bad tokens in *limits*."""
        self._limits = limits
        self._per_user_max = per_user_max
        self._anonymous: set[Socket] = set()
        self._by_address = Counter[str]()
        self._silent_by_address = Counter[str]()
        self._user_of: dict[Socket, UUID] = {}
        self._by_user = Counter[UUID]()

    def may_open(self, socket: "Socket") -> bool:
        """Return whether the network address of *socket* may open one more."""
        if self._by_address[socket.address_key] >= ANONYMOUS_SOCKETS_MAX:
            return False
        return (
            bool(socket.token) or self._silent_by_address[socket.address_key] < SILENT_SOCKETS_MAX
        )

    def count_opened(self, socket: "Socket") -> None:
        """Count a socket that has not authenticated yet."""
        self._anonymous.add(socket)
        self._by_address[socket.address_key] += 1
        if not socket.token:
            self._silent_by_address[socket.address_key] += 1

    def count_authenticated(self, socket: "Socket", user_id: UUID) -> None:
        """Count a socket for the user that it authenticated as, no longer for its address.

        Raises:
            RateLimited: The user has as many sockets as one user may.
        """
        if self._by_user[user_id] >= self._per_user_max:
            raise errors.RateLimited(
                f"One person may have {self._per_user_max} sockets open at one gateway.",
                retryAfterS=FULL_RETRY_S,
            )
        self._uncount_anonymous(socket)
        self._user_of[socket] = user_id
        self._by_user[user_id] += 1

    def count_closed(self, socket: "Socket") -> None:
        """Stop counting a socket."""
        self._uncount_anonymous(socket)
        if (user_id := self._user_of.pop(socket, None)) is not None:
            _decrement(self._by_user, user_id)

    async def count_bad_token(self, address_key: str) -> None:
        """Count a token that is not valid, as a wrong password is counted, and beside those.

        Valid tokens from the same address are still accepted: they may be other people's.

        Raises:
            RateLimited: The address has sent too many in this minute.
        """
        (await self._limits.count(LimitClass.AUTH, f"{address_key}-tokens")).require(None)

    def _uncount_anonymous(self, socket: "Socket") -> None:
        if socket in self._anonymous:
            self._anonymous.remove(socket)
            _decrement(self._by_address, socket.address_key)
            if not socket.token:
                _decrement(self._silent_by_address, socket.address_key)


def _decrement[K](counter: Counter[K], key: K) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
