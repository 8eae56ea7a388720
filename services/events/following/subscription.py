"""What is answered to followers, on one page."""

from faststream.nats import NatsBroker

from libs.bus import serve
from libs.contracts.events import following
from services.events.catalogue.handlers import describe
from services.events.following.handlers import Following
from services.events.store import Store


def subscribe_following(broker: NatsBroker, store: Store) -> None:
    """Answer every method of `libs.contracts.events.following`."""
    serve(broker, following.FOLLOW, Following(store).follow)
    serve(broker, following.DESCRIBE, describe)
