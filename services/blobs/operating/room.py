"""Wires collection, verification, the cold tier and the answers to operators."""

from faststream.nats import NatsBroker
from nats.aio.client import Client

from libs.bus import Caller, serve
from libs.contracts.blobs import operations as c
from libs.contracts.blobs.copies import COPY_BLOB, RELEASE_BLOBS
from libs.postgres import Pool
from libs.tasks import PeriodicTask, TaskPositions
from services.blobs.collection.following import Following
from services.blobs.collection.rounds import Collector
from services.blobs.collection.settings import UpkeepSettings
from services.blobs.collection.store import CollectionStore
from services.blobs.collection.worker import Worker
from services.blobs.copying import Copying
from services.blobs.keeping import metrics
from services.blobs.keeping.archiving import Archiver
from services.blobs.keeping.uses import SQL as KEEPING
from services.blobs.keeping.uses import Uses
from services.blobs.keeping.verifying import TASK as VERIFYING
from services.blobs.keeping.verifying import Verifier
from services.blobs.migrating.handlers import Imports
from services.blobs.operating.handlers import SQL, Operations
from services.blobs.reading import Reading, Storages
from services.blobs.store import Store
from services.blobs.uploads import Uploads

MEASURE_INTERVAL_S = 300.0


class Room:
    """All that keeps blobs up in one replica."""

    def __init__(
        self,
        *,
        pool: Pool,
        client: Client,
        store: Store,
        storages: Storages,
        reading: Reading,
        uploads: Uploads,
        positions: TaskPositions,
        settings: UpkeepSettings,
    ) -> None:
        """Wire the parts."""
        policy, caller = settings.policy(), Caller(client)
        self._pool = pool
        self._works = settings.collection
        self._measuring = PeriodicTask("figures", self.measure, interval_s=MEASURE_INTERVAL_S)
        self.positions = positions
        self.uses = Uses(pool)
        self.following = Following(pool, caller)
        kept = CollectionStore(pool, policy)
        self.collector = Collector(
            positions=self.positions,
            store=kept,
            following=self.following,
            caller=caller,
            policy=policy,
        )
        self.worker = Worker(
            pool=pool,
            positions=self.positions,
            store=kept,
            collector=self.collector,
            policy=policy,
            interval_s=settings.collection_interval_s,
            duty=settings.collection_duty,
        )
        self.verifier = Verifier(
            pool=pool,
            positions=self.positions,
            store=store,
            storages=storages,
            reading=reading,
            bytes_per_s=settings.verify_bytes_per_s,
            interval_s=settings.verify_interval_s,
        )
        self.archiver = Archiver(
            pool=pool,
            positions=self.positions,
            store=store,
            storages=storages,
            after_s=settings.archive_after_s,
            bytes_min=settings.archive_bytes_min,
            readers_wait_s=settings.readers_wait_s,
        )
        self.operations = Operations(
            pool=pool,
            store=store,
            positions=self.positions,
            collector=self.collector,
            following=self.following,
            verifier=self.verifier,
            archiver=self.archiver,
        )
        self.copying = Copying(store, uploads, reading)
        self.imports = Imports(pool=pool, store=store, uploads=uploads, reading=reading)

    def serve(self, broker: NatsBroker, client: Client) -> None:
        """Answer operators and copies of projects, and hear what events says about files."""
        asked = self.operations
        serve(broker, c.COLLECT, asked.collect)
        serve(broker, c.UNDELETE, asked.undelete)
        serve(broker, c.INSPECT, asked.inspect)
        serve(broker, c.QUARANTINE, asked.quarantine)
        serve(broker, c.VERIFY, asked.verify)
        serve(broker, c.MEND, asked.mend)
        serve(broker, c.ARCHIVE, asked.archive)
        serve(broker, c.RECONCILE, asked.reconcile)
        serve(broker, c.STATUS, asked.status)
        serve(broker, c.LIST_IMPORTS, self.imports.list)
        serve(broker, c.IMPORT, self.imports.migrate)
        serve(broker, COPY_BLOB, self.copying.copy)
        serve(broker, RELEASE_BLOBS, self.following.release)
        self.following.subscribe(broker, client)

    def tasks(self) -> list[PeriodicTask]:
        """Return what this replica does in the background."""
        found = [self.uses.task, self.worker.measuring, self._measuring]
        if self._works:
            found += [self.worker.task, *self.verifier.tasks(), *self.archiver.tasks()]
        return found

    async def measure(self) -> None:
        """Show what is kept."""
        kept = await self._pool.fetchrow(KEEPING.totals)
        cold = await self._pool.fetchrow(KEEPING.archived_totals)
        assert kept
        assert cold
        metrics.kept.set(kept["blobs"])
        metrics.kept_bytes.set(kept["bytes"])
        metrics.kept_stored_bytes.set(kept["stored"])
        metrics.archived.set(cold["blobs"])
        metrics.archived_bytes.set(cold["stored"])
        metrics.quarantined.set(await self._pool.fetchval(KEEPING.open_damage))
        metrics.verify_age_s.set(await self.positions.age_s(VERIFYING))
        used = await self._pool.fetchrow(SQL.referenced)
        assert used
        metrics.referenced_bytes.set(used["bytes"])
        metrics.referenced_once_bytes.set(used["once"])
