"""The state of a scene from its originals, page by page, so that no log is too long for it."""

from dataclasses import dataclass, field
from uuid import UUID

from libs.tasks import Pace
from services.collab import normal
from services.collab.normal import Normal
from services.collab.scenes import CHECKSUM, Scenes
from services.collab.store import Store, Trust
from services.collab.workers import WorkerDied, Workers

PAGE_ROWS = 2_000
"""Rows read and merged at a time: some 4 ms of the event loop, 20 ms of a worker."""


class Unbuildable(Exception):
    """No document takes these rows, even without those that could be blamed."""


@dataclass(slots=True)
class Replayed:
    """What a stretch of originals says, on top of what was there before."""

    upto: int
    """The last seq that was read or passed over."""
    state: bytes | None
    rows: int = 0
    size_bytes: int = 0
    excluded: list[int] = field(default_factory=list[int])
    """Quarantined before or now; what is in them is not in the state."""
    damaged: list[int] = field(default_factory=list[int])
    """Those found damaged now."""
    holes: bool = False
    """Whether rows in between are gone."""


class Replay:
    """Reads originals and builds documents of them."""

    def __init__(self, store: Store, scenes: Scenes, workers: Workers) -> None:
        """Read from *store*, merge in *workers*, and let *scenes* find and exclude bad rows."""
        self._store = store
        self._scenes = scenes
        self._workers = workers

    async def originals(
        self,
        scene: UUID,
        *,
        after: int,
        upto: int,
        base: bytes | None,
        pace: Pace,
        page_rows: int = PAGE_ROWS,
    ) -> Replayed:
        """Take originals *after* + 1 to *upto* into *base*.

        Raises:
            Unbuildable: See there.
            WorkerDied: Workers die of rows that are good each by itself.
        """
        done = Replayed(after, base)
        while done.upto < upto:
            stored = await self._store.load(
                scene, done.upto, upto=upto, trust=Trust.ORIGINALS, rows_max=page_rows
            )
            done.holes |= stored.pruned
            if not stored.upto:
                break
            if stored.damaged:
                await self._scenes.quarantine(scene.bytes, dict.fromkeys(stored.damaged, CHECKSUM))
                done.damaged += stored.damaged
            if stored.rows:
                state = await self._absorbed(done.state, stored.rows)
                if state is None:
                    await self._blame(scene, done.state, stored.seqs, stored.rows)
                    continue
                done.state = state
            done.rows += len(stored.rows)
            done.size_bytes += sum(map(len, stored.rows))
            done.excluded += [*stored.excluded, *stored.damaged]
            done.upto = stored.upto
            await pace.rest()
        done.holes |= done.upto < upto
        return done

    async def measure(self, state: bytes) -> Normal | None:
        """The normal form of a state; None when no document can take it."""
        try:
            return await self._workers.run(normal.measure, state)
        except WorkerDied:
            return None

    async def contains(self, state: bytes, part: bytes) -> bool:
        """Whether *part* says nothing that *state* does not."""
        return await self._workers.run(normal.contains, state, part)

    async def _absorbed(self, state: bytes | None, rows: list[bytes]) -> bytes | None:
        try:
            return await self._workers.run(normal.absorb, state, rows)
        except WorkerDied:
            return None

    async def _blame(
        self, scene: UUID, state: bytes | None, seqs: list[int], rows: list[bytes]
    ) -> None:
        bad = await self._scenes.find_bad(state, seqs, rows)
        if not bad:
            raise Unbuildable(str(scene))
        await self._scenes.quarantine(scene.bytes, bad)
