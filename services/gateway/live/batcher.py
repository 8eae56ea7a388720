"""Edits on their way to collab: batched, one batch in flight per replica, held until acknowledged.

What a client sent leaves this page in one of three ways: acknowledged (durable), refused (its
connection is closed), or with this process, in which case nobody has seen it. The order of a
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
from services.gateway.live.edit_trace import sampled_edit
from services.gateway.live.replicas import Replicas

log = structlog.get_logger(__name__)

BATCH_ENTRIES_MAX = 2_000
BATCH_BYTES_MAX = 1 << 20
PACED_ENTRIES_MAX = 400
"""A batch this full goes at once: waiting longer would gather latency and save nothing."""
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
    """Whose edits they are: a connection."""

    author: bytes
    tag: int

    def settled(self, entry_bytes: int) -> bool:
        """Note that an edit is durable; returns whether to `acknowledge` it."""
        ...

    def acknowledge(self, seq: int) -> None:
        """Pass on how far the log has its edits."""
        ...

    def refused(self, reason: int) -> None:
        """An edit was refused (`frames.REASON_...`): nothing of this writer is taken any more."""
        ...


@dataclass(slots=True)
class _Entry:
    data: bytes
    writer: EditSender
    lane: "SceneQueue"


@dataclass(slots=True)
class _Batch:
    number: int
    entries: list[_Entry]
    payload: bytes
    first_sent: float
    sent: float


@dataclass(slots=True)
class ReplicaQueue:
    """Edits for one replica."""

    replica: str
    pending: list[_Entry] = field(default_factory=list[_Entry])
    in_flight: _Batch | None = None
    last_sent: float = 0.0
    timer: asyncio.TimerHandle | None = None


@dataclass(slots=True, eq=False)
class SceneQueue:
    """A scene's way to collab: one replica at a time, so that its edits keep their order."""

    scene: bytes
    unacked: int = 0
    uplink: ReplicaQueue | None = None
    epoch: int = -1
    held: list[_Entry] | None = None
    """Edits that wait for older ones before the lane moves to another replica."""


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
        self._uplinks: dict[str, ReplicaQueue] = {}
        self._by_number: dict[int, ReplicaQueue] = {}
        self._homeless: list[_Entry] = []
        """Edits that arrived while no replica was alive."""
        self._number = 0
        self._pacer = BatchPacer()
        self._sends: set[asyncio.Task[None]] = set()
        self._settled = asyncio.Event()
        self.unacked = 0

    async def start(self) -> None:
        """Listen for acknowledgements and heartbeats."""
        await self._client.subscribe(self._reply, cb=self._on_ack)
        await self._client.subscribe(subjects.HEARTBEAT, cb=self._on_beat)

    def submit(
        self, lane: SceneQueue, writer: EditSender, update: bytes, *, deliveries: int
    ) -> int:
        """Take one edit; returns the bytes it weighs until it is settled.

        Args:
            lane: Its scene's way.
            writer: Whose it is.
            update: A Yjs update.
            deliveries: To how many connections here it will go.
        """
        data = frames.batch_entry(lane.scene, writer.author, writer.tag, update)
        lane.unacked += 1
        self.unacked += 1
        self._pacer.count(deliveries)
        self._queue(_Entry(data, writer, lane))
        return len(data)

    def _queue(self, entry: _Entry) -> None:
        lane = entry.lane
        if lane.held is None and lane.epoch != self._replicas.epoch:
            self._move(lane)
        if lane.held is not None:
            lane.held.append(entry)
            return
        uplink = lane.uplink
        if uplink is None:
            self._homeless.append(entry)
            return
        uplink.pending.append(entry)
        if uplink.in_flight is not None:
            return
        if uplink.timer is None:
            # At the end of this turn of the loop, so that what arrived together goes together.
            uplink.timer = self._loop.call_later(0, self._send, uplink)
        elif len(uplink.pending) == PACED_ENTRIES_MAX:
            uplink.timer.cancel()
            uplink.timer = self._loop.call_later(0, self._send, uplink)

    async def tick(self) -> None:
        """Look after what is in flight, until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            self._replicas.expire()
            now = self._loop.time()
            for uplink in list(self._uplinks.values()):
                self._look_after(uplink, now)
            if self._homeless and self._replicas.members:
                self._house()

    async def drained(self, within_s: float) -> bool:
        """Wait until everything is acknowledged; false if something is not after *within_s*."""
        if self.unacked:
            self._settled.clear()
            try:
                async with asyncio.timeout(within_s):
                    await self._settled.wait()
            except TimeoutError:
                return False
        return True

    def _move(self, lane: SceneQueue) -> None:
        """Point *lane* at the replica that rendezvous names now; hold edits until that is safe."""
        wanted = self._replicas.choose(lane.scene)
        lane.epoch = self._replicas.epoch
        current = lane.uplink
        if current is not None and current.replica == wanted:
            return
        if current is not None and lane.unacked > 1:
            # Older edits are under way elsewhere: they must be durable first. (1: this one.)
            lane.held = []
            return
        lane.uplink = self._uplink(wanted) if wanted else None

    def _uplink(self, replica: str) -> ReplicaQueue:
        uplink = self._uplinks.get(replica)
        if uplink is None:
            uplink = self._uplinks[replica] = ReplicaQueue(replica)
        return uplink

    def _send(self, uplink: ReplicaQueue) -> None:
        """Send the next batch, now or when its spacing has passed."""
        uplink.timer = None
        if uplink.in_flight is not None or not uplink.pending:
            return
        now = self._loop.time()
        wait_s = uplink.last_sent + self._pacer.spacing_s(now) - now
        if wait_s > 0 and len(uplink.pending) < PACED_ENTRIES_MAX:
            uplink.timer = self._loop.call_later(wait_s, self._send, uplink)
            return
        entries = self._take(uplink)
        self._number += 1
        payload = frames.batch(self._number, [entry.data for entry in entries], sampled_edit())
        uplink.in_flight = _Batch(self._number, entries, payload, now, now)
        uplink.last_sent = now
        self._by_number[self._number] = uplink
        _edits.inc(len(entries))
        self._publish(uplink)

    def _take(self, uplink: ReplicaQueue) -> list[_Entry]:
        pending = uplink.pending
        size = 0
        for taken, entry in enumerate(pending):
            size += len(entry.data)
            if taken and (taken >= BATCH_ENTRIES_MAX or size > BATCH_BYTES_MAX):
                uplink.pending = pending[taken:]
                return pending[:taken]
        uplink.pending = []
        return pending

    def _publish(self, uplink: ReplicaQueue) -> None:
        batch = uplink.in_flight
        assert batch is not None
        # Eager: as long as the client does not have to wait, this runs here and now.
        task = asyncio.Task(
            self._client.publish(subjects.edit(uplink.replica), batch.payload, self._reply),
            loop=self._loop,
            eager_start=True,
        )
        if not task.done():
            self._sends.add(task)
            task.add_done_callback(self._sent)
        elif error := task.exception():
            # The tick sends it again.
            log.warning("batch not sent", reason=repr(error)[:200])

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._sends.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.warning("batch not sent", reason=repr(error)[:200])

    async def _on_beat(self, message: Msg) -> None:
        replica, _, draining = frames.read_beat(message.data)
        if self._replicas.beat(replica, draining=draining) and self._homeless:
            self._house()

    async def _on_ack(self, message: Msg) -> None:
        if not message.data:
            # No responders: the replica is gone. The header does not say which, so ask all.
            self._suspect_all()
            return
        ack = frames.read_ack(message.data)
        uplink = self._by_number.pop(ack.batch, None)
        if uplink is None or uplink.in_flight is None or uplink.in_flight.number != ack.batch:
            return
        batch, uplink.in_flight = uplink.in_flight, None
        now = self._loop.time()
        _acked.observe(now - batch.first_sent)
        self._settle(batch.entries, ack)
        self._send(uplink)

    def _settle(self, entries: list[_Entry], ack: frames.Ack) -> None:
        """Let go of durable edits: tell who asked, read on from who was paused."""
        self.unacked -= len(entries)
        if not self.unacked:
            self._settled.set()
        told: dict[EditSender, bytes] = {}
        for entry in entries:
            lane, writer = entry.lane, entry.writer
            lane.unacked -= 1
            if writer.settled(len(entry.data)):
                told[writer] = lane.scene
            if lane.held is not None and lane.unacked == len(lane.held):
                self._release(lane)
        refused = dict(ack.refusals)
        for writer, scene in told.items():
            if writer.tag not in refused:
                writer.acknowledge(ack.heads.get(scene, 0))
        if refused:
            for writer in {entry.writer for entry in entries}:
                if writer.tag in refused:
                    writer.refused(refused[writer.tag])

    def _release(self, lane: SceneQueue) -> None:
        """All older edits of *lane* are durable: let the held ones go where they belong now."""
        held, lane.held = lane.held or [], None
        wanted = self._replicas.choose(lane.scene)
        lane.epoch = self._replicas.epoch
        lane.uplink = self._uplink(wanted) if wanted else None
        if lane.uplink is None:
            self._homeless += held
        elif held:
            lane.uplink.pending += held
            self._loop.call_soon(self._send, lane.uplink)

    def _look_after(self, uplink: ReplicaQueue, now: float) -> None:
        batch = uplink.in_flight
        if batch is None:
            if uplink.replica not in self._replicas.members and not uplink.pending:
                del self._uplinks[uplink.replica]
            elif uplink.pending and uplink.timer is None:
                self._send(uplink)
            return
        if now - batch.sent < RESEND_AFTER_S:
            return
        if self._replicas.fresh(uplink.replica) or not self._others(uplink.replica):
            # Alive but slow, or the only one: the same bytes again; it knows what it has seen.
            _resent.labels("slow").inc()
            batch.sent = now
            self._publish(uplink)
        else:
            self._fail_over(uplink)

    def _others(self, replica: str) -> bool:
        return any(name != replica for name in self._replicas.members)

    def _suspect_all(self) -> None:
        for uplink in list(self._uplinks.values()):
            if (
                uplink.in_flight
                and not self._replicas.fresh(uplink.replica)
                and self._others(uplink.replica)
            ):
                self._fail_over(uplink)

    def _fail_over(self, uplink: ReplicaQueue) -> None:
        """Give everything of a silent replica to the others, oldest first.

        It may still commit what it has; then some rows stand in the log twice, which is harmless.
        """
        _resent.labels("failover").inc()
        log.warning("replica silent, edits go elsewhere", replica=uplink.replica)
        self._replicas.drop(uplink.replica)
        entries = list(uplink.pending)
        if uplink.in_flight:
            entries = uplink.in_flight.entries + entries
            self._by_number.pop(uplink.in_flight.number, None)
        if uplink.timer:
            uplink.timer.cancel()
        del self._uplinks[uplink.replica]
        self._reroute(entries)

    def _house(self) -> None:
        entries, self._homeless = self._homeless, []
        self._reroute(entries)

    def _reroute(self, entries: list[_Entry]) -> None:
        touched: dict[str, ReplicaQueue] = {}
        for entry in entries:
            lane = entry.lane
            wanted = self._replicas.choose(lane.scene)
            if wanted is None:
                lane.uplink = None
                self._homeless.append(entry)
                continue
            lane.epoch = self._replicas.epoch
            lane.uplink = touched[wanted] = self._uplink(wanted)
            lane.uplink.pending.append(entry)
        for uplink in touched.values():
            self._send(uplink)
