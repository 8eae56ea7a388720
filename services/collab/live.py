"""Live editing over the bus: batches in, committed updates and acknowledgements out."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from opentelemetry.trace import SpanContext, TraceFlags
from prometheus_client import Counter

from libs.bus import synced
from libs.contracts import subjects
from libs.contracts.collab import frames
from libs.contracts.collab.yprotocol import UPDATE, sync_message
from libs.tasks import PeriodicTask
from services.collab import heavy, updates
from services.collab.journal import Journal
from services.collab.model import Batch, SceneRun, uuid_of
from services.collab.rollups import Rollups
from services.collab.scenes import Scenes, SceneUnreadable
from services.collab.settings import CollabSettings
from services.collab.store import Store, Trust
from services.collab.updates import BadUpdate
from services.collab.workers import Workers

log = structlog.get_logger(__name__)

BEAT_INTERVAL_S = 0.25
BEATS_PATIENCE_S = 5.0
GATEWAYS_MAX = 1_000
REFUSED_CONNECTIONS_MAX = 10_000
RANGE_ROWS_MAX = 5_000
REPLY_PART_BYTES_MAX = 512 * 1024
"""Below the payload limit of a NATS server as it comes (1 MB)."""
QUEUE = "collab"

_refused = Counter("scriptorium_collab_refused_total", "Updates refused, by reason.", ["reason"])
_REASONS = {
    frames.REASON_INVALID: "invalid",
    frames.REASON_TOO_LARGE: "too_large",
    frames.REASON_SCENE_FULL: "scene_full",
}


@dataclass(slots=True)
class _LastBatch:
    """A gateway's newest batch: in work while `acknowledgement` is None."""

    number: int
    acknowledgement: bytes | None = None


