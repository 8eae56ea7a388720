"""Facts of events about files become references; a repeated or late fact changes nothing."""

from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any
from uuid import UUID

import structlog
from faststream.nats import NatsBroker
from nats.aio.client import Client

from libs import errors
from libs.bus import Caller, PoisonMessage, subscribe_facts
from libs.contracts.actor import Actor
from libs.contracts.blobs.copies import ReleaseBlobs, Released
from libs.contracts.blobs.operations import Flaw, Reconcile, Reconciled
from libs.contracts.blobs.transfers import LIST_FILES, EntityFile, ListFiles, PutPath
from libs.contracts.events.event import Announcement, Event
from libs.contracts.streams import EVENTS
from libs.postgres import Connection, Pool
from libs.tasks import passed
from services.blobs.collection import metrics
from services.blobs.collection.store import SQL, rescue
from services.blobs.model.paths import require_path
from services.blobs.store.database import Database
from services.blobs.store.paths import end_of_entity, point

log = structlog.get_logger(__name__)

FACTS = "scriptorium.v1.events"
ENTITY = "entity"
"""The source of references by entities' files."""
PAGE_FILES = 1_000
NOBODY = Actor(user_id=UUID(int=0))

type Learn = Callable[[Event], Coroutine[Any, Any, None]]


