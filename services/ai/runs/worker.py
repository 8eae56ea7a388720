"""Takes runs up and does them, as many at a time as this replica may.

A lease says who works on a run. It is renewed while the worker lives; when it expires another
worker goes on, and the first one records nothing more, should it wake up again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol
from uuid import UUID, uuid4

import structlog

from libs import errors
from libs.contracts.ai.runs import RunError, RunOutput
from libs.tasks import PeriodicTask
from services.ai import metrics
from services.ai.runs.steps import TRANSIENT, StepChanged, Steps
from services.ai.store import Claim, Claimed, LeaseLost, Store

log = structlog.get_logger(__name__)

LEASE_S = 10.0
RENEW_INTERVAL_S = 2.5
POLL_S = 1.0
"""A run whose announcement was lost, and one whose worker is gone, is found within so long."""
ATTEMPTS_MAX = 8
"""A run that is taken up more often fails: something in it ends its workers."""
POSTPONE_S_FIRST = 2.0
POSTPONE_S_MAX = 120.0
RELEASE_WAIT_S = 5.0


class Workflow(Protocol):
    """The steps of one kind of run."""

    async def run(self, claimed: Claimed, steps: Steps) -> "Outcome":
        """Do the steps, and return the result."""
        ...


class Outcome:
    """The result of a run, and the data of the facts that are announced with its end."""

    def __init__(
        self, output: RunOutput, also: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        """Keep the *output* and the further facts."""
        self.output = output
        self.also = also or {}


class Worker:
    """Works on runs, and renews their leases."""

    def __init__(
        self,
        store: Store,
        workflows: Mapping[str, Workflow],
        *,
        replica: str,
        at_once: int,
        project_max: int,
        on_change: Callable[[UUID], Awaitable[None]],
    ) -> None:
        """Do at most *at_once* runs; call *on_change* when something happened to a run."""
        self._store = store
        self._workflows = workflows
        self._project_max = project_max
        self._at_once = at_once
        self._on_change = on_change
        # A process that was started again does not hold what its predecessor held.
        self._name = f"{replica}-{uuid4().hex[:8]}"
        self._running: dict[UUID, tuple[Claim, asyncio.Task[None]]] = {}
        self._cancelled = set[UUID]()
        self._is_stopping = False
        self.task = PeriodicTask("runs", self.look, interval_s=POLL_S)
        self.renewing = PeriodicTask("run_leases", self.renew, interval_s=RENEW_INTERVAL_S)

    async def look(self) -> bool:
        """Take one run up, if there is room; return whether there may be more.

        Raises:
            errors.Unavailable: The database is away.
        """
        if self._is_stopping or len(self._running) >= self._at_once:
            return False
        claimed = await self._store.claim(
            self._name, lease_s=LEASE_S, project_max=self._project_max
        )
        if claimed is None:
            return False
        metrics.runs_taken.inc()
        claim = claimed.claim
        task = asyncio.create_task(self._work(claimed), name=f"run {claim.run_id}")
        self._running[claim.run_id] = claim, task
        task.add_done_callback(lambda _: self._ended(claim))
        await self._on_change(claim.run_id)
        return True

    async def renew(self) -> None:
        """Renew the leases of this replica's runs, and stop those that are not its own any more.

        Raises:
            errors.Unavailable: The database is away.
        """
        claims = [claim for claim, _ in self._running.values()]
        if not claims:
            return
        held = await self._store.renew(self._name, claims, LEASE_S)
        for claim in claims:
            if claim.run_id not in held:
                self._stop(claim)
            elif held[claim.run_id]:
                self.cancel(claim.run_id)

    def cancel(self, run: UUID) -> None:
        """Cancel a run, if it is one of this replica's."""
        if run in self._running and run not in self._cancelled:
            self._cancelled.add(run)
            self._running[run][1].cancel()

    async def stop(self) -> None:
        """End without waiting for runs: they are given back, and another replica goes on."""
        self._is_stopping = True
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=RELEASE_WAIT_S)

    def _stop(self, claim: Claim) -> None:
        known = self._running.get(claim.run_id)
        if known and known[0] == claim:
            metrics.leases_lost.inc()
            known[1].cancel()

    def _ended(self, claim: Claim) -> None:
        self._running.pop(claim.run_id, None)
        self._cancelled.discard(claim.run_id)
        self.task.wake()

    async def _work(self, claimed: Claimed) -> None:
        claim, started = claimed.claim, time.monotonic()
        try:
            status = await self._outcome(claimed)
        except LeaseLost:
            metrics.leases_lost.inc()
            log.warning("run was taken over", run_id=str(claim.run_id), attempt=claim.attempt)
        except errors.AppError as error:
            # The database is away: the lease expires, and the run is taken up again.
            log.warning("run left alone", run_id=str(claim.run_id), code=error.code)
        else:
            if status:
                metrics.runs_ended.labels(claimed.kind, status).inc()
                metrics.run_seconds.labels(claimed.kind).observe(time.monotonic() - started)
        await self._on_change(claim.run_id)

    async def _outcome(self, claimed: Claimed) -> str | None:
        """Do a run and record its end; return its status, None when it was given back."""
        claim = claimed.claim
        if claimed.is_cancelled:
            return await self._end(claim, "cancelled")
        if claim.attempt > ATTEMPTS_MAX:
            return await self._fail(
                claim, "ABANDONED", f"The run was taken up {ATTEMPTS_MAX} times and never ended."
            )
        workflow = self._workflows.get(claimed.kind)
        if workflow is None:
            return await self._fail(claim, "UNKNOWN_KIND", "This release has no such kind of run.")
        steps = Steps(self._store, claimed, lease_s=LEASE_S, on_record=self._on_change)
        try:
            outcome = await workflow.run(claimed, steps)
        except asyncio.CancelledError:
            return await self._interrupted(claim)
        except LeaseLost:
            raise
        except StepChanged as error:
            log.warning("run changed", run_id=str(claim.run_id), reason=str(error))
            detail = "Another release began the run, with other steps. Begin it again."
            return await self._fail(claim, "RUN_CHANGED", detail)
        except TRANSIENT as error:
            pause_s = min(POSTPONE_S_FIRST * 2 ** (claim.attempt - 1), POSTPONE_S_MAX)
            log.warning(
                "run postponed", run_id=str(claim.run_id), code=error.code, retry_in_s=pause_s
            )
            await self._store.postpone(claim, pause_s)
            return None
        except errors.AppError as error:
            return await self._fail(claim, error.code, error.detail)
        except Exception:
            log.exception("run failed", run_id=str(claim.run_id), kind=claimed.kind)
            detail = "The server failed; search its logs for the id of the run."
            return await self._fail(claim, "INTERNAL", detail)
        output = outcome.output.model_dump(mode="json", by_alias=True)
        await self._store.end(claim, "completed", output=output, also=outcome.also)
        return "completed"

    async def _interrupted(self, claim: Claim) -> str | None:
        """Record why a run was interrupted: a person cancelled it, or this process stops."""
        if claim.run_id in self._cancelled:
            return await self._end(claim, "cancelled")
        if self._is_stopping:
            await self._store.postpone(claim, 0.0)
            return None
        raise LeaseLost

    async def _end(self, claim: Claim, status: str) -> str:
        await self._store.end(claim, status)
        return status

    async def _fail(self, claim: Claim, code: str, detail: str) -> str:
        error = RunError(code=code, detail=detail).model_dump(mode="json", by_alias=True)
        await self._store.end(claim, "failed", error=error)
        return "failed"
