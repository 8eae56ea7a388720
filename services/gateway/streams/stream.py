"""One follower: from their place onwards, as fast as they read, as long as they may."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum

import nats.errors
import nats.js.errors
import structlog
from prometheus_client import Counter, Histogram

from libs import errors
from services.gateway.access.authority import Authority
from services.gateway.access.permissions import Access
from services.gateway.accounts.identity.model import Identity
from services.gateway.streams import sse
from services.gateway.streams.lane import RETRY_S, Batch, Lane
from services.gateway.streams.position import StreamPosition
from services.gateway.streams.rights import Rights
from services.gateway.streams.tail import Tail

log = structlog.get_logger(__name__)

HEARTBEAT_S = 15.0
STREAM_S_MAX = 3600.0
"""After this a client comes back, so that streams spread over gateways again."""
SLOW_S = 5.0
"""A follower that takes longer for one chunk is disconnected, and may go on at its position."""
STALL_S = 15.0
"""A client that takes longer is disconnected without an error message."""
RECHECK_S = 30.0
"""Rights are looked at again this often, should a change have gone unheard."""
RETRY_MS = (500, 2500)
"""When a client should come back: not all of a gateway's at once."""
CHUNK_BYTES_MAX = 256 * 1024

_sent = Counter("scriptorium_event_stream_events_total", "Events sent to followers.")
_ended = Counter("scriptorium_event_streams_ended_total", "Streams ended, by reason.", ["reason"])
_delay = Histogram(
    "scriptorium_event_stream_delay_seconds",
    "From an event's own time, just before its commit, to its being sent to a follower who has"
    " caught up.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)


class Ending(StrEnum):
    """Why a stream ended."""

    LEFT = "left"
    SLOW = "slow"
    DENIED = "denied"
    PROJECT = "project"
    LOG = "log"
    EXPIRED = "expired"
    REVOKED = "revoked"
    AGE = "age"
    RESTARTING = "restarting"


_UNKNOWN = (errors.AppError, nats.errors.Error, nats.js.errors.Error, TimeoutError)

_WORDS = {
    Ending.SLOW: "too slow; come back and go on where you were",
    Ending.DENIED: "you may no longer follow this project",
    Ending.PROJECT: "the project is gone",
    Ending.LOG: "the log has no such position any more; load what you show anew",
    Ending.EXPIRED: "your token has expired; come back with a fresh one",
    Ending.REVOKED: "your session or token has ended; log in again",
    Ending.AGE: "come back and go on where you were",
    Ending.RESTARTING: "restarting; come back and go on where you were",
}


class Stream:
    """A follower of a project: the log of its events and, if wanted, the facts of collab."""

    def __init__(
        self,
        identity: Identity,
        access: Access,
        authority: Authority,
        *,
        wanted: Callable[[str], bool],
        on_end: Callable[["Stream"], None],
    ) -> None:
        """Follow for *identity* the event types that are *wanted*; call `begin` next."""
        self.user_id = identity.user_id
        self.project_id = access.project_id
        self._rights = Rights(identity, access, authority)
        self._wanted = wanted
        self._on_end = on_end
        self._lanes: list[Lane] = []
        """The lane of events comes first: its statement about rights holds for the other lane."""
        self._ending: Ending | None = None
        self._stirred = asyncio.Event()

    async def begin(self, tails: Sequence[Tail], after: StreamPosition | None) -> None:
        """Take a place behind *after*, or at the end.

        Raises:
            NotFound, Gone, Unavailable: As for `Source.page`.
        """
        lanes = [Lane(tail) for tail in tails]
        for lane, position in zip(lanes, after or (None, None), strict=False):
            if after and position is None:
                await lane.begin_at_oldest()
            else:
                await lane.begin(position)
        self._lanes = lanes
        for lane in lanes:
            lane.tail.followers.add(self)

    @property
    def identity(self) -> Identity:
        """Return the follower."""
        return self._rights.identity

    def stir(self) -> None:
        """There may be something new."""
        self._stirred.set()

    def doubt(self) -> None:
        """Rights may have changed: nothing more is sent before they were looked at."""
        self._rights.doubtful = True
        self.stir()

    def end(self, ending: Ending) -> None:
        """Send no more; the first reason counts."""
        self._ending = self._ending or ending
        self.stir()

    def release(self) -> None:
        """Give up the place."""
        for lane in self._lanes:
            lane.tail.followers.discard(self)
        self._on_end(self)

    async def messages(self) -> AsyncGenerator[bytes]:
        """Yield nothing at first, and then what is to be sent, until somebody ends it.

        Once begun it releases the place by itself, however it ends.
        """
        now = asyncio.get_running_loop().time
        ends_at, ending = now() + self._life_s(), self._last_ending()
        recheck_at = now() + RECHECK_S
        try:
            yield b""
            yield sse.retry(random.randint(*RETRY_MS)) + sse.mark(self._place())
            heartbeat_at = now() + HEARTBEAT_S
            while self._ending is None:
                self._stirred.clear()
                if now() >= recheck_at:
                    recheck_at = now() + RECHECK_S
                    self.doubt()
                chunk = await self._next()
                if now() >= ends_at:
                    self.end(ending)
                if not chunk and now() >= heartbeat_at:
                    chunk = sse.comment("") + sse.mark(self._place())
                if chunk:
                    began = now()
                    yield chunk
                    heartbeat_at = now() + HEARTBEAT_S
                    if now() - began > SLOW_S:
                        self.end(Ending.SLOW)
                elif self._has_all():
                    times = [lane.retry_at for lane in self._lanes if lane.is_delayed]
                    await self._wait(min(heartbeat_at, ends_at, recheck_at, *times) - now())
            yield sse.comment(_WORDS[self._ending])
        finally:
            self.end(Ending.LEFT)
            _ended.labels(self._ending).inc()
            self.release()

    async def _next(self) -> bytes:
        """Return what can be sent now."""
        try:
            if self._rights.doubtful and not await self._rights.look():
                self.end(Ending.PROJECT)
                return b""
        except errors.Forbidden:
            self.end(Ending.DENIED)
            return b""
        except _UNKNOWN as error:
            # Not knowing is not a "no": what is there to send waits.
            log.warning("event stream waits", reason=type(error).__name__)
            await asyncio.sleep(RETRY_S)
            return b""
        return b"".join([await self._next_of(lane) for lane in self._lanes])

    async def _next_of(self, lane: Lane) -> bytes:
        """Return what can be sent now of one log; the others go on when it is away."""
        if lane.is_delayed or self._rights.doubtful:
            return b""
        try:
            batch = await lane.read()
        except (errors.NotFound, errors.Gone) as error:
            self._end_for(error)
        except _UNKNOWN as error:
            log.warning("event stream waits", reason=type(error).__name__)
            lane.delay()
        else:
            if self._ending is not Ending.REVOKED:
                return self._written(lane, batch)
            # The client may no longer see the events that were read meanwhile.
        return b""

    def _written(self, lane: Lane, batch: Batch) -> bytes:
        """Return the messages of a batch, and move on behind them."""
        parts: list[bytes] = []
        size, upto = 0, batch.upto
        for item in batch.items:
            if self._rights.doubt_because_of(item):
                # The client may not be allowed to see the events behind it.
                upto = item.position - 1
                break
            if self._wanted(item.type) and self._rights.include(item.kind):
                lane.cursor = max(lane.cursor, item.position)
                parts.append(sse.message(self._place(), item.data))
                size += len(item.data)
                if batch.live:
                    _delay.observe(max(0.0, (datetime.now(UTC) - item.at).total_seconds()))
            if size >= CHUNK_BYTES_MAX:
                upto = item.position
                break
        lane.cursor = max(lane.cursor, upto)
        _sent.inc(len(parts))
        return b"".join(parts)

    def _place(self) -> str:
        """Return the id of where the follower is."""
        return str(StreamPosition(*(lane.cursor for lane in self._lanes)))

    def _has_all(self) -> bool:
        return not self._rights.doubtful and all(
            lane.has_all or lane.is_delayed for lane in self._lanes
        )

    def _end_for(self, error: errors.AppError) -> None:
        self.end(Ending.LOG if isinstance(error, errors.Gone) else Ending.PROJECT)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._stirred.wait()
        except TimeoutError:
            return

    def _life_s(self) -> float:
        expires_at = self._rights.identity.expires_at
        left_s = (expires_at - datetime.now(UTC)).total_seconds() if expires_at else STREAM_S_MAX
        return min(left_s, STREAM_S_MAX)

    def _last_ending(self) -> Ending:
        return Ending.AGE if self._life_s() >= STREAM_S_MAX else Ending.EXPIRED
