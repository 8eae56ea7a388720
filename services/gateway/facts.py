"""What the gateway hears about: who is in which project, and what was deleted."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from uuid import UUID

import nats.errors
import nats.js.errors
import structlog
from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.aio.msg import Msg
from pydantic import ValidationError

from libs.bus import Poison, subscribe_facts
from libs.contracts.events import Announcement, Event
from libs.contracts.streams import EVENTS
from services.gateway.authority import Authority

log = structlog.get_logger(__name__)

FACTS = "scriptorium.v1.events"
MEMBER_FACTS = f"{FACTS}.member.*.>"
DURABLE = "gateway-permissions"
PRESENCE_FACTS = tuple(
    f"{FACTS}.{kind}.{action}.>"
    for kind in ("project", "book", "chapter", "scene")
    for action in ("deleted", "restored")
)
SCHEMA_FACTS = f"{FACTS}.scene.schema_version_changed.>"


class Rooms(Protocol):
    """What open sockets must be told."""

    def membership_changed(self, project_id: UUID, user_id: UUID) -> None:
        """Somebody's role changed, or they came or went."""

    def scene_changed(self, project_id: UUID, scene_id: UUID | None) -> None:
        """A scene was deleted or needs a newer editor; None: any scene of the project may be."""


class Facts:
    """Passes facts on to the authority and to open sockets."""

    def __init__(self, authority: Authority, rooms: Rooms | None) -> None:
        """Tell *authority*, and *rooms* when there are any."""
        self._authority = authority
        self._rooms = rooms

    def subscribe(self, broker: NatsBroker, client: Client) -> None:
        """Consume membership durably, shared with all gateways: no drop is ever missed."""
        subscribe_facts(
            broker,
            client,
            EVENTS,
            subject=MEMBER_FACTS,
            durable=DURABLE,
            on_fact=self.on_member_durably,
        )

    async def listen(self, client: Client) -> None:
        """Listen beside the stream, in every gateway: faster, and each has sockets of its own."""
        await client.subscribe(MEMBER_FACTS, cb=_reader(self.on_member))
        for subject in PRESENCE_FACTS:
            await client.subscribe(subject, cb=_reader(self.on_presence))
        await client.subscribe(SCHEMA_FACTS, cb=_reader(self.on_schema))

    async def on_member_durably(self, fact: Announcement) -> None:
        """Drop the cached role."""
        await self._authority.forget_role(fact.event.project_id, _member(fact.event))

    async def on_member(self, event: Event) -> None:
        """Tell the sockets, and drop the cached role at once."""
        user_id = _member(event)
        try:
            await self._authority.forget_role(event.project_id, user_id)
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError):
            log.warning("permission cache unreachable; the durable consumer will drop the role")
        if self._rooms:
            self._rooms.membership_changed(event.project_id, user_id)

    async def on_presence(self, event: Event) -> None:
        """Note what was deleted or came back."""
        kind, _, action = event.event_type.partition(".")
        self._authority.doubt()
        if self._rooms and action == "deleted":
            scene_id = event.aggregate_id if kind == "scene" else None
            self._rooms.scene_changed(event.project_id, scene_id)

    async def on_schema(self, event: Event) -> None:
        """A scene names a newer editor schema: older editors must stop writing."""
        self._authority.doubt()
        if self._rooms:
            self._rooms.scene_changed(event.project_id, event.aggregate_id)


def _reader(on_event: Callable[[Event], Awaitable[None]]) -> Callable[[Msg], Any]:
    async def on_message(message: Msg) -> None:
        try:
            await on_event(Announcement.model_validate_json(message.data, extra="ignore").event)
        except (ValidationError, Poison):
            log.warning("fact is unreadable", subject=message.subject)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("fact was not passed on", subject=message.subject)

    return on_message


def _member(event: Event) -> UUID:
    try:
        return UUID(event.data["userId"])
    except (KeyError, TypeError, ValueError) as error:
        raise Poison("a fact about a member names no userId") from error
