"""Divergence: does each snapshot say what the log said at its place?

A snapshot that is only behind has not diverged. So it is compared with the state at the seq it
stands at, as long as the log can still give it, and never with the state of now. When they differ
the log is right: repair makes the snapshot anew and writes down that it did.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import structlog
from prometheus_client import Counter

from libs import errors
from libs.contracts.collab.persistence import DivergenceReport, Severity
from libs.postgres.pool import UNREACHABLE
from libs.tasks import PeriodicTask, progressed
from services.collab import heavy
from services.collab import store as log_store
from services.collab.editors import SceneEditors
from services.collab.scenes import SceneUnreadable
from services.collab.snapshots import model, rendering
from services.collab.snapshots.rendering import RENDERING, Compared
from services.collab.snapshots.store import Finding, SnapshotStore, Stored
from services.collab.snapshots.taking import Snapshots
from services.collab.store import Trust
from services.collab.updates import EMPTY, BadUpdate
from services.collab.workers import JOB_TIMEOUT_S, WorkerDied, Workers

log = structlog.get_logger(__name__)

LATE_S = 5.0
"""Sampling that is later than its pause, another interval and this has stopped."""
FAILURES = (*UNREACHABLE, asyncpg.PostgresError, SceneUnreadable, BadUpdate, WorkerDied)
"""Errors of reading a scene or the database after which a later attempt may succeed."""

_checked = Counter("yjs_primary_divergence_checks", "Snapshots compared, by result.", ["result"])
for _result in ("same", "not_compared", "failed", *Severity):
    _checked.labels(_result)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How much is compared continuously.

    Args:
        interval_s: Least time between two comparisons of this replica, seconds.
        duty: Share of the time that comparisons take at most.
        again_s: A snapshot is looked at again after so many seconds at the earliest.
        repair: Whether what is found is repaired at once.
    """

    interval_s: float
    duty: float
    again_s: float
    repair: bool


