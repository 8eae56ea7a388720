"""One scene in this gateway: the sessions in it, and how much of the log they have received."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING
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
from libs.contracts.collab.yprotocol import UPDATE, sync_message
from services.gateway.live.batcher import SceneQueue
from services.gateway.live.collab_client import CollabClient
from services.gateway.live.presence import Presence
from services.gateway.live.subscribers import Subscribers
from services.gateway.live.sync_snapshot import SyncSnapshot

if TYPE_CHECKING:
    from services.gateway.live.scene_session import SceneSession

log = structlog.get_logger(__name__)

RECENT_BYTES_MAX = 256 * 1024
"""Frames that are kept for sessions that join; above it, kept snapshots are dropped."""
SNAPSHOT_KEEP_S = 5.0
AHEAD_BYTES_MAX = 8 << 20
"""Frames that are kept while a gap is repaired; above it all clients must sync again."""
REPAIRS_MAX = 20

_gaps = Counter("scriptorium_live_gaps_total", "Fan-outs that were missed and repaired.")
_frames_seen = Counter("scriptorium_live_frames_total", "Fan-outs received.")


class Room:
    """Passes committed updates on to its subscribers, in order and without a gap."""

    def __init__(
        self,
        scene: bytes,
        *,
        client: Client,
        collab: CollabClient,
        gateway: int,
        on_reset: Callable[["Room", str], None],
    ) -> None:
        """Create the room of *scene*; call `open` before use.

        *on_reset* is called with the room and a reason when all its clients must sync again.
        """
        self.scene = scene
        self.subscribers: Subscribers[SceneSession] = Subscribers(self.id)
        """The sessions that have been sent a snapshot and receive the frames since."""
        self.session_count = 0
        """The number of sessions, subscribed or not yet."""
        self.pending_joins = 0
        """The number of sessions that are joining; frames are kept for them."""
        self.presence = Presence(self.subscribers, self.publish_presence)
        self.last_seq: int | None = None
        """The seq up to which subscribers have everything; None before the first snapshot."""
        self.queue = SceneQueue(scene)
        """The edits of this scene on their way to collab."""
        self._loop = asyncio.get_running_loop()
        self.frame_at = self._loop.time()
        """The time of the newest frame, on the loop's clock."""
        self._used_at = self._loop.time()

        self._client = client
        self._collab = collab
        self._gateway = gateway
        self._on_reset = on_reset
        self._subscription: Subscription | None = None
        self._opening: asyncio.Task[None] | None = None
        self._recent: deque[tuple[int, bytes]] = deque()
        self._recent_bytes = 0
        self._recent_from = 0
        """The seq that the oldest frame of `_recent` begins with."""
        self._snapshots: dict[bytes, SyncSnapshot] = {}
        self._requests: dict[bytes, asyncio.Task[SyncSnapshot]] = {}
        self._ahead: list[bytes] = []
        """Frames that came before the first snapshot, or after a gap."""
        self._ahead_bytes = 0
        self._repair: asyncio.Task[None] | None = None

    @property
    def id(self) -> UUID:
        """The scene's id."""
        return UUID(bytes=self.scene)

    @property
    def is_unused(self) -> bool:
        """Whether there are no sessions, no joins and no edits on their way to collab."""
        return not (self.session_count or self.pending_joins or self.queue.unacked)

    def is_unused_for(self, seconds: float) -> bool:
        """Return whether the room has been unused for *seconds*, as earlier calls saw it."""
        if not self.is_unused:
            self._used_at = self._loop.time()
        return self._loop.time() - self._used_at > seconds

    async def publish_presence(self, body: bytes) -> None:
        """Send presence of clients here to the other gateways; an empty *body* asks for theirs."""
        await self._client.publish(subjects.awareness(self.id), self._gateway.to_bytes(4) + body)

    async def open(self) -> None:
        """Subscribe; when this returns, every later commit will be received.

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
        await self.publish_presence(b"")

    async def close(self) -> None:
        """Unsubscribe."""
        if self._repair:
            self._repair.cancel()
        if self._subscription:
            await self._subscription.unsubscribe()

    # -- joins

    async def fetch_snapshot(self, vector: bytes, replica: str | None) -> SyncSnapshot:
        """Return what a client with the state vector *vector* lacks.

        All sessions with the same vector share one snapshot for SNAPSHOT_KEEP_S: the frames since
        its head are in `_recent`.

        Raises:
            StateVectorRefused: *vector* is not a state vector.
            Unavailable: Collab is away.
        """
        kept = self._snapshots.get(vector)
        if kept and self._loop.time() - kept.requested_at < SNAPSHOT_KEEP_S:
            return kept
        task = self._requests.get(vector)
        if task is None:
            task = asyncio.create_task(self._request_snapshot(vector, replica))
            self._requests[vector] = task
            task.add_done_callback(lambda done: self._request_done(vector, done))
        return await asyncio.shield(task)

    def _request_done(self, vector: bytes, task: asyncio.Task[SyncSnapshot]) -> None:
        self._requests.pop(vector, None)
        if not task.cancelled():
            # The sessions may have ended; a failure that no session awaits needs no traceback.
            task.exception()

    async def _request_snapshot(self, vector: bytes, replica: str | None) -> SyncSnapshot:
        requested_at = self._loop.time()
        answer = await self._collab.request_sync(replica, self.scene, vector)
        snapshot = SyncSnapshot(answer, requested_at)
        if self.last_seq is None:
            self._start_at(answer.head)
        self._snapshots[vector] = snapshot
        self._loop.call_later(SNAPSHOT_KEEP_S, self._drop_snapshot, vector, snapshot)
        return snapshot

    def _start_at(self, head: int) -> None:
        """Start after *head*, with the frames that arrived during the request."""
        self.last_seq = head
        ahead, self._ahead, self._ahead_bytes = self._ahead, [], 0
        for data in ahead:
            self._handle_frame(data)

    def _drop_snapshot(self, vector: bytes, snapshot: SyncSnapshot) -> None:
        if self._snapshots.get(vector) is snapshot:
            del self._snapshots[vector]
        self._trim_recent()

    def subscribe_session(self, session: "SceneSession", snapshot: SyncSnapshot) -> bool:
        """Send *session* the snapshot and the frames since, then all later ones.

        Returns False when the frames since its head are no longer kept: fetch another snapshot.
        """
        head = snapshot.head
        if self.last_seq is None or (head < self.last_seq and not self._is_recent(head)):
            self._snapshots.clear()
            return False
        session.send_snapshot(snapshot, [frame for seq, frame in self._recent if seq > head])
        session.snapshot = snapshot
        self.subscribers.add(session)
        return True

    def _is_recent(self, head: int) -> bool:
        return bool(self._recent) and self._recent_from <= head + 1

    # -- frames

    async def _on_message(self, message: Msg) -> None:
        if message.subject.endswith(".log"):
            _frames_seen.inc()
            self._handle_frame(message.data)
            return
        data = message.data
        if int.from_bytes(data[:4]) == self._gateway:
            return
        if len(data) > 4:
            self.presence.apply_remote(data[4:])
        elif own := self.presence.encode_states(own_only=True):
            await self.publish_presence(own)

    def _handle_frame(self, data: bytes) -> None:
        """Pass a frame on if it is the next one; keep it if an older one is missing."""
        seq_from, seq_to, gateway, tag = frames.read_fan(data)
        self.frame_at = self._loop.time()
        if self.last_seq is None or self._repair is not None:
            self._keep_ahead(data)
            return
        if seq_to <= self.last_seq:
            return
        if seq_from > self.last_seq + 1:
            self._keep_ahead(data)
            self._start_repair(seq_from - 1)
            return
        author = tag if gateway == self._gateway else 0
        message = data[frames.FAN_HEADER_BYTES :]
        self._publish_edit(max(seq_from, self.last_seq + 1), seq_to, author, message)

    def _publish_edit(self, seq_from: int, seq_to: int, author: int, message: bytes) -> None:
        self.last_seq = seq_to
        if self._keeps_recent():
            if not self._recent:
                self._recent_from = seq_from
            self._recent.append((seq_to, message))
            self._recent_bytes += len(message)
            if self._recent_bytes > RECENT_BYTES_MAX:
                self._snapshots.clear()
                self._trim_recent()
        elif self._recent:
            self._trim_recent()
        self.subscribers.publish_edit(message, author=author)

    def _keeps_recent(self) -> bool:
        return bool(self.pending_joins or self._snapshots or self._requests)

    def _trim_recent(self) -> None:
        if not self._keeps_recent():
            self._recent.clear()
            self._recent_bytes = 0
            return
        while self._recent_bytes > 2 * RECENT_BYTES_MAX:
            seq_to, message = self._recent.popleft()
            self._recent_bytes -= len(message)
            self._recent_from = seq_to + 1

    # -- gaps

    def check_head(self, head: int) -> None:
        """Repair the gap up to *head*, which the log reaches, if no frame announced it."""
        if self.last_seq is not None and head > self.last_seq and self._repair is None:
            self._start_repair(head)

    def _keep_ahead(self, data: bytes) -> None:
        self._ahead.append(data)
        self._ahead_bytes += len(data)
        if self._ahead_bytes > AHEAD_BYTES_MAX:
            self._reset("too much was missed")

    def _start_repair(self, upto: int) -> None:
        _gaps.inc()
        self._repair = asyncio.create_task(self._repair_gap(upto))

    async def _repair_gap(self, upto: int) -> None:
        """Request missed rows until the log and the frames that were kept meet."""
        assert self.last_seq is not None
        try:
            for _ in range(REPAIRS_MAX):
                while self.last_seq < upto:
                    first = self.last_seq + 1
                    reached, update = await self._collab.request_range(self.scene, first, upto)
                    self._publish_edit(first, reached, 0, sync_message(UPDATE, update))
                ahead, self._ahead, self._ahead_bytes = self._ahead, [], 0
                for at, data in enumerate(ahead):
                    seq_from, seq_to, _, _ = frames.read_fan(data)
                    if seq_from > self.last_seq + 1:
                        upto = seq_from - 1
                        self._ahead = ahead[at:] + self._ahead
                        break
                    if seq_to > self.last_seq:
                        message = data[frames.FAN_HEADER_BYTES :]
                        self._publish_edit(self.last_seq + 1, seq_to, 0, message)
                else:
                    if not self._ahead:
                        return
        except errors.Unavailable:
            log.warning("gap cannot be repaired", scene_id=str(self.id))
        finally:
            self._repair = None
        self._reset("collab is away")

    def _reset(self, reason: str) -> None:
        """Begin again with the next snapshot; the clients here must sync again."""
        if self._repair:
            self._repair.cancel()
            self._repair = None
        self._ahead.clear()
        self._ahead_bytes = 0
        self.last_seq = None
        self._snapshots.clear()
        self._on_reset(self, reason)
