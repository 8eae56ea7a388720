"""The output of a job: staged in parts, then committed as one bundle or dropped.

Staged operations are outside the log and its projections, so no reader sees them. The commit is one
transaction that makes the bundle, ends the job and drops the staged operations. A repeated commit
gets the same answer.
"""

import hashlib
from typing import Any
from uuid import UUID

import structlog
from pydantic import TypeAdapter

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events.bundles import (
    JOBS_OPEN_MAX,
    OPERATIONS_MAX,
    AbandonJob,
    CommitJob,
    Committed,
    Operation,
    Stage,
    Staged,
)
from libs.contracts.events.manuscript import Done
from libs.contracts.ids import new_id
from libs.postgres import Pool
from libs.tasks import PeriodicTask, passed
from services.events.bundles.commit import (
    apply_steps,
    bundle_metadata,
    committed_bundle,
    now_as_json,
)
from services.events.bundles.steps import parse_operations, require_permitted
from services.events.bundles.store import SQL
from services.events.common.commands import context_of, require_visible
from services.events.model.aggregates import PROJECT
from services.events.model.log import canonical
from services.events.store import Store, Transaction

log = structlog.get_logger(__name__)

JOBS_KEPT_DAYS = 30
"""Time that an ended job is kept; a commit after that finds no job and does nothing."""
EXPIRY_INTERVAL_S = 60.0
BATCH_ROWS = 100

_OPERATIONS: TypeAdapter[list[Operation]] = TypeAdapter(list[Operation])


