"""Announces anchors that got new ids or another status, so that editors draw them right.

It happens after the anchors were written, in a transaction of its own: a crash in between loses an
announcement and no anchor, and editors that ask again see it.
"""

from collections.abc import Iterable
from itertools import batched
from uuid import UUID

from libs.contracts.collab.anchors import Anchor
from libs.contracts.collab.facts import ANCHORS_TOLD_MAX, MovedAnchor, MovedAnchors
from libs.postgres import Pool, load_queries
from libs.tasks import PeriodicTask
from services.collab.editors import SceneEditors
from services.collab.review.anchors.anchors import Anchors
from services.collab.review.facts import fact, tell

SQL = load_queries("services.collab.review")

POLL_S = 60.0
"""It is woken when there is something to announce."""
ANCHORS_AT_ONCE = 1_000
SCENES_MAX = 10_000
"""Scenes that wait; of more, only those that came first are announced."""


class Moves:
    """Collects what moved, and announces where it stands now."""

    def __init__(self, pool: Pool, anchors: Anchors, editors: SceneEditors) -> None:
        """Announce in *pool* what *anchors* says; call `note` when some moved."""
        self._pool = pool
        self._anchors = anchors
        self._editors = editors
        self._waiting: dict[UUID, dict[UUID, None]] = {}
        self.task = PeriodicTask("announce_moved_anchors", self._announce, interval_s=POLL_S)

    def note(self, scene: UUID, ids: Iterable[UUID]) -> None:
        """Take note of anchors of a scene that moved."""
        if len(self._waiting) < SCENES_MAX or scene in self._waiting:
            self._waiting.setdefault(scene, {}).update(dict.fromkeys(ids))
            self.task.wake()

    async def _announce(self) -> bool:
        """Announce those of one scene; return whether others wait."""
        if not self._waiting:
            return False
        scene, moved = next(iter(self._waiting.items()))
        some = list(moved)[:ANCHORS_AT_ONCE]
        await self._tell(scene, some)
        for each in some:
            moved.pop(each, None)
        if not moved:
            self._waiting.pop(scene, None)
        return bool(self._waiting)

    async def _tell(self, scene: UUID, ids: list[UUID]) -> None:
        rows = await self._pool.fetch(SQL.drawn_anchors, scene, ids)
        if not rows:
            return
        project: UUID = rows[0]["project_id"]
        drawn = [row["id"] for row in rows]
        editor = (await self._editors.of_all_if_known([scene]))[scene].editor
        found = await self._anchors.read(project, scene, drawn, editor)
        facts = [
            fact(
                "anchor.moved",
                scene,
                project=project,
                by=None,
                version=told.seq,
                data=told,
            )
            for some in batched(found.values(), ANCHORS_TOLD_MAX, strict=False)
            for told in (_told(scene, some),)
        ]
        async with self._pool.acquire() as connection, connection.transaction():
            await tell(connection, *facts)


def _told(scene: UUID, anchors: tuple[Anchor, ...]) -> MovedAnchors:
    return MovedAnchors(
        scene_id=scene,
        seq=anchors[0].seq,
        anchors=[
            MovedAnchor.model_validate(each.model_dump(exclude={"quote", "seq"}))
            for each in anchors
        ],
    )
