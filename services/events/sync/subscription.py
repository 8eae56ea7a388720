"""What is answered to offline peers, on one page."""

from faststream.nats import NatsBroker

from libs.bus import serve
from libs.contracts.events import sync
from services.events.store import Store
from services.events.sync.pull import Pulls
from services.events.sync.push import Pushes
from services.events.sync.resolving import Resolutions


def subscribe_sync(broker: NatsBroker, store: Store) -> None:
    """Answer every method of `libs.contracts.events.sync`."""
    pushes, pulls, resolutions = Pushes(store), Pulls(store), Resolutions(store)
    serve(broker, sync.PUSH, pushes.push)
    serve(broker, sync.RESUME, pushes.resume)
    serve(broker, sync.PULL, pulls.pull)
    serve(broker, sync.LIST_CONFLICTS, pulls.conflicts)
    serve(broker, sync.RESOLVE, resolutions.resolve)
