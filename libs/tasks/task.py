"""A task: a name, an interval or a trigger, a share of the time, and one step.

A step that fails is tried again, later each time up to a limit; no failure ends the task or its
process. A task has *stalled*, as its metrics show, when nothing succeeded for longer
than its pause and its patience together, be it because it hangs, because it fails again and
again, or because it is dead.
"""

import asyncio
import math
import random
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta

import asyncpg
import structlog

from libs import errors
from libs.postgres.pool import UNREACHABLE
from libs.tasks import metrics
from libs.tasks.pacing import rest_of
from libs.tasks.positions import TaskPositions
from libs.tasks.progress import current

log = structlog.get_logger(__name__)
PATIENCE_S = 300.0
"""How long a step may take without saying that it goes on."""
BACKOFF_S_FIRST = 0.5
BACKOFF_S_MAX = 60.0
BACKOFF_S_LEAST = 5.0
"""A task that works more often than this still leaves such pauses while it fails."""
POLL_S_MAX = 15.0
"""A replica asks at least so often whether a shared task is due."""
REASON_CHARS_MAX = 200
POSTPONING = (*UNREACHABLE, asyncpg.PostgresError, errors.AppError)
"""Failures that pass by themselves. Others are mistakes of ours and logged with their trace."""

_NAME = re.compile(r"[a-z_]{1,40}")

type Duty = float | Callable[[], float]


