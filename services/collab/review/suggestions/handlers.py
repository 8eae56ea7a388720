"""Serves suggestions: made, listed, accepted once, rejected, withdrawn, reverted."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import asyncpg

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab.anchors import Anchor
from libs.contracts.collab.suggestions import (
    SUGGESTIONS_MAX,
    TEXT_CHARS_MAX,
    CreateSuggestion,
    DecideSuggestion,
    Decision,
    ListSuggestions,
    OneSuggestion,
    Suggestion,
    SuggestionStatus,
)
from libs.contracts.editors import SceneEditor
from libs.contracts.ids import new_id
from libs.contracts.pages import Page
from libs.contracts.versions import is_expected
from libs.postgres import Connection, LockKey, Pool, load_queries
from libs.postgres.locks import wait_for_lock
from libs.postgres.pool import UNREACHABLE
from services.collab.formats import BadContent
from services.collab.review.anchors.anchors import Anchors
from services.collab.review.anchors.view import SceneAt
from services.collab.review.facts import tell
from services.collab.review.hunks.planning import Applied, Differs, Planned
from services.collab.review.hunks.writing import SceneEdit, Writer, Writing
from services.collab.review.rich import planning as rich
from services.collab.review.suggestions.facts import suggestion_fact
from services.collab.review.suggestions.plans import planning_of
from services.collab.review.threads.cursors import cursor_after, place_of
from services.collab.updates import BadUpdate
from services.collab.workers import WorkerDied, Workers

SQL = load_queries("services.collab.review.suggestions")

_DECIDED = {
    Decision.ACCEPT: SuggestionStatus.ACCEPTED,
    Decision.REJECT: SuggestionStatus.REJECTED,
    Decision.WITHDRAW: SuggestionStatus.WITHDRAWN,
    Decision.REVERT: SuggestionStatus.REVERTED,
}


class Suggestions:
    """Serves `libs.contracts.collab.suggestions`."""

    def __init__(
        self,
        pool: Pool,
        anchors: Anchors,
        *,
        writer: Writer,
        workers: Workers,
    ) -> None:
        """Keep suggestions in *pool*, on *anchors*; *writer* stores edits made in *workers*."""
        self._pool = pool
        self._anchors = anchors
        self._writer = writer
        self._workers = workers
        self.on_decided: list[Callable[[UUID], None]] = []
        """Told of the branch of a suggestion that was decided about."""
        self._deciding: dict[tuple[UUID, Decision], asyncio.Task[None]] = {}

    async def create(self, question: CreateSuggestion, actor: Actor) -> Suggestion:
        """Make a suggestion on the words of its anchor."""
        project, scene = actor.scope(), question.scene_id
        if await self._row(SQL.suggestion, question.id, project) is None:
            blocks, text = await self._written(question)
            [draft] = await self._anchors.draft(project, scene, [question.anchor], question.editor)
            async with self._pool.acquire() as connection, connection.transaction():
                await wait_for_lock(connection, LockKey.THREADS, scene)
                if await connection.fetchval(SQL.count_open, scene) >= SUGGESTIONS_MAX:
                    raise errors.LimitReached(
                        f"A scene has at most {SUGGESTIONS_MAX} open suggestions; decide some.",
                        limit=SUGGESTIONS_MAX,
                    )
                by, run = actor.user_id, question.run_id
                await self._anchors.insert(connection, project, scene, [draft], by=by, run_id=run)
                row = await connection.fetchrow(
                    SQL.add,
                    question.id,
                    project,
                    scene,
                    draft.id,
                    question.kind,
                    draft.quote,
                    text,
                    question.side,
                    question.note,
                    run,
                    by,
                    blocks,
                    question.attributes and question.attributes.model_dump(),
                )
                await tell(connection, suggestion_fact("created", row, actor))
        return await self._shown(question.id, actor, question.editor)

    async def _written(self, question: CreateSuggestion) -> tuple[list[Any] | None, str]:
        """Return the blocks of a new suggestion, in normal form, and its words.

        Raises:
            Invalid: They are no blocks, or have too many words or none.
        """
        if question.blocks is None:
            return None, question.text
        try:
            blocks, text = await self._workers.run(rich.checked, question.blocks)
        except BadContent as error:
            place = error.place.replace("content", "body.blocks", 1) or "body.blocks"
            raise errors.Invalid(errors=[{"field": place, "detail": error.reason}]) from error
        except WorkerDied as error:
            raise errors.Unavailable from error
        if not 1 <= len(text) <= TEXT_CHARS_MAX:
            detail = f"must have 1 to {TEXT_CHARS_MAX} characters of text"
            raise errors.Invalid(errors=[{"field": "body.blocks", "detail": detail}])
        return blocks, text

    async def read(self, question: OneSuggestion, actor: Actor) -> Suggestion:
        """Show one."""
        return await self._shown(question.id, actor, question.editor)

    async def list(self, question: ListSuggestions, actor: Actor) -> Page[Suggestion]:
        """Show those of a scene, the newest first."""
        project, scene = actor.scope(), question.scene_id
        at, last = place_of(question.cursor)
        try:
            rows = await self._pool.fetch(
                SQL.suggestions,
                scene,
                project,
                at,
                last,
                question.status,
                question.author,
                question.limit + 1,
            )
        except UNREACHABLE as error:
            raise errors.Unavailable from error
        page = rows[: question.limit]
        ids = [row["anchor_id"] for row in page]
        anchors = await self._anchors.read(project, scene, ids, question.editor)
        items = [_suggestion(row, anchors[row["anchor_id"]]) for row in page]
        more = len(rows) > len(page)
        cursor = cursor_after(items[-1].created_at, items[-1].id) if more else None
        return Page(items=items, next_cursor=cursor)

    async def decide(self, question: DecideSuggestion, actor: Actor) -> Suggestion:
        """Decide about a suggestion; of many at once one does it, and all are answered the same.

        Raises:
            Conflict: It was decided otherwise, or its words are not those it was made for.
            PreconditionFailed: It is at another version than the caller expects.
            Forbidden: It is somebody else's to withdraw.
        """
        row = await self._there(question.id, actor)
        if row["status"] != _DECIDED[question.decision]:
            if not is_expected(row["version"], question.expected_version):
                raise errors.PreconditionFailed(
                    f"This is version {row['version']} of the suggestion now."
                )
            _require_decidable(row, question.decision)
            key = question.id, question.decision
            task = self._deciding.get(key)
            if task is None:
                task = asyncio.create_task(self._decide(question, actor))
                self._deciding[key] = task
                task.add_done_callback(lambda _: self._deciding.pop(key, None))
            await asyncio.shield(task)
            if row["branch_id"]:
                for tell_branch in self.on_decided:
                    tell_branch(row["branch_id"])
        return await self._shown(question.id, actor, question.editor)

    async def _decide(self, question: DecideSuggestion, actor: Actor) -> None:
        decision = question.decision
        if decision in (Decision.REJECT, Decision.WITHDRAW):
            async with self._pool.acquire() as connection, connection.transaction():
                row = await _locked(connection, question.id, actor, decision)
                if row is None:
                    return
                if decision is Decision.WITHDRAW and row["created_by"] != actor.user_id:
                    raise errors.Forbidden("Only its author withdraws a suggestion.")
                row = await connection.fetchrow(
                    SQL.decide, question.id, _DECIDED[decision], actor.user_id
                )
                await self._told(connection, decision, row, actor)
            return
        try:
            await self._writer.write(actor, lambda: self._writing(question, actor))
        except errors.Conflict:
            # Another replica may have decided just so meanwhile: then the words are changed.
            row = await self._there(question.id, actor)
            if row["status"] != _DECIDED[decision]:
                raise

    async def _writing(self, question: DecideSuggestion, actor: Actor) -> Writing:
        """Return the edit of a decision, and how both are stored."""
        row = await self._there(question.id, actor)
        scene = row["scene_id"]
        at = await self._writer.scene_at(scene, question.editor)
        planned = await self._planned(question, row, at, actor)

        async def begin(connection: Connection) -> bool:
            return await _locked(connection, question.id, actor, question.decision) is not None

        async def settle(connection: Connection, seqs: Mapping[UUID, int]) -> None:
            await self._settle(connection, question, actor, seqs[scene], planned)

        edits = [SceneEdit(scene, at.seq, planned.plan)]
        return Writing("suggestion", edits, begin, settle, row["run_id"])

    async def _settle(
        self,
        connection: Connection,
        question: DecideSuggestion,
        actor: Actor,
        seq: int,
        planned: Planned,
    ) -> None:
        by = actor.user_id
        if question.decision is Decision.ACCEPT:
            [applied] = planned.results
            assert isinstance(applied, Applied)
            done = await connection.fetchrow(SQL.accepted, question.id, by, seq, applied.as_json())
        else:
            done = await connection.fetchrow(SQL.reverted, question.id, by, seq)
        await self._told(connection, question.decision, done, actor)

    async def _told(
        self, connection: Connection, decision: Decision, row: Any, actor: Actor
    ) -> None:
        await tell(connection, suggestion_fact(_DECIDED[decision].lower(), row, actor))
        await connection.execute(SQL.notify, new_id(), row["id"], actor.user_id)

    async def _planned(
        self, question: DecideSuggestion, row: asyncpg.Record, at: SceneAt, actor: Actor
    ) -> Planned:
        anchors = await self._anchors.read(
            actor.scope(), row["scene_id"], [row["anchor_id"]], question.editor
        )
        anchor = anchors[row["anchor_id"]]
        reverts = question.decision is Decision.REVERT
        if anchor.status == "orphaned" and not reverts:
            raise _conflict(row, Differs(None))
        try:
            planned = await self._workers.run(*planning_of(row, anchor, at, reverts=reverts))
        except (WorkerDied, BadUpdate) as error:
            raise errors.Unavailable from error
        for differs in planned.differing:
            raise _conflict(row, differs)
        return planned

    async def _shown(
        self, suggestion: UUID, actor: Actor, editor: SceneEditor | None
    ) -> Suggestion:
        row = await self._there(suggestion, actor)
        anchors = await self._anchors.read(
            actor.scope(), row["scene_id"], [row["anchor_id"]], editor
        )
        return _suggestion(row, anchors[row["anchor_id"]])

    async def _there(self, suggestion: UUID, actor: Actor) -> asyncpg.Record:
        row = await self._row(SQL.suggestion, suggestion, actor.scope())
        if row is None:
            raise errors.NotFound
        return row

    async def _row(self, query: str, *args: Any) -> asyncpg.Record | None:
        try:
            return await self._pool.fetchrow(query, *args)
        except UNREACHABLE as error:
            raise errors.Unavailable from error


async def _locked(
    connection: Connection, suggestion: UUID, actor: Actor, decision: Decision
) -> asyncpg.Record | None:
    """Return a suggestion that nobody else decides about now; None when it is decided so.

    Raises:
        Conflict: It is decided otherwise.
    """
    row = await connection.fetchrow(SQL.lock, suggestion, actor.scope())
    if row is None:
        raise errors.NotFound
    if row["status"] == _DECIDED[decision]:
        return None
    _require_decidable(row, decision)
    return row


def _require_decidable(row: asyncpg.Record, decision: Decision) -> None:
    wanted = SuggestionStatus.ACCEPTED if decision is Decision.REVERT else SuggestionStatus.OPEN
    if row["status"] != wanted:
        raise errors.Conflict(
            f"The suggestion is {row['status']}; only one that is {wanted} can be"
            f" {_DECIDED[decision].lower()}.",
            status=row["status"],
        )
    if decision is Decision.REVERT and row["applied"].get("copied"):
        raise errors.Conflict(
            "This formatting was accepted before the project was copied, and no copy has the"
            " formatting that was there before; change it by hand.",
            status=row["status"],
        )


def _conflict(row: asyncpg.Record, differs: Differs) -> errors.Conflict:
    return errors.Conflict(
        differs.reason or "The words are not those that the suggestion was made for.",
        base=row["base"],
        now=differs.now,
        proposed=row["blocks"] or row["attributes"] or row["text"],
    )


def _suggestion(row: asyncpg.Record, anchor: Anchor) -> Suggestion:
    own = {name: row[name] for name in Suggestion.model_fields if name in row}
    return Suggestion(**own, anchor=anchor, author=row["created_by"])
