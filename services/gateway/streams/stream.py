"""One follower: from a place in the log onwards, as fast as they read, as long as they may."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Iterable
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
from services.gateway.streams.rights import Rights
from services.gateway.streams.tail import Item, Page, Tail

log = structlog.get_logger(__name__)

HEARTBEAT_S = 15.0
STREAM_S_MAX = 3600.0
"""After this a client comes back, so that streams spread over gateways again."""
SLOW_S = 5.0
"""Whoever takes longer for one chunk is sent away, and may go on where they were."""
STALL_S = 15.0
"""A client that takes longer is disconnected without an error message."""
RECHECK_S = 30.0
"""Rights are looked at again this often, should a change have gone unheard."""
RETRY_S = 0.5
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
    """A follower's place in a project's log."""

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
        self._tail: Tail | None = None
        self._cursor = 0
        self._page: Page | None = None
        self._ending: Ending | None = None
        self._stirred = asyncio.Event()

    async def begin(self, tail: Tail, after: int | None) -> None:
        """Take a place behind *after*, or at the end.

        Raises:
            NotFound, Gone, Unavailable: As for `Log.page`.
        """
        if tail.ended:
            raise tail.ended
        self._tail = tail
        self._cursor = tail.head if after is None else after
        if after is not None:
            # Now, because later is too late for a status that says what is wrong with it.
            self._page = await tail.log.page(after, heard=tail.head)
        tail.followers.add(self)

    @property
    def identity(self) -> Identity:
        """Who follows."""
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
        if self._tail:
            self._tail.followers.discard(self)
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
            yield sse.retry(random.randint(*RETRY_MS)) + sse.mark(self._cursor)
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
                    chunk = sse.comment("") + sse.mark(self._cursor)
                if chunk:
                    began = now()
                    yield chunk
                    heartbeat_at = now() + HEARTBEAT_S
                    if now() - began > SLOW_S:
                        self.end(Ending.SLOW)
                elif self._has_all():
                    await self._wait(min(heartbeat_at, ends_at, recheck_at) - now())
            yield sse.comment(_WORDS[self._ending])
        finally:
            self.end(Ending.LEFT)
            _ended.labels(self._ending).inc()
            self.release()

    async def _next(self) -> bytes:
        """Return what can be sent now."""
        tail = self._tail
        assert tail
        try:
            if self._rights.doubtful and not await self._rights.look():
                self.end(Ending.PROJECT)
                return b""
            if self._page is None and self._cursor < tail.start:
                self._page = await tail.log.page(self._cursor, heard=tail.head)
        except errors.Forbidden:
            self.end(Ending.DENIED)
        except (errors.NotFound, errors.Gone) as error:
            self._end_for(error)
        except (errors.AppError, nats.errors.Error, nats.js.errors.Error, TimeoutError) as error:
            # Not knowing is not a "no": what is there to send waits.
            log.warning("event stream waits", reason=type(error).__name__)
            await asyncio.sleep(RETRY_S)
        else:
            if self._ending is Ending.REVOKED:
                return b""  # The client may no longer see the events that were read meanwhile.
            if page := self._page:
                self._page = None
                return self._written(page.items, page.upto, live=False)
            if tail.ended and self._cursor >= tail.head:
                self._end_for(tail.ended)
            return self._written(tail.after(self._cursor), tail.head, live=True)
        return b""

    def _written(self, items: Iterable[Item], upto: int, *, live: bool) -> bytes:
        """Return the messages of *items*, and move on behind them."""
        parts: list[bytes] = []
        size = 0
        for item in items:
            if self._rights.doubt_because_of(item):
                # The client may not be allowed to see the events behind it.
                upto = item.position - 1
                break
            if self._wanted(item.type) and self._rights.include(item.kind):
                parts.append(item.message)
                size += len(item.message)
                if live:
                    _delay.observe(max(0.0, (datetime.now(UTC) - item.at).total_seconds()))
            if size >= CHUNK_BYTES_MAX:
                upto = item.position
                break
        self._cursor = max(self._cursor, upto)
        _sent.inc(len(parts))
        return b"".join(parts)

    def _has_all(self) -> bool:
        assert self._tail
        return not self._rights.doubtful and self._page is None and self._cursor >= self._tail.head

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