class Detector:
    """Compares snapshots with the log, and repairs them."""

    def __init__(
        self,
        store: SnapshotStore,
        log: log_store.Store,
        snapshots: Snapshots,
        editors: SceneEditors,
        *,
        workers: Workers,
        sampling: Sampling,
    ) -> None:
        """Wire the parts."""
        self._editors = editors
        self._store = store
        self._log = log
        self._snapshots = snapshots
        self._workers = workers
        self._sampling = sampling
        self.task = PeriodicTask(
            "divergence",
            self.sample,
            interval_s=sampling.interval_s,
            duty=sampling.duty,
            patience_s=sampling.interval_s + LATE_S,
        )

    async def sample(self) -> None:
        """Compare the snapshot that nobody looked at for longest, if any is due."""
        try:
            if scene := await self._store.claim_check(self._sampling.again_s):
                progressed(JOB_TIMEOUT_S)
                await self.check(scene, repair=self._sampling.repair)
        except (*FAILURES, errors.AppError):
            _checked.labels("failed").inc()
            raise

    async def check(
        self, scene: UUID, *, repair: bool, requested_by: UUID | None = None
    ) -> DivergenceReport:
        """Compare a snapshot with the log, keep the result, and repair if told to.

        Raises:
            SceneUnreadable, BadUpdate, WorkerDied: The scene cannot be read.
            asyncpg.PostgresError, OSError: The database is away.
            errors.AppError: Events, which knows its editor, is away.
        """
        report, _ = await self._examine(scene, repair=repair, requested_by=requested_by)
        return report

    async def examine(
        self, scene: UUID, requested_by: UUID | None
    ) -> tuple[DivergenceReport, Finding | None]:
        """The same without repair, with what the audit will say of a difference.

        Raises:
            SceneUnreadable, BadUpdate, WorkerDied: The scene cannot be read.
            asyncpg.PostgresError, OSError: The database is away.
            errors.AppError: Events, which knows its editor, is away.
        """
        return await self._examine(scene, repair=False, requested_by=requested_by)

    async def _examine(
        self, scene: UUID, *, repair: bool, requested_by: UUID | None
    ) -> tuple[DivergenceReport, Finding | None]:
        known = await self._store.read(scene)
        report = await self._report(scene, known)
        if known is None or not report.compared:
            _checked.labels("not_compared").inc()
            return report, None
        _checked.labels(report.severity or "same").inc()
        if report.severity is None:
            await self._store.note_check(scene, known.snapshot_id, None, None)
            return report, None
        found_at = datetime.now(UTC)
        log.error("snapshot diverged", scene_id=str(scene), severity=report.severity)
        await self._store.note_check(
            scene, known.snapshot_id, report.severity, report.model_dump(mode="json")
        )
        finding = Finding(
            scene,
            known.snapshot_id,
            report.severity,
            found_at,
            {
                "diff": report.diff,
                "yjs_checksum": report.yjs_checksum,
                "rest_checksum": report.rest_checksum,
            },
            report.recommended_action,
            requested_by,
        )
        if not repair:
            return report, finding
        repaired = await self._repair(finding)
        return report.model_copy(update={"repaired": repaired}), finding

    async def _repair(self, finding: Finding) -> bool:
        """Prefer the log; whether it worked or not is in the audit."""
        try:
            done = await self._snapshots.repair(finding)
        except (SceneUnreadable, BadUpdate, WorkerDied) as error:
            log.exception("snapshot not repaired", scene_id=str(finding.scene_id))
            outcome = f"not repaired: {type(error).__name__}"
            await self._store.record_repair(finding, outcome, repaired=False)
            return False
        return done

    async def _report(self, scene: UUID, known: Stored | None) -> DivergenceReport:
        if known is None:
            return _nothing(scene, "There is no snapshot: take one.")
        if not known.yjs_derived:
            return _nothing(scene, "The snapshot is not derived from Yjs: nothing to compare.")
        if known.rendering != RENDERING:
            return _nothing(scene, "The snapshot was rendered by another release: take a new one.")
        named = await self._editors.of(scene)
        if known.editor != named.key:
            return _nothing(scene, "The snapshot is that of another editor: take a new one.")
        head = (await self._store.overview([scene]))[0]["head"]
        state = await self._state_at(scene, min(known.seq, head))
        if state is None:
            return _nothing(scene, "The log no longer reaches back so far: take a new snapshot.")
        found: Compared = await self._workers.run(
            rendering.compare, state, known.kept, named.editor
        )
        if head < known.seq:
            reason = {"reason": f"the snapshot stands at {known.seq}, where the log never was"}
            diff = {**reason, **(found.diff or {})}
            found = found._replace(severity=Severity.CRITICAL, diff=diff)
        return _report(known, found)

    async def _state_at(self, scene: UUID, seq: int) -> bytes | None:
        """The state at *seq*, a place that the log was at; None if it cannot be read any more.

        From the database alone: what this process remembers may be what is wrong.
        """
        state, upto, trust = b"", 0, Trust.HEAD
        while True:
            stored = await self._log.load(scene, upto, upto=seq, trust=trust)
            if stored.base_damaged and trust > Trust.ORIGINALS:
                state, upto, trust = b"", 0, Trust(trust - 1)
                continue
            if stored.pruned or stored.base_damaged:
                return None
            base = stored.base or state
            if pieces := [base, *stored.rows] if base else stored.rows:
                done = await self._workers.run(heavy.integrate, pieces)
                if done is None:
                    raise SceneUnreadable(str(scene))
                state = done[0]
            upto = max(upto, stored.upto)
            if not stored.full:
                # At every seq the log had a row. One that is in nothing that was read is pruned.
                return (state or EMPTY) if upto >= seq else None


def _report(known: Stored, found: Compared) -> DivergenceReport:
    return DivergenceReport(
        scene_id=known.scene_id,
        diverged=found.severity is not None,
        compared=True,
        yjs_block_count=found.yjs_block_count,
        rest_block_count=found.rest_block_count,
        yjs_checksum=found.yjs_checksum,
        rest_checksum=found.rest_checksum,
        diff=found.diff,
        severity=found.severity,
        recommended_action=model.ACTIONS[found.severity],
    )


def _nothing(scene: UUID, action: str) -> DivergenceReport:
    return DivergenceReport(
        scene_id=scene,
        diverged=False,
        compared=False,
        yjs_block_count=0,
        rest_block_count=0,
        yjs_checksum="",
        rest_checksum="",
        recommended_action=action,
    )
