"""Edits that the service itself makes, committed like any other edit."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from libs import errors
from libs.contracts.actor import Actor
from libs.postgres import Connection
from services.collab.journal import Announce, Journal
from services.collab.model import Batch, SceneRun
from services.collab.store import Store

API_CONNECTION = 1
"""Which connection the log names for edits that came by HTTP: gateway 0, tag 1."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the log that was appended beside the journal."""

    scene: bytes
    run: SceneRun

    @property
    def seq(self) -> int:
        """Its version."""
        return self.run.seq_to


class Commits:
    """Writes edits through the journal."""

    def __init__(
        self, journal: Journal, store: Store, announce: Announce, *, update_bytes_max: int
    ) -> None:
        """Write through *journal*, or into *store* and *announce* what became durable."""
        self._journal = journal
        self._store = store
        self._announce = announce
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

    async def commit_within(
        self,
        connection: Connection,
        actor: Actor,
        edits: Sequence[tuple[UUID, bytes]],
        *,
        run_id: UUID | None = None,
    ) -> list[Row]:
        """Append *edits*, each of another document, within the caller's transaction.

        *run_id* is the run that made them.

        Call `announce` with the rows once it is committed.

        Raises:
            Fenced: Somebody else wrote to one of them first; the transaction must be tried again.
            TooLarge: An edit is larger than one may be.
        """
        self.require_fitting([update for _, update in edits])
        batch = Batch()
        for document, update in edits:
            batch.add(document.bytes, actor.user_id.bytes, API_CONNECTION, update)
        if run_id is not None:
            batch.run_ids = dict.fromkeys(range(len(batch)), run_id)
        heads = await self._store.heads(batch.scenes, within=connection)
        seqs = [head + 1 for head in heads]
        await self._store.append([batch], seqs, within=connection)
        return [
            Row(scene, SceneRun(seq, seq, API_CONNECTION, [update], len(update)))
            for scene, seq, update in zip(batch.scenes, seqs, batch.updates, strict=True)
        ]

    async def heads(
        self, documents: Sequence[bytes], *, within: Connection | None = None
    ) -> list[int]:
        """Return the newest version of each document."""
        return await self._store.heads(documents, within=within)

    async def announce(self, rows: Sequence[Row]) -> None:
        """Tell everybody of rows that are durable now."""
        await self._announce({row.scene: row.run for row in rows})

    def require_fitting(self, updates: Sequence[bytes]) -> None:
        """Return when each of *updates* may be an edit.

        Raises:
            TooLarge: One is larger than an edit may be.
        """
        if max(map(len, updates)) > self._update_bytes_max:
            raise errors.TooLarge(
                "The change is larger than one edit may be.", limitBytes=self._update_bytes_max
            )
