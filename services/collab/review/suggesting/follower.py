"""Tells the changes of branches of suggestions, a moment after they or their scenes are edited."""

import time
from collections.abc import Iterable, Sequence
from uuid import UUID

import asyncpg
import structlog
from prometheus_client import Counter, Histogram

from libs import errors
from libs.postgres.pool import UNREACHABLE
from libs.tasks import PeriodicTask, passed, progressed
from services.collab.commits import Commits, Row
from services.collab.due import DueScenes
from services.collab.editors import SceneEditors
from services.collab.model import uuid_of
from services.collab.review.anchors.view import SceneAt
from services.collab.review.suggesting import deriving
from services.collab.review.suggesting.store import Held, Outrun, Step, SuggestingStore
from services.collab.scenes import Scenes, SceneUnreadable, State
from services.collab.store import Fenced
from services.collab.updates import BadUpdate
from services.collab.workers import WorkerDied, Workers

log = structlog.get_logger(__name__)

DELAY_S_MIN = 1.0
DELAY_S_MAX = 2.0
"""Time from the first edit that was not told to the step that tells it."""
LOOK_INTERVAL_S = 0.25
TOGETHER = 64
TRIES_MAX = 5
"""How often a step is tried when others store theirs first."""
AGAIN_S = 10.0
"""Time after which a branch is tried again that could not be read."""
PAUSE_S_MAX = 2.0
WALK_BRANCHES = 500
WALK_INTERVAL_S = 60.0

_followed = Histogram(
    "scriptorium_collab_suggesting_seconds", "Time to tell the changes of one branch."
)
_failed = Counter(
    "scriptorium_collab_suggesting_failures", "Branches whose changes could not be told."
)


class SuggestingFollower:
    """Keeps branches of suggestions in step with their scenes, and tells their changes."""

    def __init__(
        self,
        store: SuggestingStore,
        scenes: Scenes,
        editors: SceneEditors,
        *,
        commits: Commits,
        workers: Workers,
        duty: float,
    ) -> None:
        """Follow for the share *duty* of the time; texts are read in *workers*."""
        self._store = store
        self._scenes = scenes
        self._editors = editors
        self._commits = commits
        self._workers = workers
        self._due = DueScenes()
        self._decided: dict[UUID, None] = {}
        self.task = PeriodicTask(
            "suggesting",
            self.follow_due,
            interval_s=LOOK_INTERVAL_S,
            duty=duty,
            rest_s_max=PAUSE_S_MAX,
        )
        self.walk = PeriodicTask(
            "suggesting_walk", self.follow_all_behind, interval_s=WALK_INTERVAL_S, jitter=0.1
        )

    def committed(self, documents: Iterable[bytes]) -> None:
        """Note that scenes or branches were edited."""
        now: float | None = None
        for document in documents:
            if document not in self._due:
                now = now or time.monotonic()
                self._due.add_between(document, now + DELAY_S_MIN, now + DELAY_S_MAX)

    def decided(self, branch: UUID) -> None:
        """Note that a suggestion of *branch* was decided about."""
        self._decided[branch] = None
        self.task.wake()

    async def follow_due(self) -> bool:
        """Follow some of the branches that are due; False when there are none."""
        now = time.monotonic()
        due: list[bytes] = []
        while len(due) < TOGETHER and (found := self._due.pop(now)):
            due.append(found[1])
        decided, self._decided = list(self._decided), {}
        if not due and not decided:
            return False
        try:
            found = await self._store.concerned([uuid_of(document) for document in due])
            for branch in dict.fromkeys([*decided, *found]):
                await self.follow(branch)
                progressed()
        except (*UNREACHABLE, asyncpg.PostgresError) as error:
            log.warning("telling suggestions postponed", reason=repr(error)[:200])
            for document in [*due, *(branch.bytes for branch in decided)]:
                self._due.add(document, time.monotonic() + AGAIN_S)
        return True

    async def follow_all_behind(self) -> None:
        """Follow branches that were edited or decided about while no living replica knew of it."""
        after: UUID | None = UUID(int=0)
        while after is not None:
            branches = await self._store.behind(after, WALK_BRANCHES)
            for branch in branches:
                await self.follow(branch)
                progressed()
            after = branches[-1] if len(branches) == WALK_BRANCHES else None

    async def follow(self, branch: UUID) -> None:
        """Tell the changes of a branch as they are now."""
        try:
            with _followed.time():
                for _ in range(TRIES_MAX):
                    try:
                        await self._step(branch)
                    except (Outrun, Fenced):
                        continue
                    return
            # People write all the time: the next look comes soon.
            self._due.add(branch.bytes, time.monotonic() + DELAY_S_MAX)
        except (errors.AppError, WorkerDied, BadUpdate, SceneUnreadable) as error:
            _failed.inc()
            log.warning("suggestions not told", branch_id=str(branch), reason=repr(error)[:200])
            self._due.add(branch.bytes, time.monotonic() + AGAIN_S)

    async def _step(self, branch: UUID) -> None:
        held = await self._store.read(branch)
        if held is None:
            return
        heads = await self._commits.heads([held.scene.bytes, branch.bytes])
        if heads == [held.base_seq, held.followed_seq] and held.is_settled:
            return
        scene = await self._scenes.state(held.scene.bytes)
        own = await self._scenes.state(branch.bytes)
        editor = (await self._editors.of(held.scene)).editor
        at = SceneAt(held.scene.bytes, scene.upto, scene.body, editor)
        is_same = scene.upto == held.base_seq
        derived, base = await self._workers.run(
            deriving.follow, at, held.base, own.body, held.known, is_same
        )
        written = await self._stored(held, (scene, own), derived, base)
        await self._commits.announce(written)

    async def _stored(
        self,
        held: Held,
        states: tuple[State, State],
        derived: deriving.Derived,
        base: deriving.Packed | None,
    ) -> Sequence[Row]:
        scene, own = states
        written: Sequence[Row] = ()
        followed = own.upto
        async with self._store.pool.acquire() as connection, connection.transaction():
            if derived.update is not None:
                edits = [(held.id, derived.update)]
                written = await self._commits.commit_within(connection, held.actor, edits)
                # Otherwise its author typed on meanwhile, which is told next.
                followed += written[0].seq == followed + 1
            step = Step(scene.upto, followed, base, derived.told, derived.unexpressed)
            await self._store.store(connection, held, step)
            passed("suggesting.stored")
        passed("suggesting.committed")
        return written
