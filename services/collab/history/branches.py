"""Branches: a document of its own that began as a scene, and its way back into it."""

import asyncio
from uuid import UUID

import asyncpg

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab.branches import (
    BRANCHES_MAX,
    CONFLICTS_SHOWN_MAX,
    BlockConflict,
    Branch,
    BranchKind,
    BranchState,
    CreateBranch,
    MergeBranch,
    Merged,
    MergeStrategy,
)
from libs.contracts.collab.history import OfScene, OneOfScene
from libs.contracts.editors import SceneEditor
from libs.contracts.pages import Page
from libs.postgres import Connection, LockKey, try_lock
from services.collab.commits import API_CONNECTION, Commits
from services.collab.formats import BadContent, CannotHold
from services.collab.history import work
from services.collab.history.past import Past, Place
from services.collab.history.records import SQL, Packed, Records, names_unique
from services.collab.updates import BadUpdate

MERGES_AT_ONCE = 1
"""In one replica: each keeps a connection, and needs others meanwhile."""


class BranchHandlers:
    """Serves `libs.contracts.collab.branches`."""

    def __init__(self, records: Records, past: Past, commits: Commits) -> None:
        """Wire the parts."""
        self._pool = records.pool
        self._past = past
        self._commits = commits
        self._merging = asyncio.Semaphore(MERGES_AT_ONCE)

    async def create(self, question: CreateBranch, actor: Actor) -> Branch:
        """Begin a branch with the state of a version."""
        place = Place(question.scene_id, question.scene_id, actor.scope())
        found = await self._past.find(place, question.at)
        state = await self._past.state(place, found)
        packed = await self._past.run(Packed.of, state)
        async with self._pool.acquire() as connection, connection.transaction():
            with names_unique():
                made = await connection.fetchval(
                    SQL.add_branch,
                    question.id,
                    place.scene,
                    place.project,
                    question.name,
                    found.seq,
                    packed.body,
                    packed.size,
                    packed.checksum,
                    actor.user_id,
                    BRANCHES_MAX,
                )
            if made:
                await connection.execute(
                    SQL.begin_branch,
                    question.id,
                    state,
                    API_CONNECTION,
                    actor.user_id,
                    packed.checksum,
                )
        row = await self._pool.fetchrow(SQL.branch, question.id, place.scene, place.project)
        if row is None:
            raise errors.LimitReached(
                f"A scene has at most {BRANCHES_MAX} branches.", limit=BRANCHES_MAX
            )
        return branch_of(row)

    async def list(self, question: OfScene, actor: Actor) -> Page[Branch]:
        """Show all of a scene."""
        rows = await self._pool.fetch(SQL.branches, question.scene_id, actor.scope())
        return Page(items=[branch_of(row) for row in rows])

    async def read(self, question: OneOfScene, actor: Actor) -> Branch:
        """Show one."""
        return branch_of(await self._row(question, actor))

    async def close(self, question: OneOfScene, actor: Actor) -> Branch:
        """Take no more writing into a branch; it stays readable."""
        await self._pool.execute(SQL.close_branch, question.id, question.scene_id, actor.scope())
        return branch_of(await self._row(question, actor))

    async def merge(self, question: MergeBranch, actor: Actor) -> Merged:
        """Bring a branch's changes into its scene, or say what stands in the way."""
        async with self._merging, self._pool.acquire() as connection, connection.transaction():
            if not await try_lock(connection, LockKey.BRANCH_MERGE, question.id):
                raise errors.ConcurrencyConflict("This branch is being merged right now.")
            return await self._merge(question, actor, connection)

    async def _merge(self, question: MergeBranch, actor: Actor, locked: Connection) -> Merged:
        row = await locked.fetchrow(SQL.branch_base, question.id, question.scene_id, actor.scope())
        if row is None:
            raise errors.NotFound
        if row["state"] == BranchState.CLOSED:
            raise errors.BranchClosed
        if row["kind"] == BranchKind.SUGGESTION:
            raise errors.Conflict("The changes of this branch are suggestions; decide about them.")
        packed = Packed(row["base"], row["base_size"], row["base_checksum"])
        base = await asyncio.to_thread(packed.unpack)
        if base is None:
            raise errors.Internal("The base of this branch is damaged.")
        scene, head = await self._now(question.scene_id, question.scene_id, actor)
        branch, _ = await self._now(question.id, question.scene_id, actor)
        strategy = question.strategy
        states = base, scene, branch
        found = await self._worked(states, strategy, question.editor)
        conflicts = [BlockConflict.model_validate(each) for each in found[0]]
        update: bytes | None = found[1]
        if question.dry_run:
            return Merged(
                branch=branch_of(row),
                seq=head,
                changed=update is not None,
                dry_run=True,
                conflicts=conflicts,
            )
        if conflicts and strategy is None:
            raise errors.BranchConflict(
                conflicts=found[0][:CONFLICTS_SHOWN_MAX], conflictCount=len(conflicts)
            )
        # Before the edit, so that none can be there without its record.
        await self._pool.execute(
            SQL.add_merge,
            question.merge_id,
            question.id,
            strategy,
            len(conflicts),
            actor.user_id,
        )
        seq = head
        if update is not None:
            seq = await self._commits.commit(question.scene_id, actor, update)
        # Not what is in the branch now: somebody may have written there meanwhile.
        packed = await self._past.run(Packed.of, branch)
        await locked.execute(
            SQL.rebase,
            question.id,
            seq,
            packed.body,
            packed.size,
            packed.checksum,
            actor.user_id,
        )
        await locked.execute(SQL.end_merge, question.merge_id, seq or None)
        after = await locked.fetchrow(SQL.branch, question.id, question.scene_id, actor.scope())
        assert after is not None
        return Merged(
            branch=branch_of(after),
            seq=seq,
            changed=update is not None,
            dry_run=False,
            conflicts=conflicts,
        )

    async def _now(self, document: UUID, scene: UUID, actor: Actor) -> tuple[bytes, int]:
        place = Place(document, scene, actor.scope())
        found = await self._past.find(place, None)
        return await self._past.state(place, found), found.seq

    async def _worked(
        self,
        states: tuple[bytes, bytes, bytes],
        strategy: MergeStrategy | None,
        editor: SceneEditor | None,
    ) -> work.MergedBranch:
        try:
            found = await self._past.run(work.merge_branch, *states, strategy, editor)
        except BadUpdate as error:
            raise errors.Unavailable from error
        except (BadContent, CannotHold) as error:
            raise errors.Conflict(
                "The scene is laid out for an editor that has no room for what is in the branch."
            ) from error
        if found is None:
            raise errors.TooLarge("This is too much text to compare.")
        return found

    async def _row(self, question: OneOfScene, actor: Actor) -> asyncpg.Record:
        row = await self._pool.fetchrow(SQL.branch, question.id, question.scene_id, actor.scope())
        if row is None:
            raise errors.NotFound
        return row


_SHOWN = frozenset(Branch.model_fields)


def branch_of(row: asyncpg.Record) -> Branch:
    """Return a row of `branches` as it is shown."""
    return Branch.model_validate({name: row[name] for name in _SHOWN})
