"""Is what is stored of a scene whole? Finds damage in heads, compacted rows and the log."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.tasks import Pace
from services.collab import updates
from services.collab.scenes import CHECKSUM, Scenes
from services.collab.store import Head, Store
from services.collab.upkeep import metrics
from services.collab.upkeep.compaction import NOW, Compactor
from services.collab.upkeep.findings import Findings, Quarantined
from services.collab.upkeep.replay import Replay, Unbuildable
from services.collab.upkeep.retention import Retention
from services.collab.upkeep.store import UpkeepStore


@dataclass(frozen=True, slots=True)
class HeadNumbers:
    """What is stored as the head of a scene."""

    upto: int
    stored_bytes: int
    version: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CompactedNumbers:
    """A line of the ledger of compactions."""

    seq: int
    from_seq: int
    updates: int
    bytes_before: int
    bytes_after: int
    source: str
    created_at: datetime
    verified_at: datetime | None
    pruned_at: datetime | None
    pruned_rows: int


@dataclass(frozen=True, slots=True)
class Inspection:
    """What is stored of a scene."""

    rows: int
    oldest: int
    newest: int
    oldest_at: datetime | None
    newest_at: datetime | None
    log_bytes: int
    compacted_bytes: int
    head: HeadNumbers | None
    compacted: list[CompactedNumbers]
    quarantined: list[Quarantined]
    findings: list[dict[str, Any]]


@dataclass(slots=True)
class Verification:
    """What a check of a scene found."""

    rows: int = 0
    """Rows whose checksums were computed."""
    damage: list[tuple[str, int, str]] = field(default_factory=list[tuple[str, int, str]])
    """Kind, seq and reason of each damage that is there now and was not quarantined before."""
    busy: bool = False
    """Somebody else works on the scene: nothing was checked."""


class Integrity:
    """Looks at single scenes."""

    def __init__(
        self,
        *,
        store: Store,
        upkeep: UpkeepStore,
        scenes: Scenes,
        replay: Replay,
        findings: Findings,
        compactor: Compactor,
        retention: Retention,
    ) -> None:
        """Wire the parts."""
        self._store = store
        self._upkeep = upkeep
        self._scenes = scenes
        self._replay = replay
        self._findings = findings
        self._compactor = compactor
        self._retention = retention

    async def inspect(self, scene: UUID) -> Inspection:
        """Say what is stored of *scene*, without judging it."""
        numbers = await self._findings.numbers(scene)
        head = await self._store.head(scene)
        return Inspection(
            rows=numbers["rows"],
            oldest=numbers["oldest"] or 0,
            newest=numbers["newest"] or 0,
            oldest_at=numbers["oldest_at"],
            newest_at=numbers["newest_at"],
            log_bytes=numbers["bytes"],
            compacted_bytes=numbers["compacted_bytes"],
            head=head and HeadNumbers(head.upto, len(head.packed), head.version, head.updated_at),
            compacted=[
                CompactedNumbers(
                    row["seq"],
                    row["from_seq"],
                    row["updates"],
                    row["bytes_before"],
                    row["bytes_after"],
                    row["source"],
                    row["created_at"],
                    row["verified_at"],
                    row["pruned_at"],
                    row["pruned_rows"],
                )
                for row in await self._upkeep.ledger(scene)
            ],
            quarantined=await self._findings.quarantined(scene),
            findings=await self._findings.history(scene),
        )

    async def verify(self, scene: UUID, pace: Pace, *, by: UUID | None = None) -> Verification:
        """Check all that is stored of *scene* and report what is damaged; repairs nothing."""
        done = Verification()
        async with self._compactor.working(scene) as mine:
            pace.begin()
            if not mine:
                done.busy = True
                return done
            await self._check_rows(scene, done, pace)
            await self._check_compacted(scene, done, pace)
            # A head is compared with what follows the compacted row: where that row is wrong, a
            # good head would be blamed, and made anew from the wrong row.
            if all(kind != "compacted" for kind, _, _ in done.damage):
                await self._check_head(scene, done, pace)
        for kind, seq, reason in done.damage:
            await self._findings.report(scene, kind, seq, reason, by=by)
            self._scenes.on_damage(scene, kind, seq)
        metrics.verified_scenes.inc()
        return done

    async def confirm(self, scene: UUID, kind: str, seq: int) -> None:
        """Report damage that a reader met, unless it has been repaired in between."""
        if kind == "head":
            head = await self._store.head(scene)
            if head is not None and head.state is None:
                await self._findings.report(scene, kind, head.upto, CHECKSUM)
            return
        for row in await self._findings.quarantined(scene):
            if row.seq == seq and row.is_compacted == (kind == "compacted"):
                await self._findings.report(scene, kind, seq, row.reason)

    async def _check_rows(self, scene: UUID, done: Verification, pace: Pace) -> None:
        known = await self._findings.quarantined(scene)
        out = {(row.seq, row.is_compacted) for row in known}
        at = 0
        while True:
            last, rows, originals, compacted = await self._findings.damaged_rows(scene, at)
            done.rows += rows
            bad = {seq: CHECKSUM for seq in originals if (seq, False) not in out}
            await self._scenes.quarantine(scene.bytes, bad)
            done.damage += [("log", seq, CHECKSUM) for seq in bad]
            for seq in compacted:
                if (seq, True) not in out:
                    await self._store.quarantine(scene, {seq: CHECKSUM}, compacted=True)
                    done.damage.append(("compacted", seq, CHECKSUM))
            if last is None:
                return
            at = last
            await pace.rest()

    async def _check_compacted(self, scene: UUID, done: Verification, pace: Pace) -> None:
        """The newest sound compacted row is what readings begin at: it must say what it said."""
        base = (await self._upkeep.span(scene, NOW, NOW)).base
        entry = await self._upkeep.compaction(scene, base) if base else None
        if entry and not await self._retention.prove(scene, entry, pace):
            done.damage.append(("compacted", base, "differs from what it replaces"))

    async def _check_head(self, scene: UUID, done: Verification, pace: Pace) -> None:
        head = await self._store.head(scene)
        if head is None:
            return
        if reason := await self._wrong_with(scene, head, pace):
            done.damage.append(("head", head.upto, reason))

    async def _wrong_with(self, scene: UUID, head: Head, pace: Pace) -> str | None:
        if head.state is None:
            return CHECKSUM
        form = await self._replay.measure(head.state)
        if form is None:
            return "no document takes it"
        try:
            vector = updates.read_state_vector(head.vector)
        except updates.BadUpdate:
            return "its state vector cannot be read"
        if vector != form.clocks:
            return "its state vector is not that of its state"
        span = await self._upkeep.span(scene, NOW, NOW)
        if span.base > head.upto:
            # Nobody reads it any more: the compacted row reaches further.
            return None
        base = await self._compactor.sound(scene, span.base)
        try:
            log = await self._replay.originals(
                scene, after=span.base, upto=head.upto, base=base, pace=pace
            )
        except Unbuildable:
            return None
        said = await self._replay.measure(log.state) if log.state is not None else None
        if said is None or (said.digest == form.digest and said.waits == form.waits):
            return None
        # A head may still hold what a row said before it was damaged; it must not lack anything.
        partial = log.holes or log.excluded or said.waits
        if partial and await self._replay.contains(head.state, log.state or updates.EMPTY):
            return None
        return "differs from the log"
