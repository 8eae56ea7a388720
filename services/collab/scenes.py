"""The state of scenes for those who join: read from the log, merged, remembered for a while.

Always the database first: a cached state is only a shorter way to the same answer, keyed by the
seq it reaches, and each answer reads what came after it.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog
from prometheus_client import Counter, Histogram

from libs.contracts.collab.frames import SyncAnswer
from libs.contracts.collab.yprotocol import EMPTY_STATE_VECTOR
from services.collab import heavy, updates
from services.collab.model import uuid_of
from services.collab.store import Store, Stored, Trust
from services.collab.updates import EMPTY, BadUpdate
from services.collab.workers import WorkerDied, Workers

log = structlog.get_logger(__name__)

INLINE_BYTES_MAX = 96 * 1024
"""Larger states are merged in a worker; this much takes about 2 ms of the event loop."""
INLINE_ROWS_MAX = 300
DIFFERENCE_INLINE_BYTES_MAX = 256 * 1024
CHECKSUM = "checksum mismatch"
"""Why a row is quarantined whose bytes are not those that were accepted."""
FATAL_ATTEMPTS = 2
"""So often a worker must die of one row before the row is blamed, and not chance."""

_load_times = Histogram(
    "yjs_primary_scene_load_time_ms",
    "Time to bring a scene's state up to date for a join, milliseconds.",
    # 200 and 500 are the thresholds of its alerts.
    buckets=(0.5, 1, 2.5, 5, 10, 25, 50, 100, 200, 500, 1_000, 5_000),
)
_quarantined = Counter(
    "scriptorium_collab_quarantined_total", "Log rows excluded from their document.", ["cause"]
)


@dataclass(frozen=True, slots=True)
class State:
    """All of a scene up to a seq."""

    upto: int
    body: bytes
    vector: bytes
    deletions: bytes
    repairs: int = 0
    """How many repairs of the scene came before this was read."""


type Built = tuple[bytes, bytes, bytes]
"""State, state vector, deletions."""

NOTHING = State(0, EMPTY, EMPTY_STATE_VECTOR, EMPTY)


class SceneUnreadable(Exception):
    """The scene's rows could not be made into a document, even without the quarantined ones."""


