"""Edits on their way to collab: batched, one batch in flight per replica, kept until acknowledged.

An edit leaves the batcher in one of three ways: it is acknowledged (durable), it is refused (and
its session ended), or the process ends, in which case no reader has seen the edit. The order of a
scene's edits never changes: they all go to one replica at a time, and move only together.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from prometheus_client import Counter, Histogram

from libs.contracts import subjects
from libs.contracts.collab import frames
from services.gateway.live.batch_pacer import BatchPacer
from services.gateway.live.edit_trace import start_edit_trace
from services.gateway.live.replicas import Replicas

log = structlog.get_logger(__name__)

BATCH_ENTRIES_MAX = 2_000
BATCH_BYTES_MAX = 1 << 20
PACED_ENTRIES_MAX = 400
"""A batch with so many edits is sent at once: waiting longer would only add latency."""
RESEND_AFTER_S = 0.3
TICK_S = 0.1

_edits = Counter("scriptorium_live_edits_total", "Edits accepted from clients.")
_resent = Counter("scriptorium_live_resends_total", "Batches sent again, by why.", ["reason"])
_acked = Histogram(
    "scriptorium_live_ack_seconds",
    "Time from sending a batch to its durable acknowledgement.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 1, 5),
)


class EditSender(Protocol):
    """The session that an edit came from."""

    author: bytes
    tag: int

    def update_settled(self, entry_bytes: int) -> bool:
        """Count an update that is durable or refused; returns whether to send an ack."""
        ...

    def send_ack(self, seq: int) -> None:
        """Send how far the log has the session's edits."""
        ...

    def update_refused(self, reason: int) -> None:
        """End the session: collab refused an update (`frames.REASON_...`) and takes no more."""
        ...


@dataclass(slots=True)
class _QueuedEdit:
    data: bytes
    sender: EditSender
    scene: "SceneQueue"


@dataclass(slots=True)
class _BatchInFlight:
    number: int
    edits: list[_QueuedEdit]
    payload: bytes
    first_sent: float
    sent: float


@dataclass(slots=True)
class ReplicaQueue:
    """The edits for one replica."""

    replica: str
    pending: list[_QueuedEdit] = field(default_factory=list[_QueuedEdit])
    in_flight: _BatchInFlight | None = None
    last_sent: float = 0.0
    timer: asyncio.TimerHandle | None = None


@dataclass(slots=True, eq=False)
class SceneQueue:
    """The route of one scene's edits: one replica at a time, so that they keep their order."""

    scene: bytes
    unacked: int = 0
    replica_queue: ReplicaQueue | None = None
    epoch: int = -1
    """The epoch of the replicas for which the route was chosen."""
    held: list[_QueuedEdit] | None = None
    """Edits that wait for older ones before the scene moves to another replica."""