class Following:
    """Keeps references as events tells them."""

    def __init__(self, pool: Pool, caller: Caller) -> None:
        """Keep them in *pool*; ask over *caller*."""
        self._pool = pool
        self._database = Database(pool)
        self._caller = caller

    def subscribe(self, broker: NatsBroker, client: Client) -> None:
        """Consume facts durably, shared with all replicas."""
        for subject, durable, learn in (
            ("entity.file_uploaded", "blobs-files-begun", self.on_uploaded),
            ("entity.file_deleted", "blobs-files-ended", self.on_ended),
            ("entity.purged", "blobs-entities-purged", self.on_ended),
            ("project.purged", "blobs-projects-purged", self.on_project_purged),
        ):
            subscribe_facts(
                broker,
                client,
                EVENTS,
                subject=f"{FACTS}.{subject}.>",
                durable=durable,
                on_fact=_reader(learn),
            )

    async def on_uploaded(self, event: Event) -> None:
        """An entity has a file, and the claim it came with was used."""
        try:
            file = EntityFile(
                entity_id=event.aggregate_id,
                sha256=event.data["checksum"],
                version=event.version,
                path=event.data.get("path"),
            )
            claim_id = UUID(event.data["claimId"]) if event.data.get("claimId") else None
        except (KeyError, ValueError, TypeError) as error:
            raise PoisonMessage("a file without a checksum") from error

        async def work(connection: Connection) -> None:
            await self._begin(connection, event.project_id, event.user_id, file)
            passed("following.learnt")
            if claim_id:
                await connection.execute(SQL.settle_claim, event.project_id, claim_id, True)

        await self._database.transact(work)
        passed("following.begun")

    async def on_ended(self, event: Event) -> None:
        """An entity no longer has a file, or is no longer."""

        async def work(connection: Connection) -> None:
            about = event.project_id, event.user_id, event.aggregate_id, event.version
            await self._end_file(connection, *about)

        await self._database.transact(work)
        passed("following.ended")

    async def on_project_purged(self, event: Event) -> None:
        """Nothing of a project is kept longer than the grace period."""
        await self._end(event.project_id, event.user_id)

    async def release(self, _: ReleaseBlobs, actor: Actor) -> Released:
        """Nothing that the actor's project keeps is wanted any more, as far as events knows."""
        await self._end(actor.scope(), actor.user_id)
        return Released()

    async def _end(self, project_id: UUID, user_id: UUID) -> None:
        async def work(connection: Connection) -> None:
            await connection.execute(SQL.end_paths, project_id, user_id)
            await connection.execute(SQL.end_all_refs, project_id)
            await connection.execute(SQL.forget_followed, project_id)
            await connection.execute(SQL.end_retention, project_id)

        await self._database.transact(work)
        log.info("references of a project ended", project_id=str(project_id))

    async def learn(self, project_id: UUID, files: Sequence[EntityFile]) -> None:
        """Take over what events says entities have now."""
        for each in files:

            async def work(connection: Connection, file: EntityFile = each) -> None:
                await self._begin(connection, project_id, NOBODY.user_id, file)

            await self._database.transact(work)

    async def reconcile(self, question: Reconcile, _: Actor) -> Reconciled:
        """Compare a project's references with the files that events knows, and correct them.

        Raises:
            errors.Unavailable: Events is away; nothing was changed.
        """
        project_id = question.project_id
        told = {each.entity_id: each for each in await self._ask(project_id)}
        known = await self._known(project_id)
        # References that events does not know: they ended, or began after the request.
        gone = [entity_id for entity_id in known if entity_id not in told]
        again = {each.entity_id for each in await self._ask(project_id)} if gone else set[UUID]()
        ended = [entity_id for entity_id in gone if entity_id not in again]
        begun = [
            each for each in told.values() if known.get(each.entity_id, (0, ""))[1] != each.sha256
        ]
        missing = await self._missing(project_id, told.values())
        if not question.dry_run:
            versions = {entity_id: known[entity_id][0] for entity_id in ended}
            await self._set_right(project_id, list(told.values()), versions)
        return Reconciled(files=len(told), begun=len(begun), ended=len(ended), missing=missing)

    async def _set_right(
        self, project_id: UUID, told: Sequence[EntityFile], ended: dict[UUID, int]
    ) -> None:
        """Versions begin anew: after a recovery, those of events may be below the known ones."""

        async def work(connection: Connection) -> None:
            for entity_id, version in ended.items():
                await self._end_file(connection, project_id, NOBODY.user_id, entity_id, version)
            await connection.execute(SQL.forget_followed, project_id)
            for each in told:
                await self._begin(connection, project_id, NOBODY.user_id, each)

        await self._database.transact(work)
        log.info("references reconciled", project_id=str(project_id), ended=len(ended))

    async def _known(self, project_id: UUID) -> dict[UUID, tuple[int, str]]:
        known: dict[UUID, tuple[int, str]] = {}
        after = UUID(int=0)
        while True:
            rows = await self._pool.fetch(SQL.followed, project_id, ENTITY, after, PAGE_FILES)
            known |= {row["source_id"]: (row["version"], row["sha256"]) for row in rows}
            if len(rows) < PAGE_FILES:
                return known
            after = rows[-1]["source_id"]

    async def _ask(self, project_id: UUID) -> list[EntityFile]:
        found: list[EntityFile] = []
        after = UUID(int=0)
        while True:
            question = ListFiles(project_id=project_id, after=after, limit=PAGE_FILES)
            page = (await self._caller.ask(LIST_FILES, question, NOBODY)).files
            found.extend(page)
            if len(page) < PAGE_FILES:
                return found
            after = page[-1].entity_id

    async def _missing(self, project_id: UUID, told: Iterable[EntityFile]) -> list[Flaw]:
        wanted = sorted({each.sha256 for each in told})
        there = {
            row["sha256"]: row["state"]
            for row in await self._pool.fetch(SQL.states, project_id, wanted)
        }
        bad = {"collected", "quarantined"}
        return [
            Flaw(project_id=project_id, sha256=each, reason=there.get(each, "unknown"))
            for each in wanted
            if there.get(each, "collected") in bad
        ]

    async def _begin(
        self, connection: Connection, project_id: UUID, user_id: UUID, file: EntityFile
    ) -> None:
        """An entity has this file as of a version, unless a newer one is known."""
        thing = project_id, ENTITY, file.entity_id
        if await connection.fetchval(SQL.learn, *thing, file.version, file.sha256) is None:
            return
        await _name(connection, project_id, user_id, file)
        await connection.execute(SQL.end_refs, *thing, file.sha256)
        blob = await connection.fetchrow(SQL.lock_blob, project_id, file.sha256)
        if blob is None or blob["key"] is None:
            # Only a back-up that is older than events' brings this about; see the runbook.
            metrics.dangling.inc()
            log.error(
                "an entity refers to bytes that are not here",
                project_id=str(project_id),
                entity_id=str(file.entity_id),
                sha256=file.sha256,
            )
        if await connection.fetchval(
            SQL.begin_ref, project_id, file.sha256, ENTITY, file.entity_id
        ):
            await connection.execute(SQL.touch, project_id, file.sha256)
            why = "a file of an entity is these bytes"
            await rescue(connection, project_id, [file.sha256], why)

    async def _end_file(
        self, connection: Connection, project_id: UUID, user_id: UUID, entity_id: UUID, version: int
    ) -> None:
        """An entity has no file as of a version, unless a newer one is known."""
        thing = project_id, ENTITY, entity_id
        if await connection.fetchval(SQL.learn, *thing, version, None) is not None:
            await end_of_entity(connection, project_id, user_id, entity_id, None)
            await connection.execute(SQL.end_refs, *thing, None)


async def _name(connection: Connection, project_id: UUID, user_id: UUID, file: EntityFile) -> None:
    """Make the path of an entity's file its only name."""
    await end_of_entity(connection, project_id, user_id, file.entity_id, file.path)
    if file.path is None:
        return
    wanted = PutPath(path=file.path, sha256=file.sha256)
    try:
        require_path(file.path)
        await point(connection, project_id, user_id, wanted, file.entity_id)
    except (errors.Invalid, errors.NotFound, errors.BlobUnavailable, errors.BlobDamaged) as error:
        log.warning("an entity's file was not named", code=error.code)


def _reader(learn: Learn) -> Callable[[Announcement], Coroutine[Any, Any, None]]:
    async def on_fact(fact: Announcement) -> None:
        await learn(fact.event)

    return on_fact
