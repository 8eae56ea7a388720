"""What of threads is served, on one page."""

from faststream.nats import NatsBroker

from libs.bus import serve
from libs.contracts.collab import threads
from libs.postgres import Pool
from services.collab.review.anchors.anchors import Anchors
from services.collab.review.threads.comments import CommentHandlers
from services.collab.review.threads.handlers import ThreadHandlers
from services.collab.review.threads.store import ThreadStore


def serve_threads(broker: NatsBroker, *, pool: Pool, anchors: Anchors) -> None:
    """Answer everything about threads and comments."""
    store = ThreadStore(pool)
    told = ThreadHandlers(store, anchors)
    serve(broker, threads.WHERE_REVIEWED, told.where)
    serve(broker, threads.CREATE_THREAD, told.create)
    serve(broker, threads.LIST_THREADS, told.list)
    serve(broker, threads.READ_THREAD, told.read)
    serve(broker, threads.SET_THREAD_STATE, told.set_state)
    serve(broker, threads.MOVE_THREAD, told.move)
    serve(broker, threads.DELETE_THREAD, told.delete)
    said = CommentHandlers(store)
    serve(broker, threads.LIST_COMMENTS, said.list)
    serve(broker, threads.ADD_COMMENT, said.add)
    serve(broker, threads.READ_COMMENT, said.read)
    serve(broker, threads.CHANGE_COMMENT, said.change)
    serve(broker, threads.DELETE_COMMENT, said.delete)
    serve(broker, threads.SET_REACTION, said.react)
