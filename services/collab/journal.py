"""Group commit: everything that waits goes into one transaction, then out to the gateways.

One flush is in flight at a time, so rows are numbered and announced in order. While PostgreSQL
commits a flush, the one before it is announced. Nothing is announced or acknowledged before it is
committed; whatever fails before that is tried again with the same bytes.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import asyncpg
import structlog
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, set_span_in_context
from prometheus_client import Counter, Histogram

from libs.postgres.pool import UNREACHABLE
from libs.telemetry import tracer
from services.collab.model import Batch, SceneRun, number, runs
from services.collab.store import Fenced, Store

log = structlog.get_logger(__name__)

FLUSH_ROWS_MAX = 1_000
"""About 3 ms of commit; more would make the next flush wait."""
FLUSH_BYTES_MAX = 2 << 20
HEADS_MAX = 100_000
RETRY_DELAY_S_FIRST = 0.05
RETRY_DELAY_S_MAX = 1.0

_rows = Histogram(
    "scriptorium_collab_flush_rows",
    "Updates in one commit.",
    buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500, 1000),
)
_seconds = Histogram(
    "scriptorium_collab_flush_seconds",
    "Time to commit one flush, retries included.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)
_fenced = Counter("scriptorium_collab_fenced_total", "Commits that lost a race and went again.")
_trace = tracer(__name__)

type Announce = Callable[[dict[bytes, SceneRun]], Awaitable[None]]
type Done = Callable[[dict[bytes, int]], Awaitable[None]]
"""Told the newest seq of each scene of the batch, once it is durable and announced."""


@dataclass(slots=True)
class _Ticket:
    batch: Batch
    done: Done
    edit: SpanContext | None
    """The gateway's span when this edit's trace is sampled."""


@dataclass(slots=True)
class _Flush:
    tickets: list[_Ticket]
    runs: dict[bytes, SceneRun]


class Journal:
    """The only writer of the log in this process."""

    def __init__(self, store: Store, announce: Announce) -> None:
        """Commit to *store*; then *announce* each scene's run."""
        self._store = store
        self._announce = announce
        self._pending: list[_Ticket] = []
        self._wake = asyncio.Event()
        self._heads: dict[bytes, int] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self.accepted = 0
        """Updates committed since the start, for the load in heartbeats."""

    def submit(self, batch: Batch, done: Done, edit: SpanContext | None = None) -> None:
        """Queue *batch* for the next flush. Callers bound what they submit unacknowledged."""
        self._pending.append(_Ticket(batch, done, edit))
        self._idle.clear()
        self._wake.set()

    async def drained(self, *, within_s: float) -> bool:
        """Wait until nothing is pending; false if it still is after *within_s*."""
        try:
            async with asyncio.timeout(within_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def run(self) -> None:
        """Flush until cancelled."""
        committed: _Flush | None = None
        while True:
            if not self._pending:
                if committed:
                    await self._finish(committed)
                    committed = None
                if not self._pending:
                    self._idle.set()
                    self._wake.clear()
                    await self._wake.wait()
            if committed:
                commit = asyncio.create_task(self._commit(self._take()))
                # Let the INSERT reach its socket first; PostgreSQL works while we announce.
                await asyncio.sleep(0)
                await self._finish(committed)
                committed = await commit
            else:
                committed = await self._commit(self._take())

    def _take(self) -> list[_Ticket]:
        rows = size = 0
        for taken, ticket in enumerate(self._pending):
            rows += len(ticket.batch)
            size += ticket.batch.size_bytes
            if taken and (rows > FLUSH_ROWS_MAX or size > FLUSH_BYTES_MAX):
                tickets = self._pending[:taken]
                del self._pending[:taken]
                return tickets
        tickets, self._pending = self._pending, []
        return tickets

    async def _commit(self, tickets: list[_Ticket]) -> _Flush:
        started = time.perf_counter()
        traced = [ticket.edit for ticket in tickets if ticket.edit]
        if traced:
            # A commit belongs to every edit in it: child of the first, linked to the others.
            with _trace.start_as_current_span(
                "commit",
                context=set_span_in_context(NonRecordingSpan(traced[0])),
                links=[Link(edit) for edit in traced[1:]],
            ):
                flush = await self._append([ticket.batch for ticket in tickets])
        else:
            flush = await self._append([ticket.batch for ticket in tickets])
        _seconds.observe(time.perf_counter() - started)
        return _Flush(tickets, flush)

    async def _append(self, batches: list[Batch]) -> dict[bytes, SceneRun]:
        """Append *batches* to the log, however often it takes."""
        scenes = [scene for batch in batches for scene in batch.scenes]
        delay_s = RETRY_DELAY_S_FIRST
        refresh = False
        while True:
            try:
                seqs = number(scenes, await self._heads_of(scenes, refresh=refresh))
                if seqs:
                    await self._store.append(batches, seqs)
                break
            except Fenced:
                _fenced.inc()
                refresh = True
            except (*UNREACHABLE, asyncpg.PostgresError) as error:
                # The rows may be in or not. Inserting them again is harmless: applying a Yjs
                # update twice changes nothing.
                log.warning("commit will be retried", reason=repr(error)[:200], in_s=delay_s)
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, RETRY_DELAY_S_MAX)
                refresh = True
        found = runs(batches, seqs)
        for scene, run in found.items():
            self._heads[scene] = run.seq_to
        self.accepted += len(seqs)
        _rows.observe(len(seqs))
        return found

    async def _heads_of(self, scenes: Sequence[bytes], *, refresh: bool) -> dict[bytes, int]:
        heads = self._heads
        wanted = list(dict.fromkeys(scenes))
        if not refresh:
            wanted = [scene for scene in wanted if scene not in heads]
        if wanted:
            if len(heads) > HEADS_MAX:
                heads.clear()
                wanted = list(dict.fromkeys(scenes))
            heads.update(zip(wanted, await self._store.heads(wanted), strict=True))
        return heads

    async def _finish(self, flush: _Flush) -> None:
        """Announce, then acknowledge: an acknowledged edit has been offered to everyone."""
        await self._announce(flush.runs)
        for ticket in flush.tickets:
            heads = {scene: flush.runs[scene].seq_to for scene in set(ticket.batch.scenes)}
            await ticket.done(heads)
