"""Edits that hunks make, stored together with the rows of what they belong to."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.editors import SceneEditor
from libs.postgres import Connection, Pool
from libs.postgres.pool import UNREACHABLE
from libs.tasks import passed
from services.collab.commits import Commits, Row
from services.collab.history.records import Records
from services.collab.review.anchors.view import SceneAt
from services.collab.review.edits import is_touched
from services.collab.review.hunks.planning import Plan
from services.collab.scenes import Scenes, SceneUnreadable
from services.collab.store import Fenced
from services.collab.updates import EMPTY

TRIES_MAX = 5
"""How often edits are made anew because people write where they go."""
FENCED_MAX = 50
"""How often a transaction is tried again because another edit of a scene came first."""
MEANWHILE_ROWS_MAX = 500
"""Edits that are looked through for whether they touch a hunk; after more it is made anew."""


@dataclass(frozen=True, slots=True)
class SceneEdit:
    """An edit of a scene, made for its version *seq*."""

    scene: UUID
    seq: int
    plan: Plan


@dataclass(frozen=True, slots=True)
class Writing:
    """Edits of scenes, and the rows that are stored in the same transaction.

    `begin` locks the rows that decide and returns False when there is nothing left to do. `settle`
    stores rows; it is given the version that each scene has then. `run_id` is the run that made
    the edits. `name` names the fail points: `<name>.stored` and `<name>.committed`.
    """

    name: str
    edits: Sequence[SceneEdit]
    begin: Callable[[Connection], Awaitable[bool]]
    settle: Callable[[Connection, Mapping[UUID, int]], Awaitable[None]]
    run_id: UUID | None = None


class _MeanwhileTouched(Exception):
    """Somebody wrote where an edit goes, after the state that it was made for."""


class Writer:
    """Writes edits of any number of scenes in one transaction: all of them or none."""

    def __init__(self, pool: Pool, *, records: Records, scenes: Scenes, commits: Commits) -> None:
        """Read states of *scenes*, and write through *commits* in transactions of *pool*."""
        self._pool = pool
        self._records = records
        self._scenes = scenes
        self._commits = commits

    async def scene_at(self, scene: UUID, editor: SceneEditor | None) -> SceneAt:
        """Return a scene as it is now.

        Raises:
            Unavailable: It cannot be read at the moment.
        """
        try:
            state = await self._scenes.state(scene.bytes)
        except (*UNREACHABLE, asyncpg.PostgresError, SceneUnreadable) as error:
            raise errors.Unavailable from error
        return SceneAt(scene.bytes, state.upto, state.body, editor)

    async def write(self, actor: Actor, plan: Callable[[], Awaitable[Writing]]) -> None:
        """Store what *plan* returns; it is asked again when people write where its edits go.

        Raises:
            Unavailable: People go on writing at that place.
            DeadlineExceeded: The database did not answer; whether it is stored is not known.
            TooLarge: An edit is larger than one may be.
        """
        for _ in range(TRIES_MAX):
            writing = await plan()
            try:
                await self._store(actor, writing)
            except _MeanwhileTouched:
                continue
            return
        raise errors.Unavailable("People are writing at this place; try again in a moment.")

    async def _store(self, actor: Actor, writing: Writing) -> None:
        # In one order, so that two of them do not wait for each other.
        edits = sorted(writing.edits, key=lambda edit: edit.scene)
        for _ in range(FENCED_MAX):
            written: Sequence[Row] = ()
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    if not await writing.begin(connection):
                        return
                    await self._require_untouched(connection, edits)
                    changes = [
                        (edit.scene, edit.plan.edit.update)
                        for edit in edits
                        if edit.plan.edit.update != EMPTY
                    ]
                    if changes:
                        written = await self._commits.commit_within(
                            connection, actor, changes, run_id=writing.run_id
                        )
                    seqs = {edit.scene: edit.seq for edit in edits}
                    seqs |= {UUID(bytes=row.scene): row.seq for row in written}
                    await writing.settle(connection, seqs)
                    passed(f"{writing.name}.stored")
            except (Fenced, asyncpg.DeadlockDetectedError):
                continue
            except UNREACHABLE as error:
                raise errors.DeadlineExceeded from error
            passed(f"{writing.name}.committed")
            await self._commits.announce(written)
            return
        raise errors.Unavailable("People are writing in this scene; try again in a moment.")

    async def _require_untouched(self, connection: Connection, edits: Sequence[SceneEdit]) -> None:
        """Return when nothing that was written after their states concerns the edits.

        Raises:
            _MeanwhileTouched: Something does, or may.
        """
        heads = await self._commits.heads([edit.scene.bytes for edit in edits], within=connection)
        for edit, head in zip(edits, heads, strict=True):
            if head == edit.seq:
                continue
            if not edit.plan.precise or head - edit.seq > MEANWHILE_ROWS_MAX:
                raise _MeanwhileTouched
            rows, _ = await self._records.originals(edit.scene, edit.seq, head, MEANWHILE_ROWS_MAX)
            if len(rows) < head - edit.seq or any(
                row.body is not None and is_touched(edit.plan.edit, row.body) for row in rows
            ):
                raise _MeanwhileTouched
