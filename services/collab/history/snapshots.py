"""Named snapshots: versions that somebody gave a name, kept whole for ever."""

from uuid import UUID

import asyncpg

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab.history import (
    SNAPSHOTS_MAX,
    ChangeSnapshot,
    CreateSnapshot,
    Deleted,
    DeleteSnapshot,
    NamedSnapshot,
    OfScene,
    OneOfScene,
)
from libs.contracts.pages import Page
from services.collab.history.past import Past, Place
from services.collab.history.records import SQL, Packed, Records, names_unique


class NamedSnapshotHandlers:
    """Keeps and shows named snapshots."""

    def __init__(self, records: Records, past: Past) -> None:
        """Keep in *records* what *past* finds."""
        self._records = records
        self._pool = records.pool
        self._past = past

    async def create(self, question: CreateSnapshot, actor: Actor) -> NamedSnapshot:
        """Keep a version under a name."""
        place = Place(question.scene_id, question.scene_id, actor.scope())
        found = await self._past.find(place, question.at)
        state = await self._past.state(place, found)
        at = found.at or await self._records.time_of(place.document, found.seq)
        packed = await self._past.run(Packed.of, state)
        with names_unique():
            await self._pool.execute(
                SQL.add_snapshot,
                question.id,
                place.scene,
                place.project,
                question.name,
                question.description,
                found.seq,
                at,
                packed.body,
                packed.size,
                packed.checksum,
                actor.user_id,
                SNAPSHOTS_MAX,
            )
        row = await self._row(question.id, question.scene_id, actor)
        if row is None:
            raise errors.LimitReached(
                f"A scene has at most {SNAPSHOTS_MAX} named snapshots; delete one first.",
                limit=SNAPSHOTS_MAX,
            )
        return _snapshot(row)

    async def list(self, question: OfScene, actor: Actor) -> Page[NamedSnapshot]:
        """Show all of a scene."""
        rows = await self._pool.fetch(SQL.snapshots, question.scene_id, actor.scope())
        return Page(items=[_snapshot(row) for row in rows])

    async def read(self, question: OneOfScene, actor: Actor) -> NamedSnapshot:
        """Show one."""
        return _snapshot(await self._known(question.id, question.scene_id, actor))

    async def change(self, question: ChangeSnapshot, actor: Actor) -> NamedSnapshot:
        """Rename or describe one."""
        given = question.model_fields_set
        with names_unique():
            row = await self._pool.fetchrow(
                SQL.change_snapshot,
                question.id,
                question.scene_id,
                actor.scope(),
                actor.user_id,
                "name" in given,
                question.name,
                "description" in given,
                question.description,
            )
        if row is None:
            raise errors.NotFound
        return _snapshot(row)

    async def delete(self, question: DeleteSnapshot, actor: Actor) -> Deleted:
        """Delete one for good."""
        row = await self._known(question.id, question.scene_id, actor)
        if not question.any_author and row["created_by"] != actor.user_id:
            raise errors.Forbidden(
                "Only who made a snapshot, or a MAINTAINER, may delete it.",
                action="scene.delete_any_snapshot",
            )
        await self._pool.execute(SQL.delete_snapshot, question.id, question.scene_id, actor.scope())
        return Deleted()

    async def _known(self, snapshot: UUID, scene: UUID, actor: Actor) -> asyncpg.Record:
        row = await self._row(snapshot, scene, actor)
        if row is None:
            raise errors.NotFound
        return row

    async def _row(self, snapshot: UUID, scene: UUID, actor: Actor) -> asyncpg.Record | None:
        return await self._pool.fetchrow(SQL.snapshot, snapshot, scene, actor.scope())


def _snapshot(row: asyncpg.Record) -> NamedSnapshot:
    return NamedSnapshot(
        size_bytes=row["size"], **{name: value for name, value in row.items() if name != "size"}
    )
