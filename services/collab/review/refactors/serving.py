"""Refactors, wired: their handlers and their background work."""

from faststream.nats import NatsBroker
from nats.aio.client import Client

from libs.bus import Caller, serve
from libs.contracts.collab import refactors
from libs.postgres import AdvisoryLocks, Pool
from services.collab.commits import Commits
from services.collab.editors import SceneEditors
from services.collab.review.anchors.anchors import Anchors
from services.collab.review.hunks.writing import Writer
from services.collab.review.refactors.carrying import Carrier
from services.collab.review.refactors.finding import Finder
from services.collab.review.refactors.handlers import RefactorHandlers
from services.collab.review.refactors.outside import Outside
from services.collab.review.refactors.store import RefactorStore
from services.collab.review.refactors.worker import RefactorWorker
from services.collab.workers import Workers


class RefactorRoom:
    """Wires refactors."""

    def __init__(
        self,
        pool: Pool,
        client: Client,
        anchors: Anchors,
        editors: SceneEditors,
        *,
        writer: Writer,
        commits: Commits,
        workers: Workers,
    ) -> None:
        """Make the parts; nothing runs yet."""
        store, outside = RefactorStore(pool), Outside(Caller(client))
        finder = Finder(store, anchors, outside, editors, writer=writer, workers=workers)
        carrier = Carrier(
            store, anchors, outside, editors, writer=writer, commits=commits, workers=workers
        )
        self.worker = RefactorWorker(store, AdvisoryLocks(pool), finder, carrier)
        self._handlers = RefactorHandlers(store, outside, self.worker)

    def serve(self, broker: NatsBroker) -> None:
        """Answer everything about refactors."""
        own = self._handlers
        serve(broker, refactors.WHERE_REFACTOR, own.where)
        serve(broker, refactors.CREATE_REFACTOR, own.create)
        serve(broker, refactors.LIST_REFACTORS, own.list)
        serve(broker, refactors.READ_REFACTOR, own.read)
        serve(broker, refactors.CHANGE_REFACTOR, own.change)
        serve(broker, refactors.CARRY_OUT_REFACTOR, own.carry_out)
        serve(broker, refactors.SET_REFACTOR_DELETED, own.set_deleted)
