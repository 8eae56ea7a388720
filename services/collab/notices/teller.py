"""Tells which scenes have a new text: once for all edits of a moment."""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

import nats.errors
import structlog
from nats.aio.client import Client
from prometheus_client import Counter

from libs import errors
from libs.contracts import subjects
from libs.contracts.collab.passages import TextChanged
from libs.postgres import Pool, load_queries
from libs.tasks import PeriodicTask, progressed
from services.collab.model import SceneRun, uuid_of

log = structlog.get_logger(__name__)

SQL = load_queries("services.collab.notices")

QUIET_S = 0.3
"""A scene is told of when nobody edited it for so long."""
DELAY_S_MAX = 0.8
"""... and so long after the first edit that was not told of, while somebody types on."""
SCENES_MAX = 100_000
"""Changed scenes that a replica remembers; the walk over all scenes finds the others."""
SCENES_TOGETHER = 200
ACK_WAIT_S = 5.0
LOOK_INTERVAL_S = 60.0
WALK_SCENES = 500
WALK_INTERVAL_S = 900.0
WALK_DELAY_S_MAX = 5.0
"""A replica begins its first walk within so many seconds, not with all others at once."""

_told = Counter("scriptorium_collab_texts_told", "Notices that the text of a scene changed.")


class TextNotices:
    """Publishes notices of changed texts, at least one for each change."""

    def __init__(self, pool: Pool, client: Client) -> None:
        """Publish over *client*, and note in *pool* what was told."""
        self._pool = pool
        self._client = client
        self._waiting: dict[bytes, tuple[float, float, int]] = {}
        """By scene: when its first and its last edit came that was not told of, and its version."""
        self.task = PeriodicTask("text_notices", self.tell_due, interval_s=LOOK_INTERVAL_S)
        self.walk = PeriodicTask(
            "text_notices_walk",
            self.tell_all_behind,
            interval_s=WALK_INTERVAL_S,
            jitter=0.1,
            first_after_s=random.uniform(0, WALK_DELAY_S_MAX),
        )

    def committed(self, runs: Mapping[bytes, SceneRun]) -> None:
        """Note that scenes were edited."""
        now = time.monotonic()
        waiting = self._waiting
        for scene, run in runs.items():
            known = waiting.get(scene)
            if known is not None:
                waiting[scene] = known[0], now, max(known[2], run.seq_to)
            elif len(waiting) < SCENES_MAX:
                waiting[scene] = now, now, run.seq_to
        self.task.wake()

    async def tell_due(self) -> bool:
        """Wait until a scene is due and tell of all that are; False when none waits."""
        if not self._waiting:
            return False
        await asyncio.sleep(max(0.0, min(map(_due_at, self._waiting.values())) - time.monotonic()))
        now = time.monotonic()
        due = [scene for scene, edits in self._waiting.items() if _due_at(edits) <= now]
        for start in range(0, len(due), SCENES_TOGETHER):
            part = {
                scene: self._waiting.pop(scene) for scene in due[start : start + SCENES_TOGETHER]
            }
            try:
                await self._tell_edited(part)
            except BaseException:
                for scene, edits in part.items():
                    first, last, seq = self._waiting.get(scene, edits)
                    self._waiting[scene] = first, last, max(seq, edits[2])
                raise
        return bool(self._waiting)

    async def _tell_edited(self, edited: Mapping[bytes, tuple[float, float, int]]) -> None:
        seqs = {uuid_of(scene): seq for scene, (_, _, seq) in edited.items()}
        rows = await self._pool.fetch(SQL.without_branches, list(seqs))
        await self.tell({row["id"]: seqs[row["id"]] for row in rows})

    async def tell(self, seqs: Mapping[UUID, int]) -> None:
        """Tell that scenes reached versions.

        Raises:
            errors.Unavailable: The bus is away; some may have been told of.
            asyncpg.PostgresError, OSError: The database is away; they are told of again.
        """
        if not seqs:
            return
        await asyncio.gather(*(self._publish(scene, seq) for scene, seq in seqs.items()))
        await self._pool.execute(SQL.note_told, list(seqs), list(seqs.values()))
        _told.inc(len(seqs))

    async def _publish(self, scene: UUID, seq: int) -> None:
        notice = TextChanged(scene_id=scene, seq=seq, timestamp=datetime.now(UTC))
        try:
            await self._client.jetstream().publish(
                subjects.text_changed(scene), notice.to_wire(), timeout=ACK_WAIT_S
            )
        except (nats.errors.Error, TimeoutError) as error:
            raise errors.Unavailable from error

    async def tell_all_behind(self) -> None:
        """Walk over all scenes and tell of those that reached further than was told."""
        after: UUID | None = UUID(int=0)
        while after is not None:
            rows = await self._pool.fetch(SQL.page, after, WALK_SCENES)
            behind = {row["scene_id"]: row["seq"] for row in rows if row["seq"] is not None}
            for part in _parts(list(behind.items())):
                await self.tell(dict(part))
                progressed()
            after = rows[-1]["scene_id"] if len(rows) == WALK_SCENES else None


def _due_at(edits: tuple[float, float, int]) -> float:
    first, last, _ = edits
    return min(last + QUIET_S, first + DELAY_S_MAX)


def _parts(seqs: Sequence[tuple[UUID, int]]) -> list[Sequence[tuple[UUID, int]]]:
    return [seqs[at : at + SCENES_TOGETHER] for at in range(0, len(seqs), SCENES_TOGETHER)]
