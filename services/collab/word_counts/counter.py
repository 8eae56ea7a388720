"""Counts the words of scenes that changed.

A scene is counted about three seconds after an edit, and every ten seconds while people go on
typing, in a worker process: the path of an edit only notes the scene's id. What no commit of this
replica told of, as when a replica died, a walk over all scenes finds.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

import asyncpg
import structlog
from prometheus_client import Counter

from libs.postgres.pool import UNREACHABLE
from libs.tasks import PeriodicTask, progressed
from services.collab.due import DueScenes
from services.collab.model import uuid_of
from services.collab.scenes import Scenes, SceneUnreadable
from services.collab.word_counts import counting
from services.collab.word_counts.store import Counted, WordCountStore
from services.collab.workers import WorkerDied, Workers

log = structlog.get_logger(__name__)

DELAY_S_MIN = 2.0
DELAY_S_MAX = 4.0
"""Time from the first edit that is not counted yet to the count of all until then."""
AGAIN_S_MIN = 8.0
AGAIN_S_MAX = 12.0
"""The same for a scene that was counted within the last RECENT_S: people go on typing in it."""
RECENT_S = 30.0
LOOK_INTERVAL_S = 0.25
UNREADABLE_AGAIN_S = 300.0
"""Time after which a scene is tried again that could not be read."""
DATABASE_AGAIN_S = 5.0
SCENES_TOGETHER = 16
"""Scenes of one job; more take no less time for each."""
PAUSE_S_MAX = 5.0
WALK_SCENES = 500
"""Scenes of one step of the walk: about 20 ms of the database."""
WALK_DELAY_S_MAX = 5.0
"""A replica begins its first walk within so many seconds, not with all others at once."""
WALK_JITTER = 0.1
WALK_DUTY = 0.05
"""Share of the time that the walk takes: after an upgrade it counts every scene there is."""

DATABASE_FAILURES = (*UNREACHABLE, asyncpg.PostgresError)

_counted = Counter("scriptorium_collab_words_counted", "Scenes of which the words were counted.")
_failed = Counter(
    "scriptorium_collab_words_count_failures", "Scenes of which the words could not be counted."
)


class WordCounter:
    """Keeps the word counts of scenes."""

    def __init__(
        self,
        store: WordCountStore,
        scenes: Scenes,
        workers: Workers,
        *,
        duty: float,
        walk_interval_s: float,
        on_counted: Callable[[], None],
    ) -> None:
        """Count in *workers* for the share *duty* of the time; call *on_counted* after counts."""
        self._store = store
        self._scenes = scenes
        self._workers = workers
        self._on_counted = on_counted
        self._due = DueScenes()
        self._recent: set[bytes] = set()
        self._before: set[bytes] = set()
        self._turned_at = time.monotonic()
        self.task = PeriodicTask(
            "word_counts",
            self.count_due,
            interval_s=LOOK_INTERVAL_S,
            duty=duty,
            rest_s_max=PAUSE_S_MAX,
        )
        self.walk = PeriodicTask(
            "word_count_walk",
            self.count_all_behind,
            interval_s=walk_interval_s,
            jitter=WALK_JITTER,
            first_after_s=random.uniform(0, WALK_DELAY_S_MAX),
        )

    def committed(self, scenes: Iterable[bytes]) -> None:
        """Note that the text of *scenes* changed: each is counted soon."""
        now: float | None = None
        for scene in scenes:
            if scene not in self._due:
                now = now or time.monotonic()
                again = scene in self._recent or scene in self._before
                earliest, latest = (
                    (AGAIN_S_MIN, AGAIN_S_MAX) if again else (DELAY_S_MIN, DELAY_S_MAX)
                )
                self._due.add_between(scene, now + earliest, now + latest)

    def imported(self, scene: UUID) -> None:
        """Note that a scene without a log was given blocks from elsewhere."""
        self.committed([scene.bytes])

    async def count_due(self) -> bool:
        """Count some of the scenes that are due; False when there are none."""
        now = time.monotonic()
        due: list[bytes] = []
        # Removed before the work: an edit committed during it makes the scene due again.
        while len(due) < SCENES_TOGETHER and (found := self._due.pop(now)):
            due.append(found[1])
        if not due:
            return False
        try:
            unreadable = await self.count([uuid_of(scene) for scene in due])
        except DATABASE_FAILURES as error:
            log.warning("counting words postponed", reason=repr(error)[:200])
            self._postpone(due, DATABASE_AGAIN_S)
        else:
            self._postpone([scene.bytes for scene in unreadable], UNREADABLE_AGAIN_S)
            self._remember(due, now)
        return True

    def _remember(self, scenes: Iterable[bytes], now: float) -> None:
        """Note that *scenes* were counted; this is forgotten after one to two times RECENT_S."""
        if now - self._turned_at > RECENT_S:
            self._before, self._recent, self._turned_at = self._recent, set(), now
        self._recent.update(scenes)

    def _postpone(self, scenes: Iterable[bytes], by_s: float) -> None:
        for scene in scenes:
            self._due.add(scene, time.monotonic() + by_s)

    async def count(self, scenes: Sequence[UUID]) -> list[UUID]:
        """Count the words of *scenes*; returns those that could not be counted.

        Raises:
            asyncpg.PostgresError, OSError: The database is away.
        """
        scenes = await self._store.without_branches(scenes)
        counts = [each for each in await self._counts(scenes) if each]
        if counts:
            await self._store.put(counts)
            _counted.inc(len(counts))
            self._on_counted()
        failed = list(set(scenes) - {each.scene_id for each in counts})
        _failed.inc(len(failed))
        return failed

    async def _counts(self, scenes: Sequence[UUID]) -> list[Counted | None]:
        """Count in one job; when the worker dies, in one for each, to find which scene it is."""
        try:
            return await self._counts_together(scenes)
        except WorkerDied:
            return [await self._count_alone(scene) for scene in scenes]

    async def _counts_together(self, scenes: Sequence[UUID]) -> list[Counted | None]:
        states: dict[UUID, tuple[int, bytes]] = {}
        found: list[Counted | None] = []
        for scene in scenes:
            try:
                state = await self._scenes.state(scene.bytes)
            except SceneUnreadable as error:
                log.warning("words not counted", scene_id=str(scene), reason=str(error)[:200])
                continue
            if state.upto:
                states[scene] = (state.upto, state.body)
            else:
                found.append(await self._count_imported(scene))
        bodies = [body for _, body in states.values()]
        counts = await self._workers.run(counting.count, bodies) if bodies else []
        for (scene, (seq, _)), words in zip(states.items(), counts, strict=True):
            found.append(None if words is None else Counted(scene, seq, words))
        return found

    async def _count_alone(self, scene: UUID) -> Counted | None:
        try:
            [found] = await self._counts_together([scene]) or [None]
        except WorkerDied:
            log.warning("scene killed a worker", scene_id=str(scene))
            return None
        return found

    async def _count_imported(self, scene: UUID) -> Counted | None:
        """Count the blocks that wait for their migration; a scene without any has no words."""
        imported = await self._store.imported(scene)
        if imported is None:
            return Counted(scene, 0, 0)
        words: int | None = await self._workers.run(
            counting.count_blocks, imported.packed, imported.size
        )
        return None if words is None else Counted(scene, 0, words)

    async def count_all_behind(self) -> None:
        """Walk over all scenes and count those whose count is missing or of an earlier text."""
        after: UUID | None = UUID(int=0)
        while after is not None:
            started = time.monotonic()
            page = await self._store.page(after, WALK_SCENES)
            await self._pause(started)
            behind = [scene for scene, is_behind in page if is_behind]
            await self._count_in_steps(behind)
            after = page[-1][0] if len(page) == WALK_SCENES else None
        await self._count_in_steps(await self._store.uncounted_imports(WALK_SCENES))

    async def _count_in_steps(self, scenes: Sequence[UUID]) -> None:
        for start in range(0, len(scenes), SCENES_TOGETHER):
            started = time.monotonic()
            await self.count(scenes[start : start + SCENES_TOGETHER])
            await self._pause(started)

    async def _pause(self, started: float) -> None:
        rest_s = min((time.monotonic() - started) * (1 / WALK_DUTY - 1), PAUSE_S_MAX)
        progressed(rest_s)
        await asyncio.sleep(rest_s)
