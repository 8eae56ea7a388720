"""The requests about threads that collab serves, on one page."""

from faststream.nats import NatsBroker

from libs.bus import serve
from libs.contracts.collab import found_comments, notifications, threads
from services.collab.review.anchors.anchors import Anchors
from services.collab.review.threads.comments import CommentHandlers
from services.collab.review.threads.found import CommentDescriptions
from services.collab.review.threads.handlers import ThreadHandlers
from services.collab.review.threads.inbox import InboxHandlers
from services.collab.review.threads.store import ThreadStore


def serve_threads(broker: NatsBroker, store: ThreadStore, anchors: Anchors) -> None:
    """Answer everything about threads and comments."""
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
    found = CommentDescriptions(store)
    serve(broker, found_comments.DESCRIBE_COMMENTS, found.describe)
    serve(broker, found_comments.LIST_COMMENT_IDS, found.list)


def serve_inbox(broker: NatsBroker, inbox: InboxHandlers) -> None:
    """Answer everything about what people are told."""
    serve(broker, notifications.PROJECTS_OF_INBOX, inbox.projects)
    serve(broker, notifications.LIST_NOTIFICATIONS, inbox.list)
    serve(broker, notifications.MARK_NOTIFICATIONS, inbox.mark)