class JobHandlers:
    """Handlers of requests of jobs."""

    def __init__(self, store: Store) -> None:
        """Stage in *store*."""
        self._store = store

    async def stage(self, question: Stage, actor: Actor) -> Staged:
        """Stage a part. Parts come in order; a part that came before is not staged again."""
        project_id, job_id = actor.scope(), question.job_id
        # Operations that could not be committed are refused now, while the job can still react.
        steps = parse_operations(question.operations, project_id, at=now_as_json())
        require_permitted(steps, question.may)
        operations = _OPERATIONS.dump_python(
            question.operations, mode="json", by_alias=True, exclude_unset=True
        )
        digest = hashlib.sha256(canonical(operations)).hexdigest()

        async def apply_stage(tx: Transaction) -> Staged:
            require_visible(await tx.row(PROJECT, project_id))
            await tx.require_open()
            connection = tx.connection
            if (
                await connection.fetchval(
                    SQL.begin_job, project_id, job_id, actor.user_id, new_id()
                )
                and (await connection.fetchval(SQL.open_jobs, project_id) or 0) > JOBS_OPEN_MAX
            ):
                raise errors.TooLarge(
                    f"A project may have at most {JOBS_OPEN_MAX} open jobs; end one first."
                )
            job = await _lock(tx, job_id, actor)
            known = await connection.fetchval(SQL.part, project_id, job_id, question.part)
            if known is not None and known != digest:
                raise errors.IdempotencyKeyReused(
                    "This part was staged before with other operations."
                )
            if known is not None or job["status"] == "committed":
                return _staged(job)
            if job["status"] != "open":
                raise errors.Gone("The job was abandoned; begin a new job.")
            if question.part != job["parts"] + 1:
                raise errors.Conflict(
                    "An earlier part is missing; stage the part that expectedPart names.",
                    expectedPart=job["parts"] + 1,
                )
            if job["operations"] + len(operations) > OPERATIONS_MAX:
                raise errors.TooLarge(f"A job may stage at most {OPERATIONS_MAX} operations.")
            await connection.execute(
                SQL.stage, project_id, job_id, question.part, digest, operations
            )
            passed("jobs.staged")
            await connection.execute(SQL.advance_job, project_id, job_id, len(operations))
            passed("jobs.advanced")
            return _staged(await _lock(tx, job_id, actor))

        staged = await self._store.run_command(context_of(actor, job_id), apply_stage)
        passed("jobs.kept")
        return staged

    async def commit(self, question: CommitJob, actor: Actor) -> Committed:
        """Commit all staged parts as one bundle; a repeated request gets the same bundle."""
        project_id, job_id = actor.scope(), question.job_id
        bundle_id = await self._bundle_of(job_id, actor)
        context = context_of(
            actor,
            bundle_id,
            source=question.source,
            causation_id=job_id,
            metadata=bundle_metadata(question.type, question.label),
        )

        async def apply_commit(tx: Transaction) -> Committed:
            job = await _lock(tx, job_id, actor)
            if job["status"] == "abandoned":
                raise errors.Gone(
                    "The job was abandoned, and nothing was committed; begin a new job."
                )
            if job["status"] == "open":
                if job["parts"] != question.parts:
                    raise errors.Conflict(
                        "Not all parts were staged; stage the part that expectedPart names.",
                        expectedPart=job["parts"] + 1,
                    )
                passed("jobs.claimed")
                require_visible(await tx.row(PROJECT, project_id))
                staged = await tx.connection.fetch(SQL.staged, project_id, job_id)
                operations = [
                    each
                    for row in staged
                    for each in _OPERATIONS.validate_python(row["operations"])
                ]
                steps = parse_operations(operations, project_id, at=now_as_json())
                require_permitted(steps, question.may)
                await apply_steps(tx, steps, project_id, vouched=actor.vouched)
                passed("jobs.appended")
                await tx.connection.execute(SQL.end_job, project_id, job_id, "committed")
                passed("jobs.ended")
                await tx.connection.execute(SQL.drop_staged, project_id, job_id)
                passed("jobs.dropped")
            return await committed_bundle(tx, project_id, bundle_id)

        done = await self._store.run_command(context, apply_commit)
        passed("jobs.committed")
        return done

    async def abandon(self, question: AbandonJob, actor: Actor) -> Done:
        """Drop the staged parts of a job; an unknown job has none."""
        project_id, job_id = actor.scope(), question.job_id

        async def apply_abandon(tx: Transaction) -> Done:
            job = await tx.connection.fetchrow(SQL.lock_job, project_id, job_id)
            if job is None or job["user_id"] != actor.user_id:
                return Done()
            if job["status"] == "committed":
                raise errors.Conflict(
                    "The job is committed and cannot be abandoned; undo its bundle instead."
                )
            await tx.connection.execute(SQL.end_job, project_id, job_id, "abandoned")
            await tx.connection.execute(SQL.drop_staged, project_id, job_id)
            return Done()

        return await self._store.run_command(context_of(actor, job_id), apply_abandon)

    async def _bundle_of(self, job_id: UUID, actor: Actor) -> UUID:
        async def apply_bundle_of(tx: Transaction) -> UUID:
            return (await _lock(tx, job_id, actor))["bundle_id"]

        return await self._store.run_command(context_of(actor, job_id), apply_bundle_of)


class JobExpiry:
    """Abandons inactive jobs and drops what they staged; any number of replicas may run it."""

    def __init__(self, pool: Pool, *, kept_s: float) -> None:
        """Work on *pool*; a job may be inactive for *kept_s* seconds."""
        self._pool = pool
        self._kept_s = kept_s
        interval_s = min(EXPIRY_INTERVAL_S, kept_s)
        self.task = PeriodicTask("expire_jobs", self.once, interval_s=interval_s)

    async def once(self) -> None:
        """Do all there is to do now."""
        expired = await self._pool.execute(SQL.expire_jobs, self._kept_s, BATCH_ROWS)
        await self._pool.execute(SQL.expire_staged)
        await self._pool.execute(SQL.forget_jobs, JOBS_KEPT_DAYS, BATCH_ROWS)
        if (count := int(expired.rpartition(" ")[2])) > 0:
            log.info("inactive jobs abandoned", jobs=count)


async def _lock(tx: Transaction, job_id: UUID, actor: Actor) -> Any:
    job = await tx.connection.fetchrow(SQL.lock_job, actor.scope(), job_id)
    if job is None or job["user_id"] != actor.user_id:
        raise errors.NotFound("There is no such job.")
    return job


def _staged(job: Any) -> Staged:
    return Staged(
        job_id=job["job_id"],
        status=job["status"],
        parts=job["parts"],
        operations=job["operations"],
    )
