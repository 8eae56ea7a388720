"""Events that the gateway consumes: memberships of projects, and deletions."""

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

from libs.bus import PoisonMessage, subscribe_facts
from libs.contracts.events.event import Announcement, Event
from libs.contracts.streams import EVENTS
from libs.postgres.pool import UNREACHABLE
from services.gateway.access.authority import Authority

log = structlog.get_logger(__name__)

FACTS = "scriptorium.v1.events"
MEMBER_FACTS = f"{FACTS}.member.*.>"
DURABLE = "gateway-permissions"
GRANT_FACTS = f"{FACTS}.team_grant.*.>"
GRANTS_DURABLE = "gateway-grants"
_ARCHIVAL = ("archived", "unarchived")
PRESENCE_FACTS = tuple(
    f"{FACTS}.{kind}.{action}.>"
    for kind in ("project", "book", "chapter", "scene")
    for action in ("deleted", "restored", "purged")
) + tuple(f"{FACTS}.project.{action}.>" for action in _ARCHIVAL)
SCENE_FACTS = tuple(
    f"{FACTS}.scene.{action}.>" for action in ("schema_version_changed", "editor_changed")
)
EDITOR_FACTS = (
    *(f"{FACTS}.{kind}.editor_changed.>" for kind in ("project", "book")),
    f"{FACTS}.editor_definition.*.>",
)
MOVED_FACTS = tuple(f"{FACTS}.{kind}.moved.>" for kind in ("chapter", "scene"))


class Rooms(Protocol):
    """Receivers of events that concern open sockets."""

    def membership_changed(self, project_id: UUID, user_id: UUID) -> None:
        """Somebody's role changed, or they came or went."""

    def scene_changed(self, project_id: UUID, scene_id: UUID | None) -> None:
        """A scene was deleted or needs a newer editor; None: anything of the project changed."""


class Facts:
    """Passes facts on to the authority and to open sockets."""

    def __init__(self, authority: Authority, *rooms: Rooms) -> None:
        """Tell *authority*, and then *rooms*."""
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
        subscribe_facts(
            broker,
            client,
            EVENTS,
            subject=GRANT_FACTS,
            durable=GRANTS_DURABLE,
            on_fact=self.on_grant_durably,
        )

    async def listen(self, client: Client) -> None:
        """Listen beside the stream, in every gateway: faster, and each has sockets of its own."""
        await client.subscribe(MEMBER_FACTS, cb=_reader(self.on_member))
        await client.subscribe(GRANT_FACTS, cb=_reader(self.on_grant))
        for subject in PRESENCE_FACTS:
            await client.subscribe(subject, cb=_reader(self.on_presence))
        for subject in SCENE_FACTS:
            await client.subscribe(subject, cb=_reader(self.on_scene))
        for subject in EDITOR_FACTS:
            await client.subscribe(subject, cb=_reader(self.on_editor))
        for subject in MOVED_FACTS:
            await client.subscribe(subject, cb=_reader(self.on_moved))

    async def on_member_durably(self, fact: Announcement) -> None:
        """Drop the cached role; with its project it leads nowhere."""
        if _is_purged(fact.event):
            return
        await self._authority.forget_role(fact.event.project_id, _member(fact.event))

    async def on_member(self, event: Event) -> None:
        """Tell the sockets, and drop the cached role at once."""
        if _is_purged(event):
            return
        user_id = _member(event)
        try:
            await self._authority.forget_role(event.project_id, user_id)
        except (nats.errors.Error, nats.js.errors.Error, TimeoutError):
            log.warning("permission cache unreachable; the durable consumer will drop the role")
        for rooms in self._rooms:
            rooms.membership_changed(event.project_id, user_id)

    async def on_grant_durably(self, fact: Announcement) -> None:
        """Drop the cached roles of everybody in the team; with their project they lead nowhere."""
        if _is_purged(fact.event):
            return
        await self._authority.forget_team(fact.event.project_id, _team(fact.event))

    async def on_grant(self, event: Event) -> None:
        """Drop the cached roles of everybody in the team, and look at the project's sockets."""
        if _is_purged(event):
            return
        try:
            await self._authority.forget_team(event.project_id, _team(event))
        except (*UNREACHABLE, nats.errors.Error, nats.js.errors.Error):
            log.warning("team's roles not dropped; the durable consumer will")
        for rooms in self._rooms:
            rooms.scene_changed(event.project_id, None)

    async def on_presence(self, event: Event) -> None:
        """Note what was deleted or came back, and which projects can only be read."""
        kind, _, action = event.event_type.partition(".")
        self._authority.doubt()
        if action != "restored":
            scene_id = event.aggregate_id if kind == "scene" else None
            for rooms in self._rooms:
                rooms.scene_changed(event.project_id, scene_id)

    async def on_scene(self, event: Event) -> None:
        """A scene names another editor or a newer schema: older editors must stop writing."""
        self._authority.doubt()
        for rooms in self._rooms:
            rooms.scene_changed(event.project_id, event.aggregate_id)

    async def on_editor(self, event: Event) -> None:
        """Scenes of a project are written with another editor, or theirs has another schema."""
        self._authority.doubt()
        for rooms in self._rooms:
            rooms.scene_changed(event.project_id, None)

    async def on_moved(self, event: Event) -> None:
        """A scene may have come into a book that names another editor."""
        if event.data["from"]["parentId"] != event.data["to"]["parentId"]:
            await self.on_editor(event)


def _reader(on_event: Callable[[Event], Awaitable[None]]) -> Callable[[Msg], Any]:
    async def on_message(message: Msg) -> None:
        try:
            await on_event(Announcement.model_validate_json(message.data, extra="ignore").event)
        except (ValidationError, PoisonMessage):
            log.warning("fact is unreadable", subject=message.subject)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("fact was not passed on", subject=message.subject)

    return on_message


def _is_purged(event: Event) -> bool:
    return event.event_type.endswith(".purged")


def _member(event: Event) -> UUID:
    return _named(event, "userId")


def _team(event: Event) -> UUID:
    return _named(event, "teamId")


def _named(event: Event, member: str) -> UUID:
    try:
        return UUID(event.data[member])
    except (KeyError, TypeError, ValueError) as error:
        raise PoisonMessage(f"a fact about a {event.aggregate_type} names no {member}") from error
