"""The requests about history that collab serves, on one page."""

from datetime import timedelta

from faststream.nats import NatsBroker

from libs.bus import serve
from libs.contracts.collab import branches, history
from libs.postgres import Pool
from services.collab.commits import Commits
from services.collab.history.branches import BranchHandlers
from services.collab.history.handlers import HistoryHandlers
from services.collab.history.past import Past
from services.collab.history.records import Records
from services.collab.history.replay import ReplayHandlers
from services.collab.history.sessions import SessionBook
from services.collab.history.snapshots import NamedSnapshotHandlers
from services.collab.scenes import Scenes
from services.collab.store import Store
from services.collab.workers import Workers


def serve_history(
    broker: NatsBroker,
    *,
    pool: Pool,
    store: Store,
    scenes: Scenes,
    workers: Workers,
    commits: Commits,
    pause_s: float,
) -> None:
    """Answer everything about the past of documents."""
    records = Records(pool)
    book = SessionBook(records, pause=timedelta(seconds=pause_s))
    past = Past(records, store, scenes, workers)
    told = HistoryHandlers(records, past, store, commits, book)
    serve(broker, history.READ_AT, told.read_at)
    serve(broker, history.LIST_SESSIONS, told.list_sessions)
    serve(broker, history.COMPARE, told.compare)
    serve(broker, history.RESTORE_VERSION, told.restore)
    serve(broker, history.REPLAY_PAGE, ReplayHandlers(records, past, book).page)
    named = NamedSnapshotHandlers(records, past)
    serve(broker, history.CREATE_SNAPSHOT, named.create)
    serve(broker, history.LIST_SNAPSHOTS, named.list)
    serve(broker, history.READ_SNAPSHOT, named.read)
    serve(broker, history.CHANGE_SNAPSHOT, named.change)
    serve(broker, history.DELETE_SNAPSHOT, named.delete)
    grown = BranchHandlers(records, past, commits)
    serve(broker, branches.CREATE_BRANCH, grown.create)
    serve(broker, branches.LIST_BRANCHES, grown.list)
    serve(broker, branches.READ_BRANCH, grown.read)
    serve(broker, branches.CLOSE_BRANCH, grown.close)
    serve(broker, branches.MERGE_BRANCH, grown.merge)
