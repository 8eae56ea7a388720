"""Compaction: what is old becomes one row, and later only that row is kept.

A compacted row holds everything up to its seq. It is compared with what it replaces before it is
stored, and again before any original goes. Each step is a short transaction and may be the last
one: whoever comes next goes on from what is in the database.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

import structlog

from libs.tasks import Pace, passed
from services.collab.review.authorship.reading import AuthorKeeper
from services.collab.scenes import CHECKSUM, Scenes
from services.collab.store import Head, Store
from services.collab.upkeep import metrics
from services.collab.upkeep.findings import Findings
from services.collab.upkeep.replay import PAGE_ROWS, Replay, Unbuildable
from services.collab.upkeep.store import Compaction, Policy, UpkeepStore

log = structlog.get_logger(__name__)

CHUNK_ROWS = 500
"""Rows marked or removed in one transaction, some 5 ms."""
PROOF_PAGE_ROWS = PAGE_ROWS - 501
"""The proof cuts the log elsewhere than the making did, so that both err differently if at all."""
NOW = timedelta(0)


class Outcome(StrEnum):
    """What came of an attempt to compact."""

    COMPACTED = "compacted"
    NOT_DUE = "not_due"
    BUSY = "busy"
    """Somebody else works on this scene."""
    WAITING = "waiting"
    """Something in the log waits for what never came; what its state is cannot be proved."""
    DAMAGED = "damaged"
    """Damage was found, and reported."""
    DIFFERS = "differs"
    """The proof failed; nothing was stored."""
    LATE = "late"
    """Somebody else stored the same row first, though the lock should have kept them out."""


@dataclass(frozen=True, slots=True)
class Compacted:
    """What an attempt did."""

    outcome: Outcome
    seq: int = 0
    updates: int = 0
    bytes_before: int = 0
    bytes_after: int = 0


class Compactor:
    """Compacts and prunes single scenes."""

    def __init__(
        self,
        *,
        store: Store,
        upkeep: UpkeepStore,
        scenes: Scenes,
        replay: Replay,
        findings: Findings,
        authors: AuthorKeeper,
        policy: Policy,
    ) -> None:
        """Wire the parts."""
        self._store = store
        self._upkeep = upkeep
        self._scenes = scenes
        self._replay = replay
        self._findings = findings
        self._authors = authors
        self._policy = policy
        self._one = asyncio.Lock()

    @asynccontextmanager
    async def working(self, scene: UUID) -> AsyncGenerator[bool]:
        """Be the one who works on *scene*; False when another replica does.

        One scene at a time for each Compactor, so that upkeep never takes all connections.
        """
        async with self._one, self._upkeep.working(scene) as mine:
            yield mine

    async def compact(self, scene: UUID, pace: Pace, *, force: bool = False) -> Compacted:
        """Compact what is old enough, or with *force* all there is now."""
        started = time.perf_counter()
        async with self.working(scene) as mine:
            pace.begin()
            try:
                done = await self._compact(scene, pace, force) if mine else Compacted(Outcome.BUSY)
            except Unbuildable:
                await self._findings.report(scene, "log", 0, "no document takes these rows")
                done = Compacted(Outcome.DAMAGED)
        metrics.compactions.labels(done.outcome).inc()
        if done.outcome is Outcome.COMPACTED:
            metrics.compaction_seconds.observe(time.perf_counter() - started)
            log.info(
                "scene compacted",
                scene_id=str(scene),
                seq=done.seq,
                updates=done.updates,
                bytes_before=done.bytes_before,
                bytes_after=done.bytes_after,
            )
        return done

    async def _compact(self, scene: UUID, pace: Pace, force: bool) -> Compacted:
        policy = self._policy
        await self._finish_marking(scene, pace)
        span = await self._upkeep.span(scene, NOW if force else policy.age, policy.pause)
        updates = span.upto - span.base
        if updates < (1 if force else policy.rows_min) or (span.recent and not force):
            return Compacted(Outcome.NOT_DUE)
        base = await self.sound(scene, span.base)
        if span.base and base is None:
            return Compacted(Outcome.DAMAGED)
        started = time.perf_counter()
        made = await self._replay.originals(
            scene, after=span.base, upto=span.upto, base=base, pace=pace
        )
        if made.holes:
            await self._findings.report(scene, "log", span.base + 1, "rows are missing")
        if made.holes or made.damaged or made.state is None:
            return Compacted(Outcome.DAMAGED)
        form = await self._replay.measure(made.state)
        if form is None or form.waits:
            return Compacted(Outcome.WAITING)
        proof = await self._replay.originals(
            scene,
            after=span.base,
            upto=span.upto,
            base=base,
            pace=pace,
            page_rows=PROOF_PAGE_ROWS,
        )
        proved = await self._replay.measure(proof.state) if proof.state is not None else None
        if proof.excluded != made.excluded:
            return Compacted(Outcome.DAMAGED)
        if proved is None or proved.digest != form.digest:
            await self._findings.report(scene, "compacted", span.upto, "differs from its originals")
            return Compacted(Outcome.DIFFERS)
        entry = Compaction(span.upto, span.base + 1, form.digest, "log")
        return await self._store_and_mark(
            scene,
            entry,
            made.state,
            pace,
            updates=updates,
            bytes_before=made.size_bytes,
            started=started,
        )

    async def from_head(self, scene: UUID, head: Head, pace: Pace) -> Compacted:
        """Keep what *head*, a sound one, holds as a compacted row; call it while `working`.

        For a log that lost rows which the head still has.
        """
        assert head.state is not None
        started = time.perf_counter()
        form = await self._replay.measure(head.state)
        span = await self._upkeep.span(scene, NOW, NOW)
        if form is None or head.upto <= span.base:
            return Compacted(Outcome.NOT_DUE)
        entry = Compaction(head.upto, span.base + 1, form.digest, "head")
        return await self._store_and_mark(
            scene,
            entry,
            head.state,
            pace,
            updates=head.upto - span.base,
            bytes_before=0,
            started=started,
        )

    async def _store_and_mark(
        self,
        scene: UUID,
        entry: Compaction,
        body: bytes,
        pace: Pace,
        *,
        updates: int,
        bytes_before: int,
        started: float,
    ) -> Compacted:
        passed("compaction.built")
        if not await self._upkeep.put_compacted(
            scene,
            entry,
            body,
            updates=updates,
            bytes_before=bytes_before,
            took_ms=(time.perf_counter() - started) * 1e3,
            session_pause=self._policy.session_pause,
        ):
            return Compacted(Outcome.LATE)
        passed("compaction.stored")
        await self._mark(scene, entry.seq, entry.from_seq, pace)
        return Compacted(Outcome.COMPACTED, entry.seq, updates, bytes_before, len(body))

    async def _finish_marking(self, scene: UUID, pace: Pace) -> None:
        for seq, from_seq in await self._upkeep.unmarked(scene):
            await self._mark(scene, seq, from_seq, pace)

    async def _mark(self, scene: UUID, seq: int, from_seq: int, pace: Pace) -> None:
        # The compacted row before it stands at the seq before its first original.
        at: int | None = max(1, from_seq - 1)
        while at is not None:
            at = await self._upkeep.mark(scene, seq, at, CHUNK_ROWS)
            passed("compaction.marking")
            await pace.rest()
        await self.keep_authors(scene, seq, from_seq, pace)
        passed("compaction.marked")
        await self._upkeep.end_marking(scene, seq)

    async def keep_authors(self, scene: UUID, seq: int, from_seq: int, pace: Pace) -> None:
        """Keep the authors of a compaction; without that, none of its originals is pruned."""
        await self._authors.keep(scene, (from_seq, seq), pace)
        passed("compaction.authors")

    async def sound(self, scene: UUID, seq: int) -> bytes | None:
        """The compacted row at *seq*, or None; one that is damaged is reported and quarantined."""
        found = await self._upkeep.compacted(scene, seq) if seq else None
        if found is None:
            return None
        body, good = found
        if not good:
            await self.condemn(scene, seq, CHECKSUM)
            return None
        return body

    async def condemn(self, scene: UUID, seq: int, reason: str) -> None:
        """Exclude a compacted row from every reading, and have it repaired."""
        await self._store.quarantine(scene, {seq: reason}, compacted=True)
        await self._findings.report(scene, "compacted", seq, reason)
        self._scenes.on_damage(scene, "compacted", seq)
