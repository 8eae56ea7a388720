"""Serves suggestions: made, listed, accepted once, rejected, withdrawn, reverted."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from libs import errors
from libs.bus import Fact
from libs.contracts.actor import Actor
from libs.contracts.collab.anchors import Anchor
from libs.contracts.collab.facts import SuggestionFact
from libs.contracts.collab.suggestions import (
    SUGGESTIONS_MAX,
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
from libs.tasks import passed
from services.collab.commits import Commits, Row
from services.collab.formats import CannotHold
from services.collab.history.records import Records
from services.collab.review.anchors.anchors import Anchors
from services.collab.review.anchors.view import SceneAt
from services.collab.review.edits import is_touched
from services.collab.review.facts import fact, tell
from services.collab.review.structs import Id
from services.collab.review.suggestions import planning
from services.collab.review.suggestions.planning import Change, Differs, Plan
from services.collab.review.threads.cursors import cursor_after, place_of
from services.collab.scenes import Scenes, SceneUnreadable, State
from services.collab.store import Fenced
from services.collab.updates import EMPTY, BadUpdate
from services.collab.workers import WorkerDied, Workers

SQL = load_queries("services.collab.review.suggestions")

TRIES_MAX = 5
"""How often an edit is made anew because people write where it goes."""
FENCED_MAX = 50
"""How often a transaction is tried again because another edit of the scene came first."""
MEANWHILE_ROWS_MAX = 500
"""Edits that are looked through for whether they touch a suggestion; after more it is made anew."""

_CLIENT_BITS = 53
"""Clients of Yjs are numbers that JavaScript can hold exactly."""
_DECIDED = {
    Decision.ACCEPT: SuggestionStatus.ACCEPTED,
    Decision.REJECT: SuggestionStatus.REJECTED,
    Decision.WITHDRAW: SuggestionStatus.WITHDRAWN,
    Decision.REVERT: SuggestionStatus.REVERTED,
}


class _MeanwhileTouched(Exception):
    """Somebody wrote where the edit goes, after the state that it was made for."""


class Suggestions:
    """Serves `libs.contracts.collab.suggestions`."""

    def __init__(
        self,
        pool: Pool,
        anchors: Anchors,
        *,
        records: Records,
        scenes: Scenes,
        commits: Commits,
        workers: Workers,
    ) -> None:
        """Keep suggestions in *pool*, on *anchors*; edits are made in *workers*."""
        self._pool = pool
        self._anchors = anchors
        self._records = records
        self._scenes = scenes
        self._commits = commits
        self._workers = workers
        self._deciding: dict[tuple[UUID, Decision], asyncio.Task[None]] = {}

    async def create(self, question: CreateSuggestion, actor: Actor) -> Suggestion:
        """Make a suggestion on the words of its anchor."""
        project, scene = actor.scope(), question.scene_id
        if await self._row(SQL.suggestion, question.id, project) is None:
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
                    question.text,
                    question.side,
                    question.note,
                    run,
                    by,
                )
                await tell(connection, _fact("created", row, actor))
        return await self._shown(question.id, actor, question.editor)

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
        for _ in range(TRIES_MAX):
            try:
                await self._write(question, actor)
            except _MeanwhileTouched:
                continue
            return
        raise errors.Unavailable("People are writing at this place; try again in a moment.")

    async def _write(self, question: DecideSuggestion, actor: Actor) -> None:
        """Make the edit of a decision and store both in one transaction."""
        row = await self._there(question.id, actor)
        state = await self._state(row["scene_id"])
        plan = await self._plan(question, row, state, actor)
        for _ in range(FENCED_MAX):
            written: Sequence[Row] = ()
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    if await _locked(connection, question.id, actor, question.decision) is None:
                        return
                    await self._require_untouched(connection, row["scene_id"], state, plan)
                    edits = [(row["scene_id"], plan.edit.update)]
                    if plan.edit.update != EMPTY:
                        written = await self._commits.commit_within(
                            connection, actor, edits, run_id=row["run_id"]
                        )
                    seq = written[0].seq if written else state.upto
                    await self._settle(connection, question, actor, seq, plan)
                    passed("suggestion.stored")
            except Fenced:
                continue
            except UNREACHABLE as error:
                raise errors.DeadlineExceeded from error
            passed("suggestion.committed")
            await self._commits.announce(written)
            return
        raise errors.Unavailable("People are writing in this scene; try again in a moment.")

    async def _settle(
        self,
        connection: Connection,
        question: DecideSuggestion,
        actor: Actor,
        seq: int,
        plan: Plan,
    ) -> None:
        by = actor.user_id
        if question.decision is Decision.ACCEPT:
            applied = {"inserted": plan.edit.inserted, "deleted": plan.edit.deleted}
            done = await connection.fetchrow(SQL.accepted, question.id, by, seq, applied)
        else:
            done = await connection.fetchrow(SQL.reverted, question.id, by, seq)
        await self._told(connection, question.decision, done, actor)

    async def _told(
        self, connection: Connection, decision: Decision, row: Any, actor: Actor
    ) -> None:
        await tell(connection, _fact(_DECIDED[decision].lower(), row, actor))
        await connection.execute(SQL.notify, new_id(), row["id"], actor.user_id)

    async def _require_untouched(
        self, connection: Connection, scene: UUID, state: State, plan: Plan
    ) -> None:
        """Return when nothing that was written after *state* concerns the edit.

        Raises:
            _MeanwhileTouched: Something does, or may.
        """
        [head] = await self._commits.heads([scene.bytes], within=connection)
        if head == state.upto:
            return
        if not plan.precise or head - state.upto > MEANWHILE_ROWS_MAX:
            raise _MeanwhileTouched
        rows, _ = await self._records.originals(scene, state.upto, head, MEANWHILE_ROWS_MAX)
        if len(rows) < head - state.upto or any(
            row.body is not None and is_touched(plan.edit, row.body) for row in rows
        ):
            raise _MeanwhileTouched

    async def _plan(
        self, question: DecideSuggestion, row: asyncpg.Record, state: State, actor: Actor
    ) -> Plan:
        scene, client = row["scene_id"], secrets.randbits(_CLIENT_BITS)
        anchors = await self._anchors.read(
            actor.scope(), scene, [row["anchor_id"]], question.editor
        )
        change = _change(row, anchors[row["anchor_id"]])
        at = SceneAt(scene.bytes, state.upto, state.body, question.editor)
        arguments: list[Any] = [at, change, client]
        job: Callable[..., Plan | Differs] = planning.accept
        if question.decision is Decision.REVERT:
            job = planning.revert
            applied = row["applied"]
            arguments.append((_pieces(applied["inserted"]), _pieces(applied["deleted"])))
        elif anchors[row["anchor_id"]].status == "orphaned":
            raise _conflict(row, None)
        try:
            found = await self._workers.run(job, *arguments)
        except CannotHold as error:
            raise errors.Conflict(error.reason, base=row["base"], proposed=row["text"]) from error
        except (WorkerDied, BadUpdate) as error:
            raise errors.Unavailable from error
        if isinstance(found, Differs):
            raise _conflict(row, found.now)
        return found

    async def _state(self, scene: UUID) -> State:
        try:
            return await self._scenes.state(scene.bytes)
        except (*UNREACHABLE, asyncpg.PostgresError, SceneUnreadable) as error:
            raise errors.Unavailable from error

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


def _conflict(row: asyncpg.Record, now: str | None) -> errors.Conflict:
    return errors.Conflict(
        "The words are not those that the suggestion was made for.",
        base=row["base"],
        now=now,
        proposed=row["text"],
    )


def _change(row: asyncpg.Record, anchor: Anchor) -> Change:
    first, last = (0, 0), (0, 0)
    if anchor.yjs and anchor.yjs.start.item and anchor.yjs.end.item:
        first, last = _id(anchor.yjs.start.item), _id(anchor.yjs.end.item)
    return Change(first, last, row["base"], row["text"], row["kind"], row["side"])


def _id(character: Any) -> Id:
    return character.client, character.clock


def _pieces(given: list[list[int]]) -> list[tuple[int, int, int]]:
    return [(client, clock, size) for client, clock, size in given]


def _suggestion(row: asyncpg.Record, anchor: Anchor) -> Suggestion:
    own = {name: row[name] for name in Suggestion.model_fields if name in row}
    return Suggestion(**own, anchor=anchor, author=row["created_by"])


def _fact(action: str, row: asyncpg.Record | None, actor: Actor) -> Fact:
    assert row is not None
    data = SuggestionFact(
        author=row["created_by"],
        **{name: row[name] for name in SuggestionFact.model_fields if name in row},
    )
    return fact(
        f"suggestion.{action}",
        row["id"],
        project=actor.scope(),
        by=actor.user_id,
        version=row["version"],
        data=data,
    )