class Live:
    """Answers the gateways."""

    def __init__(
        self,
        *,
        client: Client,
        store: Store,
        scenes: Scenes,
        rollups: Rollups,
        workers: Workers,
        settings: CollabSettings,
    ) -> None:
        """Wire the parts; `journal` commits what arrives here."""
        self._client = client
        self._store = store
        self._scenes = scenes
        self._rollups = rollups
        self._workers = workers
        self._settings = settings
        self.journal = Journal(store, self.announce)
        self.observers: list[Callable[[dict[bytes, SceneRun]], None]] = [rollups.committed]
        """Told what each flush added, after it was announced; they take no time and never raise."""
        self._batches: OrderedDict[str, _LastBatch] = OrderedDict()
        self._refused: OrderedDict[int, int] = OrderedDict()
        """The reason for which an update of a connection was refused, by connection."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._draining = False
        self._accepted = 0
        """Edits that the journal had accepted at the last heartbeat."""
        self.heartbeat = PeriodicTask(
            "heartbeat",
            self.beat,
            interval_s=BEAT_INTERVAL_S,
            patience_s=BEATS_PATIENCE_S,
            backoff_s_max=BEAT_INTERVAL_S,
        )

    async def subscribe(self) -> None:
        """Begin to listen."""
        replica = self._settings.replica
        client = self._client
        sync = self._spawning(self._on_sync)
        await client.subscribe(subjects.edit(replica), cb=self._on_edits)
        await client.subscribe(subjects.sync(replica), cb=sync)
        await client.subscribe(subjects.SYNC_ANY, queue=QUEUE, cb=sync)
        await client.subscribe(subjects.HEADS, queue=QUEUE, cb=self._spawning(self._on_heads))
        await client.subscribe(subjects.RANGE, queue=QUEUE, cb=self._spawning(self._on_range))
        await synced(client)

    async def beat(self) -> None:
        """Tell the gateways that this replica is there."""
        load = int((self.journal.accepted - self._accepted) / BEAT_INTERVAL_S)
        self._accepted = self.journal.accepted
        await self._beat(load)

    async def drain(self, *, within_s: float) -> None:
        """Send the gateways elsewhere, then finish what is pending."""
        self._draining = True
        await self._beat(0)
        # Batches sent before the gateways heard of it arrive within a moment.
        await asyncio.sleep(2 * BEAT_INTERVAL_S)
        if not await self.journal.drained(within_s=within_s):
            log.warning("stopped with edits pending; their gateways will send them again")
        await self._client.flush()

    async def _beat(self, load: int) -> None:
        await self._client.publish(
            subjects.HEARTBEAT, frames.beat(self._settings.replica, load, draining=self._draining)
        )

    def _spawning(
        self, answer: Callable[[Msg], Awaitable[None]]
    ) -> Callable[[Msg], Awaitable[None]]:
        """Run *answer* beside the subscription, so that a slow one does not hold the next."""

        async def guarded(message: Msg) -> None:
            try:
                await answer(message)
            except frames.BadFrame as error:
                log.warning("bad frame from a gateway", reason=str(error))
            except Exception:
                # No answer: the gateway asks again, elsewhere.
                log.exception("request failed", subject=message.subject.split(".")[1])

        async def spawn(message: Msg) -> None:
            task = asyncio.create_task(guarded(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return spawn

    async def _on_edits(self, message: Msg) -> None:
        data = message.data
        try:
            number, trace_bytes = frames.read_batch_head(data)
        except frames.BadFrame as error:
            log.warning("bad frame from a gateway", reason=str(error))
            return
        reply = message.reply
        last = self._batches.get(reply)
        if last and last.number == number:
            # Sent again because our answer was slow or lost.
            if last.acknowledgement:
                await self._client.publish(reply, last.acknowledgement)
            return
        last = self._batches[reply] = _LastBatch(number)
        self._batches.move_to_end(reply)
        if len(self._batches) > GATEWAYS_MAX:
            self._batches.popitem(last=False)
        batch, refusals = await self._read(data, int(reply.rsplit(".", 1)[1], 16))

        async def done(heads: dict[bytes, int]) -> None:
            last.acknowledgement = frames.ack(number, heads, refusals)
            try:
                await self._client.publish(reply, last.acknowledgement)
            except nats.errors.Error as error:
                # The gateway sends the batch again and is then told what it missed.
                log.warning("acknowledgement not sent", reason=repr(error)[:200])

        edit = None if trace_bytes == frames.NO_TRACE else _span_context(trace_bytes)
        self.journal.submit(batch, done, edit)

    async def _read(self, data: bytes, gateway: int) -> tuple[Batch, list[tuple[int, int]]]:
        """Decode and validate a batch; returns what is good and which connections are refused."""
        batch = Batch()
        refusals: dict[int, int] = {}
        # PostgreSQL's bigint is signed; gateways keep to 31 bits.
        upper = gateway << 32
        size_max = self._settings.update_bytes_max
        check, full, refused = updates.check, self._rollups.full, self._refused
        for scene, author, tag, update in frames.read_batch(data):
            connection = upper | tag
            if earlier := refused.get(connection):
                # What follows a refused update may depend on it, so none of it can be stored. Its
                # refusal is sent again: the acknowledgement that carried it may have been lost.
                refusals[tag] = earlier
                continue
            if len(update) > size_max:
                reason = frames.REASON_TOO_LARGE
            elif scene in full:
                reason = frames.REASON_SCENE_FULL
            else:
                try:
                    check(update)
                except BadUpdate:
                    reason = frames.REASON_INVALID
                else:
                    batch.add(scene, author, connection, update)
                    continue
            refusals[tag] = refused[connection] = reason
            if len(refused) > REFUSED_CONNECTIONS_MAX:
                refused.popitem(last=False)
            _refused.labels(_REASONS[reason]).inc()
        return batch, list(refusals.items())

    async def announce(self, runs: dict[bytes, SceneRun]) -> None:
        """Publish each scene's run as one merged update; if that cannot be, one by one."""
        for scene, run in runs.items():
            try:
                merged = run.updates[0] if len(run.updates) == 1 else updates.merge(run.updates)
                await self._publish_run(scene, run, run.seq_from, run.seq_to, merged)
            except (BadUpdate, nats.errors.MaxPayloadError):
                for seq, update in enumerate(run.updates, run.seq_from):
                    await self._publish_single(scene, run, seq, update)
            except nats.errors.Error as error:
                # It is in the log: gateways see the gap, or find it by their poll of heads.
                log.warning("commit not announced", reason=repr(error)[:200])
        for observe in self.observers:
            observe(runs)

    async def _publish_single(self, scene: bytes, run: SceneRun, seq: int, update: bytes) -> None:
        try:
            await self._publish_run(scene, run, seq, seq, update)
        except nats.errors.Error as error:
            log.warning("commit not announced", reason=repr(error)[:200], seq=seq)

    async def _publish_run(
        self, scene: bytes, run: SceneRun, seq_from: int, seq_to: int, update: bytes
    ) -> None:
        gateway, tag = run.connection >> 32, run.connection & 0xFFFF_FFFF
        body = sync_message(UPDATE, update)
        await self._client.publish(
            subjects.scene(uuid_of(scene)), frames.fan(seq_from, seq_to, gateway, tag, body)
        )

    async def _on_sync(self, message: Msg) -> None:
        number, scene, vector = frames.read_sync_request(message.data)
        try:
            answer = await self._scenes.answer(scene, vector)
        except BadUpdate:
            await self._client.publish(message.reply, frames.refusal(number))
            return
        except SceneUnreadable:
            log.exception("scene cannot be read", scene_id=str(UUID(bytes=scene)))
            return
        await self._reply(message, number, frames.sync_answer(answer))

    async def _on_heads(self, message: Msg) -> None:
        number, scenes = frames.read_heads_request(message.data)
        await self._reply(message, number, frames.heads_answer(await self._store.heads(scenes)))

    async def _on_range(self, message: Msg) -> None:
        number, scene, seq_from, seq_to = frames.read_range_request(message.data)
        upto = min(seq_to, seq_from + RANGE_ROWS_MAX - 1)
        stored = await self._store.rows(uuid_of(scene), seq_from, upto)
        if stored.pruned or not stored.seqs:
            # Compacted meanwhile: more than was asked for does no harm, a hole would.
            stored = await self._store.load(uuid_of(scene), upto=upto, trust=Trust.COMPACTED)
        merged: bytes | None = updates.EMPTY
        if pieces := [stored.base, *stored.rows] if stored.base else stored.rows:
            merged = await self._workers.run(heavy.merge, pieces)
        if merged is None:
            log.error("rows cannot be merged", scene_id=str(uuid_of(scene)), seq_from=seq_from)
            return
        await self._reply(message, number, frames.range_answer(upto, merged))

    async def _reply(self, message: Msg, number: int, body: bytes) -> None:
        for part in frames.replies(number, body, REPLY_PART_BYTES_MAX):
            await self._client.publish(message.reply, part)


def _span_context(raw: bytes) -> SpanContext:
    """The gateway's span of a sampled edit: trace id, span id, flags."""
    return SpanContext(
        int.from_bytes(raw[:16]),
        int.from_bytes(raw[16:24]),
        is_remote=True,
        trace_flags=TraceFlags(raw[24]),
    )
