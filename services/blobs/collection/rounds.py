"""One collection: mark, condemn, settle, ask, look again, let go. See decisions 70 and 73.

If events or the database cannot be asked, the collection stops: an error ends it.
"""

import asyncio
import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from itertools import batched, groupby
from uuid import UUID

import structlog

from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.blobs.operations import Collection, Fate
from libs.contracts.blobs.transfers import (
    LIST_FILES,
    SETTLE_CLAIM,
    EntityFile,
    ListFiles,
    SettleClaim,
)
from libs.tasks import Pace, TaskPositions, passed
from services.blobs.collection import metrics
from services.blobs.collection.following import Following
from services.blobs.collection.model import BEGINNING, Candidate, Place, Policy, Report
from services.blobs.collection.store import EARLIEST, CollectionStore

log = structlog.get_logger(__name__)

TASK = "collect"
PAGE_BLOBS = 2_000
"""Looked at in one query, a few milliseconds of the server."""
BATCH_BLOBS = 200
"""Condemned or collected in one transaction; an upload of one of them waits for it."""
ASKED_AT_ONCE_MAX = 8
"""Claims that events is asked about at a time."""
NOBODY = Actor(user_id=UUID(int=0))


class Collector:
    """Collects, over all replicas one at a time."""

    def __init__(
        self,
        *,
        positions: TaskPositions,
        store: CollectionStore,
        following: Following,
        caller: Caller,
        policy: Policy,
    ) -> None:
        """Wire the parts."""
        self._positions = positions
        self._store = store
        self._following = following
        self._caller = caller
        self._policy = policy

    async def collect(
        self,
        pace: Pace,
        *,
        project_id: UUID | None = None,
        dry_run: bool = False,
        items_max: int = 0,
    ) -> Collection:
        """Collect from the beginning, on the request of an operator.

        Raises:
            errors.Unavailable: Events cannot be reached; finished steps stay done.
        """
        report, started = Report(dry_run, items_max), time.monotonic()
        async with self._positions.turn(TASK) as mine:
            if not mine and not dry_run:
                return Collection(dry_run=dry_run, busy=True)
            pace.begin()
            place: Place | None = BEGINNING
            while place:
                place = await self.mark(report, pace, place, project_id)
            await self.let_go(report, pace, project_id)
        return report.told(time.monotonic() - started)

    async def mark(
        self, report: Report, pace: Pace, after: Place, project_id: UUID | None = None
    ) -> Place | None:
        """Condemn what is due among the next blobs; returns the last of them, None at the end."""
        due, count, place = await self._store.unreferenced(after, PAGE_BLOBS, project_id)
        report.looked_at += count
        passed("collection.marked")
        for batch in batched(due, BATCH_BLOBS, strict=False):
            done = batch if report.dry_run else await self._store.condemn(batch)
            for blob in done:
                kind = self._policy.longest((blob.asset_type, *blob.used_as))
                report.note(
                    Fate.CONDEMN,
                    blob,
                    f"unreferenced since {blob.since:%Y-%m-%d %H:%M};"
                    f" {kind} is kept {self._policy.retention[kind]}",
                )
            passed("collection.condemned")
            await pace.rest()
        await pace.rest()
        return place

    async def let_go(self, report: Report, pace: Pace, project_id: UUID | None = None) -> None:
        """Delete blobs whose grace period is over and that still have no reference.

        Raises:
            errors.Unavailable: Events cannot be reached; finished steps stay done.
        """
        after = EARLIEST
        while True:
            page, last = await self._store.condemned(after, PAGE_BLOBS, project_id)
            if last is None:
                return
            after = last
            page.sort(key=lambda blob: (blob.project_id, blob.sha256))
            for project, blobs in groupby(page, key=lambda blob: blob.project_id):
                for batch in batched(blobs, BATCH_BLOBS, strict=False):
                    await self._judge(report, project, batch)
                    await pace.rest()

    async def _judge(self, report: Report, project_id: UUID, batch: Sequence[Candidate]) -> None:
        """Decide about condemned blobs of one project."""
        sha256s = [blob.sha256 for blob in batch]
        if not report.dry_run:
            await self._settle(project_id, sha256s)
            passed("collection.settled")
        # After the settlement, so that the answer contains the entity that used a claim.
        files = await self._files(project_id, sha256s)
        named = {each.sha256 for each in files}
        if not report.dry_run:
            await self._following.learn(project_id, files)
            await self._store.rescue(project_id, sorted(named), "events refers to it")
        passed("collection.asked")
        for blob in batch:
            if blob.sha256 in named:
                report.note(Fate.RESCUE, blob, "a file of an entity is these bytes")
        left = [blob for blob in batch if blob.sha256 not in named]
        if report.dry_run:
            kept, waiting = await self._store.standing(project_id, [b.sha256 for b in left])
            gone = {blob.sha256 for blob in left} - kept - waiting
        else:
            gone, kept = await self._store.collect(project_id, left)
            passed("collection.collected")
        self._tell(report, left, gone, kept)

    def _tell(
        self,
        report: Report,
        left: Sequence[Candidate],
        gone: AbstractSet[str],
        kept: AbstractSet[str],
    ) -> None:
        for blob in left:
            if blob.sha256 in gone:
                report.note(
                    Fate.COLLECT,
                    blob,
                    f"condemned at {blob.since:%Y-%m-%d %H:%M}, and nothing refers to it",
                )
            elif blob.sha256 in kept:
                report.note(Fate.RESCUE, blob, "something refers to it")
            else:
                report.note(Fate.WAIT, blob, "a claim on it is open: it may get a reference")

    async def _settle(self, project_id: UUID, sha256s: list[str]) -> None:
        """Have every old claim on these decided, once and for all."""

        async def settle(claim_id: UUID) -> None:
            question = SettleClaim(claim_id=claim_id, project_id=project_id)
            settled = await self._caller.ask(SETTLE_CLAIM, question, NOBODY)
            passed("collection.settling")
            await self._store.settle(project_id, claim_id, used=settled.used)
            metrics.claims.labels("used" if settled.used else "refused").inc()

        claims = await self._store.old_claims(project_id, sha256s)
        for some in batched(claims, ASKED_AT_ONCE_MAX, strict=False):
            await asyncio.gather(*map(settle, some))

    async def _files(self, project_id: UUID, sha256s: list[str]) -> list[EntityFile]:
        """Ask events which entities have these bytes."""
        found: list[EntityFile] = []
        after = UUID(int=0)
        while True:
            question = ListFiles(project_id=project_id, sha256s=sha256s, after=after)
            page = (await self._caller.ask(LIST_FILES, question, NOBODY)).files
            found.extend(page)
            if len(page) < question.limit:
                return found
            after = page[-1].entity_id
