"""One scene as this gateway hosts it: its connections, and how far it has shown the log to them."""

import asyncio
from binascii import b2a_base64
from collections import deque
from collections.abc import Callable
from functools import cached_property
from typing import Protocol
from uuid import UUID

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from prometheus_client import Counter

from libs import errors
from libs.bus import synced
from libs.contracts import subjects
from libs.contracts.collab import frames
from libs.contracts.collab.yprotocol import (
    NO_STRUCTS,
    STEP1,
    STEP2,
    SYNC,
    UPDATE,
    deletions_by_client,
    sync_message,
)
from services.gateway.live.asks import Asks
from services.gateway.live.audience import Audience, Listener
from services.gateway.live.presence import Presence, Voice
from services.gateway.live.uplink import Lane

log = structlog.get_logger(__name__)

RECENT_BYTES_MAX = 256 * 1024
"""Frames kept for those who are joining; past it a cached answer is dropped and asked anew."""
ANSWER_KEEP_S = 5.0
AHEAD_BYTES_MAX = 8 << 20
"""Frames kept while a gap is repaired; past it the room's clients are sent to sync again."""
REPAIRS_MAX = 20

_gaps = Counter("scriptorium_live_gaps_total", "Fan-outs that were missed and repaired.")
_frames_seen = Counter("scriptorium_live_frames_total", "Fan-outs received.")


class Joined:
    """An answer to a join, good for others as long as the frames since are at hand.

    Its messages are encoded once, and only in what somebody reads, because hundreds may be sent
    the same megabyte.
    """

    def __init__(self, answer: frames.SyncAnswer, asked_at: float) -> None:
        """Keep *answer*, asked for at *asked_at* of the loop's clock."""
        self.head = answer.head
        self.asked_at = asked_at
        self.update = answer.step2
        """What the client lacks, as one Yjs update."""
        self.state_vector = answer.state_vector
        self._deletions = answer.deletions
        self._repeated = answer.deletions

    @cached_property
    def step1(self) -> bytes:
        """The message that asks for what we lack."""
        return sync_message(STEP1, self.state_vector)

    @cached_property
    def step2(self) -> bytes:
        """The message that answers."""
        return sync_message(STEP2, self.update)

    @cached_property
    def as_update(self) -> bytes:
        """Step 2 as an update, for a client that must not think it has everything yet."""
        return bytes((SYNC, UPDATE)) + self.step2[2:]

    @cached_property
    def base64(self) -> bytes:
        """The update, for messages that are text."""
        return b2a_base64(self.update, newline=False)

    @cached_property
    def state_vector_base64(self) -> str:
        """The state vector, for messages that are text."""
        return b2a_base64(self.state_vector, newline=False).decode()

    def repeats(self, update: bytes) -> bool:
        """Whether a client's answer says nothing but the deletions that it was just told.

        A provider's step 2 always carries every deletion it knows; stored each time, it would
        add a row to the log whenever somebody opens the scene.
        """
        if update == self._repeated:
            return True
        if len(update) != len(self._deletions) or not update.startswith(NO_STRUCTS):
            return False
        if deletions_by_client(update) != deletions_by_client(self._deletions):
            return False
        self._repeated = update
        return True


class Occupant(Voice, Listener, Protocol):
    """Who is in a room, whatever protocol they speak: `services.gateway.live.member.Member`."""

    joined: Joined | None

    def welcome(self, joined: Joined, missed: list[bytes]) -> None:
        """Send the answer to a join, and *missed*, the y-protocols messages since."""
        ...

    def put_out(self, code: int, reason: str) -> None:
        """Send them away, for the reason that a close code stands for."""
        ...