class PeriodicTask:
    """Does its step again and again: at once while there is more to do, else after an interval."""

    def __init__(
        self,
        name: str,
        step: Callable[[], Awaitable[object]],
        *,
        interval_s: float,
        duty: Duty = 1.0,
        rest_s_max: float = math.inf,
        jitter: float = 0.0,
        first_after_s: float = 0.0,
        patience_s: float = PATIENCE_S,
        backoff_s_max: float | None = None,
    ) -> None:
        """Make a task that nothing runs yet.

        Args:
            name: Label of its metrics, and of its lock and position if it is shared.
            step: The work; it returns something true when there is more to do now.
            interval_s: Pause when there is nothing more to do; `wake` ends it early.
            duty: Share of the time that steps take at most; asked anew after each step.
            rest_s_max: Longest rest that *duty* asks for.
            jitter: Share by which an interval is longer or shorter, so that replicas spread.
            first_after_s: Pause before the first step.
            patience_s: How long a step may take before the task counts as stalled.
            backoff_s_max: Longest pause after failures; without it that depends on the interval.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a task")
        self.name = name
        self.interval_s = interval_s
        self._step = step
        self._duty = duty
        self._rest_s_max = rest_s_max
        self._jitter = jitter
        self._first_after_s = first_after_s
        self._patience_s = patience_s
        self._backoff_s_max = backoff_s_max or max(BACKOFF_S_LEAST, min(interval_s, BACKOFF_S_MAX))
        self._failures = 0
        self._wake = asyncio.Event()
        self._succeeded_at = self._expected_by = self._alive_until = -math.inf

    @property
    def is_working(self) -> bool:
        """Whether the task runs and succeeded recently enough, or says that its step goes on."""
        return time.monotonic() < max(self._expected_by, self._alive_until)

    @property
    def success_age_s(self) -> float:
        """How long ago a step last succeeded, or the task began."""
        return time.monotonic() - self._succeeded_at

    def wake(self) -> None:
        """There is something to do now; a rest or a pause after a failure is not cut short."""
        self._wake.set()

    def progressed(self, pause_s: float = 0.0) -> None:
        """The step under way goes on; nothing more is done for *pause_s*."""
        self._alive_until = time.monotonic() + pause_s + self._patience_s

    def _succeeded(self, pause_s: float) -> None:
        self._succeeded_at = time.monotonic()
        self._expected_by = self._succeeded_at + pause_s + self._patience_s
        self._alive_until = -math.inf

    async def run(self) -> None:
        """Work until cancelled."""
        self._show()
        current.set(self)
        self._succeeded(self._first_after_s)
        try:
            await asyncio.sleep(self._first_after_s)
            while True:
                await self._turn()
        finally:
            self._expected_by = self._alive_until = -math.inf

    async def _turn(self) -> None:
        self._wake.clear()
        started = time.monotonic()
        try:
            more = await self._work()
        except POSTPONING as error:
            pause_s = self._postpone()
            reason = repr(error)[:REASON_CHARS_MAX]
            log.warning("task postponed", task=self.name, reason=reason, retry_in_s=pause_s)
            await asyncio.sleep(pause_s)
        except Exception:
            pause_s = self._postpone()
            log.exception("task failed", task=self.name, retry_in_s=pause_s)
            await asyncio.sleep(pause_s)
        else:
            self._failures = 0
            await self._pause(self._rest_s(started), more)

    async def _work(self) -> object:
        """Do what there is to do in one turn; returns whether there is more."""
        return await self._observed(self._step())

    async def _observed[T](self, step: Awaitable[T]) -> T:
        with metrics.seconds.labels(self.name).time():
            done = await step
        metrics.runs.labels(self.name).inc()
        return done

    def _rest_s(self, started: float) -> float:
        duty = self._duty() if callable(self._duty) else self._duty
        return min(rest_of(time.monotonic() - started, duty), self._rest_s_max)

    async def _pause(self, rest_s: float, more: object) -> None:
        spread = random.uniform(1 - self._jitter, 1 + self._jitter)
        idle_s = 0.0 if more else max(0.0, self.interval_s * spread - rest_s)
        self._succeeded(rest_s + idle_s)
        if more or rest_s:
            await asyncio.sleep(rest_s)
        if idle_s:
            try:
                async with asyncio.timeout(idle_s):
                    await self._wake.wait()
            except TimeoutError:
                return

    def _postpone(self) -> float:
        metrics.failures.labels(self.name).inc()
        # A power of more is no float.
        wanted_s = BACKOFF_S_FIRST * 2 ** min(self._failures, 32)
        # A step that fails once is given the time to be done again, unless it had hung before.
        again = not self._failures and self.is_working
        self._alive_until = time.monotonic() + self._patience_s if again else -math.inf
        self._failures += 1
        return min(wanted_s, self._backoff_s_max)

    def _show(self) -> None:
        # Counted from nought, so that an alert sees the first failure.
        for metric in (metrics.runs, metrics.failures, metrics.seconds):
            metric.labels(self.name)
        metrics.success_age.labels(self.name).set_function(lambda: self.success_age_s)
        metrics.stalled.labels(self.name).set_function(lambda: float(not self.is_working))


class SharedTask(PeriodicTask):
    """A pass over many things that one replica at a time does; another goes on where it ended.

    Its lock is held for the whole pass and saves work, nothing else: see `libs.postgres.locks`.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[str], Awaitable[str | None]],
        *,
        positions: TaskPositions,
        every_s: float,
        poll_s_max: float = POLL_S_MAX,
        duty: Duty = 1.0,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Make a task that nothing runs yet.

        Args:
            name: Of its metrics, its lock and its position.
            step: Goes on from a position, '' at the beginning, and returns how far it came; None
                when the pass is done.
            positions: Where the position is kept.
            every_s: Time from the end of one pass to the beginning of the next.
            poll_s_max: How long this replica waits at most before it asks again if one is due.
            duty: Share of the time that steps take at most.
            patience_s: How long a step may take before the task counts as stalled.
        """
        super().__init__(
            name,
            self.run_pass,
            interval_s=min(every_s, poll_s_max),
            duty=duty,
            patience_s=patience_s,
        )
        self._walk = step
        self._positions = positions
        self._every = timedelta(seconds=every_s)
        self.report: Counter[str] = Counter()
        """Counts of this pass in this replica: steps add to them, its end stores them."""

    async def _work(self) -> object:
        await self.run_pass()
        return False

    async def _pause(self, rest_s: float, more: object) -> None:
        del rest_s  # each step has had its own
        await super()._pause(0.0, more)

    async def run_pass(self) -> bool:
        """Do a pass, or the rest of one; False when none is due or another replica is at it."""
        async with self._positions.turn(self.name) as ours:
            position = await self._positions.begin(self.name, self._every) if ours else None
            if position is None:
                return False
            self.report.clear()
            while True:
                started = time.monotonic()
                position = await self._observed(self._walk(position))
                if position is None:
                    break
                await self._positions.keep(self.name, position)
                rest_s = self._rest_s(started)
                self._failures = 0
                self._succeeded(rest_s)
                await asyncio.sleep(rest_s)
            await self._positions.end(self.name, self.report)
        return True
