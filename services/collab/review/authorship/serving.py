"""The handlers of authorship, and the store that keeps it."""

from faststream.nats import NatsBroker

from libs.bus import serve
from libs.contracts.collab.authorship import READ_AUTHORSHIP
from libs.postgres import Pool
from services.collab.history.past import Past
from services.collab.history.records import Records
from services.collab.review.authorship.handlers import AuthorshipHandlers
from services.collab.review.authorship.reading import EditReader
from services.collab.review.authorship.store import AuthorStore
from services.collab.scenes import Scenes
from services.collab.store import Store
from services.collab.workers import Workers


def serve_authorship(
    broker: NatsBroker, *, pool: Pool, store: Store, scenes: Scenes, workers: Workers
) -> None:
    """Answer who wrote what."""
    records, authors = Records(pool), AuthorStore(pool)
    past = Past(records, store, scenes, workers)
    handlers = AuthorshipHandlers(records, past, authors, EditReader(authors, store, workers))
    serve(broker, READ_AUTHORSHIP, handlers.read)
