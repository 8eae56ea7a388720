"""Finding the hits of refactors, scene by scene, in the background.

Each scene is one transaction: its anchors, its hits, and the edit that makes those that are sure,
so that applying needs no look at scenes which nobody changed meanwhile.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import structlog

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab.refactors import HITS_MAX, RefactorHunk, RefactorKind, RefactorScope
from libs.contracts.editors import SceneEditor
from libs.tasks import passed, progressed
from services.collab.editors import SceneEditors
from services.collab.review.anchors.anchors import Anchors
from services.collab.review.anchors.store import Draft
from services.collab.review.hunks import planning
from services.collab.review.hunks.writing import Writer
from services.collab.review.refactors import jobs
from services.collab.review.refactors.finder import Doubt, Rules, Term
from services.collab.review.refactors.jobs import FoundField, FoundScene
from services.collab.review.refactors.outside import Outside, titles_in
from services.collab.review.refactors.store import (
    SQL,
    RefactorStore,
    Row,
    announce,
    keep_fields,
    keep_found,
)
from services.collab.updates import BadUpdate
from services.collab.workers import WorkerDied, Workers

log = structlog.get_logger(__name__)

SCENES_TOGETHER = 10
"""Scenes of one step."""
SCENES_AT_ONCE = 3
"""Scenes that are looked at at the same time."""
PROGRESS_TOLD_TIMES = 20
"""How often the progress of one refactor is announced."""
HOSTILE_TRIES = 2
"""So often a worker must die of a scene before the scene is blamed, and not chance."""

type Json = dict[str, Any]
type _Other = tuple[str, UUID, list[FoundField]]
"""The kind and the id of a thing, and its fields that change."""

_NOTHING = FoundScene([], [], 0, None)
_RENAMING = (RefactorKind.RENAME_ENTITY, RefactorKind.REPLACE)


class _FoundElsewhere(Exception):
    """Another replica stored the hits of this scene; nothing of this attempt may be kept."""


class Finder:
    """Finds hits; two replicas that find the same scene store it once."""

    def __init__(
        self,
        store: RefactorStore,
        anchors: Anchors,
        outside: Outside,
        editors: SceneEditors,
        *,
        writer: Writer,
        workers: Workers,
    ) -> None:
        """Keep hits in *store*, on *anchors*; *workers* look for them."""
        self._store = store
        self._anchors = anchors
        self._outside = outside
        self._editors = editors
        self._writer = writer
        self._workers = workers

    async def step(self, row: Row) -> bool:
        """Look at some scenes; when all are done, at what else there is. True if there is more.

        Raises:
            errors.AppError: Events or the database is away.
        """
        actor = Actor(user_id=row["created_by"], project_id=row["project_id"])
        scenes = await self._store.rows(SQL.to_find, row["id"], SCENES_TOGETHER)
        if not scenes:
            await self._finish(row, actor)
            return False
        editors = await self._editors.of_all([each["scene_id"] for each in scenes])
        turn = asyncio.Semaphore(SCENES_AT_ONCE)

        async def look(place: Row) -> None:
            async with turn:
                with suppress(_FoundElsewhere):
                    await self._look(row, place, actor, editors[place["scene_id"]].editor)
                progressed()

        done = await asyncio.gather(*map(look, scenes), return_exceptions=True)
        for each in done:
            if isinstance(each, BaseException):
                raise each
        return True

    async def fail(self, row: Row, error: errors.AppError) -> None:
        """Give a refactor up that cannot be found."""
        failure = {"code": error.code, "detail": error.detail, "attempt": None}
        async with self._store.transaction() as connection:
            now = await connection.fetchrow(SQL.lock, row["id"])
            if now is not None and now["state"] == "FINDING":
                now = await connection.fetchrow(SQL.set_state, row["id"], "FAILED", failure)
                await announce(connection, "found", now, by=row["created_by"])

    async def _look(self, row: Row, place: Row, actor: Actor, editor: SceneEditor | None) -> None:
        scene: UUID = place["scene_id"]
        title = place["title"]
        found, seq = _NOTHING, 0
        try:
            known = await self._outside.read("scene", scene, actor)
        except errors.NotFound:
            pass  # It was deleted meanwhile.
        else:
            title = known["title"]
            found, seq = await self._found(row, scene, known, editor)
        drafts = [Draft(hit.stood, seq) if hit.stood else None for hit in found.hits]
        standing = [draft for draft in drafts if draft]
        values = {"scene": scene, "seq": seq, "title": title, "number": place["position"]}
        async with self._store.transaction() as connection:
            now = await connection.fetchrow(SQL.lock, row["id"])
            if now is None or now["state"] != "FINDING":
                return
            by, run = row["created_by"], row["run_id"]
            await self._anchors.insert(
                connection, row["project_id"], scene, standing, by=by, run_id=run
            )
            if not await keep_found(connection, row, found, drafts, values):
                raise _FoundElsewhere
            now = await connection.fetchrow(SQL.progressed, row["id"], len(found.hits))
            assert now is not None
            if now["hits_found"] > HITS_MAX:
                raise errors.LimitReached(
                    f"A refactor has at most {HITS_MAX} hits; choose a smaller scope.",
                    limit=HITS_MAX,
                )
            share = max(1, now["scenes_total"] // PROGRESS_TOLD_TIMES)
            if now["scenes_done"] % share == 0:
                await announce(connection, "progressed", now, by=by)
            passed("refactor.scene_found")

    async def _found(
        self, row: Row, scene: UUID, known: Json, editor: SceneEditor | None
    ) -> tuple[FoundScene, int]:
        kind, asked = RefactorKind(row["kind"]), row["asked"]
        if kind is RefactorKind.ATTRIBUTES:
            change = _attribute(asked, known)
            return FoundScene([], [change] if change else [], 0, None), 0
        at = await self._writer.scene_at(scene, editor)
        client = planning.new_client()
        for _ in range(HOSTILE_TRIES):
            try:
                if kind is RefactorKind.HUNKS:
                    hunks = _hunks_of(asked, scene)
                    found = await self._workers.run(jobs.find_hunks, at, hunks, client)
                else:
                    terms, rules = terms_of(row)
                    own = {name: known[name] for name in ("title", "summary")}
                    found = await self._workers.run(jobs.find_hits, at, terms, rules, own, client)
            except (WorkerDied, BadUpdate) as error:
                reason = type(error).__name__
                log.warning("a scene cannot be searched", scene_id=str(scene), reason=reason)
                continue
            return found, at.seq
        return _NOTHING, at.seq

    async def _finish(self, row: Row, actor: Actor) -> None:
        """Find what is in no scene, and say that all is found."""
        others = [each async for each in self._others(row, actor)]
        async with self._store.transaction() as connection:
            now = await connection.fetchrow(SQL.lock, row["id"])
            if now is None or now["state"] != "FINDING":
                return
            for number, (kind, thing, fields) in enumerate(others):
                await keep_fields(connection, row, (kind, thing, number), fields)
            now = await connection.fetchrow(SQL.set_state, row["id"], "READY", None)
            await announce(connection, "found", now, by=row["created_by"])
            passed("refactor.found")

    async def _others(self, row: Row, actor: Actor) -> AsyncGenerator[_Other]:
        kind, asked = RefactorKind(row["kind"]), row["asked"]
        scope = RefactorScope.model_validate(asked.get("scope") or {})
        if kind is RefactorKind.ATTRIBUTES:
            for entity in scope.entity_ids or ():
                try:
                    known = await self._outside.read("entity", entity, actor)
                except errors.NotFound:
                    continue
                if change := _attribute(asked, known):
                    yield "entity", entity, [change]
        if kind not in _RENAMING:
            return
        terms, rules = terms_of(row)
        if kind is RefactorKind.RENAME_ENTITY:
            fields = await self._of_entity(row, actor, terms, rules)
            yield "entity", UUID(asked["entityId"]), fields
        for each, thing, title in titles_in(await self._outside.tree(actor), scope):
            if change := jobs.find_in_field("title", title, terms, rules):
                yield each, thing, [change]

    async def _of_entity(
        self, row: Row, actor: Actor, terms: Sequence[Term], rules: Rules
    ) -> list[FoundField]:
        try:
            known = await self._outside.read("entity", UUID(row["asked"]["entityId"]), actor)
        except errors.NotFound:
            return []
        new = {"name": row["asked"]["to"], "aliases": row["terms"]["aliases"]}
        fields = [
            FoundField(name, known[name], value, True, None)
            for name, value in new.items()
            if known[name] != value
        ]
        if known["description"]:
            change = jobs.find_in_field("description", known["description"], terms, rules)
            fields += [change] if change else []
        return fields


def terms_of(row: Row) -> tuple[list[Term], Rules]:
    """Return the terms of a refactor, and the rules by which they are looked for."""
    held = row["terms"]
    terms = [Term(words, to, Doubt(doubt) if doubt else None) for words, to, doubt in held["terms"]]
    rules = Rules(possessive=held["possessive"], others=tuple(held["others"]))
    return terms, rules


def _hunks_of(asked: Json, scene: UUID) -> list[bytes]:
    own = [each for each in asked["hunks"] if UUID(each["sceneId"]) == scene]
    return [RefactorHunk.model_validate(each).to_wire() for each in own]


def _attribute(asked: Json, known: Json) -> FoundField | None:
    name, to = asked["field"], asked["to"]
    now = known.get(name)
    if now == to or ("from" in asked and now != asked["from"]):
        return None
    return FoundField(name, now, to, True, None)
