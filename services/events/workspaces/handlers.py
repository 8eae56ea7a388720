"""Handlers of workspace jobs; each kind of job is started by a request of its own."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import asyncpg

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events.workspaces import (
    JOBS_OPEN_MAX,
    Head,
    Job,
    JobKind,
    ReadJob,
    StartClone,
    StartImport,
    StartInstance,
    StartTemplate,
)
from libs.postgres import Connection, LockKey, Pool, wait_for_lock
from services.events.workspaces.importing import imported_id
from services.events.workspaces.packages import require_whole
from services.events.workspaces.store import SQL, run_in_transaction


class WorkspaceJobHandlers:
    """Handlers of requests that start and show workspace jobs."""

    def __init__(self, pool: Pool, wake: Callable[[], None]) -> None:
        """Keep jobs in *pool*; *wake* is called when there is a new job."""
        self._pool = pool
        self._wake = wake

    async def clone(self, question: StartClone, actor: Actor) -> Job:
        """Start to clone the actor's project."""
        details = {"name": question.name, "comments": question.comments}
        return await self._start("clone", question.job_id, actor, details)

    async def template(self, question: StartTemplate, actor: Actor) -> Job:
        """Start to make a template of the actor's project."""
        details = question.model_dump(mode="json", exclude={"job_id"})
        return await self._start("template", question.job_id, actor, details)

    async def instance(self, question: StartInstance, actor: Actor) -> Job:
        """Start to make a project from a template."""

        async def package(connection: Connection) -> UUID:
            row = await connection.fetchrow(
                SQL.template, actor.user_id, question.template_id, question.team_ids
            )
            if row is None:
                raise errors.NotFound
            return row["package_id"]

        details = {"name": question.name}
        return await self._start("instantiate", question.job_id, actor, details, package)

    async def import_(self, question: StartImport, actor: Actor) -> Job:
        """Start to make a project from a sent package, which cannot change from now on."""

        async def package(connection: Connection) -> UUID:
            row = await connection.fetchrow(SQL.lock_package, question.package_id, actor.user_id)
            if row is None or row["project_id"] is not None:
                raise errors.NotFound("There is no such package.")
            if not row["sealed"]:
                head = Head.model_validate(row["head"])
                await require_whole(connection, question.package_id, head)
                await connection.execute(
                    SQL.seal_package, question.package_id, head.model_dump(mode="json")
                )
            return question.package_id

        details = {"name": question.name}
        return await self._start("import", question.job_id, actor, details, package)

    async def job(self, question: ReadJob, actor: Actor) -> Job:
        """Show a job to the person who started it."""

        async def query_job(connection: Connection) -> Job:
            return _job(await connection.fetchrow(SQL.job, question.job_id), actor)

        return await run_in_transaction(self._pool, query_job)

    async def _start(
        self,
        kind: JobKind,
        job_id: UUID,
        actor: Actor,
        details: Mapping[str, Any],
        package: Callable[[Connection], Awaitable[UUID]] | None = None,
    ) -> Job:
        project_id = None if package else actor.scope()

        async def apply_start(connection: Connection) -> Job:
            await wait_for_lock(connection, LockKey.PERSON, actor.user_id)
            known = await connection.fetchrow(SQL.job, job_id)
            if known is None:
                if (await connection.fetchval(SQL.open_jobs, actor.user_id) or 0) >= JOBS_OPEN_MAX:
                    raise errors.LimitReached(
                        f"A person may have at most {JOBS_OPEN_MAX} open jobs; wait until one ends."
                    )
                await connection.execute(
                    SQL.start_job,
                    job_id,
                    actor.user_id,
                    kind,
                    project_id,
                    await package(connection) if package else job_id,
                    imported_id(job_id, 0),
                    dict(details),
                )
                known = await connection.fetchrow(SQL.job, job_id)
            elif (known["kind"], known["project_id"]) != (kind, project_id):
                raise errors.IdempotencyKeyReused
            return _job(known, actor)

        started = await run_in_transaction(self._pool, apply_start)
        self._wake()
        return started


def _job(row: asyncpg.Record | None, actor: Actor) -> Job:
    if row is None or row["user_id"] != actor.user_id:
        raise errors.NotFound("There is no such job.")
    of_template = row["kind"] == "template"
    return Job(
        id=row["job_id"],
        kind=row["kind"],
        status=row["status"],
        step=row["step"],
        done=row["done"],
        total=row["total"],
        project_id=None if of_template else row["target_id"],
        template_id=row["target_id"] if of_template else None,
        error=row["error"],
        missing_files=row["missing_files"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
