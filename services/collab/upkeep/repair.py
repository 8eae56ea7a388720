"""What is done about damage: what is derived is made anew, what is not is quarantined."""

from uuid import UUID

import structlog

from libs.tasks import Pace, passed
from services.collab import heavy, updates
from services.collab.store import Head, Store
from services.collab.upkeep.compaction import NOW, Compactor, Outcome
from services.collab.upkeep.findings import Finding, Findings
from services.collab.upkeep.replay import Replay, Unbuildable
from services.collab.upkeep.store import Compaction, UpkeepStore
from services.collab.workers import WorkerDied, Workers

log = structlog.get_logger(__name__)

type Settled = tuple[str, str, str | None]
"""Outcome, what was done, and a severity when it is worse or better than thought."""


class Repairs:
    """Repairs single scenes."""

    def __init__(
        self,
        *,
        store: Store,
        upkeep: UpkeepStore,
        workers: Workers,
        replay: Replay,
        findings: Findings,
        compactor: Compactor,
    ) -> None:
        """Wire the parts."""
        self._store = store
        self._upkeep = upkeep
        self._workers = workers
        self._replay = replay
        self._findings = findings
        self._compactor = compactor

    async def mend(
        self, scene: UUID, pace: Pace, *, failed: bool = True, by: UUID | None = None
    ) -> int | None:
        """Do what can be done about every open finding; returns how many there were.

        With *failed* also about those that were tried in vain. None when somebody else works on
        the scene.
        """
        async with self._compactor.working(scene) as mine:
            pace.begin()
            if not mine:
                return None
            found = await self._findings.open(scene, failed=failed)
            for finding in found:
                try:
                    outcome, action, severity = await self._settled(scene, finding, pace)
                except (Unbuildable, WorkerDied):
                    outcome, action, severity = "failed", "no document takes the log", "CRITICAL"
                await self._findings.settle(finding, outcome, action, severity=severity, by=by)
            return len(found)

    async def _settled(self, scene: UUID, finding: Finding, pace: Pace) -> Settled:
        match finding.kind:
            case "compacted":
                return await self._compacted(scene, finding, pace)
            case "head":
                return await self._head(scene, finding, pace)
            case _:
                return await self._original(scene, finding, pace)

    async def _head(self, scene: UUID, finding: Finding, pace: Pace) -> Settled:
        head = await self._store.head(scene)
        span = await self._upkeep.span(scene, NOW, NOW)
        base = await self._compactor.sound(scene, span.base)
        log_says = await self._replay.originals(
            scene, after=span.base, upto=span.upto, base=base, pace=pace
        )
        if head is None or log_says.state is None or log_says.holes:
            return "failed", "the log is not whole either", "CRITICAL"
        built = await self._workers.run(heavy.integrate, [log_says.state])
        if built is None:
            return "failed", "no document takes the log", "CRITICAL"
        state, vector, _ = built
        await self._findings.keep_evidence(finding, head.packed)
        passed("repair.built")
        async with self._store.transaction() as connection, connection.transaction():
            await self._store.put_head(
                scene, log_says.upto, state, vector, within=connection, instead_of=head.version
            )
        passed("repair.stored")
        return "repaired", f"rebuilt from the log up to {log_says.upto}", None

    async def _compacted(self, scene: UUID, finding: Finding, pace: Pace) -> Settled:
        entry = await self._upkeep.compaction(scene, finding.seq)
        found = await self._upkeep.compacted(scene, finding.seq)
        if found is None:
            return "repaired", "nothing was stored", None
        if entry is None:
            return "failed", "no compaction is known that made it", "CRITICAL"
        before = await self._upkeep.compacted(scene, entry.from_seq - 1)
        base = before[0] if before and before[1] else None
        log_says = await self._replay.originals(
            scene, after=entry.from_seq - 1, upto=entry.seq, base=base, pace=pace
        )
        whole = not log_says.holes and (base is not None or entry.from_seq == 1)
        head = await self._sound_head(scene)
        # The digest tells what it said; without it what the whole log says is right.
        for state, source in ((log_says.state, "the log"), (self._at(head, entry), "the head")):
            if state is not None and await self._is(state, entry.digest):
                return await self._rewrite(
                    scene,
                    entry,
                    finding,
                    state=state,
                    digest=entry.digest,
                    source=source,
                    pace=pace,
                )
        if whole and log_says.state is not None and not log_says.excluded:
            form = await self._replay.measure(log_says.state)
            if form is not None:
                return await self._rewrite(
                    scene,
                    entry,
                    finding,
                    state=log_says.state,
                    digest=form.digest,
                    source="the log",
                    pace=pace,
                )
        if head is not None and head.upto > entry.seq:
            made = await self._compactor.from_head(scene, head, pace)
            if made.outcome is Outcome.COMPACTED:
                return "repaired", f"replaced by one made of the head at {made.seq}", None
        span = await self._upkeep.span(scene, NOW, NOW)
        if span.base > entry.seq:
            return "quarantined", f"the compacted row at {span.base} holds it too", "MINOR"
        return "failed", "neither originals nor a head hold what it said", "CRITICAL"

    async def _rewrite(
        self,
        scene: UUID,
        entry: Compaction,
        finding: Finding,
        *,
        state: bytes,
        digest: bytes,
        source: str,
        pace: Pace,
    ) -> Settled:
        passed("repair.built")
        await self._upkeep.rewrite_compacted(scene, entry.seq, state, digest, finding.id)
        passed("repair.stored")
        await self._renew_head(scene, pace)
        return "repaired", f"rewritten from {source}", None

    async def _renew_head(self, scene: UUID, pace: Pace) -> None:
        """Make the head anew if it was rolled up from a compacted row while that was wrong."""
        head = await self._sound_head(scene)
        if head is None or head.state is None:
            return
        span = await self._upkeep.span(scene, NOW, NOW)
        base = await self._compactor.sound(scene, span.base)
        try:
            log_says = await self._replay.originals(
                scene, after=span.base, upto=head.upto, base=base, pace=pace
            )
        except Unbuildable:
            return
        if log_says.state is None or log_says.holes:
            return
        form = await self._replay.measure(log_says.state)
        if form is None or await self._is(head.state, form.digest):
            return
        built = await self._workers.run(heavy.integrate, [log_says.state])
        if built is not None:
            async with self._store.transaction() as connection, connection.transaction():
                await self._store.put_head(
                    scene,
                    log_says.upto,
                    *built[:2],
                    within=connection,
                    instead_of=head.version,
                )

    async def _original(self, scene: UUID, finding: Finding, pace: Pace) -> Settled:
        """A row that is damaged cannot be made anew, but what it said may be kept elsewhere."""
        span = await self._upkeep.span(scene, NOW, NOW)
        if 0 < finding.seq <= span.base:
            return "quarantined", f"the compacted row at {span.base} holds it", "MINOR"
        head = await self._sound_head(scene)
        if finding.seq and head is not None and head.upto >= finding.seq:
            made = await self._compactor.from_head(scene, head, pace)
            if made.outcome is Outcome.COMPACTED:
                action = f"what the head held of it is kept by the compacted row at {made.seq}"
                return "quarantined", action, "MODERATE"
        return "quarantined", "what it said is lost; everything else is readable", "CRITICAL"

    async def _sound_head(self, scene: UUID) -> Head | None:
        head = await self._store.head(scene)
        if head is None or head.state is None:
            return None
        form = await self._replay.measure(head.state)
        if form is None or updates.read_state_vector(head.vector) != form.clocks:
            return None
        return head

    async def _is(self, state: bytes, digest: bytes) -> bool:
        form = await self._replay.measure(state)
        return form is not None and form.digest == digest

    @staticmethod
    def _at(head: Head | None, entry: Compaction) -> bytes | None:
        return head.state if head is not None and head.upto == entry.seq else None
