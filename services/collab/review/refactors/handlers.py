"""Serves refactors: made, read, chosen from, applied, reverted, deleted."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab.refactors import (
    ENTITIES_MAX,
    REFACTORS_MAX,
    CarryOut,
    ChangeRefactor,
    CreateRefactor,
    ListRefactors,
    ReadRefactor,
    Refactor,
    RefactorChoice,
    RefactorDetail,
    RefactorField,
    RefactorHit,
    RefactorKind,
    RefactorScene,
    RefactorWhereabouts,
    SetRefactorDeleted,
    WhereRefactor,
)
from libs.contracts.events.resources import ScenePatch
from libs.contracts.events.world import EntityPatch
from libs.contracts.pages import Page
from libs.contracts.versions import Expected, is_expected
from libs.postgres import Connection, LockKey
from libs.postgres.locks import wait_for_lock
from services.collab.review.refactors.outside import Outside, Place, places_in
from services.collab.review.refactors.store import SQL, RefactorStore, Row, announce
from services.collab.review.refactors.terms import renaming
from services.collab.review.refactors.worker import RefactorWorker
from services.collab.review.threads.cursors import (
    cursor_after,
    cursor_after_number,
    number_of,
    place_of,
)

QUOTE_SHOWN_CHARS_MAX = 2_000
PAGE_BYTES_MAX = 4 << 20
"""A page of scenes ends with the scene that fills it."""
_CHOOSABLE = ("READY", "REVERTED")


class RefactorHandlers:
    """Serves `libs.contracts.collab.refactors`."""

    def __init__(self, store: RefactorStore, outside: Outside, worker: RefactorWorker) -> None:
        """Keep refactors in *store*; *worker* finds them and carries them out."""
        self._store = store
        self._outside = outside
        self._worker = worker

    async def where(self, question: WhereRefactor, _: Actor) -> RefactorWhereabouts:
        """Tell where a refactor belongs, so that the gateway can tell who may see it."""
        row = await self._store.row(SQL.where, question.id)
        return RefactorWhereabouts(**dict(row)) if row else RefactorWhereabouts()

    async def create(self, question: CreateRefactor, actor: Actor) -> Refactor:
        """Make a refactor; its hits are found in the background.

        Raises:
            NotFound: Its scope or its entity is not in the project.
            LimitReached: The project has too many, or its scope too many scenes.
        """
        project = actor.scope()
        if await self._store.row(SQL.refactor, question.id, project) is None:
            places = await self._places(question, actor)
            terms = await self._terms(question, actor)
            asked = json.loads(
                question.model_dump_json(
                    by_alias=True, exclude_unset=True, exclude={"id", "run_id", "title"}
                )
            )
            async with self._store.transaction() as connection:
                await wait_for_lock(connection, LockKey.REFACTORS, project)
                if await connection.fetchval(SQL.count, project) >= REFACTORS_MAX:
                    raise errors.LimitReached(
                        f"A project has at most {REFACTORS_MAX} refactors; delete some.",
                        limit=REFACTORS_MAX,
                    )
                row = await connection.fetchrow(
                    SQL.add,
                    question.id,
                    project,
                    question.kind,
                    question.title,
                    asked,
                    terms,
                    len(places),
                    question.run_id,
                    actor.user_id,
                )
                await connection.execute(
                    SQL.add_scenes,
                    question.id,
                    project,
                    [place.scene_id for place in places],
                    list(range(len(places))),
                    [place.title for place in places],
                )
                await announce(connection, "created", row, by=actor.user_id)
            self._worker.wake()
        return await self._shown(question.id, actor)

    async def list(self, question: ListRefactors, actor: Actor) -> Page[Refactor]:
        """Show those of a project, the newest first."""
        at, last = place_of(question.cursor)
        rows = await self._store.rows(
            SQL.refactors,
            actor.scope(),
            at,
            last,
            question.state,
            question.include_deleted,
            question.limit + 1,
        )
        items = await self._store.shown(rows[: question.limit])
        more = len(rows) > len(items)
        cursor = cursor_after(items[-1].created_at, items[-1].id) if more else None
        return Page(items=items, next_cursor=cursor)

    async def read(self, question: ReadRefactor, actor: Actor) -> RefactorDetail:
        """Show one, with a page of its scenes."""
        row = await self._store.there(question.id, actor.scope())
        [shown] = await self._store.shown([row])
        first = question.cursor is None
        after = -1 if first else number_of(question.cursor)
        scenes = await self._store.rows(SQL.page_of_scenes, question.id, after, question.limit + 1)
        page = scenes[: question.limit]
        ids = [each["scene_id"] for each in page]
        hits = await self._store.rows(SQL.hits_of_scenes, question.id, ids)
        fields = await self._store.rows(SQL.fields_of_scenes, question.id, ids)
        others = (
            await self._store.rows(SQL.other_fields, question.id, ENTITIES_MAX) if first else []
        )
        items = [_scene(each, hits, fields) for each in page]
        kept = _fitting(items)
        more = len(kept) < len(scenes)
        return RefactorDetail(
            **dict(shown),
            fields=[_field(each) for each in others],
            scenes=kept,
            next_cursor=cursor_after_number(page[len(kept) - 1]["position"]) if more else None,
        )

    async def change(self, question: ChangeRefactor, actor: Actor) -> Refactor:
        """Choose among hits, in the order of the choices.

        Raises:
            NotFound: A choice names hits of another refactor.
            Conflict: It is being found or carried out, or it is applied.
            PreconditionFailed: It is at another version than the caller expects.
        """
        async with self._store.transaction() as connection:
            row = await _locked(connection, question.id, actor, question.expected_version)
            if question.choices and row["state"] not in _CHOOSABLE:
                raise _wrong_state(row, "hits are chosen", _CHOOSABLE)
            scenes: set[UUID] = set()
            for choice in question.choices:
                scenes |= await _choose(connection, row, choice)
            await connection.execute(SQL.forget_plans, row["id"], list(scenes))
            titled = "title" in question.model_fields_set
            row = await connection.fetchrow(
                SQL.changed, row["id"], actor.user_id, question.title, titled
            )
            await announce(connection, "changed", row, by=actor.user_id)
        self._worker.wake()
        return await self._shown(question.id, actor)

    async def carry_out(self, question: CarryOut, actor: Actor) -> Refactor:
        """Apply a refactor, or revert it; doing the same again changes nothing.

        Raises:
            Conflict: Words or fields were changed since, or it is in no state for that.
            Forbidden: The actor may not change the fields that it changes.
            PreconditionFailed: It is at another version than the caller expects.
        """
        doing, done = ("REVERTING", "REVERTED") if question.revert else ("APPLYING", "APPLIED")
        allowed = ("APPLIED",) if question.revert else _CHOOSABLE
        async with self._store.transaction() as connection:
            row = await _locked(connection, question.id, actor, None)
            if row["state"] not in (doing, done):
                _require_version(row, question.expected_version)
                if row["state"] not in allowed:
                    raise _wrong_state(row, f"it is {done.lower()}", allowed)
                order = {
                    "by": str(actor.user_id),
                    "may": sorted(question.may),
                    "skip": question.skip_conflicts,
                    "was": row["state"],
                }
                await connection.execute(SQL.unskip_fields, row["id"])
                if not question.revert:
                    await connection.execute(SQL.unskip_hits, row["id"])
                row = await connection.fetchrow(
                    SQL.order_given, row["id"], doing, actor.user_id, order
                )
                await announce(connection, "started", row, by=actor.user_id)
        assert row is not None
        if row["state"] == doing:
            await self._worker.carry_out(question.id)
            now = await self._store.there(question.id, actor.scope())
            failure = now["failure"]
            if failure and failure["attempt"] == row["attempt"]:
                raise errors.from_code(failure["code"], failure["detail"], failure["data"])
        return await self._shown(question.id, actor)

    async def set_deleted(self, question: SetRefactorDeleted, actor: Actor) -> Refactor:
        """Delete a refactor softly, or restore it.

        Raises:
            Conflict: It is being applied or reverted.
        """
        async with self._store.transaction() as connection:
            row = await _locked(
                connection, question.id, actor, question.expected_version, deleted=True
            )
            if row["deleted_at"] is not None and question.deleted:
                raise errors.NotFound
            if (row["deleted_at"] is not None) != question.deleted:
                if row["state"] in ("APPLYING", "REVERTING"):
                    raise _wrong_state(row, "it is deleted", ("READY", "APPLIED", "REVERTED"))
                row = await connection.fetchrow(
                    SQL.set_deleted, row["id"], actor.user_id, question.deleted
                )
                what = "deleted" if question.deleted else "restored"
                if question.deleted:
                    await connection.execute(SQL.lock_anchored_scenes, question.id)
                    await connection.execute(SQL.retire_anchors, question.id)
                await announce(connection, what, row, by=actor.user_id)
        self._worker.wake()
        return await self._shown(question.id, actor, deleted=True)

    async def _shown(self, refactor: UUID, actor: Actor, *, deleted: bool = False) -> Refactor:
        row = await self._store.there(refactor, actor.scope(), deleted=deleted)
        [shown] = await self._store.shown([row])
        return shown

    async def _places(self, question: CreateRefactor, actor: Actor) -> Sequence[Place]:
        if question.kind is RefactorKind.ATTRIBUTES:
            _require_value(question)
            if question.target == "entity":
                return []
        scope = question.scope
        if question.kind is RefactorKind.HUNKS:
            scope = scope.model_copy(
                update={"scene_ids": list({each.scene_id for each in question.hunks})}
            )
            if question.scope.book_id or question.scope.chapter_id:
                raise errors.Invalid("The scope of `hunks` are their scenes; leave it out.")
        return places_in(await self._outside.tree(actor), scope)

    async def _terms(self, question: CreateRefactor, actor: Actor) -> dict[str, Any]:
        if question.kind is RefactorKind.REPLACE:
            terms = [[question.from_, question.to, None]]
            return {"terms": terms, "possessive": question.possessive, "others": []}
        if question.kind is not RefactorKind.RENAME_ENTITY:
            return {}
        assert question.entity_id
        assert question.to
        entity = await self._outside.read("entity", question.entity_id, actor)
        explicit = {change.from_: change.to for change in question.names}
        found = renaming(entity["name"], entity["aliases"], question.to, explicit)
        sought = [term.words.casefold() for term in found.terms]
        others = await self._outside.other_names(question.entity_id, actor)
        return {
            "name": entity["name"],
            "terms": [[term.words, term.to, term.doubt] for term in found.terms],
            "aliases": found.aliases,
            "possessive": question.possessive,
            "others": [
                name for name in others if any(words in name.casefold() for words in sought)
            ],
        }


def _require_value(question: CreateRefactor) -> None:
    """Return when the field may have the value that it is to have.

    Raises:
        Invalid: It may not.
    """
    model = ScenePatch if question.target == "scene" else EntityPatch
    try:
        model.model_validate({question.field: question.to})
    except ValidationError as error:
        raise errors.Invalid(
            f"`to` is no value of `{question.field}`: {error.errors()[0]['msg']}"
        ) from error


async def _locked(
    connection: Connection,
    refactor: UUID,
    actor: Actor,
    expected: Expected,
    *,
    deleted: bool = False,
) -> Row:
    row = await connection.fetchrow(SQL.lock, refactor)
    if row is None or row["project_id"] != actor.scope():
        raise errors.NotFound
    if row["deleted_at"] is not None and not deleted:
        raise errors.NotFound
    _require_version(row, expected)
    return row


def _require_version(row: Row, expected: Expected) -> None:
    if not is_expected(row["version"], expected):
        raise errors.PreconditionFailed(f"This is version {row['version']} of the refactor now.")


def _wrong_state(row: Row, what: str, allowed: Sequence[str]) -> errors.Conflict:
    return errors.Conflict(
        f"The refactor is {row['state']}; {what} when it is {' or '.join(allowed)}.",
        state=row["state"],
    )


async def _choose(connection: Connection, row: Row, choice: RefactorChoice) -> set[UUID]:
    """Make a choice; returns the scenes of its hits.

    Raises:
        NotFound: It names hits of another refactor.
    """
    named = choice.hit_ids
    if named is not None:
        known = await connection.fetch(SQL.known_ids, row["id"], named)
        if len(known) < len(set(named)):
            raise errors.NotFound("Some of these hits are not hits of this refactor.")
    which = row["id"], choice.to, named, choice.scene_id
    hits = await connection.fetch(SQL.choose_hits, *which)
    await connection.execute(SQL.choose_fields, *which)
    return {hit["scene_id"] for hit in hits}


def _scene(row: Row, hits: Sequence[Row], fields: Sequence[Row]) -> RefactorScene:
    own = {name: row[name] for name in RefactorScene.model_fields if name in row}
    return RefactorScene(
        **own,
        seq=row["found_seq"],
        hits=[_hit(each) for each in hits if each["scene_id"] == row["scene_id"]],
        fields=[_field(each) for each in fields if each["scene_id"] == row["scene_id"]],
    )


def _hit(row: Row) -> RefactorHit:
    own = {name: row[name] for name in RefactorHit.model_fields if name in row}
    return RefactorHit(**own, quote=row["base"][:QUOTE_SHOWN_CHARS_MAX])


def _field(row: Row) -> RefactorField:
    own = {name: row[name] for name in RefactorField.model_fields if name in row}
    return RefactorField(**own, **{"from": row["old_value"]}, to=row["new_value"])


def _fitting(scenes: Sequence[RefactorScene]) -> list[RefactorScene]:
    size = 0
    kept: list[RefactorScene] = []
    for scene in scenes:
        size += len(scene.to_wire())
        if kept and size > PAGE_BYTES_MAX:
            break
        kept.append(scene)
    return kept
