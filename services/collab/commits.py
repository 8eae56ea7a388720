"""Edits that the service itself makes, committed like any other edit."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from libs import errors
from libs.contracts.actor import Actor
from services.collab.journal import Journal
from services.collab.model import Batch

API_CONNECTION = 1
"""Which connection the log names for edits that came by HTTP: gateway 0, tag 1."""


class Commits:
    """Writes edits through the journal."""

    def __init__(self, journal: Journal, *, update_bytes_max: int) -> None:
        """Write through *journal*."""
        self._journal = journal
        self._update_bytes_max = update_bytes_max

    async def commit(
        self, document: UUID, actor: Actor, update: bytes, *, run_id: UUID | None = None
    ) -> int:
        """Wait until *update* is durable; returns its seq. *run_id* is the run that made it.

        Raises:
            TooLarge: The edit is larger than one may be.
        """
        self.require_fitting([update])
        durable: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def done(heads: dict[bytes, int]) -> None:
            if not durable.done():
                durable.set_result(heads[document.bytes])

        batch = Batch()
        batch.add(document.bytes, actor.user_id.bytes, API_CONNECTION, update)
        if run_id is not None:
            batch.run_ids = {0: run_id}
        self._journal.submit(batch, done)
        return await durable

    def require_fitting(self, updates: Sequence[bytes]) -> None:
        """Return when each of *updates* may be an edit.

        Raises:
            TooLarge: One is larger than an edit may be.
        """
        if max(map(len, updates)) > self._update_bytes_max:
            raise errors.TooLarge(
                "The change is larger than one edit may be.", limitBytes=self._update_bytes_max
            )