class EditBatcher:
    """All edits of this gateway that are not durable yet."""

    def __init__(
        self,
        client: Client,
        replicas: Replicas,
        gateway: str,
    ) -> None:
        """Send over *client* as *gateway*."""
        self._client = client
        self._replicas = replicas
        self._reply = subjects.ack(gateway)
        self._loop = asyncio.get_running_loop()
        self._queues: dict[str, ReplicaQueue] = {}
        self._by_number: dict[int, ReplicaQueue] = {}
        self._unrouted: list[_QueuedEdit] = []
        """Edits that arrived while there was no replica."""
        self._number = 0
        self._pacer = BatchPacer()
        self._publishing: set[asyncio.Task[None]] = set()
        self._all_settled = asyncio.Event()
        self.unacked = 0

    async def start(self) -> None:
        """Subscribe to acknowledgements and heartbeats."""
        await self._client.subscribe(self._reply, cb=self._on_ack)
        await self._client.subscribe(subjects.HEARTBEAT, cb=self._on_heartbeat)

    def submit(
        self, scene: SceneQueue, sender: EditSender, update: bytes, *, deliveries: int
    ) -> int:
        """Queue one edit; returns the bytes that count as unacknowledged until it is settled.

        Args:
            scene: The queue of the edited scene.
            sender: The session that the edit came from.
            update: A Yjs update.
            deliveries: The number of connections of this gateway that will be sent the edit.
        """
        data = frames.batch_entry(scene.scene, sender.author, sender.tag, update)
        scene.unacked += 1
        self.unacked += 1
        self._pacer.count_edit(deliveries)
        self._enqueue(_QueuedEdit(data, sender, scene))
        return len(data)

    def _enqueue(self, edit: _QueuedEdit) -> None:
        scene = edit.scene
        if scene.held is None and scene.epoch != self._replicas.epoch:
            self._route_scene(scene)
        if scene.held is not None:
            scene.held.append(edit)
            return
        queue = scene.replica_queue
        if queue is None:
            self._unrouted.append(edit)
            return
        queue.pending.append(edit)
        if queue.in_flight is not None:
            return
        if queue.timer is None:
            # At the end of this turn of the loop, so that edits that arrive together go together.
            queue.timer = self._loop.call_later(0, self._send_batch, queue)
        elif len(queue.pending) == PACED_ENTRIES_MAX:
            queue.timer.cancel()
            queue.timer = self._loop.call_later(0, self._send_batch, queue)

    async def tick(self) -> None:
        """Send batches again or elsewhere that are not acknowledged."""
        self._replicas.expire_silent()
        now = self._loop.time()
        for queue in list(self._queues.values()):
            self._check_queue(queue, now)
        if self._unrouted and self._replicas.members:
            self._route_unrouted()

    async def drained(self, within_s: float) -> bool:
        """Wait until every edit is settled; returns false if some are not after *within_s*."""
        if self.unacked:
            self._all_settled.clear()
            try:
                async with asyncio.timeout(within_s):
                    await self._all_settled.wait()
            except TimeoutError:
                return False
        return True

    # -- routes

    def _route_scene(self, scene: SceneQueue) -> None:
        """Route *scene* to its replica by rendezvous; hold its edits until that is safe."""
        wanted = self._replicas.replica_for(scene.scene)
        scene.epoch = self._replicas.epoch
        current = scene.replica_queue
        moves = current is not None and current.replica != wanted
        if moves and scene.unacked > 1:
            # Older edits are on their way elsewhere: they must be durable first. (1: this one.)
            scene.held = []
            return
        # Looked up even if the replica is the same: while it was silent, its queue was removed.
        scene.replica_queue = self._queue_of(wanted) if wanted else None

    def _queue_of(self, replica: str) -> ReplicaQueue:
        queue = self._queues.get(replica)
        if queue is None:
            queue = self._queues[replica] = ReplicaQueue(replica)
        return queue

    def _release_held(self, scene: SceneQueue) -> None:
        """All older edits of *scene* are durable: send the held ones to its replica of now."""
        held, scene.held = scene.held or [], None
        wanted = self._replicas.replica_for(scene.scene)
        scene.epoch = self._replicas.epoch
        scene.replica_queue = self._queue_of(wanted) if wanted else None
        if scene.replica_queue is None:
            self._unrouted += held
        elif held:
            scene.replica_queue.pending += held
            self._loop.call_soon(self._send_batch, scene.replica_queue)

    def _route_unrouted(self) -> None:
        edits, self._unrouted = self._unrouted, []
        self._reroute_edits(edits)

    def _reroute_edits(self, edits: list[_QueuedEdit]) -> None:
        touched: dict[str, ReplicaQueue] = {}
        for edit in edits:
            scene = edit.scene
            wanted = self._replicas.replica_for(scene.scene)
            if wanted is None:
                scene.replica_queue = None
                self._unrouted.append(edit)
                continue
            scene.epoch = self._replicas.epoch
            scene.replica_queue = touched[wanted] = self._queue_of(wanted)
            scene.replica_queue.pending.append(edit)
        for queue in touched.values():
            self._send_batch(queue)

    # -- batches

    def _send_batch(self, queue: ReplicaQueue) -> None:
        """Send the next batch, now or when its spacing has passed."""
        queue.timer = None
        if queue.in_flight is not None or not queue.pending:
            return
        now = self._loop.time()
        wait_s = queue.last_sent + self._pacer.spacing_s(now) - now
        if wait_s > 0 and len(queue.pending) < PACED_ENTRIES_MAX:
            queue.timer = self._loop.call_later(wait_s, self._send_batch, queue)
            return
        edits = self._take_pending(queue)
        self._number += 1
        payload = frames.batch(self._number, [edit.data for edit in edits], start_edit_trace())
        queue.in_flight = _BatchInFlight(self._number, edits, payload, now, now)
        queue.last_sent = now
        self._by_number[self._number] = queue
        _edits.inc(len(edits))
        self._publish_batch(queue)

    def _take_pending(self, queue: ReplicaQueue) -> list[_QueuedEdit]:
        pending = queue.pending
        size = 0
        for taken, edit in enumerate(pending):
            size += len(edit.data)
            if taken and (taken >= BATCH_ENTRIES_MAX or size > BATCH_BYTES_MAX):
                queue.pending = pending[taken:]
                return pending[:taken]
        queue.pending = []
        return pending

    def _publish_batch(self, queue: ReplicaQueue) -> None:
        batch = queue.in_flight
        assert batch is not None
        # Eager: as long as the client does not have to wait, this runs here and now.
        task = asyncio.Task(
            self._client.publish(subjects.edit(queue.replica), batch.payload, self._reply),
            loop=self._loop,
            eager_start=True,
        )
        if not task.done():
            self._publishing.add(task)
            task.add_done_callback(self._publish_done)
        elif error := task.exception():
            # The tick sends it again.
            log.warning("batch not sent", reason=repr(error)[:200])

    def _publish_done(self, task: asyncio.Task[None]) -> None:
        self._publishing.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.warning("batch not sent", reason=repr(error)[:200])

    # -- from collab

    async def _on_heartbeat(self, message: Msg) -> None:
        replica, _, draining = frames.read_beat(message.data)
        if self._replicas.record_beat(replica, draining=draining) and self._unrouted:
            self._route_unrouted()

    async def _on_ack(self, message: Msg) -> None:
        if not message.data:
            # No responders: a replica is gone. The header does not say which one.
            self._fail_over_silent()
            return
        ack = frames.read_ack(message.data)
        queue = self._by_number.pop(ack.batch, None)
        if queue is None or queue.in_flight is None or queue.in_flight.number != ack.batch:
            return
        batch, queue.in_flight = queue.in_flight, None
        now = self._loop.time()
        _acked.observe(now - batch.first_sent)
        self._settle_edits(batch.edits, ack)
        self._send_batch(queue)

    def _settle_edits(self, edits: list[_QueuedEdit], ack: frames.Ack) -> None:
        """Let go of durable and refused edits, and tell the sessions that they came from."""
        self.unacked -= len(edits)
        if not self.unacked:
            self._all_settled.set()
        awaiting: dict[EditSender, bytes] = {}
        for edit in edits:
            scene, sender = edit.scene, edit.sender
            scene.unacked -= 1
            if sender.update_settled(len(edit.data)):
                awaiting[sender] = scene.scene
            if scene.held is not None and scene.unacked == len(scene.held):
                self._release_held(scene)
        refused = dict(ack.refusals)
        for sender, scene_id in awaiting.items():
            if sender.tag not in refused:
                sender.send_ack(ack.heads.get(scene_id, 0))
        if refused:
            for sender in {edit.sender for edit in edits}:
                if sender.tag in refused:
                    sender.update_refused(refused[sender.tag])

    # -- silent replicas

    def _check_queue(self, queue: ReplicaQueue, now: float) -> None:
        batch = queue.in_flight
        if batch is None:
            if queue.replica not in self._replicas.members and not queue.pending:
                del self._queues[queue.replica]
            elif queue.pending and queue.timer is None:
                self._send_batch(queue)
            return
        if now - batch.sent < RESEND_AFTER_S:
            return
        if self._replicas.is_fresh(queue.replica) or not self._has_other(queue.replica):
            # Alive but slow, or the only one: the same bytes again. It knows the batches it has.
            _resent.labels("slow").inc()
            batch.sent = now
            self._publish_batch(queue)
        else:
            self._fail_over(queue)

    def _has_other(self, replica: str) -> bool:
        return any(name != replica for name in self._replicas.members)

    def _fail_over_silent(self) -> None:
        for queue in list(self._queues.values()):
            if (
                queue.in_flight
                and not self._replicas.is_fresh(queue.replica)
                and self._has_other(queue.replica)
            ):
                self._fail_over(queue)

    def _fail_over(self, queue: ReplicaQueue) -> None:
        """Send all edits of a silent replica to the others, oldest first.

        The replica may still commit them; then some rows stand in the log twice, which is harmless.
        """
        _resent.labels("failover").inc()
        log.warning("replica silent, edits go elsewhere", replica=queue.replica)
        self._replicas.forget_replica(queue.replica)
        edits = list(queue.pending)
        if queue.in_flight:
            edits = queue.in_flight.edits + edits
            self._by_number.pop(queue.in_flight.number, None)
        if queue.timer:
            queue.timer.cancel()
        del self._queues[queue.replica]
        self._reroute_edits(edits)
