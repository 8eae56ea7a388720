"""What is answered about bundles and jobs, on one page."""

from faststream.nats import NatsBroker

from libs.bus import serve
from libs.contracts.events import bundles
from services.events.bundles.handlers import BundleRequests
from services.events.bundles.jobs import Jobs
from services.events.bundles.undoing import Undoing
from services.events.store import Store


def subscribe_bundles(broker: NatsBroker, store: Store) -> None:
    """Answer every method of `libs.contracts.events.bundles`."""
    requests, undoing, jobs = BundleRequests(store), Undoing(store), Jobs(store)
    serve(broker, bundles.COMMIT, requests.commit)
    serve(broker, bundles.LIST_BUNDLES, requests.list)
    serve(broker, bundles.READ_BUNDLE, requests.read)
    serve(broker, bundles.WHERE_BUNDLE, requests.where)
    serve(broker, bundles.UNDO, undoing.undo)
    serve(broker, bundles.REDO, undoing.redo)
    serve(broker, bundles.CHERRY_PICK, undoing.cherry_pick)
    serve(broker, bundles.STAGE, jobs.stage)
    serve(broker, bundles.COMMIT_JOB, jobs.commit)
    serve(broker, bundles.ABANDON_JOB, jobs.abandon)
