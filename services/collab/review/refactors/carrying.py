"""Applying and reverting refactors: the texts in one transaction, then the fields as one bundle.

An order is stored before anything is done, so that any replica carries on where one died: texts
that are written are not written again, and events knows the bundle by the id of its command.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab.refactors import CONFLICTS_SHOWN_MAX
from libs.contracts.editors import SceneEditor
from libs.contracts.events.manuscript import SCENES_WITH_DEFINITIONS_MAX
from libs.postgres import Connection
from libs.tasks import passed
from services.collab.commits import Commits
from services.collab.editors import SceneEditors
from services.collab.review.anchors.anchors import Anchors
from services.collab.review.hunks import planning
from services.collab.review.hunks.planning import Applied, Differs, Hunk, Planned
from services.collab.review.hunks.writing import (
    MEANWHILE_ROWS_MAX,
    SceneEdit,
    Writer,
    Writing,
)
from services.collab.review.refactors.outside import Differing, Field, Outside
from services.collab.review.refactors.store import (
    SQL,
    RefactorStore,
    Row,
    announce,
    plan_columns,
    plan_of,
    update_only,
)
from services.collab.review.structs import Id
from services.collab.updates import BadUpdate
from services.collab.workers import WorkerDied, Workers

log = structlog.get_logger(__name__)

ANEW_FROM_TRY = 3
"""From this try on the edits of scenes in which people wrote are made anew."""
SCENES_AT_ONCE = 4
"""Scenes whose edits are made at the same time."""

type Order = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Made:
    """The edit of a scene, and which hits do not fit.

    `ends` are the first and the last character of words that reverting wrote again, by hit.
    """

    edit: SceneEdit
    differing: dict[UUID, Differs]
    ends: dict[str, Any] = field(default_factory=dict[str, Any])


class Carrier:
    """Carries orders out."""

    def __init__(
        self,
        store: RefactorStore,
        anchors: Anchors,
        outside: Outside,
        editors: SceneEditors,
        *,
        writer: Writer,
        commits: Commits,
        workers: Workers,
    ) -> None:
        """Write through *writer*; edits that must be made anew are made in *workers*."""
        self._store = store
        self._anchors = anchors
        self._outside = outside
        self._editors = editors
        self._writer = writer
        self._commits = commits
        self._workers = workers

    async def carry_out(self, row: Row) -> None:
        """Do all that is left of an order, or take the order back when it cannot be done.

        Raises:
            errors.AppError: Events or the database is away after the texts were written, or it is
                not known whether they were: call it again.
        """
        order: Order = row["ordered"] | {
            "refactor_id": row["id"],
            "run_id": row["run_id"],
            "attempt": row["attempt"],
            "label": row["title"] or label_of(row),
        }
        actor = Actor(user_id=UUID(order["by"]), project_id=row["project_id"])
        applying = row["state"] == "APPLYING"
        if not row["written"]:
            try:
                if applying:
                    await self._set_fields(row, order, actor, check=True)
                elif row["bundle_id"]:
                    await self._outside.undo(row["bundle_id"], actor, order, check=True)
                await self._write_texts(row, order, actor, applying=applying)
            except errors.DeadlineExceeded:
                raise  # Whether the texts are written is not known.
            except errors.AppError as error:
                await self._take_back(row, order, error)
                return
        passed("refactor.texts_done")
        if applying:
            bundle = await self._set_fields(row, order, actor, check=False)
            passed("refactor.fields_done")
            await self._end(row, (SQL.scenes_applied, SQL.applied), "applied", actor, bundle)
        else:
            if row["bundle_id"]:
                # Fields that somebody changed this very moment stay: the texts are back already.
                order = order | {"skip": True}
                await self._outside.undo(row["bundle_id"], actor, order, check=False)
            passed("refactor.fields_done")
            await self._end(row, (SQL.scenes_reverted, SQL.reverted), "reverted", actor)

    async def plan_scene(self, refactor: UUID, project: UUID, scene: UUID) -> None:
        """Make the edit of a scene's chosen hits, for an order that may come."""
        editor = (await self._editors.of(scene)).editor
        row = await self._store.row(SQL.refactor, refactor, project)
        if row is not None and row["state"] == "READY":
            await self._made(row, scene, editor)

    async def _end(
        self, row: Row, queries: tuple[str, str], what: str, actor: Actor, *more: Any
    ) -> None:
        of_scenes, of_refactor = queries
        async with self._store.transaction() as connection:
            done = await connection.fetchrow(of_refactor, row["id"], *more)
            if done is not None:
                await connection.execute(of_scenes, row["id"])
                if what == "reverted":
                    await connection.execute(SQL.unskip_hits, row["id"])
                if done["written"]["skipped"]:
                    await connection.execute(SQL.hits_skipped, row["id"])
                await announce(connection, what, done, by=actor.user_id)
            passed("refactor.ended")

    async def _take_back(self, row: Row, order: Order, error: errors.AppError) -> None:
        failure = {
            "code": error.code,
            "detail": error.detail,
            "data": error.data,
            "attempt": row["attempt"],
        }
        async with self._store.transaction() as connection:
            now = await connection.fetchrow(SQL.lock, row["id"])
            if now is None or now["state"] != row["state"] or now["written"]:
                return
            await connection.execute(SQL.unskip_hits, row["id"])
            await connection.execute(SQL.unskip_fields, row["id"])
            now = await connection.fetchrow(SQL.set_state, row["id"], order["was"], failure)
            await announce(connection, "refused", now, by=UUID(order["by"]))

    async def _set_fields(
        self, row: Row, order: Order, actor: Actor, *, check: bool
    ) -> UUID | None:
        """Set the chosen fields; once the texts are written, those that differ are left out."""
        while True:
            chosen = await self._store.rows(SQL.chosen_fields, row["id"])
            if not chosen:
                return None
            fields = [
                Field(
                    each["id"],
                    each["kind"],
                    each["aggregate_id"],
                    each["field"],
                    each["old_value"],
                    each["new_value"],
                )
                for each in chosen
            ]
            try:
                return await self._outside.change(fields, actor, order, check=check)
            except Differing as error:
                if check and not order["skip"]:
                    raise
                skipped = [each.id for each in error.fields]
            except (errors.Unavailable, errors.Internal):
                raise
            except errors.AppError as error:
                if check:
                    raise
                # It was possible a moment ago, and the texts are written.
                log.warning("fields of a refactor are refused", reason=error.code)
                skipped = [each.id for each in fields]
            async with self._store.transaction() as connection:
                await connection.execute(SQL.fields_skipped, row["id"], skipped)

    async def _write_texts(self, row: Row, order: Order, actor: Actor, *, applying: bool) -> None:
        tries = 0

        async def plan() -> Writing:
            nonlocal tries
            tries += 1
            if applying:
                return await self._applying(row, order, tries=tries)
            return await self._reverting(row, order)

        await self._writer.write(actor, plan)

    async def _applying(self, row: Row, order: Order, *, tries: int) -> Writing:
        scenes = await self._store.rows(SQL.chosen_scenes, row["id"])
        heads = await self._heads([each["scene_id"] for each in scenes])
        fresh, moved, stale = _sorted(scenes, heads, anew=tries >= ANEW_FROM_TRY)
        await self._follow(stale, heads)
        editors = await self._editors_of(stale)
        made = await _together([self._made(row, scene, editors[scene]) for scene in stale])
        differing = {one: why for each in made for one, why in each.differing.items()}
        if differing and not order["skip"]:
            raise await self._conflict(row, differing)
        edits = [each.edit for each in made]
        # What nobody wrote in has no need of the characters that the edit names.
        edits += [
            SceneEdit(each["scene_id"], each["planned_seq"], update_only(each)) for each in fresh
        ]
        for each in await self._store.rows(SQL.plans_of, row["id"], moved):
            plan = plan_of(each)
            if plan is None:
                raise errors.Unavailable  # Another replica carries the same order out.
            edits.append(SceneEdit(each["scene_id"], each["planned_seq"], plan))
        return self._writing(row, edits, {"skipped": [str(one) for one in differing]})

    async def _reverting(self, row: Row, order: Order) -> Writing:
        scenes = await self._store.rows(SQL.applied_scenes, row["id"])
        editors = await self._editors_of([each["scene_id"] for each in scenes])
        made = await _together(
            [self._unmade(row, each, editors[each["scene_id"]]) for each in scenes]
        )
        differing = {one: why for each in made for one, why in each.differing.items()}
        if differing and not order["skip"]:
            raise await self._conflict(row, differing)
        back = {str(each.edit.scene): each.ends for each in made}
        written = {"skipped": [str(one) for one in differing], "back": back}
        return self._writing(row, [each.edit for each in made], written)

    def _writing(self, row: Row, edits: Sequence[SceneEdit], written: Mapping[str, Any]) -> Writing:
        async def begin(connection: Connection) -> bool:
            now = await connection.fetchrow(SQL.lock, row["id"])
            return (
                now is not None
                and (now["state"], now["attempt"]) == (row["state"], row["attempt"])
                and not now["written"]
            )

        async def settle(connection: Connection, seqs: Mapping[UUID, int]) -> None:
            own = {str(scene): seq for scene, seq in seqs.items()}
            await connection.execute(SQL.texts_written, row["id"], {**written, "seqs": own})

        return Writing("refactor", edits, begin, settle, row["run_id"])

    async def _made(self, row: Row, scene: UUID, editor: SceneEditor | None) -> _Made:
        """Make the edit of a scene's chosen hits as it is now, and keep it."""
        hits = await self._store.rows(SQL.chosen_hits, row["id"], scene)
        ids = [hit["anchor_id"] for hit in hits]
        ends = await self._anchors.ends(row["project_id"], scene, ids)
        held = await self._store.row(SQL.plan_of, row["id"], scene)
        kept: dict[str, Any] = held["plan"] if held and held["plan"] else {}
        back: dict[str, Any] = kept.get("back", {})
        at = await self._writer.scene_at(scene, editor)
        hunks = [
            Hunk(*(_back(back, hit) or ends.get(hit["anchor_id"], _GONE)), *_words(hit))
            for hit in hits
        ]
        planned = await self._run(planning.apply, at, hunks, planning.new_client())
        names = [hit["id"] for hit in hits]
        seq, update, fits, plan = plan_columns(planned, at.seq, names)
        plan["back"] = back
        async with self._store.transaction() as connection:
            await connection.execute(SQL.keep_plan, row["id"], scene, seq, update, fits, plan)
        return _Made(SceneEdit(scene, at.seq, planned.plan), _differing(names, planned))

    async def _unmade(self, row: Row, place: Row, editor: SceneEditor | None) -> _Made:
        """Make the edit that takes back what was applied in a scene."""
        scene: UUID = place["scene_id"]
        results = {UUID(one): held for one, held in place["plan"]["hits"].items() if held}
        hits = await self._store.rows(SQL.chosen_hits, row["id"], scene)
        names = [hit["id"] for hit in hits if hit["id"] in results]
        hunks = [Hunk((0, 0), (0, 0), *_words(hit)) for hit in hits if hit["id"] in results]
        applied = [Applied.from_json(results[name]) for name in names]
        at = await self._writer.scene_at(scene, editor)
        client = planning.new_client()
        planned = await self._run(planning.revert, at, hunks, applied, client)
        ends = {
            str(name): [result.inserted[0], result.inserted[-1]]
            for name, result in zip(names, planned.results, strict=True)
            if isinstance(result, Applied) and result.inserted and result.place is None
        }
        return _Made(SceneEdit(scene, at.seq, planned.plan), _differing(names, planned), ends)

    async def _run(self, job: Any, *arguments: Any) -> Planned:
        try:
            return await self._workers.run(job, *arguments)
        except (WorkerDied, BadUpdate) as error:
            raise errors.Unavailable from error

    async def _heads(self, scenes: Sequence[UUID]) -> dict[UUID, int]:
        found = await self._commits.heads([scene.bytes for scene in scenes])
        return dict(zip(scenes, found, strict=True))

    async def _follow(self, scenes: Sequence[UUID], heads: Mapping[UUID, int]) -> None:
        behind = await self._store.rows(
            SQL.behind, list(scenes), [heads[scene] for scene in scenes]
        )
        await _together([self._anchors.follow(each["scene_id"]) for each in behind])

    async def _editors_of(self, scenes: Sequence[UUID]) -> dict[UUID, SceneEditor | None]:
        found: dict[UUID, SceneEditor | None] = {}
        for first in range(0, len(scenes), SCENES_WITH_DEFINITIONS_MAX):
            some = scenes[first : first + SCENES_WITH_DEFINITIONS_MAX]
            named = await self._editors.of_all(some)
            found |= {scene: named[scene].editor for scene in some}
        return found

    async def _conflict(self, row: Row, differing: Mapping[UUID, Differs]) -> errors.Conflict:
        named = list(differing)[:CONFLICTS_SHOWN_MAX]
        hits = await self._store.rows(SQL.hits_named, row["id"], named)
        return errors.Conflict(
            f"The words of {len(differing)} hits were changed since they were found.",
            total=len(differing),
            hits=[
                {
                    "id": str(hit["id"]),
                    "sceneId": str(hit["scene_id"]),
                    "base": hit["base"],
                    "now": differing[hit["id"]].now,
                    "proposed": hit["text"],
                    "reason": differing[hit["id"]].reason,
                }
                for hit in hits
            ],
        )


