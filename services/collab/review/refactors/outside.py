"""Requests to events for a refactor: the manuscript, names, and the bundle of fields."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.collab.refactors import ENTITIES_MAX, SCENES_MAX, RefactorScope
from libs.contracts.events.bundles import (
    COMMIT,
    COMMIT_DEADLINE_S,
    LABEL_CHARS_MAX,
    OPERATIONS_MAX,
    UNDO,
    Commit,
    Resolution,
    SetField,
    Target,
    Undo,
)
from libs.contracts.events.event import Source
from libs.contracts.events.manuscript import LIST, READ, Json, List, Read
from libs.contracts.events.resources import Kind
from libs.contracts.events.tree import READ_TREE, ReadTree, Tree
from libs.contracts.ids import new_id
from libs.contracts.pages import PAGE_ITEMS_MAX

MANUSCRIPT_DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True)
class Place:
    """A scene in the manuscript."""

    scene_id: UUID
    title: str | None
    screenplay: bool


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a thing, with its value and the one it is to have."""

    id: UUID
    kind: str
    aggregate_id: UUID
    field: str
    old: Any
    new: Any


class Outside:
    """Asks events, in the name of the person who works on a refactor."""

    def __init__(self, caller: Caller) -> None:
        """Ask over *caller*."""
        self._caller = caller

    async def tree(self, actor: Actor) -> Tree:
        """Return the manuscript of the actor's project.

        Raises:
            errors.AppError: Events refuses, or is away.
        """
        written = await self._caller.ask(
            READ_TREE, ReadTree(), actor, deadline_s=MANUSCRIPT_DEADLINE_S
        )
        return Tree.model_validate_json(written.text, extra="ignore")

    async def read(self, kind: Kind, thing: UUID, actor: Actor) -> Json:
        """Return a thing of the actor's project that is not deleted.

        Raises:
            errors.NotFound: There is none.
            errors.AppError: Events is away.
        """
        return (await self._caller.ask(READ, Read(kind=kind, id=thing), actor)).resource

    async def other_names(self, but: UUID, actor: Actor) -> list[str]:
        """Return the names and aliases of the project's entities, but those of one."""
        names: list[str] = []
        cursor: str | None = None
        for _ in range(ENTITIES_MAX // PAGE_ITEMS_MAX):
            question = List(
                kind="entity",
                parent_id=actor.scope(),
                parent_kind="project",
                cursor=cursor,
                limit=PAGE_ITEMS_MAX,
            )
            page = await self._caller.ask(LIST, question, actor)
            for entity in page.items:
                if UUID(entity["id"]) != but and entity["type"] != "task":
                    names += [entity["name"], *entity["aliases"]]
            cursor = page.next_cursor
            if cursor is None:
                break
        return names

    async def change(
        self, fields: Sequence[Field], actor: Actor, order: Mapping[str, Any], *, check: bool
    ) -> UUID | None:
        """Set fields by one bundle, or with *check* only find out whether that is possible.

        *order* has the id of the refactor, its label, the number of the attempt and what the actor
        may do. Returns the bundle, None when nothing was to be changed.

        Raises:
            Differing: Fields have other values by now, or are gone.
            errors.AppError: Events refuses, or is away.
        """
        if len(fields) > OPERATIONS_MAX:
            raise errors.LimitReached(
                f"One refactor changes at most {OPERATIONS_MAX} fields; choose fewer.",
                limit=OPERATIONS_MAX,
            )
        question = Commit(
            label=order["label"][:LABEL_CHARS_MAX],
            operations=[
                SetField(
                    op="set",
                    aggregate=Target(kind=each.kind, id=each.aggregate_id),
                    path=each.field,
                    value=each.new,
                    old_value=each.old,
                )
                for each in fields
            ],
            command_id=new_id() if check else command_of(order, "apply"),
            source=Source.AUTOMATION if order["run_id"] else Source.API,
            may=frozenset(order["may"]),
            causation_id=order["refactor_id"],
            check=check,
        )
        try:
            committed = await self._caller.ask(
                COMMIT, question, actor, deadline_s=COMMIT_DEADLINE_S
            )
        except (errors.NotFound, errors.Conflict) as error:
            numbers = set(_operations(error))
            if not numbers:
                raise
            raise Differing(error, [fields[number] for number in sorted(numbers)]) from error
        return committed.bundle.id if committed.bundle else None

    async def undo(
        self, bundle: UUID, actor: Actor, order: Mapping[str, Any], *, check: bool
    ) -> None:
        """Undo the bundle of fields, or with *check* only find out whether that is possible.

        Fields that somebody changed since stay as they are if the order skips conflicts.

        Raises:
            errors.Conflict: Somebody changed fields since.
            errors.AppError: Events refuses, or is away.
        """
        resolutions: list[Resolution] = []
        while True:
            question = Undo(
                label=f"Revert: {order['label']}"[:LABEL_CHARS_MAX],
                command_id=new_id() if check else command_of(order, "revert", len(resolutions)),
                bundle_id=bundle,
                may=frozenset(order["may"]),
                resolutions=resolutions,
                check=check,
            )
            try:
                await self._caller.ask(UNDO, question, actor, deadline_s=COMMIT_DEADLINE_S)
            except errors.Conflict as error:
                if "undoneBy" in error.data:
                    return
                found = list(_resolutions(error))
                if not order["skip"] or not found:
                    raise
                resolutions = [*resolutions, *found]
                continue
            return


class Differing(errors.Conflict):
    """Fields have other values than those that were found."""

    code = errors.Conflict.code

    def __init__(self, cause: errors.AppError, fields: Sequence[Field]) -> None:
        """Name *fields*."""
        self.fields = list(fields)
        super().__init__(
            "Fields were changed since the refactor was found.",
            fields=[
                {"id": str(each.id), "aggregateId": str(each.aggregate_id), "field": each.field}
                for each in fields
            ],
            reason=cause.code,
        )


def command_of(order: Mapping[str, Any], what: str, number: int = 0) -> UUID:
    """Return the id of the command of an order, the same whenever it is tried again."""
    return uuid5(order["refactor_id"], f"{what}-{order['attempt']}-{number}")


def places_in(tree: Tree, scope: RefactorScope) -> list[Place]:
    """Return the scenes of a scope, in the order of the manuscript.

    Raises:
        errors.NotFound: The scope names something that the project does not have.
        errors.LimitReached: There are too many.
    """
    wanted = None if scope.scene_ids is None else set(scope.scene_ids)
    found: list[Place] = []
    known = scope.book_id is None and scope.chapter_id is None
    for book in tree.books:
        for chapter in book.chapters:
            inside = scope.book_id in (None, book.id) and scope.chapter_id in (None, chapter.id)
            known = known or inside
            found += [
                Place(scene.id, scene.title, book.kind == "screenplay")
                for scene in chapter.scenes
                if inside and (wanted is None or scene.id in wanted)
            ]
        known = known or scope.book_id == book.id
    if not known or (wanted is not None and len(found) < len(wanted)):
        raise errors.NotFound("The scope names something that this project does not have.")
    if len(found) > SCENES_MAX:
        raise errors.LimitReached(
            f"A refactor has at most {SCENES_MAX} scenes; choose a book or a chapter.",
            limit=SCENES_MAX,
        )
    return found


def titles_in(tree: Tree, scope: RefactorScope) -> Iterator[tuple[str, UUID, str]]:
    """Yield the kinds, ids and titles of the books and chapters of a scope."""
    if scope.scene_ids is not None or scope.entity_ids is not None:
        return
    for book in tree.books:
        if scope.book_id not in (None, book.id):
            continue
        if scope.chapter_id is None:
            yield "book", book.id, book.title
        for chapter in book.chapters:
            if scope.chapter_id in (None, chapter.id):
                yield "chapter", chapter.id, chapter.title


def _operations(error: errors.AppError) -> Iterator[int]:
    if "operation" in error.data:
        yield int(error.data["operation"])
    for bundle in error.data.get("conflicts", ()):
        for field in bundle["fields"]:
            yield int(field["operation"])


def _resolutions(error: errors.AppError) -> Iterator[Resolution]:
    for bundle in error.data.get("conflicts", ()):
        for field in bundle["fields"]:
            if field["field"]:
                text = json.dumps(field["aggregate"])
                target = Target.model_validate_json(text)
                yield Resolution(aggregate=target, field=field["field"], take="theirs")
