"""Answers the gateway about runs."""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any, cast
from uuid import UUID

import rfc8785

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.ai.runs import (
    FOLLOWED_MAX,
    RUNS_OPEN_MAX,
    CancelRun,
    CreateRun,
    FollowRun,
    Lineage,
    LineageNode,
    ListRuns,
    OneRun,
    Run,
    RunCreate,
    RunFollowed,
    RunHappening,
    RunPlace,
    RunStatus,
    RunSummary,
    WhereRun,
)
from libs.contracts.pages import Page
from services.ai.offline import ENGINE
from services.ai.runs.showing import cursor_after, place_of, run_of, steps_of, summary_of
from services.ai.store import SQL, Row, Store

_FINAL = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)
_OUTPUTS = {"suggestionIds": "suggestion", "patchId": "patch", "bundleId": "bundle"}
"""Members of an output that name things which the run made, and their kinds."""

type Notify = Callable[[UUID], Awaitable[None]]


class Runs:
    """Serves `libs.contracts.ai.runs`."""

    def __init__(self, store: Store, *, on_new: Notify, on_cancel: Notify) -> None:
        """Keep runs in *store*; call *on_new* and *on_cancel* with the ids of runs."""
        self._store = store
        self._on_new = on_new
        self._on_cancel = on_cancel

    async def create(self, question: CreateRun, actor: Actor) -> Run:
        """Begin a run; the same id once more answers with the run as it is.

        Raises:
            errors.LimitReached: The project has too many open runs.
            errors.Invalid: It names both a book and a scene.
            errors.Unavailable: The database is away.
        """
        project = actor.scope()
        if question.book_id and question.scene_id:
            detail = "must be left out when sceneId is given"
            raise errors.Invalid(errors=[{"field": "bookId", "detail": detail}])
        known = await self._store.row_or_none(SQL.run, question.id, project)
        if known is None:
            await self._require_room(project)
            config = _config(question)
            await self._store.rows(
                SQL.create_run,
                question.id,
                project,
                question.kind.value,
                question.book_id,
                question.scene_id,
                ENGINE,
                config,
                sha256(rfc8785.dumps(config)).digest(),
                actor.user_id,
            )
            await self._on_new(question.id)
        return await self._read(question.id, project)

    async def read(self, question: OneRun, actor: Actor) -> Run:
        """Return a run. Raises NotFound when the project has none of that id."""
        return await self._read(question.id, actor.scope())

    async def list(self, question: ListRuns, actor: Actor) -> Page[RunSummary]:
        """Return a page of the runs of a project.

        Raises:
            errors.Invalid: The cursor is none of this list.
            errors.Unavailable: The database is away.
        """
        rows = await self._store.rows(
            SQL.list_runs,
            actor.scope(),
            question.status,
            question.kind,
            question.scene_id,
            *place_of(question.cursor),
            question.limit + 1,
        )
        page = rows[: question.limit]
        more = len(rows) > len(page)
        return Page(
            items=[summary_of(row) for row in page],
            next_cursor=cursor_after(page[-1]) if more else None,
        )

    async def cancel(self, question: CancelRun, actor: Actor) -> Run:
        """Ask for the end of a run. Raises as `read`."""
        project = actor.scope()
        await self._read(question.id, project)
        if await self._store.cancel(question.id, project, actor.user_id):
            await self._on_cancel(question.id)
        return await self._read(question.id, project)

    async def where(self, question: WhereRun, _: Actor) -> RunPlace:
        """Return the project of a run."""
        row = await self._store.row_or_none(SQL.where_run, question.id)
        return RunPlace(project_id=row["project_id"] if row else None)

    async def follow(self, question: FollowRun, actor: Actor) -> RunFollowed:
        """Return what happened to a run after a version of it.

        Raises:
            errors.NotFound: The project has no such run.
            errors.Gone: The run has not come to that version.
        """
        # First the run: what happens after this look is found by the next question.
        row = await self._row(question.id, actor.scope())
        if question.after > row["version"]:
            raise errors.Gone("The run has no such version; follow it from the beginning.")
        rows = await self._store.rows(SQL.happened, question.id, question.after, FOLLOWED_MAX)
        items = [RunHappening(**dict(each)) for each in rows if each["version"] <= row["version"]]
        upto = items[-1].version if len(rows) == FOLLOWED_MAX else row["version"]
        ended = row["status"] in _FINAL and upto == row["version"]
        return RunFollowed(items=items, upto=upto, ended=ended)

    async def lineage(self, question: OneRun, actor: Actor) -> Lineage:
        """Return what a run is made from and what it made. Raises as `read`."""
        project = actor.scope()
        row = await self._row(question.id, project)
        parent = None
        if row["parent_id"]:
            parent = await self._store.row_or_none(SQL.run, row["parent_id"], project)
        inputs = await self._store.rows(SQL.inputs, question.id)
        children = await self._store.rows(SQL.children, question.id, project)
        return Lineage(
            run=summary_of(row),
            parent=summary_of(parent) if parent else None,
            children=[summary_of(child) for child in children],
            inputs=[
                LineageNode(kind="scene", id=str(each["scene_id"]), detail={"seq": each["seq"]})
                for each in inputs
            ],
            steps=steps_of(await self._store.rows(SQL.steps, question.id)),
            outputs=_made(row["output"] or {}),
        )

    async def _require_room(self, project: UUID) -> None:
        row = await self._store.row_or_none(SQL.open_runs, project)
        if row and row["count"] >= RUNS_OPEN_MAX:
            raise errors.LimitReached(
                f"This project has {RUNS_OPEN_MAX} runs that are queued or running, the most that"
                " one project may have. Wait for one to end, or cancel one.",
                limit=RUNS_OPEN_MAX,
            )

    async def _row(self, run: UUID, project: UUID) -> Row:
        row = await self._store.row_or_none(SQL.run, run, project)
        if row is None:
            raise errors.NotFound
        return row

    async def _read(self, run: UUID, project: UUID) -> Run:
        row = await self._row(run, project)
        return run_of(row, await self._store.rows(SQL.steps, run))


def _config(question: RunCreate) -> dict[str, Any]:
    """Return what was asked for, without the id of the run."""
    asked = RunCreate(**{name: getattr(question, name) for name in RunCreate.model_fields})
    return asked.model_dump(mode="json", by_alias=True) | {"engine": ENGINE}


def _made(output: dict[str, Any]) -> list[LineageNode]:
    found: list[LineageNode] = []
    for member, kind in _OUTPUTS.items():
        named: Any = output.get(member)
        if not named:
            continue
        ids = cast("list[Any]", named) if isinstance(named, list) else [named]
        found += [LineageNode(kind=kind, id=str(each)) for each in ids]
    return found
