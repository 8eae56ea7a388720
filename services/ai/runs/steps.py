"""The steps of a run: each is done once, and its recorded result is used from then on.

A workflow calls `Steps.do` in the same order whenever it runs. A step whose result is recorded is
not done again; so a run that another worker takes up goes on where the record ends.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

import structlog

from libs import errors
from libs.contracts.wire import Wire
from libs.tasks import passed
from services.ai import metrics
from services.ai.store import Claimed, StepRecord, Store

log = structlog.get_logger(__name__)

TRIES_MAX = 4
"""How often a step is tried before the run is postponed."""
RETRY_S_FIRST = 0.25
TRANSIENT = (errors.Unavailable, errors.DeadlineExceeded, errors.RateLimited)
"""Failures that pass by themselves."""


class StepChanged(Exception):
    """The recorded step at this place has another name: another release began the run."""


class Steps:
    """The steps of one run in one claim."""

    def __init__(
        self,
        store: Store,
        claimed: Claimed,
        *,
        lease_s: float,
        on_record: Callable[[UUID], Awaitable[None]],
    ) -> None:
        """Record in *store* what is not among the memos of *claimed*, and call *on_record* then."""
        self._store = store
        self._claimed = claimed
        self._lease_s = lease_s
        self._on_record = on_record
        self._seq = 0
        self._read: dict[UUID, int] = {}

    def note_read(self, scene: UUID, seq: int) -> None:
        """Note that the text of a scene was read at a version, for the next record."""
        self._read[scene] = seq

    async def do[T: Wire](self, name: str, result: type[T], work: Callable[[], Awaitable[T]]) -> T:
        """Return the recorded result of the next step, or do it and record its result.

        Raises:
            StepChanged: The step that is recorded there has another name.
            LeaseLost: Another worker has the run; nothing was recorded.
            errors.AppError: The step failed, or the database is away.
        """
        memos = self._claimed.memos
        self._seq += 1
        if self._seq <= len(memos):
            recorded, memo = memos[self._seq - 1]
            if recorded != name:
                raise StepChanged(f"step {self._seq} is {recorded!r}, not {name!r}")
            return result.model_validate(memo)
        began = datetime.now(UTC)
        attempts, done = await self._tried(name, work)
        passed("ai.step_done")
        step = StepRecord(
            seq=self._seq,
            name=name,
            memo=done.model_dump(mode="json", by_alias=True),
            attempts=attempts,
            started_at=began,
            read=self._read,
        )
        await self._store.record(self._claimed.claim, step, lease_s=self._lease_s)
        self._read = {}
        metrics.steps_recorded.inc()
        passed("ai.step_recorded")
        await self._on_record(self._claimed.claim.run_id)
        return done

    async def _tried[T](self, name: str, work: Callable[[], Awaitable[T]]) -> tuple[int, T]:
        attempt = 1
        while True:
            try:
                return attempt, await work()
            except TRANSIENT as error:
                if attempt == TRIES_MAX:
                    raise
                pause_s = RETRY_S_FIRST * 2 ** (attempt - 1)
                log.info("step failed", step=name, code=error.code, retry_in_s=pause_s)
                metrics.step_retries.inc()
                await asyncio.sleep(pause_s)
                attempt += 1
