"""Wires upkeep: one place that knows all its parts."""

from faststream.nats import NatsBroker

from libs.bus import serve
from libs.contracts.collab.upkeep import COMPACT, INSPECT, REPAIR, SCENES, VERIFY
from libs.postgres import AdvisoryLocks, Pool
from libs.tasks import PeriodicTask, TaskPositions
from services.collab.review.authorship.reading import AuthorKeeper
from services.collab.review.authorship.store import AuthorStore
from services.collab.rollups import Rollups
from services.collab.scenes import Scenes
from services.collab.settings import CollabSettings
from services.collab.store import Store
from services.collab.upkeep.compaction import Compactor
from services.collab.upkeep.findings import Findings
from services.collab.upkeep.handlers import UpkeepHandlers
from services.collab.upkeep.integrity import Integrity
from services.collab.upkeep.repair import Repairs
from services.collab.upkeep.replay import Replay
from services.collab.upkeep.retention import Retention
from services.collab.upkeep.store import UpkeepStore
from services.collab.upkeep.worker import Upkeep, policy_of
from services.collab.workers import Workers


class Parts:
    """What works on single scenes, one at a time."""

    def __init__(
        self,
        *,
        pool: Pool,
        locks: AdvisoryLocks,
        store: Store,
        scenes: Scenes,
        workers: Workers,
        settings: CollabSettings,
    ) -> None:
        """Wire the parts."""
        self.upkeep, self.findings = UpkeepStore(pool, locks), Findings(pool)
        policy, replay = policy_of(settings), Replay(store, scenes, workers)
        self.compactor = Compactor(
            store=store,
            upkeep=self.upkeep,
            scenes=scenes,
            replay=replay,
            findings=self.findings,
            authors=AuthorKeeper(AuthorStore(pool), store, workers),
            policy=policy,
        )
        self.retention = Retention(self.upkeep, replay, self.compactor, policy)
        self.integrity = Integrity(
            store=store,
            upkeep=self.upkeep,
            scenes=scenes,
            replay=replay,
            findings=self.findings,
            compactor=self.compactor,
            retention=self.retention,
        )
        self.repairs = Repairs(
            store=store,
            upkeep=self.upkeep,
            workers=workers,
            replay=replay,
            findings=self.findings,
            compactor=self.compactor,
        )


class Room:
    """Compaction, retention, verification and repair of one replica."""

    def __init__(
        self,
        *,
        pool: Pool,
        locks: AdvisoryLocks,
        store: Store,
        scenes: Scenes,
        rollups: Rollups,
        workers: Workers,
        settings: CollabSettings,
    ) -> None:
        """Wire the parts; *workers* are those that joins do not wait for."""

        def parts() -> Parts:
            return Parts(
                pool=pool,
                locks=locks,
                store=store,
                scenes=scenes,
                workers=workers,
                settings=settings,
            )

        # Who asks does not wait for the background, which rests most of the time.
        asked, background = parts(), parts()
        self._works = settings.upkeep
        self._handlers = UpkeepHandlers(
            upkeep=asked.upkeep,
            findings=asked.findings,
            compactor=asked.compactor,
            integrity=asked.integrity,
            repairs=asked.repairs,
        )
        self._worker = Upkeep(
            settings=settings,
            upkeep=background.upkeep,
            positions=TaskPositions(pool, locks),
            scenes=scenes,
            rollups=rollups,
            compactor=background.compactor,
            retention=background.retention,
            integrity=background.integrity,
            repairs=background.repairs,
        )

    def serve(self, broker: NatsBroker) -> None:
        """Answer operators."""
        handlers = self._handlers
        serve(broker, INSPECT, handlers.inspect)
        serve(broker, VERIFY, handlers.verify)
        serve(broker, REPAIR, handlers.repair)
        serve(broker, COMPACT, handlers.compact)
        serve(broker, SCENES, handlers.scenes)

    def tasks(self) -> list[PeriodicTask]:
        """Return what this replica does in the background, if it is to do anything."""
        return self._worker.tasks() if self._works else []
