"""Past states of a document: found by point, read from the log.

Nothing is remembered: what was pruned is gone for every replica at once.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs import errors
from libs.postgres.pool import UNREACHABLE
from services.collab import heavy
from services.collab.history import points
from services.collab.history.points import Moment, Named, Version
from services.collab.history.records import SQL, Packed, Records, Standing
from services.collab.scenes import Scenes, SceneUnreadable
from services.collab.store import Store, Trust
from services.collab.updates import EMPTY
from services.collab.workers import WorkerDied, Workers


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look: a document (a scene or a branch of it), its scene, the scene's project."""

    document: UUID
    scene: UUID
    project: UUID


@dataclass(frozen=True, slots=True)
class Found:
    """A point that was found: its version, and its state when it is kept by itself."""

    seq: int
    state: bytes | None = None
    at: datetime | None = None
    """When it came to be, where that is known without asking."""


class Past:
    """Answers what a document was."""

    def __init__(self, records: Records, store: Store, scenes: Scenes, workers: Workers) -> None:
        """Read from *records* and *store*, merge in *workers*."""
        self._records = records
        self._store = store
        self._scenes = scenes
        self._workers = workers

    async def find(self, place: Place, at: str | None, field: str = "at") -> Found:
        """Find out which version *at* means.

        Raises:
            Invalid: *at* is no point in time.
            NotFound: There is no such version or snapshot.
            Gone: It is from before the retention.
        """
        match points.parse(at, field):
            case Named(snapshot):
                return await self._snapshot(place, snapshot)
            case Version(seq):
                standing = await self._records.standing(place.document)
                if seq > standing.head:
                    raise errors.NotFound(
                        f"There is no version {seq} yet; the newest is {standing.head}.",
                        newestSeq=standing.head,
                    )
                return Found(seq)
            case Moment(moment):
                standing = await self._records.standing(place.document)
                seq = await self._records.seq_at(place.document, moment, standing)
                oldest = standing.horizon_at
                if seq == standing.horizon and oldest is not None and moment < oldest:
                    raise gone(standing)
                return Found(seq)
            case None:
                return Found((await self._records.standing(place.document)).head)

    async def _snapshot(self, place: Place, snapshot: UUID) -> Found:
        row = await self._records.pool.fetchrow(
            SQL.snapshot_state, snapshot, place.scene, place.project
        )
        if row is None:
            raise errors.NotFound("There is no such snapshot of this scene.")
        packed = Packed(row["state"], row["size"], row["checksum"])
        state = await asyncio.to_thread(packed.unpack)
        if state is None:
            raise errors.Internal("This snapshot is damaged.")
        return Found(row["seq"], state, row["at"])

    async def state(
        self, place: Place, found: Found, known: tuple[int, bytes] | None = None
    ) -> bytes:
        """The state of *place* at *found*, as one update.

        *known* is a version with its state, no later than *found*, from which it is nearer.

        Raises:
            Gone: The versions in between were deleted after their retention.
            Unavailable: The log cannot be read now.
        """
        if found.state is not None:
            return found.state
        try:
            return await self._state(place.document, found.seq, known or (0, EMPTY))
        except (*UNREACHABLE, asyncpg.PostgresError, SceneUnreadable, WorkerDied) as error:
            raise errors.Unavailable from error

    async def _state(self, document: UUID, seq: int, known: tuple[int, bytes]) -> bytes:
        state = await self._read(document, seq, known)
        if state is None:
            # Opening the document finds the rows that break it and takes them out.
            await self._scenes.state(document.bytes)
            state = await self._read(document, seq, (0, EMPTY))
        if state is None:
            raise SceneUnreadable(str(document))
        return state

    async def _read(self, document: UUID, seq: int, known: tuple[int, bytes]) -> bytes | None:
        """Read page by page; None when a document cannot be made of it."""
        (reached, state), trust = known, Trust.HEAD
        while reached < seq:
            stored = await self._store.load(document, reached, upto=seq, trust=trust)
            if stored.base_damaged and trust > Trust.ORIGINALS:
                state, reached, trust = EMPTY, 0, Trust(trust - 1)
                continue
            if stored.pruned or (not stored.full and stored.upto < seq):
                raise gone(await self._records.standing(document))
            pieces = [stored.base, *stored.rows] if stored.base else [state, *stored.rows]
            pieces = [piece for piece in pieces if piece != EMPTY]
            if pieces:
                done = await self._workers.run(heavy.integrate, pieces)
                if done is None:
                    return None
                state = done[0]
            reached = stored.upto
        return state

    async def run[R](self, job: Callable[..., R], *args: Any) -> R:
        """Run *job* in a worker.

        Raises:
            Unavailable: The worker was lost.
        """
        try:
            return await self._workers.run(job, *args)
        except WorkerDied as error:
            raise errors.Unavailable from error


def gone(standing: Standing) -> errors.Gone:
    """Say that a version is from before the retention, and from when on there are versions."""
    oldest = standing.horizon_at
    return errors.Gone(
        "Versions from before the retention are gone; named snapshots stay.",
        oldestAvailable=oldest.isoformat().replace("+00:00", "Z") if oldest else None,
        oldestSeq=standing.horizon,
    )
