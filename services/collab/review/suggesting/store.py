"""Branches of suggestions in PostgreSQL, and the suggestions that tell their changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from libs.contracts.actor import Actor
from libs.contracts.collab.suggestions import SUGGESTIONS_MAX, SuggestionStatus
from libs.contracts.ids import new_id
from libs.postgres import Connection, LockKey, Pool, load_queries
from libs.postgres.locks import wait_for_lock
from services.collab.history.records import Packed
from services.collab.review.anchors.anchors import Anchors
from services.collab.review.anchors.store import Draft
from services.collab.review.facts import tell
from services.collab.review.suggesting.deriving import Told
from services.collab.review.suggesting.matching import Known
from services.collab.review.suggesting.proposals import Proposal
from services.collab.review.suggesting.regions import Region
from services.collab.review.suggestions.facts import suggestion_fact

SQL = load_queries("services.collab.review.suggesting")


class Outrun(Exception):
    """Somebody changed what was read before it could be stored; nothing was."""


@dataclass(frozen=True, slots=True)
class Held:
    """A branch of suggestions as it is stored."""

    id: UUID
    scene: UUID
    project: UUID
    author: UUID
    base_seq: int
    base: Packed
    followed_seq: int
    known: list[Known]
    versions: dict[UUID, int]
    """The version of each of its suggestions."""

    @property
    def actor(self) -> Actor:
        """Its author."""
        return Actor(user_id=self.author, project_id=self.project)

    @property
    def is_settled(self) -> bool:
        """Whether nobody decided about a suggestion since its changes were told."""
        return all(one.status is SuggestionStatus.OPEN for one in self.known)


@dataclass(frozen=True, slots=True)
class Step:
    """The rows that are stored when the changes of a branch were told."""

    scene_seq: int
    followed_seq: int
    base: Packed | None
    """The scene at `scene_seq`; None when it is that of before."""
    told: Sequence[Told]
    unexpressed: int


class SuggestingStore:
    """Speaks SQL about branches of suggestions."""

    def __init__(self, pool: Pool, anchors: Anchors) -> None:
        """Use *pool*; suggestions stand on *anchors*."""
        self.pool = pool
        self._anchors = anchors

    async def concerned(self, documents: Sequence[UUID]) -> list[UUID]:
        """Return the branches that edits of *documents* concern."""
        return [row["id"] for row in await self.pool.fetch(SQL.concerned, documents)]

    async def behind(self, after: UUID, limit: int) -> list[UUID]:
        """Return branches whose changes were not told to the end, in order of id."""
        return [row["id"] for row in await self.pool.fetch(SQL.behind, after, limit)]

    async def read(self, branch: UUID) -> Held | None:
        """Return a branch; None for one that is closed or none of suggestions."""
        row = await self.pool.fetchrow(SQL.branch, branch)
        if row is None:
            return None
        hunks = [
            (UUID(ident), Region(start, end, text), outdated, attributes)
            for ident, start, end, text, outdated, attributes in row["hunks"]
        ]
        found = {
            one["id"]: one
            for one in await self.pool.fetch(SQL.told, [ident for ident, *_ in hunks])
        }
        return Held(
            id=row["id"],
            scene=row["scene_id"],
            project=row["project_id"],
            author=row["created_by"],
            base_seq=row["base_seq"],
            base=Packed(row["base"], row["base_size"], row["base_checksum"]),
            followed_seq=row["followed_seq"],
            known=[
                Known(ident, SuggestionStatus(found[ident]["status"]), region, outdated, attributes)
                for ident, region, outdated, attributes in hunks
                if ident in found
            ],
            versions={ident: one["version"] for ident, one in found.items()},
        )

    async def store(self, connection: Connection, held: Held, step: Step) -> None:
        """Store what was told of a branch, within the caller's transaction.

        Raises:
            Outrun: The branch, or one of its suggestions, is not what *held* says any more.
        """
        locked = {row["id"]: row for row in await connection.fetch(SQL.lock, list(held.versions))}
        if {ident: row["version"] for ident, row in locked.items()} != held.versions:
            raise Outrun
        told = await self._tell(connection, held, step, locked)
        hunks = [
            [str(ident), one.proposal.region.start, one.proposal.region.end,
             one.proposal.region.text, one.outdated, one.proposal.attributes]
            for ident, one in told
        ]  # fmt: skip
        unexpressed = step.unexpressed + len(step.told) - len(told)
        done = await connection.fetchval(
            SQL.follow,
            held.id,
            held.base_seq,
            held.followed_seq,
            step.followed_seq,
            hunks,
            unexpressed,
        )
        if done is None:
            raise Outrun
        if (base := step.base) is not None:
            await connection.execute(
                SQL.rebase, held.id, step.scene_seq, base.body, base.size, base.checksum
            )

    async def _tell(
        self,
        connection: Connection,
        held: Held,
        step: Step,
        locked: Mapping[UUID, asyncpg.Record],
    ) -> list[tuple[UUID, Told]]:
        """Store the suggestions of a step; returns those that could be told."""
        told: list[tuple[UUID, Told]] = []
        new: list[Told] = []
        for one in step.told:
            if one.id is None:
                new.append(one)
                continue
            told.append((one.id, one))
            if not one.outdated:
                await self._change(connection, held, step, locked[one.id], one.proposal)
        ids = {ident for ident, _ in told}
        for known in held.known:
            if known.status is SuggestionStatus.OPEN and known.id not in ids:
                row = await connection.fetchrow(SQL.withdraw, known.id)
                await tell(connection, suggestion_fact("withdrawn", row, held.actor))
        return told + await self._add(connection, held, step, new)

    async def _add(
        self, connection: Connection, held: Held, step: Step, new: Sequence[Told]
    ) -> list[tuple[UUID, Told]]:
        if not new:
            return []
        await wait_for_lock(connection, LockKey.THREADS, held.scene)
        room = SUGGESTIONS_MAX - await connection.fetchval(SQL.count_open, held.scene)
        added: list[tuple[UUID, Told]] = []
        drafts = [Draft(one.proposal.stood, step.scene_seq) for one in new[: max(room, 0)]]
        await self._anchors.insert(connection, held.project, held.scene, drafts, by=held.author)
        for one, draft in zip(new, drafts, strict=False):
            said = one.proposal
            row = await connection.fetchrow(
                SQL.add,
                new_id(),
                held.project,
                held.scene,
                draft.id,
                held.id,
                said.kind,
                said.base,
                said.text,
                said.side,
                held.author,
                said.attributes,
            )
            assert row is not None
            await tell(connection, suggestion_fact("created", row, held.actor))
            added.append((row["id"], one))
        return added

    async def _change(
        self, connection: Connection, held: Held, step: Step, row: Any, said: Proposal
    ) -> None:
        """Let a suggestion say what its author's words are now."""
        stands = (row["first_client"], row["first_clock"], row["last_client"], row["last_clock"])
        if stands != (*said.stood.first, *said.stood.last):
            draft = Draft(said.stood, step.scene_seq)
            await self._anchors.replace(
                connection, held.project, held.scene, row["anchor_id"], draft
            )
        now = said.kind, said.base, said.text, said.side, said.attributes
        if (row["kind"], row["base"], row["text"], row["side"], row["attributes"]) != now:
            changed = await connection.fetchrow(SQL.change, row["id"], *now)
            await tell(connection, suggestion_fact("changed", changed, held.actor))
