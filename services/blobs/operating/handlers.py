"""Serves operators: inspect, verify, collect and restore blobs."""

from dataclasses import asdict

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.blobs import operations as c
from libs.contracts.blobs.transfers import Blob, BlobState
from libs.contracts.ids import new_id
from libs.contracts.pages import Page
from libs.postgres import Connection, Pool, load_queries
from libs.tasks import Pace, TaskPositions
from services.blobs.collection.following import Following
from services.blobs.collection.model import BEGINNING, Place
from services.blobs.collection.rounds import Collector
from services.blobs.collection.store import rescue
from services.blobs.keeping.archiving import Archiver
from services.blobs.keeping.uses import SQL as KEEPING
from services.blobs.keeping.verifying import Verifier
from services.blobs.store import Row, Store, blob_of

SQL = load_queries("services.blobs.operating")

DUTY_ASKED = 0.5
"""An operator waits for the answer, so uploads may be slowed down a little."""
LINES_MAX = 50
"""References, claims and deeds told of one blob."""
STEP_BLOBS = 50
STEP_BYTES = 64 << 20
"""Verified in one answer, so that a person sees the work move on."""


class Operations:
    """Serves `libs.contracts.blobs.operations`."""

    def __init__(
        self,
        *,
        pool: Pool,
        store: Store,
        positions: TaskPositions,
        collector: Collector,
        following: Following,
        verifier: Verifier,
        archiver: Archiver,
    ) -> None:
        """Wire the parts."""
        self._pool = pool
        self._store = store
        self._positions = positions
        self._collector = collector
        self._verifier = verifier
        self._archiver = archiver
        self.reconcile = following.reconcile

    async def collect(self, question: c.Collect, _: Actor) -> c.Collection:
        """Collect, or say what would be collected."""
        return await self._collector.collect(
            Pace(DUTY_ASKED),
            project_id=question.project_id,
            dry_run=question.dry_run,
            items_max=question.items,
        )

    async def undelete(self, question: c.Undelete, _: Actor) -> Blob:
        """Take a condemned blob back.

        Raises:
            errors.NotFound: The project never had it.
            errors.BlobUnavailable: It is too late.
            errors.Conflict: It is not condemned.
        """
        project_id, sha256 = question.project_id, question.sha256

        async def work(connection: Connection) -> Blob:
            row = await connection.fetchrow(SQL.lock_blob, project_id, sha256)
            if row is None:
                raise errors.NotFound
            if row["state"] == BlobState.COLLECTED:
                raise errors.BlobUnavailable
            if row["state"] != BlobState.CONDEMNED:
                raise errors.Conflict(f"The blob is {row['state']}, not condemned.")
            why = f"{question.by}: {question.reason}"
            await rescue(connection, project_id, [sha256], why)
            kept = await connection.fetchrow(SQL.lock_blob, project_id, sha256)
            assert kept
            return blob_of(kept)

        return await self._store.database.transact(work)

    async def inspect(self, question: c.Inspect, _: Actor) -> c.Inspection:
        """Tell all that is known of a blob.

        Raises:
            errors.NotFound: The project never had it.
        """
        about = question.project_id, question.sha256
        row = await self._pool.fetchrow(SQL.inspect, *about)
        if row is None:
            raise errors.NotFound
        references = await self._pool.fetch(SQL.references, *about, LINES_MAX)
        claims = await self._pool.fetch(SQL.open_claims, *about, LINES_MAX)
        deeds = await self._pool.fetch(SQL.deeds, *about, LINES_MAX)
        return c.Inspection(
            blob=blob_of(row),
            key=row["key"],
            tier=row["tier"],
            frames=row["frames"],
            touched_at=row["touched_at"],
            read_at=row["read_at"],
            verified_at=row["verified_at"],
            references=[c.Reference.model_validate(dict(each)) for each in references],
            claims=[c.OpenClaim.model_validate(dict(each)) for each in claims],
            deeds=[c.Deed.model_validate(dict(each)) for each in deeds],
        )

    async def quarantine(self, question: c.ListQuarantined, _: Actor) -> Page[c.Quarantined]:
        """List damage."""
        rows = await self._pool.fetch(
            KEEPING.damaged, question.project_id, question.all, question.limit
        )
        return Page(items=[c.Quarantined.model_validate(dict(row)) for row in rows])

    async def verify(self, question: c.Verify, _: Actor) -> c.Verified:
        """Verify one blob, or some more of many.

        Raises:
            errors.Invalid: A blob without its project.
            errors.NotFound: The project never had it.
        """
        if question.sha256 is not None:
            if question.project_id is None:
                raise errors.Invalid("The request names a blob without its project; name both.")
            blob = await self._store.blob(question.project_id, question.sha256)
            flaw = await self._verifier.check(blob)
            return c.Verified(
                blobs=1,
                bytes_=blob["size"],
                flaws=[flaw] if flaw else [],
                after=None,
                mended=_is_mended(blob, flaw),
            )
        place = BEGINNING
        if question.after:
            place = Place(question.after.project_id, question.after.sha256)
        page = await self._verifier.page(place, STEP_BLOBS, question.project_id)
        blobs = size = mended = 0
        flaws: list[c.Flaw] = []
        for blob in page:
            if flaw := await self._verifier.check(blob):
                flaws.append(flaw)
            mended += _is_mended(blob, flaw)
            blobs, size = blobs + 1, size + blob["size"]
            place = Place(blob["project_id"], blob["sha256"])
            if size >= STEP_BYTES:
                break
        after = c.Place(project_id=place.project_id, sha256=place.sha256) if page else None
        return c.Verified(blobs=blobs, bytes_=size, flaws=flaws, after=after, mended=mended)

    async def mend(self, question: c.Mend, _: Actor) -> Blob:
        """Put on record that an operator brings the bytes of a blob that lost them.

        Raises:
            errors.NotFound: The project never had it.
            errors.Conflict: Nothing is wrong with it.
        """
        blob = await self._store.blob(question.project_id, question.sha256)
        if blob["state"] not in {BlobState.QUARANTINED, BlobState.COLLECTED}:
            raise errors.Conflict(f"The blob is {blob['state']} and needs no repair.")
        await self._pool.execute(
            SQL.put_audit,
            new_id(),
            question.project_id,
            question.sha256,
            {"reason": f"{question.by}: {question.reason}"},
        )
        return blob_of(blob)

    async def archive(self, question: c.Archive, _: Actor) -> Blob:
        """Move a blob to the cold tier, or back."""
        move = self._archiver.restore if question.restore else self._archiver.archive
        return await move(question.project_id, question.sha256)

    async def status(self, _question: c.AskStatus, _: Actor) -> c.Status:
        """Tell figures over all projects."""
        states = await self._pool.fetch(SQL.by_state)
        waiting = await self._pool.fetchrow(SQL.waiting)
        assert waiting
        return c.Status(
            blobs={
                row["state"]: c.Tally(blobs=row["blobs"], bytes_=row["bytes"]) for row in states
            },
            stored_bytes=sum(row["stored"] for row in states if row["state"] != "collected"),
            tasks=[c.Task(**asdict(each)) for each in await self._positions.all()],
            **dict(waiting),
        )


def _is_mended(blob: Row, flaw: c.Flaw | None) -> bool:
    return flaw is None and blob["state"] == BlobState.QUARANTINED
