"""What the service answers about the end of things."""

from faststream.nats import NatsBroker

from libs.bus import serve
from libs.contracts.events import lifecycle as c
from libs.postgres import Pool
from services.events.lifecycle.archiving import Archiving
from services.events.lifecycle.orders import Orders
from services.events.store import Store


def subscribe_lifecycle(broker: NatsBroker, store: Store, pool: Pool) -> None:
    """Answer every method of `libs.contracts.events.lifecycle`."""
    archiving, orders = Archiving(store), Orders(store, pool)
    serve(broker, c.SET_ARCHIVED, archiving.set)
    serve(broker, c.PURGE, orders.purge)
    serve(broker, c.READ_PURGE, orders.read)
    serve(broker, c.LIST_PURGES, orders.listed)
    serve(broker, c.PURGE_DUE, orders.due)