class Room:
    """Passes committed updates on, in order and without a gap."""

    def __init__(
        self,
        scene: bytes,
        *,
        client: Client,
        asks: Asks,
        gateway: int,
        on_out_of_step: Callable[["Room", str], None],
    ) -> None:
        """Host *scene*; call `open` before use."""
        self.scene = scene
        self.audience = Audience[Occupant](self.id)
        """Those who have joined."""
        self.admitted = 0
        """Those who may be here, joined or not yet."""
        self.joining = 0
        """Joins under way; while there are any, frames are kept for them."""
        self.presence = Presence(self.audience, self.tell_presence)
        self.last: int | None = None
        """The seq up to which joined clients have everything; None before the first answer."""
        self.lane = Lane(scene)
        """How edits of this scene go to collab."""

        self._client = client
        self._asks = asks
        self._gateway = gateway
        self._on_out_of_step = on_out_of_step
        self._loop = asyncio.get_running_loop()
        self._subscription: Subscription | None = None
        self._opening: asyncio.Task[None] | None = None
        self._recent: deque[tuple[int, bytes]] = deque()
        self._recent_bytes = 0
        self._recent_from = 0
        """The seq that the oldest of `recent` begins with."""
        self._answers: dict[bytes, Joined] = {}
        self._asking: dict[bytes, asyncio.Task[Joined]] = {}
        self._ahead: list[bytes] = []
        self._ahead_bytes = 0
        self._repair: asyncio.Task[None] | None = None
        self.heard_at = self._loop.time()
        self._needed_at = self._loop.time()

    @property
    def id(self) -> UUID:
        """The scene's id."""
        return UUID(bytes=self.scene)

    @property
    def empty(self) -> bool:
        """Whether nobody needs this room: nobody admitted or joining, no edits under way."""
        return not (self.admitted or self.joining or self.lane.unacked)

    def abandoned(self, for_s: float) -> bool:
        """Whether the room has been empty for *for_s* seconds; to be asked now and then."""
        if not self.empty:
            self._needed_at = self._loop.time()
        return self._loop.time() - self._needed_at > for_s

    def now(self) -> float:
        """The time that this room goes by, seconds."""
        return self._loop.time()

    async def tell_presence(self, body: bytes) -> None:
        """Tell the other gateways about clients here; an empty *body* asks about theirs."""
        await self._client.publish(subjects.awareness(self.id), self._gateway.to_bytes(4) + body)

    async def open(self) -> None:
        """Subscribe; when this returns, every later commit will be heard.

        Raises:
            Unavailable: The bus is away; opening again tries again.
        """
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())
        try:
            await asyncio.shield(self._opening)
        except (nats.errors.Error, TimeoutError) as error:
            self._opening = None
            raise errors.Unavailable from error

    async def _open(self) -> None:
        if self._subscription is None:
            self._subscription = await self._client.subscribe(
                subjects.room(self.id), cb=self._on_message
            )
        await synced(self._client)
        # An empty body asks the other gateways who is there.
        await self.tell_presence(b"")

    async def close(self) -> None:
        """Stop listening."""
        if self._repair:
            self._repair.cancel()
        if self._subscription:
            await self._subscription.unsubscribe()

    async def join(self, vector: bytes, replica: str | None) -> Joined:
        """Get what a client with state vector *vector* lacks.

        Everybody who comes with the same vector shares one answer while it is fresh: what was
        committed since it was asked is in `recent`.

        Raises:
            Refused: *vector* is no state vector.
            Unavailable: Collab is away.
        """
        known = self._answers.get(vector)
        if known and self._loop.time() - known.asked_at < ANSWER_KEEP_S:
            return known
        task = self._asking.get(vector)
        if task is None:
            task = asyncio.create_task(self._ask(vector, replica))
            self._asking[vector] = task
            task.add_done_callback(lambda asked: self._asked(vector, asked))
        return await asyncio.shield(task)

    def _asked(self, vector: bytes, task: asyncio.Task[Joined]) -> None:
        self._asking.pop(vector, None)
        if not task.cancelled():
            # Those who asked may be gone; a failure that nobody awaits is not worth a traceback.
            task.exception()

    async def _ask(self, vector: bytes, replica: str | None) -> Joined:
        asked_at = self._loop.time()
        answer = await self._asks.sync(replica, self.scene, vector)
        joined = Joined(answer, asked_at)
        if self.last is None:
            self._begin(answer.head)
        self._answers[vector] = joined
        self._loop.call_later(ANSWER_KEEP_S, self._forget_answer, vector)
        return joined

    def _begin(self, head: int) -> None:
        """Take *head* as the start of what is shown here, then what was heard while asking."""
        self.last = head
        waiting, self._ahead, self._ahead_bytes = self._ahead, [], 0
        for data in waiting:
            self._take(data)

    def _forget_answer(self, vector: bytes) -> None:
        known = self._answers.get(vector)
        if known and self._loop.time() - known.asked_at >= ANSWER_KEEP_S:
            del self._answers[vector]
        self._trim()

    def admit(self, member: Occupant, joined: Joined) -> bool:
        """Bring *member* from its answer up to now and let it hear the rest.

        Returns False when the frames since the answer are no longer at hand: ask again.
        """
        head = joined.head
        if self.last is None or (head < self.last and not self._covers(head)):
            self._answers.clear()
            return False
        member.welcome(joined, [frame for seq_to, frame in self._recent if seq_to > head])
        member.joined = joined
        self.audience.add(member)
        return True

    def _covers(self, head: int) -> bool:
        return bool(self._recent) and self._recent_from <= head + 1

    async def _on_message(self, message: Msg) -> None:
        if message.subject.endswith(".log"):
            _frames_seen.inc()
            self._take(message.data)
            return
        data = message.data
        if int.from_bytes(data[:4]) == self._gateway:
            return
        if len(data) > 4:
            self.presence.heard(data[4:])
        elif own := self.presence.everyone(own_only=True):
            await self.tell_presence(own)

    def _take(self, data: bytes) -> None:
        """Pass a fan-out on if it is the next one; keep it if something before it is missing."""
        seq_from, seq_to, gateway, tag = frames.read_fan(data)
        self.heard_at = self._loop.time()
        if self.last is None or self._repair is not None:
            self._keep_ahead(data)
            return
        if seq_to <= self.last:
            return
        if seq_from > self.last + 1:
            self._keep_ahead(data)
            self._start_repair(seq_from - 1)
            return
        author = tag if gateway == self._gateway else 0
        self._show(max(seq_from, self.last + 1), seq_to, author, data[frames.FAN_HEADER_BYTES :])

    def _show(self, seq_from: int, seq_to: int, author: int, frame: bytes) -> None:
        self.last = seq_to
        if self.joining or self._answers or self._asking:
            if not self._recent:
                self._recent_from = seq_from
            self._recent.append((seq_to, frame))
            self._recent_bytes += len(frame)
            if self._recent_bytes > RECENT_BYTES_MAX:
                self._answers.clear()
                self._trim()
        elif self._recent:
            self._trim()
        self.audience.show(frame, but=author)

    def _trim(self) -> None:
        if not (self.joining or self._answers or self._asking):
            self._recent.clear()
            self._recent_bytes = 0
            return
        while self._recent_bytes > 2 * RECENT_BYTES_MAX:
            seq_to, frame = self._recent.popleft()
            self._recent_bytes -= len(frame)
            self._recent_from = seq_to + 1

    def _keep_ahead(self, data: bytes) -> None:
        self._ahead.append(data)
        self._ahead_bytes += len(data)
        if self._ahead_bytes > AHEAD_BYTES_MAX:
            self._give_up("too much was missed")

    def head_seen(self, head: int) -> None:
        """Learn from the log how far it reaches; repair what nobody announced."""
        if self.last is not None and head > self.last and self._repair is None:
            self._start_repair(head)

    def _start_repair(self, upto: int) -> None:
        _gaps.inc()
        self._repair = asyncio.create_task(self._fill(upto))

    async def _fill(self, upto: int) -> None:
        """Ask for what was missed until the log and the frames kept meet."""
        assert self.last is not None
        try:
            for _ in range(REPAIRS_MAX):
                while self.last < upto:
                    reached, update = await self._asks.range(self.scene, self.last + 1, upto)
                    self._show(self.last + 1, reached, 0, sync_message(UPDATE, update))
                waiting, self._ahead, self._ahead_bytes = self._ahead, [], 0
                for at, data in enumerate(waiting):
                    seq_from, seq_to, _, _ = frames.read_fan(data)
                    if seq_from > self.last + 1:
                        upto = seq_from - 1
                        self._ahead = waiting[at:] + self._ahead
                        break
                    if seq_to > self.last:
                        self._show(self.last + 1, seq_to, 0, data[frames.FAN_HEADER_BYTES :])
                else:
                    if not self._ahead:
                        return
        except errors.Unavailable:
            log.warning("gap cannot be repaired", scene_id=str(self.id))
        finally:
            self._repair = None
        self._give_up("collab is away")

    def _give_up(self, why: str) -> None:
        if self._repair:
            self._repair.cancel()
            self._repair = None
        self._ahead.clear()
        self._ahead_bytes = 0
        self.last = None
        self._answers.clear()
        self._on_out_of_step(self, why)
