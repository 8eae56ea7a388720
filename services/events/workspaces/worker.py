"""The worker of workspace jobs: each replica carries out one due job after the other."""

from uuid import UUID

import asyncpg
import structlog
from prometheus_client import Counter, Gauge

from libs import errors
from libs.postgres import AdvisoryLocks, LockKey, Pool
from libs.postgres.pool import UNREACHABLE
from libs.tasks import PeriodicTask
from services.events.workspaces.files import PackageBytes
from services.events.workspaces.job_steps import JobRow, JobSteps
from services.events.workspaces.store import SQL

log = structlog.get_logger(__name__)

POLL_INTERVAL_S = 1.0
"""Interval of the search for jobs that another replica accepted or left unfinished."""
DUE_AT_ONCE = 10
JOB_PATIENCE_S = 1800.0
"""A job that takes longer hangs."""
TRIES_MAX = 40
"""About half an hour with a service not available, or with processes dying at the same step."""
TRY_DELAY_S_FIRST = 0.5
TRY_DELAY_S_MAX = 60.0
EXPIRY_INTERVAL_S = 60.0
PACKAGES_KEPT_S = 3600.0
"""Time in which an export can be read and an upload must end."""
JOBS_KEPT_DAYS = 30
"""Time that an ended job can be read."""
BATCH_ROWS = 100

_ended = Counter("scriptorium_workspace_jobs_total", "Jobs that ended.", ["kind", "status"])
_under_way = Gauge("scriptorium_workspace_jobs_under_way", "Jobs that this replica works on.")


class JobWorker:
    """Works on due jobs; any number of workers may run at once."""

    def __init__(
        self, pool: Pool, work: JobSteps, files: PackageBytes, *, kept_s: float = PACKAGES_KEPT_S
    ) -> None:
        """Find jobs in *pool* and carry out their steps with *work*.

        Packages that are no longer needed are deleted after *kept_s*; *files* releases their bytes.
        """
        self.work = work
        self._files = files
        self._pool = pool
        self._kept_s = kept_s
        self._locks = AdvisoryLocks(pool)
        self._task = PeriodicTask(
            "workspace_jobs", self.once, interval_s=POLL_INTERVAL_S, patience_s=JOB_PATIENCE_S
        )
        self._expiring = PeriodicTask("expire_packages", self.expire, interval_s=EXPIRY_INTERVAL_S)

    def wake(self) -> None:
        """Look for due jobs at once."""
        self._task.wake()

    def tasks(self) -> list[PeriodicTask]:
        """Return what a replica does in the background."""
        return [self._task, self._expiring]

    async def once(self) -> bool:
        """Carry out one due job; return whether there was one that no other replica holds."""
        for row in await self._pool.fetch(SQL.due_jobs, DUE_AT_ONCE):
            job_id: UUID = row["job_id"]
            # The lock of a replica that dies is released at once.
            async with self._locks.hold(LockKey.WORKSPACE_JOB, job_id) as ours:
                if ours:
                    return await self._try(job_id)
        return False

    async def expire(self) -> None:
        """Delete packages that are not needed any more, and jobs that ended long ago.

        Raises:
            errors.AppError: Blobs refused to release bytes; the next run tries again.
        """
        await self._pool.execute(SQL.expire_packages, self._kept_s, BATCH_ROWS)
        await self._pool.execute(SQL.forget_jobs, JOBS_KEPT_DAYS, BATCH_ROWS)
        await self._files.release(self._pool)

    async def _try(self, job_id: UUID) -> bool:
        known = await self._pool.fetchrow(SQL.job, job_id)
        if known is None or known["status"] != "running":
            return False
        delay_s = min(TRY_DELAY_S_FIRST * 2 ** min(known["tries"], 16), TRY_DELAY_S_MAX)
        found = await self._pool.fetchrow(SQL.try_job, job_id, delay_s)
        if found is None:
            return False
        job: JobRow = dict(found)
        if job["tries"] > TRIES_MAX:
            failure = errors.Internal(f"The job was given up after {TRIES_MAX} attempts.")
            await self._fail(job, failure)
            return True
        try:
            with _under_way.track_inprogress():
                await self.work.carry_on(job)
        except errors.Unavailable as error:
            log.warning("job will be tried again", job_id=str(job_id), code=error.code)
        except errors.AppError as error:
            await self._fail(job, error)
        except asyncpg.DataError as error:
            log.warning("state refused", job_id=str(job_id), reason=repr(error)[:200])
            failure = errors.Invalid("A value in the state cannot be stored.")
            await self._fail(job, failure)
        except (*UNREACHABLE, asyncpg.PostgresError):
            raise
        except Exception:
            # A bug of this service: a retry would not help.
            log.exception("job failed", job_id=str(job_id))
            failure = errors.Internal()
            await self._fail(job, failure)
        else:
            _ended.labels(job["kind"], "done").inc()
            log.info("job done", job_id=str(job_id), kind=job["kind"])
        return True

    async def _fail(self, job: JobRow, error: errors.AppError) -> None:
        said = {**error.data, "code": error.code, "detail": error.detail}
        await self._pool.execute(SQL.fail_job, job["job_id"], said)
        _ended.labels(job["kind"], "failed").inc()
        log.info("job refused", job_id=str(job["job_id"]), kind=job["kind"], code=error.code)
