"""The newest of one log of a project, read once for all who follow it here."""

import asyncio
import json
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from libs import errors
from libs.bus import Caller
from libs.contracts import subjects
from libs.contracts.actor import Actor
from libs.contracts.collab.facts import FOLLOW_FACTS, FollowFacts, ReviewAnnouncement
from libs.contracts.events.event import Announcement
from libs.contracts.events.following import FOLLOW, Follow

log = structlog.get_logger(__name__)

POLL_S = 5.0
"""How long an event waits at most when nobody told that it is there."""
RETRY_S_FIRST = 0.1
RETRY_S_MAX = 2.0
TAIL_EVENTS_MAX = 1000
TAIL_BYTES_MAX = 256 * 1024
"""Kept for one project; who is further behind reads the log."""

_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Item:
    """An event as it is sent, as one line; `person` is whose membership it is about."""

    position: int
    kind: str
    type: str
    person: UUID | None
    at: datetime
    data: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """All of a project's events after a position, up to `upto`."""

    items: Sequence[Item]
    upto: int
    more: bool


class Source(Protocol):
    """A log of one project, asked of the service that has it."""

    @property
    def subject(self) -> str:
        """Where is told that there is something new."""
        ...

    async def page(self, after: int | None, *, heard: int = 0, kept: bool = False) -> Page:
        """Return what comes next after a position; without one only where the log stands.

        With *kept*, a position before all that is kept stands for the first of it.

        Raises:
            NotFound: The project is deleted.
            Gone: The position is none of the log.
            Unavailable: That cannot be told now.
        """
        ...


class EventLog:
    """A project's events."""

    def __init__(self, caller: Caller, project_id: UUID) -> None:
        """Ask over *caller*."""
        self._caller = caller
        self._actor = Actor(user_id=_NOBODY, project_id=project_id)
        self.subject = f"{subjects.FACTS}.events.*.*.{project_id}"

    async def page(self, after: int | None, *, heard: int = 0, kept: bool = False) -> Page:
        """Return the next events. See `Source`; a position that is not kept is always refused."""
        del kept
        answer = await self._caller.ask(FOLLOW, Follow(after=after, heard=heard), self._actor)
        return Page([_item(each) for each in answer.items], answer.upto, answer.more)


class ReviewLog:
    """Facts about the threads and anchors of a project."""

    def __init__(self, caller: Caller, project_id: UUID) -> None:
        """Ask over *caller*."""
        self._caller = caller
        self._actor = Actor(user_id=_NOBODY, project_id=project_id)
        self.subject = f"{subjects.FACTS}.collab.*.*.{project_id}"

    async def page(self, after: int | None, *, heard: int = 0, kept: bool = False) -> Page:
        """Return the next facts. See `Source`."""
        question = FollowFacts(after=after, heard=heard, kept=kept)
        answer = await self._caller.ask(FOLLOW_FACTS, question, self._actor)
        return Page([_item(each) for each in answer.items], answer.upto, answer.more)


class Follower(Protocol):
    """A waiter for new facts."""

    def stir(self) -> None:
        """There may be."""


class Tail:
    """Everything after `start` up to `head`; grows while anybody follows."""

    def __init__(self, client: Client, source: Source) -> None:
        """Read from *source*, woken over *client*."""
        self.source = source
        self.head = 0
        self.start = 0
        self.followers: set[Follower] = set()
        self.ended: errors.AppError | None = None
        """Why there will be no more: the project, or its positions, are gone."""
        self._client = client
        self._subject = source.subject
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._heard = 0
        self._woken = asyncio.Event()
        self._subscription: Subscription | None = None
        self._reading: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Listen, and begin where the log stands now.

        Raises:
            NotFound, Unavailable: As for `Source.page`.
        """
        try:
            # Ahead of the question on the same connection: what comes after its answer is heard.
            self._subscription = await self._client.subscribe(self._subject, cb=self._hear)
        except nats.errors.Error as error:
            raise errors.Unavailable from error
        try:
            self.head = self.start = (await self.source.page(None)).upto
        except BaseException:
            await self.close()
            raise
        self._reading = asyncio.create_task(self._read(), name="tail")

    async def close(self) -> None:
        """Listen no more."""
        if self._reading:
            self._reading.cancel()
        if self._subscription:
            with suppress(nats.errors.Error):
                await self._subscription.unsubscribe()

    def wake(self) -> None:
        """Look whether there is something new."""
        self._woken.set()

    def after(self, position: int) -> Iterator[Item]:
        """Yield what is kept after a position, which must not be before `start`."""
        first = len(self._items)
        while first and self._items[first - 1].position > position:
            first -= 1
        for at in range(first, len(self._items)):
            yield self._items[at]

    async def _hear(self, message: Msg) -> None:
        try:
            position = int(json.loads(message.data)["position"])
        except (ValueError, KeyError, TypeError):
            log.warning("fact is unreadable", subject=message.subject)
            return
        # Events that are announced again, to refill a stream, were read long ago.
        if position > self.head:
            self._heard = max(self._heard, position)
            self.wake()

    async def _read(self) -> None:
        delay_s = RETRY_S_FIRST
        while True:
            self._woken.clear()
            try:
                page = await self.source.page(self.head, heard=self._heard)
            except (errors.NotFound, errors.Gone) as error:
                self.ended = error
                self._stir()
                return
            except errors.AppError as error:
                log.warning("log cannot be followed", reason=error.code, retry_in_s=delay_s)
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, RETRY_S_MAX)
                continue
            delay_s = RETRY_S_FIRST
            self._take(page)
            if not page.more:
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await self._woken.wait()

    def _take(self, page: Page) -> None:
        for item in page.items:
            self._items.append(item)
            self._bytes += len(item.data)
        while self._bytes > TAIL_BYTES_MAX or len(self._items) > TAIL_EVENTS_MAX:
            oldest = self._items.popleft()
            self._bytes -= len(oldest.data)
            self.start = oldest.position
        if page.upto > self.head:
            self.head = page.upto
            self._stir()

    def _stir(self) -> None:
        for follower in list(self.followers):
            follower.stir()


def _item(announced: Announcement | ReviewAnnouncement) -> Item:
    event = announced.event
    person = event.data.get("userId") if event.aggregate_type == "member" else None
    return Item(
        position=announced.position,
        kind=event.aggregate_type,
        type=event.event_type,
        person=_uuid(person),
        at=event.timestamp,
        data=announced.to_wire(),
    )


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(str(value)) if value else None
    except ValueError:
        return None
