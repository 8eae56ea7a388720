"""Retention: originals that a compacted row holds go in time, when it has been proved once more."""

from dataclasses import dataclass
from uuid import UUID

import structlog

from libs.tasks import Pace, passed
from services.collab.upkeep import metrics
from services.collab.upkeep.compaction import CHUNK_ROWS, Compactor
from services.collab.upkeep.replay import Replay
from services.collab.upkeep.store import Compaction, Policy, UpkeepStore

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What retention removed."""

    rows: int = 0
    size_bytes: int = 0


class Retention:
    """Prunes single scenes."""

    def __init__(
        self, upkeep: UpkeepStore, replay: Replay, compactor: Compactor, policy: Policy
    ) -> None:
        """Wire the parts."""
        self._upkeep = upkeep
        self._replay = replay
        self._compactor = compactor
        self._policy = policy

    async def prune(self, scene: UUID, pace: Pace) -> Pruned:
        """Remove originals whose retention is over, from compactions that are proved once more."""
        rows = size = 0
        async with self._compactor.working(scene) as mine:
            pace.begin()
            if not mine:
                return Pruned()
            for entry in await self._upkeep.prunable(scene):
                upto, first = await self._upkeep.retained(scene, entry, self._policy.retention)
                if first > upto or not await self.prove(scene, entry, pace):
                    break
                passed("prune.proved")
                # They are kept already, unless this compaction is older than what keeps them.
                await self._compactor.keep_authors(scene, entry.seq, entry.from_seq, pace)
                while first:
                    gone = await self._upkeep.prune(scene, entry.seq, first, upto, CHUNK_ROWS)
                    if not gone.rows:
                        break
                    passed("prune.removing")
                    metrics.pruned_rows.inc(gone.rows)
                    metrics.pruned_bytes.inc(gone.size_bytes)
                    rows, size, first = rows + gone.rows, size + gone.size_bytes, gone.last + 1
                    await pace.rest()
                if upto < entry.seq:
                    break
                passed("prune.removed")
                await self._upkeep.end_pruning(scene, entry.seq)
        if rows:
            log.info("originals pruned", scene_id=str(scene), rows=rows, size_bytes=size)
        return Pruned(rows, size)

    async def prove(self, scene: UUID, entry: Compaction, pace: Pace) -> bool:
        """Compare a compacted row with what it replaces, as far as that is still there.

        Call it while `working`. One that fails is quarantined and reported.
        """
        body = await self._compactor.sound(scene, entry.seq)
        if body is None:
            return False
        form = await self._replay.measure(body)
        if form is None or form.digest != entry.digest:
            await self._compactor.condemn(scene, entry.seq, "is not the state that was stored")
            return False
        before = await self._upkeep.compacted(scene, entry.from_seq - 1)
        base = before[0] if before and before[1] else None
        left = await self._replay.originals(
            scene, after=entry.from_seq - 1, upto=entry.seq, base=base, pace=pace
        )
        if left.state is None:
            # Nothing is left to compare with; the digest is that of the comparison at its making.
            return True
        found = await self._replay.measure(left.state)
        headless = base is None and entry.from_seq > 1
        partial = left.holes or left.excluded or entry.source == "head" or headless
        if (found is None or found.digest != entry.digest) and not (
            partial and await self._replay.contains(body, left.state)
        ):
            await self._compactor.condemn(scene, entry.seq, "differs from its originals")
            return False
        await self._upkeep.verified(scene, entry.seq)
        return True