_NO_CHARACTER = (2**53 - 1, 0)
_GONE = (_NO_CHARACTER, _NO_CHARACTER)
"""The ends of an anchor whose words are gone: no client of Yjs has this number."""


def label_of(row: Row) -> str:
    """Return what the bundle of a refactor without a title is called."""
    asked = row["asked"]
    match row["kind"]:
        case "rename_entity":
            return f"Rename {row['terms'].get('name', 'an entity')} to {asked['to']}"
        case "replace":
            return f"Replace {asked['from']} by {asked['to'] or 'nothing'}"
        case "attributes":
            return f"Change {asked['field']} to {asked['to'] or 'nothing'}"
        case _:
            return "Changes of an agent"


def _sorted(
    scenes: Sequence[Row], heads: Mapping[UUID, int], *, anew: bool
) -> tuple[list[Row], list[UUID], list[UUID]]:
    """Return scenes as their kept edit was made for, others whose edit may do, and the rest."""
    fresh: list[Row] = []
    moved: list[UUID] = []
    stale: list[UUID] = []
    for each in scenes:
        scene, seq = each["scene_id"], each["planned_seq"]
        if seq is None or not each["fits"]:
            stale.append(scene)
        elif seq == heads[scene]:
            fresh.append(each)
        elif anew or heads[scene] - seq >= MEANWHILE_ROWS_MAX:
            stale.append(scene)
        else:
            moved.append(scene)
    return fresh, moved, stale


def _back(back: Mapping[str, Any], hit: Row) -> tuple[Id, Id] | None:
    """Return the ends of the words that reverting wrote for a hit."""
    ends = back.get(str(hit["id"]))
    if ends is None:
        return None
    first, last = ends
    return (first[0], first[1]), (last[0], last[1] + last[2] - 1)


def _words(hit: Row) -> tuple[str, str, Any, Any]:
    return hit["base"], hit["text"], hit["kind"], hit["side"]


def _differing(names: Sequence[UUID], planned: Planned) -> dict[UUID, Differs]:
    return {
        name: result
        for name, result in zip(names, planned.results, strict=True)
        if isinstance(result, Differs)
    }


async def _together[R](work: Sequence[Coroutine[Any, Any, R]]) -> list[R]:
    """Await all of *work*, SCENES_AT_ONCE at a time, in order."""
    turn = asyncio.Semaphore(SCENES_AT_ONCE)

    async def one(each: Coroutine[Any, Any, R]) -> R:
        async with turn:
            return await each

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(each)) for each in work]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return [task.result() for task in tasks]
