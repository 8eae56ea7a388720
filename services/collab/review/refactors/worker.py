"""Background work at refactors: any replica goes on where another one died.

The lock of a refactor is held by the session of one replica, so it is free as soon as that dies.
"""

import asyncio
from uuid import UUID

import asyncpg
import structlog

from libs import errors
from libs.postgres import AdvisoryLocks, LockKey
from libs.postgres.pool import UNREACHABLE
from libs.tasks import PeriodicTask
from services.collab.review.refactors.carrying import Carrier
from services.collab.review.refactors.finding import Finder
from services.collab.review.refactors.store import SQL, RefactorStore

log = structlog.get_logger(__name__)

LOOK_INTERVAL_S = 5.0
"""Time after which a replica looks for what another one left."""
DUTY = 0.7
"""Share of the time that finding takes at most: people and edits come first."""
REST_S_MAX = 0.5
WAIT_S = 0.1
"""Time after which a request looks again whether another replica is done."""
CARRIED_S_MAX = 55.0
"""A request waits no longer; the work goes on without it."""
UNPLANNED_REMEMBERED_MAX = 1_000

_AT_WORK = ("APPLYING", "REVERTING")


class RefactorWorker:
    """Finds refactors and carries them out."""

    def __init__(
        self, store: RefactorStore, locks: AdvisoryLocks, finder: Finder, carrier: Carrier
    ) -> None:
        """Work at what *store* has, each refactor under a lock of *locks*."""
        self._store = store
        self._locks = locks
        self._finder = finder
        self._carrier = carrier
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._unplannable: set[UUID] = set()
        self.task = PeriodicTask(
            "refactors", self.step, interval_s=LOOK_INTERVAL_S, duty=DUTY, rest_s_max=REST_S_MAX
        )

    def wake(self) -> None:
        """Say that there may be something to do."""
        self.task.wake()

    async def step(self) -> bool:
        """Do a step of one refactor; False when there is nothing to do now."""
        busy: list[UUID] = []
        while True:
            due = await self._store.row(SQL.due, busy)
            if due is None:
                return await self._plan()
            async with self._locks.hold(LockKey.REFACTOR, due["id"]) as ours:
                if ours:
                    await self._go_on(due["id"])
                    return True
            busy.append(due["id"])

    async def carry_out(self, refactor: UUID) -> None:
        """Carry an order out, or wait until another replica has, for CARRIED_S_MAX at most."""
        task = self._running.get(refactor)
        if task is None:
            task = asyncio.create_task(self._carry_out(refactor))
            self._running[refactor] = task
            task.add_done_callback(lambda _: self._running.pop(refactor, None))
        try:
            await asyncio.wait_for(asyncio.shield(task), CARRIED_S_MAX)
        except TimeoutError:
            return
        except (errors.Unavailable, *UNREACHABLE, asyncpg.PostgresError):
            # The order stands; the background carries it on.
            self.task.wake()

    async def _carry_out(self, refactor: UUID) -> None:
        while True:
            async with self._locks.hold(LockKey.REFACTOR, refactor) as ours:
                if ours:
                    await self._go_on(refactor)
                    return
            await asyncio.sleep(WAIT_S)
            row = await self._store.row(SQL.refactor_by_id, refactor)
            if row is None or row["state"] not in _AT_WORK:
                return

    async def _go_on(self, refactor: UUID) -> None:
        row = await self._store.row(SQL.refactor_by_id, refactor)
        if row is None:
            return
        if row["state"] == "FINDING":
            try:
                await self._finder.step(row)
            except (errors.Unavailable, errors.Internal):
                raise
            except errors.AppError as error:
                log.warning("a refactor cannot be found", reason=error.code)
                await self._finder.fail(row, error)
        elif row["state"] in _AT_WORK:
            await self._carrier.carry_out(row)

    async def _plan(self) -> bool:
        """Make the edit of one scene whose hits were chosen anew."""
        row = await self._store.row(SQL.unplanned, list(self._unplannable))
        if row is None:
            return False
        if len(self._unplannable) >= UNPLANNED_REMEMBERED_MAX:
            self._unplannable.clear()
        # Tried once: an order makes it in any case.
        self._unplannable.add(row["scene_id"])
        await self._carrier.plan_scene(row["refactor_id"], row["project_id"], row["scene_id"])
        self._unplannable.discard(row["scene_id"])
        return True
