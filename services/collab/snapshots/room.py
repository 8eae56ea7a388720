"""All of this package, wired: the worker, the detector, the figures, and the answers."""

from faststream.nats import NatsBroker

from libs.bus import serve
from libs.contracts.collab import persistence
from libs.postgres import Pool
from libs.tasks import PeriodicTask
from services.collab import store as log_store
from services.collab.editors import SceneEditors
from services.collab.scenes import Scenes
from services.collab.settings import CollabSettings
from services.collab.snapshots.divergence import Detector, Sampling
from services.collab.snapshots.handlers import SnapshotHandlers
from services.collab.snapshots.measuring import LAG_ALERT_S, Measuring, Watch
from services.collab.snapshots.model import Thresholds
from services.collab.snapshots.store import SnapshotStore
from services.collab.snapshots.taking import Snapshots
from services.collab.snapshots.worker import Schedule, SnapshotWorker
from services.collab.workers import Workers


def schedule_of(settings: CollabSettings) -> Schedule:
    """When snapshots are taken, by the settings."""
    return Schedule(
        interval_s=settings.snapshot_interval_s,
        walk_interval_s=settings.snapshot_walk_s,
        behind_s=LAG_ALERT_S,
        duty=settings.snapshot_duty,
        duty_behind=settings.snapshot_duty_behind,
    )


def sampling_of(settings: CollabSettings) -> Sampling:
    """How much is compared, by the settings."""
    return Sampling(
        interval_s=settings.divergence_interval_s,
        duty=settings.divergence_duty,
        again_s=settings.divergence_again_s,
        repair=settings.divergence_repair,
    )


class Room:
    """The parts of this package, wired."""

    def __init__(
        self,
        pool: Pool,
        log: log_store.Store,
        scenes: Scenes,
        editors: SceneEditors,
        *,
        workers: Workers,
        settings: CollabSettings,
    ) -> None:
        """Make the parts; nothing runs before `start`."""
        self._settings = settings
        self._store = SnapshotStore(pool)
        self._scenes = scenes
        self._editors = editors
        self._workers = workers
        self.snapshots = Snapshots(
            self._store, scenes, editors, workers, history_rows_max=settings.snapshot_history_rows
        )
        self.worker = SnapshotWorker(self._store, self.snapshots, editors, schedule_of(settings))
        self.detector = Detector(
            self._store,
            log,
            self.snapshots,
            editors,
            workers=workers,
            sampling=sampling_of(settings),
        )
        watch = Watch(settings.replica, settings.divergence_window_s, settings.divergence_sampling)
        self.measuring = Measuring(self._store, log, self.worker, self.detector, watch)

    def serve(self, broker: NatsBroker) -> None:
        """Answer `libs.contracts.collab.persistence`."""
        settings = self._settings
        handlers = SnapshotHandlers(
            store=self._store,
            scenes=self._scenes,
            editors=self._editors,
            workers=self._workers,
            snapshots=self.snapshots,
            detector=self.detector,
            measuring=self.measuring,
            thresholds=Thresholds(settings.snapshot_interval_s, settings.snapshot_stale_s),
        )
        serve(broker, persistence.TAKE_SNAPSHOT, handlers.take)
        serve(broker, persistence.PUT_SNAPSHOT, handlers.put)
        serve(broker, persistence.SNAPSHOT_HISTORY, handlers.history)
        serve(broker, persistence.READ_SCENES, handlers.read)
        serve(broker, persistence.CHECK_DIVERGENCE, handlers.check)
        serve(broker, persistence.PERSISTENCE_HEALTH, handlers.health)
        serve(broker, persistence.DIVERGENCE_STATUS, handlers.divergence)

    def tasks(self) -> list[PeriodicTask]:
        """Return what this replica does in the background."""
        found = [self.worker.task, self.worker.walking, self.measuring.task]
        return [*found, self.detector.task] if self._settings.divergence_sampling else found
