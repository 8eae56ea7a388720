"""Takes conversations in, page by page, into a scene that nobody sees yet.

All ids are made from the scene's id and the numbers of the lines, so that a page that is sent
again finds itself. Nobody is notified, and nothing is announced: a copy has no past.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
from pydantic import ValidationError

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab.conversations import (
    LINE,
    CarriedAnchor,
    CarriedComment,
    CarriedHunk,
    CarriedPatch,
    CarriedSuggestion,
    CarriedThread,
    Line,
    PlantConversation,
    Planted,
)
from libs.contracts.collab.patches import PatchState
from libs.contracts.collab.suggestions import SuggestionStatus
from libs.postgres import Connection, LockKey, Pool, load_queries, wait_for_lock
from libs.postgres.pool import UNREACHABLE
from services.collab.formats import BadContent
from services.collab.review.anchors.view import SceneAt
from services.collab.review.copies.people import People
from services.collab.review.copies.standing import Standing, stand_again
from services.collab.scenes import Scenes, SceneUnreadable
from services.collab.stored import unpack
from services.collab.updates import BadUpdate
from services.collab.workers import WorkerDied, Workers

SQL = load_queries("services.collab.review.copies")

type _Made = CarriedThread | CarriedComment | CarriedSuggestion | CarriedPatch
"""Lines that tell when they were made, and by whom."""

_RANDOM_BITS = 42
_LOW_BITS = 20


def copied_id(scene: UUID, kind: str, *numbers: int) -> UUID:
    """Return the id of a line: a UUIDv7 as old as the scene's; ids rise with the first number."""
    name = f"{kind}:{':'.join(map(str, numbers))}".encode()
    random = int.from_bytes(hashlib.sha256(scene.bytes + name).digest()[:8])
    high, low = numbers[0] >> _LOW_BITS & 0xFFF, numbers[0] & (1 << _LOW_BITS) - 1
    value = scene.int >> 80 << 80 | 7 << 76 | high << 64 | 2 << 62 | low << _RANDOM_BITS
    return UUID(int=value | random & (1 << _RANDOM_BITS) - 1)


class ConversationWriter:
    """Stores threads, comments, suggestions and patches of new scenes."""

    def __init__(self, pool: Pool, scenes: Scenes, workers: Workers) -> None:
        """Write to *pool*; anchors are placed in *workers*, in the texts of *scenes*."""
        self._pool = pool
        self._scenes = scenes
        self._workers = workers

    async def plant(self, question: PlantConversation, actor: Actor) -> Planted:
        """Store a page; all of it, or nothing.

        Raises:
            errors.Invalid: A line is malformed, or does not follow from the lines before it.
        """
        lines = _decoded(question)
        scene = question.scene_id
        try:
            state = await self._scenes.state(scene.bytes)
            anchors = list(_anchors(lines))
            suggested = [line for line in lines if isinstance(line, CarriedSuggestion)]
            hunks = [line for line in lines if isinstance(line, CarriedHunk)]
            standing, applied, wrote = await self._workers.run(
                stand_again,
                SceneAt(scene.bytes, state.upto, state.body, None),
                [anchor.to_wire() for anchor in anchors],
                [line.to_wire() for line in suggested],
                [line.to_wire() for line in hunks],
            )
        except BadContent as error:
            raise errors.Invalid(f"A suggestion has blocks that are none: {error}") from error
        except (*UNREACHABLE, SceneUnreadable, WorkerDied, BadUpdate) as error:
            raise errors.Unavailable from error
        found = dict(zip(map(id, anchors), standing, strict=True))
        written = dict(zip(map(id, [*suggested, *hunks]), [*applied, *wrote], strict=True))
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await wait_for_lock(connection, LockKey.THREADS, scene)
                page = _Page(connection, actor, scene, seq=state.upto, standing=found)
                for line in lines:
                    await page.add(line, written.get(id(line)))
                await connection.execute(SQL.begin_following, scene, state.upto)
        except (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError) as error:
            raise errors.Invalid(f"The conversations contradict themselves: {error}") from error
        except UNREACHABLE as error:
            raise errors.Unavailable from error
        return Planted()


def _decoded(question: PlantConversation) -> Sequence[Line]:
    body = unpack(question.packed, question.size)
    if body is None:
        raise errors.Invalid("The page of conversations is not what it says.")
    try:
        return [LINE.validate_json(raw) for raw in body.splitlines()]
    except ValidationError as error:
        raise errors.Invalid(f"A conversation is malformed: {error.errors()[0]['msg']}") from None


def _anchors(lines: Sequence[Line]) -> Iterator[CarriedAnchor]:
    """Yield all anchors of *lines*."""
    for line in lines:
        if not isinstance(line, CarriedComment | CarriedPatch):
            yield line.anchor
        if isinstance(line, CarriedHunk) and line.written:
            yield line.written


