"""The open streams of one gateway process."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from contextlib import suppress
from datetime import datetime
from uuid import UUID

from nats.aio.client import Client
from prometheus_client import Gauge

from libs import errors
from libs.bus import Caller
from libs.contracts.collab.facts import FACTS
from libs.process.goodbyes import Goodbyes
from services.gateway.access.authority import Authority
from services.gateway.access.permissions import Access
from services.gateway.accounts.identity.model import Identity
from services.gateway.streams.position import StreamPosition
from services.gateway.streams.stream import Ending, Stream
from services.gateway.streams.tail import EventLog, ReviewLog, Tail

STREAMS_MAX = 2000
PERSON_STREAMS_MAX = 20
"""Of one person at one gateway: their windows and devices."""
DRAIN_WAIT_S = 2.0
FULL_RETRY_S = 5

_open = Gauge("scriptorium_event_streams_open", "Event streams that are open.")


type _Key = tuple[type[EventLog | ReviewLog], UUID]
"""Which log of which project."""


class Streams:
    """The followers of projects at this gateway."""

    def __init__(self, client: Client, caller: Caller, authority: Authority) -> None:
        """Follow over *client* and *caller* what *authority* allows."""
        self._client = client
        self._caller = caller
        self._authority = authority
        self._streams: set[Stream] = set()
        self._of_person: Counter[UUID] = Counter()
        self._of_project: Counter[UUID] = Counter()
        self._tails: dict[_Key, asyncio.Task[Tail]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._draining = False
        self._none_left = asyncio.Event()

    async def open(
        self,
        identity: Identity,
        access: Access,
        *,
        after: StreamPosition | None,
        wanted: Callable[[str], bool],
    ) -> AsyncGenerator[bytes]:
        """Return the events after a position (from now on without one) as server-sent events.

        The place is given back when what is returned was read to its end, closed or dropped.

        Raises:
            RateLimited: They follow as much as one person may.
            Unavailable: This gateway is full or about to stop, or the log cannot be read now.
            NotFound: The project is deleted.
            Gone: The position is none of the log.
        """
        if self._draining or len(self._streams) >= STREAMS_MAX:
            raise errors.Unavailable("This gateway takes no more streams; try again.")
        if self._of_person[identity.user_id] >= PERSON_STREAMS_MAX:
            raise errors.RateLimited(
                f"One person may have {PERSON_STREAMS_MAX} streams open.", retryAfterS=FULL_RETRY_S
            )
        stream = Stream(identity, access, self._authority, wanted=wanted, on_end=self._ended)
        self._began(stream)
        try:
            tails = [await self._tail((EventLog, access.project_id))]
            # Who wants nothing of it can do without it, and so does while collab is away.
            if any(map(wanted, FACTS)):
                tails.append(await self._tail((ReviewLog, access.project_id)))
            await stream.begin(tails, after)
        except BaseException:
            stream.release()
            raise
        messages = stream.messages()
        await anext(messages)
        return messages

    # -- what the authority's events say

    def membership_changed(self, project_id: UUID, user_id: UUID) -> None:
        """Look at this person's streams again, now."""
        for stream in self._streams:
            if (stream.project_id, stream.user_id) == (project_id, user_id):
                stream.doubt()

    def person_changed(self, user_id: UUID) -> None:
        """Look at this person's streams again, of whatever project."""
        for stream in self._streams:
            if stream.user_id == user_id:
                stream.doubt()

    def reauthorize_all(self) -> None:
        """Authorize all streams again."""
        for stream in self._streams:
            stream.doubt()

    def identities(self) -> Iterable[Identity]:
        """Return who follows, once for each stream."""
        return (stream.identity for stream in self._streams)

    def close_ended(self, ended: Collection[UUID], now: datetime) -> None:
        """End the streams whose login has *ended*, or whose token has expired by *now*."""
        for stream in list(self._streams):
            if stream.identity.is_over(ended, now):
                stream.end(Ending.REVOKED)

    def scene_changed(self, project_id: UUID, scene_id: UUID | None) -> None:
        """Something that was not one scene was deleted: it may be the project."""
        if scene_id is None:
            for stream in self._streams:
                if stream.project_id == project_id:
                    stream.doubt()

    # -- what goes on by itself

    async def reconnected(self) -> None:
        """The bus was away: look at once for what was missed."""
        for opening in self._tails.values():
            if opening.done() and not opening.exception():
                opening.result().wake()
        for stream in self._streams:
            stream.doubt()

    async def drain(self, goodbyes: Goodbyes) -> None:
        """Take no more, and send one after the other elsewhere; returns when they went, or soon."""
        self._draining = True
        await goodbyes.say(self._streams, lambda stream: stream.end(Ending.RESTARTING))
        if self._streams:
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_WAIT_S):
                    await self._none_left.wait()

    def _began(self, stream: Stream) -> None:
        self._streams.add(stream)
        self._of_person[stream.user_id] += 1
        self._of_project[stream.project_id] += 1
        self._none_left.clear()
        _open.set(len(self._streams))

    def _ended(self, stream: Stream) -> None:
        self._streams.discard(stream)
        self._of_person -= Counter((stream.user_id,))
        self._of_project -= Counter((stream.project_id,))
        _open.set(len(self._streams))
        if not self._of_project[stream.project_id]:
            for source in (EventLog, ReviewLog):
                self._close((source, stream.project_id))
        if not self._streams:
            self._none_left.set()

    async def _tail(self, key: _Key) -> Tail:
        """Return the tail of one log of a project, which is opened for whoever comes first."""
        opening = self._tails.get(key)
        if opening is None:
            opening = asyncio.create_task(self._opened(key), name="tail is opened")
            self._tails[key] = opening
        # Others may wait for it, too.
        return await asyncio.shield(opening)

    async def _opened(self, key: _Key) -> Tail:
        source, project_id = key
        tail = Tail(self._client, source(self._caller, project_id))
        try:
            await tail.open()
        except BaseException:
            self._tails.pop(key, None)
            raise
        return tail

    def _close(self, key: _Key) -> None:
        opening = self._tails.pop(key, None)
        if opening:
            closing = asyncio.create_task(_close(opening))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)


async def _close(opening: asyncio.Task[Tail]) -> None:
    with suppress(errors.AppError):
        await (await opening).close()
