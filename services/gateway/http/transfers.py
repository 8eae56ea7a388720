"""Requests that take long: a body that comes, an answer that goes. They end with their token.

A file of gigabytes is sent for hours by leave of a token that was looked at once, at the beginning.
What is taken back meanwhile takes the rest of it along, as it does sockets and event streams.
"""

from collections.abc import AsyncGenerator, Collection, Generator, Iterable
from contextlib import aclosing, contextmanager
from datetime import datetime
from uuid import UUID

from libs import errors
from services.gateway.accounts.identity import Identity
from services.gateway.http.route import Cut


class Transfer:
    """One request under way."""

    def __init__(self, identity: Identity) -> None:
        """Let it go on as long as what *identity* came by."""
        self.identity = identity
        self.is_over = False

    def require(self) -> None:
        """Return while it may go on.

        Raises:
            Unauthenticated: Its token, or the session of that, has ended.
        """
        if self.is_over:
            raise errors.Unauthenticated("The session of this token has ended.")


class Transfers:
    """All of this gateway."""

    def __init__(self) -> None:
        """Begin with none."""
        self._open: set[Transfer] = set()

    @contextmanager
    def holding(self, transfer: Transfer | None) -> Generator[None]:
        """Have a request known while it is under way; None is one that nobody is known of."""
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
        """Yield what *source* does, and close it at the end.

        Raises:
            Cut: What *identity* came by has ended.
        """
        transfer = Transfer(identity)
        with self.holding(transfer):
            async with aclosing(source):
                async for part in source:
                    if transfer.is_over:
                        raise Cut
                    yield part

    def identities(self) -> Iterable[Identity]:
        """Return whose requests are under way, once for each."""
        return [each.identity for each in self._open]

    def end_where(self, ended: Collection[UUID], now: datetime) -> None:
        """End the requests that came by what has ended, or whose token has expired by *now*."""
        for each in self._open:
            each.is_over = each.is_over or each.identity.is_over(ended, now)
