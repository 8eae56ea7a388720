"""The steps of jobs; each step may be repeated, and the last one is one transaction.

reading    the state of the project at one moment, then its texts, are exported into a package
checking   of an import: every text is valid, and the database accepts the whole state
writing    the texts are imported under the ids of their future scenes, which are not visible yet;
           the bytes of files are copied to the future project or the template
finishing  the project with all its content, or the template, becomes visible
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.events.bundles import BundleType
from libs.contracts.events.workspaces import TEMPLATES_MAX, Head, JobStep
from libs.postgres import Connection, LockKey, Pool, wait_for_lock
from libs.tasks import passed
from services.events.bundles.commit import bundle_metadata
from services.events.common.commands import context_of
from services.events.store import Store, Transaction
from services.events.workspaces.exporting import export_package
from services.events.workspaces.files import PackageBytes
from services.events.workspaces.importing import import_package, imported_id
from services.events.workspaces.store import SQL
from services.events.workspaces.texts import SceneTexts

type JobRow = Mapping[str, Any]
"""A row of `workspace_jobs`."""


class _Rehearsed(Exception):
    """The rehearsal of an import succeeded; its transaction is rolled back."""


class JobSteps:
    """Carries a job from its current step to its end."""

    def __init__(self, pool: Pool, texts: SceneTexts, files: PackageBytes) -> None:
        """Work in *pool*, with *texts* and *files*."""
        self._pool = pool
        self._store = Store(pool)
        self._texts = texts
        self._files = files

    async def carry_on(self, job: JobRow) -> None:
        """Carry out the remaining steps of a job.

        Raises:
            errors.Unavailable: A service that it needs is not available; finished steps stay done.
            errors.AppError: The job cannot be done.
        """
        if job["kind"] in ("clone", "template"):
            await self._read(job)
        if job["kind"] == "template":
            # A template has copies of its own, because it outlives the project.
            missing = await self._copy_files(job, job["package_id"], "reading")
            await self._keep(job, missing)
            return
        if job["kind"] == "import" and not job["written"]:
            await self._check(job)
        await self._write(job)
        missing = await self._copy_files(job, job["target_id"], "writing")
        await self._finish(job, missing)

    async def _read(self, job: JobRow) -> None:
        package_id, project_id = job["package_id"], job["project_id"]
        await self._tell(job, "reading", 0, 0)
        await export_package(self._pool, package_id, project_id, job["user_id"])
        passed("workspaces.taken")
        actor = Actor(user_id=job["user_id"], project_id=project_id)

        async def progress(done: int, total: int, _: int) -> None:
            await self._tell(job, "reading", done, total)
            passed("workspaces.reading")

        async with self._pool.acquire() as connection:
            # A template is a beginning for others: what was said about its source stays there.
            conversations = job["kind"] == "clone" and job["details"].get("comments", True)
            await self._texts.read(
                connection, package_id, actor, progress, conversations=conversations
            )
        passed("workspaces.read")

    async def _check(self, job: JobRow) -> None:
        async def progress(done: int, total: int, _: int) -> None:
            await self._tell(job, "checking", done, total)

        await progress(0, 0, 0)
        actor = Actor(user_id=job["user_id"], project_id=job["target_id"])
        async with self._pool.acquire() as connection:
            await self._texts.write(
                connection, job["package_id"], actor, job["job_id"], progress, check=True
            )

        async def rehearse(tx: Transaction) -> None:
            await self._plant(tx, job)
            raise _Rehearsed

        try:
            await self._store.run_command(self._context(job), rehearse)
        except _Rehearsed:
            return

    async def _write(self, job: JobRow) -> None:
        async def progress(done: int, total: int, upto: int) -> None:
            await self._tell(job, "writing", done, total, written=upto)
            passed("workspaces.writing")

        await self._tell(job, "writing", 0, 0)
        actor = Actor(user_id=job["user_id"], project_id=job["target_id"])
        async with self._pool.acquire() as connection:
            await self._texts.write(
                connection,
                job["package_id"],
                actor,
                job["job_id"],
                progress,
                after=job["written"],
            )
        passed("workspaces.written")

    async def _copy_files(self, job: JobRow, place: UUID, step: JobStep) -> frozenset[str]:
        """Copy the bytes of the package to a place; return those that are missing."""

        async def progress(done: int, total: int) -> None:
            await self._tell(job, step, done, total)
            passed("workspaces.copying")

        actor = Actor(user_id=job["user_id"], project_id=place)
        async with self._pool.acquire() as connection:
            missing = await self._files.copy(connection, job["package_id"], actor, progress)
        passed("workspaces.copied")
        return missing

    async def _finish(self, job: JobRow, missing: frozenset[str]) -> None:
        # New claims in each attempt: claims of an attempt that died are never used.
        claims = await self._files.claim_all(
            self._pool,
            job["package_id"],
            lambda number: imported_id(job["job_id"], number),
            Actor(user_id=job["user_id"], project_id=job["target_id"]),
            missing=missing,
        )
        passed("workspaces.claimed")

        async def apply_finish(tx: Transaction) -> None:
            if not await _is_running(tx.connection, job):
                return
            await self._plant(tx, job, claims)
            await self._end(tx.connection, job, missing)
            await tx.connection.execute(SQL.drop_package, job["package_id"])
            passed("workspaces.finishing")

        await self._store.run_command(self._context(job), apply_finish)
        passed("workspaces.finished")

    async def _keep(self, job: JobRow, missing: frozenset[str]) -> None:
        details, owner_id = job["details"], job["user_id"]

        async def apply_keep(tx: Transaction) -> None:
            connection = tx.connection
            if not await _is_running(connection, job):
                return
            await wait_for_lock(connection, LockKey.PERSON, owner_id)
            if (await connection.fetchval(SQL.own_templates, owner_id) or 0) >= TEMPLATES_MAX:
                raise errors.LimitReached(
                    f"A person may have at most {TEMPLATES_MAX} templates; delete one first."
                )
            await connection.execute(
                SQL.keep_template,
                job["target_id"],
                job["package_id"],
                owner_id,
                job["project_id"],
                details["shared"],
                details["name"],
                details["description"],
            )
            await self._end(connection, job, missing)

        await self._store.run_command(self._context(job), apply_keep)

    async def _end(self, connection: Connection, job: JobRow, missing: frozenset[str]) -> None:
        count = await connection.fetchval(SQL.files_of_bytes, job["package_id"], list(missing))
        await connection.execute(SQL.end_job, job["job_id"], count)

    async def _plant(
        self, tx: Transaction, job: JobRow, claims: Mapping[int, UUID] | None = None
    ) -> None:
        head = await tx.connection.fetchval(SQL.head, job["package_id"])
        if head is None:
            raise errors.Gone("The package to copy from no longer exists; start again.")
        name = job["details"].get("name") or Head.model_validate(head).name
        seed = job["job_id"]
        await import_package(
            tx, self._context(job), job["package_id"], seed, name=name, claims=claims
        )

    def _context(self, job: JobRow) -> Any:
        label = {"clone": "Clone", "instantiate": "From a template"}.get(job["kind"], "Import")
        actor = Actor(user_id=job["user_id"], project_id=job["target_id"])
        job_id: UUID = job["job_id"]
        metadata = bundle_metadata(BundleType.IMPORT, label)
        return context_of(actor, job_id, causation_id=job_id, metadata=metadata)

    async def _tell(
        self, job: JobRow, step: JobStep, done: int, total: int, *, written: int = 0
    ) -> None:
        await self._pool.execute(SQL.progress, job["job_id"], step, done, total, written)


async def _is_running(connection: Connection, job: JobRow) -> bool:
    """Lock a job until the commit; return whether it is still running."""
    row = await connection.fetchrow(SQL.lock_job, job["job_id"])
    return row is not None and row["status"] == "running"
