"""Applies and reverts patches: the edit and the rows of the hunks in one transaction, once."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab.anchors import Anchor
from libs.contracts.collab.patches import (
    DecidePatch,
    HunkKind,
    HunkState,
    PatchDecision,
    PatchState,
    RebaseStrategy,
)
from libs.contracts.ids import new_id
from libs.contracts.versions import is_expected
from libs.postgres import Connection
from services.collab.review.anchors.anchors import Anchors
from services.collab.review.anchors.store import Draft
from services.collab.review.anchors.view import SceneAt
from services.collab.review.facts import tell
from services.collab.review.hunks.planning import Plan, new_client
from services.collab.review.hunks.writing import SceneEdit, Writer, Writing
from services.collab.review.patches import applying, reverting
from services.collab.review.patches.conflicts import conflict_log, refusal, same_conflicts
from services.collab.review.patches.planned import Anchored, Ends, Outcome, Waiting, Written, Wrote
from services.collab.review.patches.rebase import Landing, renewed
from services.collab.review.patches.store import SQL, PatchStore, Row, of_patch
from services.collab.review.structs import units
from services.collab.updates import BadUpdate
from services.collab.workers import WorkerDied, Workers

TRIES_MAX = 5
"""How often a decision is made anew because another replica decided, or somebody wrote."""

_IN_TEXT = (PatchState.APPLIED, PatchState.PARTLY_APPLIED)
_DECIDABLE = {
    PatchDecision.APPLY: (PatchState.OPEN, PatchState.PARTLY_APPLIED),
    PatchDecision.REAPPLY: (PatchState.REVERTED, PatchState.PARTLY_APPLIED),
    PatchDecision.REVERT: _IN_TEXT,
}
_DONE = {
    PatchDecision.APPLY: PatchState.APPLIED,
    PatchDecision.REAPPLY: PatchState.APPLIED,
    PatchDecision.REVERT: PatchState.REVERTED,
}


@dataclass(frozen=True, slots=True)
class _Case:
    """A patch that is decided about, with its hunks, as they were read."""

    question: DecidePatch
    actor: Actor
    row: Row
    hunks: Sequence[Row]

    @property
    def project(self) -> UUID:
        """Its project."""
        return self.row["project_id"]

    @property
    def scene(self) -> UUID:
        """Its scene."""
        return self.row["scene_id"]

    def of_state(self, *, applied: bool) -> list[Row]:
        """Return the hunks that are in the text, or the others."""
        return [one for one in self.hunks if (one["state"] == HunkState.APPLIED) is applied]


class _DecidedMeanwhile(Exception):
    """The patch is not the one for which the edit was made."""


class Decider:
    """Decides about patches; of many at once one does it, and all are answered the same."""

    def __init__(
        self, store: PatchStore, anchors: Anchors, *, writer: Writer, workers: Workers
    ) -> None:
        """Read from *store*, find hunks by *anchors*; *writer* stores edits of *workers*."""
        self._store = store
        self._anchors = anchors
        self._writer = writer
        self._workers = workers
        self._deciding: dict[tuple[UUID, PatchDecision, Any], asyncio.Task[None]] = {}

    async def decide(self, question: DecidePatch, actor: Actor) -> None:
        """Apply a patch, apply it again, or take it back.

        Raises:
            Conflict: Hunks are in conflict with the text, or the patch was decided otherwise.
            PreconditionFailed: It is at another version than the caller expects.
        """
        row = await self._store.read(question.id, actor.scope())
        if row["state"] == _DONE[question.decision]:
            return
        if not is_expected(row["version"], question.expected_version):
            raise errors.PreconditionFailed(f"This is version {row['version']} of the patch now.")
        _require_decidable(row, question.decision)
        key = question.id, question.decision, question.rebase_strategy
        task = self._deciding.get(key)
        if task is None:
            task = asyncio.create_task(self._decide(question, actor))
            self._deciding[key] = task
            task.add_done_callback(lambda _: self._deciding.pop(key, None))
        await asyncio.shield(task)

    async def _decide(self, question: DecidePatch, actor: Actor) -> None:
        for _ in range(TRIES_MAX):
            try:
                await self._writer.write(actor, lambda: self._writing(question, actor))
            except _DecidedMeanwhile:
                continue
            except errors.Conflict:
                # Another replica may have decided just so meanwhile: then the words are changed.
                row = await self._store.read(question.id, actor.scope())
                if row["state"] != _DONE[question.decision]:
                    raise
            return
        raise errors.Unavailable("Others are deciding about this patch; try again in a moment.")

    async def _writing(self, question: DecidePatch, actor: Actor) -> Writing:
        """Return the edit of a decision, and how both are stored."""
        row = await self._store.read(question.id, actor.scope())
        hunks = await self._store.hunks([row["id"]], actor.scope())
        if row["state"] == _DONE[question.decision]:
            return _nothing()
        _require_decidable(row, question.decision)
        case = _Case(question, actor, row, hunks)
        if question.decision is PatchDecision.REVERT:
            return await self._reverting(case)
        return await self._applying(case)

    async def _reverting(self, case: _Case) -> Writing:
        applied = case.of_state(applied=True)
        ids = [hunk["written_id"] for hunk in applied if hunk["written_id"]]

        def job(at: SceneAt, seen: Mapping[UUID, Anchor]) -> tuple[Any, ...]:
            return reverting.revert, at, [_written(hunk, seen) for hunk in applied], new_client()

        at, found = await self._planned(case, ids, job)
        if found.plan is None:
            raise refusal(conflict_log(case.hunks, found.clashes, at.seq, taking_back=True))

        async def settle(connection: Connection, seq: int) -> None:
            for hunk in applied:
                await connection.execute(SQL.revert_hunk, hunk["id"])
            await self._anchors.remove(connection, case.project, ids)
            await self._renew_anchors(connection, case, found, (at.seq, seq))
            await _told(connection, case, "reverted", SQL.reverted, seq)

        return _stored(case, at, found.plan, settle)

    async def _applying(self, case: _Case) -> Writing:
        strategy = case.question.rebase_strategy or case.row["rebase_strategy"]
        waiting = case.of_state(applied=False)
        ids = [hunk["anchor_id"] for hunk in waiting]
        if strategy == RebaseStrategy.REBASE:
            at, rebased = await self._planned(
                case, ids, lambda at, seen: (applying.look, at, _standing(waiting, seen))
            )
            bases = {hunk["number"]: hunk["base"] for hunk in waiting}
            if rebased.clashes or any(one.words != bases[one.number] for one in rebased.landings):
                log = conflict_log(case.hunks, rebased.clashes, at.seq)
                return _renewing(case, at, rebased.landings, log)

        def job(at: SceneAt, seen: Mapping[UUID, Anchor]) -> tuple[Any, ...]:
            return applying.apply, at, _standing(waiting, seen), new_client(), strategy

        at, found = await self._planned(case, ids, job)
        log = conflict_log(case.hunks, found.clashes, at.seq)
        if found.plan is None and strategy != RebaseStrategy.MERGE:
            raise refusal(log)
        if found.plan is None:
            return _renewing(case, at, [], log)
        return self._landing(case, at, found, log)

    def _landing(self, case: _Case, at: SceneAt, found: Outcome, log: list[Any]) -> Writing:
        state = PatchState.PARTLY_APPLIED if found.clashes else PatchState.APPLIED
        by, run = case.actor.user_id, case.row["run_id"]

        async def settle(connection: Connection, seq: int) -> None:
            drafts = {number: Draft(stood, seq) for number, stood in found.written.items()}
            await self._anchors.insert(
                connection, case.project, case.scene, list(drafts.values()), by=by, run_id=run
            )
            for hunk in case.hunks:
                wrote = found.landed.get(hunk["number"])
                draft = drafts.get(hunk["number"])
                if wrote is not None:
                    written = draft.id if draft else None
                    await connection.execute(SQL.apply_hunk, hunk["id"], wrote.as_json(), written)
            await self._renew_anchors(connection, case, found, (at.seq, seq))
            await _told(connection, case, "applied", SQL.applied, state, seq, log)

        assert found.plan is not None
        return _stored(case, at, found.plan, settle)

    async def _planned(
        self,
        case: _Case,
        ids: Sequence[UUID],
        job: Callable[[SceneAt, Mapping[UUID, Anchor]], tuple[Any, ...]],
    ) -> tuple[SceneAt, Any]:
        """Return what a job of a worker makes of the anchors *ids* in the scene as it is now.

        Clashes count only when the anchors were resolved at the very version of the scene.
        """
        editor = case.question.editor
        for _ in range(TRIES_MAX):
            seen = await self._anchors.read(case.project, case.scene, ids, editor)
            at = await self._writer.scene_at(case.scene, editor)
            if len(seen) < len(ids):
                raise _DecidedMeanwhile
            try:
                found = await self._workers.run(*job(at, seen))
            except (WorkerDied, BadUpdate) as error:
                raise errors.Unavailable from error
            if not found.clashes or all(one.seq == at.seq for one in seen.values()):
                return at, found
        raise errors.Unavailable("People are writing at this place; try again in a moment.")

    async def _renew_anchors(
        self, connection: Connection, case: _Case, found: Outcome, seqs: tuple[int, int]
    ) -> None:
        """Put anchors on words that the edit wrote again.

        Not when others wrote in between: then the log tells where these words are.
        """
        seen, seq = seqs
        if seq > seen + 1:
            return
        for hunk in case.hunks:
            stood = found.words.get(hunk["number"])
            if stood is not None:
                await self._anchors.replace(
                    connection, case.project, case.scene, hunk["anchor_id"], Draft(stood, seq)
                )


def _renewing(case: _Case, at: SceneAt, landings: Sequence[Landing], log: list[Any]) -> Writing:
    """Return the writing of a patch of which nothing comes into the text now."""
    by_number = {hunk["number"]: hunk for hunk in case.hunks}
    if not landings and same_conflicts(case.row["conflict_log"], log):
        return _nothing()
    base = at.seq if landings else case.row["base_version"]

    async def settle(connection: Connection, _: int) -> None:
        for one in landings:
            hunk = by_number[one.number]
            await connection.execute(
                SQL.renew_hunk, hunk["id"], *renewed(HunkKind(hunk["kind"]), one)
            )
        await _told(connection, case, "rebased", SQL.rebased, base, log)

    return _stored(case, at, None, settle)


def _stored(
    case: _Case,
    at: SceneAt,
    plan: Plan | None,
    settle: Callable[[Connection, int], Awaitable[None]],
) -> Writing:
    """Return the writing of an edit, if any, with what `settle` stores at its version."""
    row = case.row

    async def begin(connection: Connection) -> bool:
        now = await connection.fetchrow(SQL.lock, row["id"], case.project)
        if now is None or now["deleted_at"] is not None:
            raise errors.NotFound
        if now["version"] != row["version"]:
            raise _DecidedMeanwhile
        return True

    async def stored(connection: Connection, seqs: Mapping[UUID, int]) -> None:
        await settle(connection, seqs.get(case.scene, at.seq))

    edits = [SceneEdit(case.scene, at.seq, plan)] if plan else []
    return Writing("patch", edits, begin, stored, row["run_id"])


async def _told(connection: Connection, case: _Case, action: str, query: str, *values: Any) -> None:
    """Store what became of a patch, and announce it; its author hears of decisions."""
    patch, by = case.row["id"], case.actor.user_id
    row = await connection.fetchrow(query, patch, by, *values)
    await tell(connection, of_patch(action, row, case.actor, len(case.hunks)))
    if action != "rebased":
        await connection.execute(SQL.notify, new_id(), patch, by)


def _nothing() -> Writing:
    async def begin(_: Connection) -> bool:
        return False

    async def settle(_: Connection, __: Mapping[UUID, int]) -> None:
        """Store nothing."""

    return Writing("patch", [], begin, settle)


def _require_decidable(row: Row, decision: PatchDecision) -> None:
    if row["state"] not in _DECIDABLE[decision]:
        wanted = " or ".join(_DECIDABLE[decision])
        raise errors.Conflict(
            f"The patch is {row['state']}; to {decision} it, it must be {wanted}.",
            state=row["state"],
        )


def _ends(anchor: Anchor) -> Ends | None:
    if anchor.status == "orphaned" or not anchor.yjs:
        return None
    first, last = anchor.yjs.start.item, anchor.yjs.end.item
    if first is None or last is None:
        return None
    return (first.client, first.clock), (last.client, last.clock)


def _standing(hunks: Sequence[Row], seen: Mapping[UUID, Anchor]) -> list[Waiting]:
    return [_waiting(hunk, seen[hunk["anchor_id"]]) for hunk in hunks]


def _waiting(hunk: Row, anchor: Anchor) -> Waiting:
    return Waiting(
        number=hunk["number"],
        kind=HunkKind(hunk["kind"]),
        side=hunk["side"],
        base=hunk["base"],
        text=hunk["text"],
        anchor=_anchored(anchor, hunk["before"], hunk["after"]),
    )


def _written(hunk: Row, seen: Mapping[UUID, Anchor]) -> Written:
    anchor: Anchored | None = None
    if hunk["written_id"] is not None:
        beside = hunk["written_before"], hunk["written_after"]
        anchor = _anchored(seen[hunk["written_id"]], *beside)
    return Written(hunk["number"], Wrote.from_json(hunk["applied"]), anchor)


def _anchored(anchor: Anchor, before: str, after: str) -> Anchored:
    exact = anchor.status == "exact"
    return Anchored(_ends(anchor), exact, units(before), units(after))
