"""Facts about the review of a scene, sent to the sockets that have it open.

Collab announces it once, durably; each gateway hears that beside the stream and passes it on to the
rooms that it has. A client that was away asks for the threads again.
"""

from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from pydantic import ValidationError

from libs.contracts.collab.facts import ReviewAnnouncement, ReviewEvent
from libs.contracts.subjects import REVIEW_FACTS

log = structlog.get_logger(__name__)

REMEMBERED_MAX = 10_000
"""Facts that are known again when they are announced once more."""
AGE_MAX = timedelta(minutes=10)
"""Older facts are announced only to refill a stream."""

_OF_PROJECTS = frozenset({"refactor"})
"""What belongs to no scene: event streams tell of it."""


class Rooms(Protocol):
    """The scenes that are open at this gateway."""

    def publish_scene_event(self, scene: UUID, kind: str, fields: dict[str, Any]) -> None:
        """Send an event to all who have a scene open, if anybody has."""
        ...


class ReviewListener:
    """Hears facts and tells rooms."""

    def __init__(self, rooms: Rooms) -> None:
        """Tell *rooms*."""
        self._rooms = rooms
        self._told: OrderedDict[UUID, None] = OrderedDict()

    async def listen(self, client: Client) -> None:
        """Begin to hear what collab announces."""
        await client.subscribe(REVIEW_FACTS, cb=self.hear)

    async def hear(self, message: Msg) -> None:
        """Pass a fact on, once."""
        try:
            event = ReviewAnnouncement.model_validate_json(message.data, extra="ignore").event
            if event.aggregate_type in _OF_PROJECTS:
                return
            scene = UUID(event.data["sceneId"])
        except (ValidationError, KeyError, ValueError, TypeError):
            # What was erased before it was announced says nothing.
            log.info("a fact of the review is unreadable", subject=message.subject)
            return
        if event.id in self._told or datetime.now(UTC) - event.timestamp > AGE_MAX:
            return
        self._told[event.id] = None
        while len(self._told) > REMEMBERED_MAX:
            self._told.popitem(last=False)
        for kind, fields in messages_of(event):
            self._rooms.publish_scene_event(scene, kind, fields)


_FORMATTING = ("blocks", "attributes")
"""What only suggestions of formatting have."""


def messages_of(event: ReviewEvent) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the messages of /ws that tell of a fact: their types, and their other fields."""
    data = event.data
    kind = event.aggregate_type
    match event.event_type:
        case "comment.created":
            yield (
                "comment.new",
                {
                    "id": str(event.aggregate_id),
                    "sceneId": data["sceneId"],
                    "author": _person(event),
                    "text": data["body"],
                    "anchorId": data["anchorId"],
                    "threadId": data["threadId"],
                    "number": data["number"],
                    "mentions": data["mentions"],
                    "createdAt": _moment(event),
                },
            )
        case "anchor.moved":
            yield "anchor.moved", data
        case "suggestion.created":
            yield (
                "suggestion.new",
                {
                    "id": str(event.aggregate_id),
                    "sceneId": data["sceneId"],
                    "author": _person(event),
                    "anchorId": data["anchorId"],
                    "kind": data["kind"],
                    "base": data["base"],
                    "text": data["text"],
                    **{name: data[name] for name in _FORMATTING if name in data},
                    "createdAt": _moment(event),
                },
            )
        case "suggestion.changed":
            yield (
                "suggestion.changed",
                {
                    "id": str(event.aggregate_id),
                    "sceneId": data["sceneId"],
                    "anchorId": data["anchorId"],
                    "kind": data["kind"],
                    "base": data["base"],
                    "text": data["text"],
                    **{name: data[name] for name in _FORMATTING if name in data},
                    "version": event.version,
                    "at": _moment(event),
                },
            )
        case _ if kind == "suggestion":
            yield (
                "suggestion.decided",
                {
                    "id": str(event.aggregate_id),
                    "sceneId": data["sceneId"],
                    "anchorId": data["anchorId"],
                    "status": data["status"],
                    "appliedSeq": data["appliedSeq"],
                    "by": _person(event),
                    "at": _moment(event),
                },
            )
        case _ if kind == "patch":
            yield (
                "patch.updated",
                {
                    "id": str(event.aggregate_id),
                    "sceneId": data["sceneId"],
                    "what": event.event_type,
                    "state": data["state"],
                    "appliedVersion": data["appliedVersion"],
                    "conflictCount": data["conflictCount"],
                    "by": _person(event),
                    "at": _moment(event),
                },
            )
        case "thread.created":
            return  # its first comment follows
        case _:
            about = {
                "id": str(event.aggregate_id) if kind == "thread" else data["threadId"],
                "sceneId": data["sceneId"],
                "anchorId": data["anchorId"],
                "what": event.event_type,
                "by": _person(event),
                "at": _moment(event),
            }
            if kind == "comment":
                about["commentId"] = str(event.aggregate_id)
            yield "thread.updated", about


def _person(event: ReviewEvent) -> str | None:
    return str(event.user_id) if event.user_id else None


def _moment(event: ReviewEvent) -> str:
    return event.timestamp.isoformat().replace("+00:00", "Z")