class _Page:
    """Inserts lines within one transaction."""

    def __init__(
        self,
        connection: Connection,
        actor: Actor,
        scene: UUID,
        *,
        seq: int,
        standing: Mapping[int, Standing],
    ) -> None:
        """Insert at *seq* of *scene*; *standing* has the places of anchors by the `id` of each."""
        self._connection = connection
        self._standing = standing
        self._project = actor.scope()
        self._people = People(actor.user_id)
        self._scene = scene
        self._seq = seq
        self._now = datetime.now(UTC)

    async def add(self, line: Line, written: dict[str, Any] | None) -> None:
        """Insert *line*; *written* is what a suggestion or a hunk wrote."""
        match line:
            case CarriedComment():
                await self._comment(line)
            case CarriedPatch():
                await self._patch(line)
            case CarriedHunk():
                await self._hunk(line, written)
            case CarriedThread():
                await self._thread(line, await self._anchor_of(line))
            case CarriedSuggestion():
                await self._suggestion(line, await self._anchor_of(line), written)

    async def _anchor_of(self, line: CarriedThread | CarriedSuggestion) -> UUID:
        anchor = copied_id(self._scene, f"{line.kind}.anchor", line.id)
        made = self._people(line.created_by), min(line.created_at, self._now)
        await self._anchor(anchor, line.anchor, *made)
        return anchor

    async def _anchor(self, anchor: UUID, carried: CarriedAnchor, by: UUID, at: datetime) -> None:
        standing = self._standing[id(carried)]
        orphaned = not standing.pieces
        await self._connection.execute(
            SQL.add_anchor,
            anchor,
            self._project,
            self._scene,
            standing.status,
            *(standing.first or (None, None)),
            *(standing.last or (None, None)),
            carried.quote,
            carried.before,
            carried.after,
            standing.grams,
            carried.offset,
            self._seq,
            standing.pieces,
            carried.deleted_at if orphaned else None,
            self._people.maybe(carried.deleted_by) if orphaned else None,
            by,
            at,
        )

    async def _thread(self, line: CarriedThread, anchor: UUID) -> None:
        await self._connection.execute(
            SQL.add_thread,
            copied_id(self._scene, "thread", line.id),
            self._project,
            self._scene,
            anchor,
            line.state,
            line.resolved_at,
            self._people.maybe(line.resolved_by),
            *self._times(line),
        )

    async def _comment(self, line: CarriedComment) -> None:
        thread = copied_id(self._scene, "thread", line.thread)
        comment = copied_id(self._scene, "comment", line.thread, line.number)
        counted = await self._connection.fetchval(
            SQL.count_comments, thread, self._project, self._scene, line.number
        )
        if counted is None:
            raise errors.Invalid(
                f"Comment {line.number} of thread {line.thread} does not follow the one before it."
            )
        await self._connection.execute(
            SQL.add_comment,
            comment,
            self._project,
            self._scene,
            thread,
            line.number,
            line.body,
            line.meta,
            *self._times(line),
            line.edited_at,
            line.deleted_at,
            self._people.maybe(line.deleted_by),
        )
        people = [self._people(each) for each in line.mentions]
        if people:
            await self._connection.execute(SQL.add_mentions, comment, people)
        place = 0
        for reaction in line.reactions:
            people = [self._people(each) for each in reaction.people]
            at = min(line.created_at, self._now)
            await self._connection.execute(
                SQL.add_reaction, comment, reaction.emoji, people, at, place
            )
            place += len(people)

    async def _suggestion(
        self, line: CarriedSuggestion, anchor: UUID, applied: dict[str, Any] | None
    ) -> None:
        reverted = line.status is SuggestionStatus.REVERTED
        seq = None if applied is None else max(self._seq, 1)
        await self._connection.execute(
            SQL.add_suggestion,
            copied_id(self._scene, "suggestion", line.id),
            self._project,
            self._scene,
            anchor,
            line.status,
            line.change,
            line.base,
            line.text,
            line.side,
            line.note,
            seq,
            applied,
            seq if reverted else None,
            line.decided_at,
            self._people.maybe(line.decided_by),
            *self._times(line),
            line.blocks,
            line.attributes and line.attributes.model_dump(mode="json", by_alias=True),
        )

    async def _patch(self, line: CarriedPatch) -> None:
        seq = max(self._seq, 1)
        opened = line.state is PatchState.OPEN
        await self._connection.execute(
            SQL.add_patch,
            copied_id(self._scene, "patch", line.id),
            self._project,
            self._scene,
            line.state,
            self._seq,
            None if opened else seq,
            seq if line.state is PatchState.REVERTED else None,
            line.rebase_strategy,
            line.title,
            line.note,
            line.decided_at,
            self._people.maybe(line.decided_by),
            *self._times(line),
        )

    async def _hunk(self, line: CarriedHunk, wrote: dict[str, Any] | None) -> None:
        patch = copied_id(self._scene, "patch", line.patch)
        if not await self._connection.fetchval(
            SQL.has_hunk, patch, self._project, self._scene, line.number
        ):
            raise errors.Invalid(
                f"Hunk {line.number} of patch {line.patch} does not follow the one before it."
            )
        anchor = copied_id(self._scene, "hunk.anchor", line.patch, line.number)
        written = copied_id(self._scene, "hunk.written", line.patch, line.number)
        await self._anchor(anchor, line.anchor, self._people.owner, self._now)
        if line.written:
            await self._anchor(written, line.written, self._people.owner, self._now)
        await self._connection.execute(
            SQL.add_hunk,
            copied_id(self._scene, "hunk", line.patch, line.number),
            self._project,
            self._scene,
            patch,
            line.number,
            line.state,
            anchor,
            written if line.written else None,
            line.change,
            line.side,
            line.base,
            line.text,
            wrote,
        )

    def _times(self, line: _Made) -> tuple[datetime, UUID, datetime, UUID]:
        """Return when a line was made and changed, never in the future, and by whom."""
        made, changed = min(line.created_at, self._now), min(line.updated_at, self._now)
        return made, self._people(line.created_by), changed, self._people(line.updated_by)
