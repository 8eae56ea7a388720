"""Long uploads and downloads, which end when their token ends.

The token of a request is verified once, at its beginning, but a file of gigabytes takes hours. When
a token or its session ends meanwhile, the transfer is cut, as sockets and event streams are.
"""

from collections.abc import AsyncGenerator, Collection, Generator, Iterable
from contextlib import aclosing, contextmanager
from datetime import datetime
from uuid import UUID

from libs import errors
from services.gateway.accounts.identity import Identity
from services.gateway.http.route import Cut


class Transfer:
    """One upload or download."""

    def __init__(self, identity: Identity) -> None:
        """Continue as long as the token or session of *identity* is valid."""
        self.identity = identity
        self.is_over = False

    def require(self) -> None:
        """Return if the transfer may continue.

        Raises:
            Unauthenticated: Its token, or the session of the token, has ended.
        """
        if self.is_over:
            raise errors.Unauthenticated("The session of this token has ended.")


class Transfers:
    """The transfers of this gateway."""

    def __init__(self) -> None:
        """Begin without transfers."""
        self._open: set[Transfer] = set()

    @contextmanager
    def holding(self, transfer: Transfer | None) -> Generator[None]:
        """Register *transfer* while the block runs; None stands for an anonymous request."""
        if transfer is None:
            yield
            return
        self._open.add(transfer)
        try:
            yield
        finally:
            self._open.discard(transfer)

    async def guarded(
        self, identity: Identity, source: AsyncGenerator[bytes]
    ) -> AsyncGenerator[bytes]:
        """Yield the parts of *source*, and close it at the end.

        Raises:
            Cut: The token or session of *identity* has ended.
        """
        transfer = Transfer(identity)
        with self.holding(transfer):
            async with aclosing(source):
                async for part in source:
                    if transfer.is_over:
                        raise Cut
                    yield part

    def identities(self) -> Iterable[Identity]:
        """Return the identity of each transfer."""
        return [each.identity for each in self._open]

    def close_ended(self, ended: Collection[UUID], now: datetime) -> None:
        """End the transfers whose login has *ended*, or whose token has expired by *now*."""
        for each in self._open:
            each.is_over = each.is_over or each.identity.is_over(ended, now)
