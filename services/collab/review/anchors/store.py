"""Anchors in PostgreSQL."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.contracts.collab.anchors import AnchorStatus
from libs.contracts.ids import new_id
from libs.postgres import Connection, Pool, load_queries
from services.collab.review.anchors.model import Cut, Held
from services.collab.review.anchors.view import Stood
from services.collab.review.structs import Id, units, whole

SQL = load_queries("services.collab.review.anchors")


@dataclass(frozen=True, slots=True)
class Draft:
    """An anchor that is not stored yet."""

    stood: Stood
    seq: int
    """The version it was made at."""
    id: UUID = field(default_factory=new_id)

    @property
    def quote(self) -> str:
        """The words it stands on."""
        return _escaped(self.stood.quote)


@dataclass(frozen=True, slots=True)
class Known:
    """A stored anchor, as far as reading it needs."""

    id: UUID
    status: AnchorStatus
    generation: int
    first: Id | None
    last: Id | None
    quote: str
    deleted_at: datetime | None
    deleted_by: UUID | None


class AnchorStore:
    """Speaks SQL to `anchors` and `anchored_scenes`."""

    def __init__(self, pool: Pool) -> None:
        """Use *pool*."""
        self._pool = pool

    async def insert(
        self,
        connection: Connection,
        project: UUID,
        scene: UUID,
        drafts: Sequence[Draft],
        *,
        by: UUID,
        run_id: UUID | None,
    ) -> None:
        """Store anchors, within the caller's transaction."""
        rows = [(draft.id, project, scene, *_columns(draft), run_id, by) for draft in drafts]
        await connection.execute(SQL.lock_scenes, [scene])
        await connection.executemany(SQL.insert, rows)
        oldest = min(draft.seq for draft in drafts)
        await self._begin_following(connection, scene, oldest)

    async def replace(
        self, connection: Connection, project: UUID, scene: UUID, anchor: UUID, draft: Draft
    ) -> None:
        """Put an anchor elsewhere; it stays the same one."""
        await connection.execute(SQL.lock_scenes, [scene])
        await connection.execute(SQL.replace, anchor, project, scene, *_columns(draft))
        await self._begin_following(connection, scene, draft.seq)

    @staticmethod
    async def _begin_following(connection: Connection, scene: UUID, seq: int) -> None:
        await connection.execute(SQL.settle, scene, seq)
        await connection.execute(SQL.begin_following, scene, seq)

    @staticmethod
    async def remove(connection: Connection, project: UUID, anchors: Sequence[UUID]) -> None:
        """Remove anchors on which nothing stands any more."""
        await connection.execute(SQL.lock_scenes_of, project, anchors)
        await connection.execute(SQL.remove, project, anchors)

    @staticmethod
    async def retire(connection: Connection, project: UUID, anchors: Sequence[UUID]) -> None:
        """Leave anchors out when the others of their scenes are followed."""
        await connection.execute(SQL.lock_scenes_of, project, anchors)
        await connection.execute(SQL.retire, project, anchors)

    async def read(self, project: UUID, scene: UUID, anchors: Sequence[UUID]) -> list[Known]:
        """Return those of *anchors* that are anchors of this scene."""
        return [
            Known(
                row["id"],
                AnchorStatus(row["status"]),
                row["generation"],
                *_ends(row),
                row["quote"],
                row["deleted_at"],
                row["deleted_by"],
            )
            for row in await self._pool.fetch(SQL.read, project, scene, anchors)
        ]

    async def scene_of(self, project: UUID, anchor: UUID) -> UUID | None:
        """Return the scene of an anchor, if the project has it."""
        return await self._pool.fetchval(SQL.scene_of, anchor, project)

    async def count(self, scene: UUID) -> int:
        """Return how many anchors a scene has."""
        return await self._pool.fetchval(SQL.count, scene)

    async def followed(self, scene: UUID) -> int | None:
        """Return up to which version the anchors of a scene were followed; None without any."""
        return await self._pool.fetchval(SQL.followed, scene)

    async def to_follow(self, scene: UUID) -> list[Held]:
        """Return the anchors of a scene that an edit can change."""
        return [_held(row) for row in await self._pool.fetch(SQL.to_follow, scene)]

    async def follow(self, scene: UUID, followed: int, upto: int, changed: Iterable[Held]) -> bool:
        """Store what became of anchors from version *followed* to *upto*, all or nothing.

        Returns False when another replica, or a new anchor, was first: then nothing is stored.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            if await connection.fetchval(SQL.follow, scene, followed, upto) is None:
                return False
            for anchor in changed:
                await connection.execute(
                    SQL.change,
                    anchor.id,
                    anchor.status,
                    anchor.generation,
                    *(anchor.first or (None, None)),
                    *(anchor.last or (None, None)),
                    upto,
                    anchor.pieces,
                    [_cut_as_json(cut) for cut in anchor.cuts],
                    anchor.deleted_at,
                    anchor.deleted_by,
                )
        return True

    async def anchored(self, scenes: Sequence[UUID]) -> list[UUID]:
        """Return those of *scenes* that have anchors."""
        return [row["scene_id"] for row in await self._pool.fetch(SQL.anchored, scenes)]

    async def behind(self, after: UUID, limit: int) -> list[UUID]:
        """Return scenes whose anchors were not followed to the end of the log, in order of id."""
        return [row["scene_id"] for row in await self._pool.fetch(SQL.behind, after, limit)]


def _columns(draft: Draft) -> list[Any]:
    stood = draft.stood
    return [
        *stood.first,
        *stood.last,
        _escaped(stood.quote),
        _escaped(stood.before),
        _escaped(stood.after),
        stood.grams,
        stood.offset,
        draft.seq,
        stood.pieces,
    ]


def _ends(row: Any) -> tuple[Id | None, Id | None]:
    if row["first_client"] is None:
        return None, None
    return (row["first_client"], row["first_clock"]), (row["last_client"], row["last_clock"])


def _held(row: Any) -> Held:
    first, last = _ends(row)
    return Held(
        id=row["id"],
        status=AnchorStatus(row["status"]),
        generation=row["generation"],
        first=first,
        last=last,
        pieces=[(client, clock, size) for client, clock, size in row["pieces"]],
        quote=units(row["quote"]),
        before=units(row["before"]),
        after=units(row["after"]),
        followed_seq=row["followed_seq"],
        cuts=[_cut_of_json(cut) for cut in row["cuts"]],
        deleted_at=row["deleted_at"],
        deleted_by=row["deleted_by"],
    )


def _cut_as_json(cut: Cut) -> dict[str, Any]:
    return {
        "text": _escaped(cut.text),
        "spans": cut.spans,
        "before": _escaped(cut.before),
        "after": _escaped(cut.after),
    }


def _cut_of_json(cut: dict[str, Any]) -> Cut:
    return Cut(
        text=units(cut["text"]),
        spans=[(start, end) for start, end in cut["spans"]],
        before=units(cut["before"]),
        after=units(cut["after"]),
    )


def _escaped(text: str) -> str:
    """Return code units as text that PostgreSQL can hold: without NUL and half pairs."""
    return whole(text).replace("\0", "\ufffd")