class Scenes:
    """States of recently opened scenes, within `cache_bytes_max`."""

    def __init__(self, store: Store, workers: Workers, *, cache_bytes_max: int) -> None:
        """Read from *store*, do heavy merging in *workers*."""
        self._store = store
        self._workers = workers
        self._cache: OrderedDict[bytes, State] = OrderedDict()
        self._cache_bytes = 0
        self._cache_bytes_max = cache_bytes_max
        self.on_long_tail: Callable[[bytes, int], None] = lambda _scene, _rows: None
        """Told that a load had to read so many rows: a head would spare the next one that."""
        self.on_damage: Callable[[UUID, str, int], None] = lambda _scene, _kind, _seq: None
        """Told of what a load could not use: `head`, `compacted` or `log`, and its seq."""
        self._running: dict[bytes, asyncio.Task[State]] = {}
        self._waiting: dict[bytes, asyncio.Task[State]] = {}

    async def answer(self, scene: bytes, vector: bytes) -> SyncAnswer:
        """What a client with the state vector *vector* lacks.

        Raises:
            BadUpdate: *vector* is no state vector.
            SceneUnreadable: See there.
        """
        clocks = updates.read_state_vector(vector)
        state = await self.state(scene)
        if not clocks:
            missing = state.body
        elif len(state.body) <= DIFFERENCE_INLINE_BYTES_MAX:
            missing = updates.difference(state.body, vector)
        else:
            found = await self._workers.run(heavy.difference, state.body, vector)
            if found is None:
                raise BadUpdate("not a state vector")
            missing = found
        return SyncAnswer(state.upto, missing, state.vector, state.deletions)

    async def state(self, scene: bytes) -> State:
        """The state of a scene with everything committed before this call.

        Calls that arrive while a load runs share the next one: the running one may have read the
        log before their subscription began.
        """
        task = self._waiting.get(scene)
        if task is None:
            task = asyncio.create_task(self._after(self._running.get(scene), scene))
            self._waiting[scene] = task
        return await asyncio.shield(task)

    def forget(self, scene: bytes) -> None:
        """Drop what is remembered of a scene."""
        if old := self._cache.pop(scene, None):
            self._cache_bytes -= len(old.body)

    async def _after(self, running: asyncio.Task[State] | None, scene: bytes) -> State:
        if running:
            await asyncio.wait([running])
        me = self._waiting.pop(scene)
        self._running[scene] = me
        started = time.perf_counter()
        try:
            return await self._load(scene)
        finally:
            _load_times.observe((time.perf_counter() - started) * 1e3)
            if self._running.get(scene) is me:
                del self._running[scene]

    async def _load(self, scene: bytes) -> State:
        """Bring the state up to date, some rows at a time, so that no log is too long for it."""
        state, rows, trust = self._cache.get(scene, NOTHING), 0, Trust.HEAD
        while True:
            stored = await self._store.load(uuid_of(scene), state.upto, trust=trust)
            if stored.repairs != state.repairs:
                # What was remembered may come from what was wrong.
                remembered, state = state, replace(NOTHING, repairs=stored.repairs)
                if remembered.upto:
                    continue
            if stored.base_damaged:
                # From the start, by the next longer way.
                state = replace(NOTHING, repairs=stored.repairs)
                trust = await self.step_down(scene, stored, trust)
                continue
            if stored.pruned:
                raise SceneUnreadable(f"{uuid_of(scene)}: what was compacted is damaged")
            if stored.damaged:
                await self.quarantine(scene, dict.fromkeys(stored.damaged, CHECKSUM))
            if stored.upto:
                base = stored.base if stored.base is not None else state.body
                built = await self._merged(scene, base, stored)
                state = State(stored.upto, *built, repairs=stored.repairs)
                rows += len(stored.rows)
            if not stored.full:
                break
        self._remember(scene, state)
        if rows > INLINE_ROWS_MAX:
            self.on_long_tail(scene, rows)
        return state

    async def step_down(self, scene: bytes, stored: Stored, trust: Trust) -> Trust:
        """Report a damaged base; returns how much may be trusted without it.

        A damaged compacted row is quarantined, so that an older one serves if there is one.
        """
        scene_id, seq = uuid_of(scene), stored.base_seq
        if stored.base_is_head:
            log.error("head is damaged", scene_id=str(scene_id), seq=seq)
            self.on_damage(scene_id, "head", seq)
            return Trust.COMPACTED
        await self._store.quarantine(scene_id, {seq: CHECKSUM}, compacted=True)
        log.error("compacted row is damaged", scene_id=str(scene_id), seq=seq)
        self.on_damage(scene_id, "compacted", seq)
        return trust

    async def _merged(self, scene: bytes, base: bytes, stored: Stored) -> Built:
        pieces = [base, *stored.rows] if base != EMPTY else stored.rows
        if not pieces:
            return EMPTY, EMPTY_STATE_VECTOR, EMPTY
        size = sum(map(len, pieces))
        if size <= INLINE_BYTES_MAX and len(pieces) <= INLINE_ROWS_MAX:
            if done := heavy.join(pieces):
                return done
        else:
            job = heavy.join if len(pieces) <= INLINE_ROWS_MAX else heavy.integrate
            try:
                if done := await self._workers.run(job, pieces):
                    return done
            except WorkerDied:
                log.warning("scene killed a worker", scene_id=str(uuid_of(scene)))
        return await self._without_bad(scene, base if base != EMPTY else None, stored)

    async def _without_bad(self, scene: bytes, head: bytes | None, stored: Stored) -> Built:
        """Find the rows that break the document, quarantine them, and build it without them."""
        try:
            bad = await self.find_bad(head, stored.seqs, stored.rows)
            good = [
                row for seq, row in zip(stored.seqs, stored.rows, strict=True) if seq not in bad
            ]
            done = await self._workers.run(heavy.integrate, [head, *good] if head else good)
        except WorkerDied as error:
            raise SceneUnreadable(str(uuid_of(scene))) from error
        if done is None:
            raise SceneUnreadable(str(uuid_of(scene)))
        await self.quarantine(scene, bad)
        return done

    async def find_bad(
        self, head: bytes | None, seqs: Sequence[int], rows: Sequence[bytes]
    ) -> dict[int, str]:
        """Which rows break the document, with the reason, even if they take their worker along.

        Raises:
            WorkerDied: Workers die of rows that are good each by itself.
        """
        for _ in range(FATAL_ATTEMPTS):
            try:
                return await self._workers.run(heavy.find_bad, head, seqs, rows)
            except WorkerDied:
                if len(rows) > 1:
                    break
        else:
            return dict.fromkeys(seqs, "ends the process that takes it in")
        middle = len(rows) // 2
        bad = await self.find_bad(head, seqs[:middle], rows[:middle])
        good = [
            row
            for seq, row in zip(seqs, rows, strict=True)
            if seq < seqs[middle] and seq not in bad
        ]
        pieces = [head, *good] if head else good
        done = await self._workers.run(heavy.integrate, pieces)
        base = done[0] if done and pieces else None
        return bad | await self.find_bad(base, seqs[middle:], rows[middle:])

    async def quarantine(self, scene: bytes, bad: dict[int, str]) -> None:
        """Exclude rows from the document; they stay in the log for a person to look at."""
        if not bad:
            return
        for seq in await self._store.quarantine(uuid_of(scene), bad):
            cause = "checksum" if bad[seq] == CHECKSUM else "content"
            _quarantined.labels(cause).inc()
            log.error("row quarantined", scene_id=str(uuid_of(scene)), seq=seq, reason=bad[seq])
            self.on_damage(uuid_of(scene), "log", seq)

    def _remember(self, scene: bytes, state: State) -> None:
        if old := self._cache.pop(scene, None):
            self._cache_bytes -= len(old.body)
        self._cache[scene] = state
        self._cache_bytes += len(state.body)
        while self._cache_bytes > self._cache_bytes_max and len(self._cache) > 1:
            _, evicted = self._cache.popitem(last=False)
            self._cache_bytes -= len(evicted.body)
