"""Commands about everything that routes address by id."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic.alias_generators import to_camel

from libs import errors
from libs.contracts.actor import Actor, Role
from libs.contracts.events.manuscript import Change, Create, Document, Move, Remove, Restore
from libs.contracts.events.resources import INDEX_MAX
from libs.contracts.ids import new_id
from services.events.handlers.action import (
    cause_of,
    claim_of,
    document,
    require_project,
    require_version,
    require_visible,
    shown,
)
from services.events.handlers.placing import find_place
from services.events.handlers.references import require_names, require_references
from services.events.model.aggregate import Aggregate, Row
from services.events.model.aggregates import AGGREGATES, MEMBER, PROJECT
from services.events.model.aggregates.project import slugs
from services.events.model.equality import same
from services.events.model.log import Draft
from services.events.model.merge import field_changes, require_mergeable
from services.events.model.order import moved, place_of
from services.events.model.refusal import refused
from services.events.store import Repeated, Store, Transaction, TryAgain

type Act = Callable[[Transaction], Awaitable[None]]
type Command = Create | Change | Remove | Restore | Move


class Commands:
    """Answers that append to the log."""

    def __init__(self, store: Store) -> None:
        """Append to *store*."""
        self._store = store

    async def create(self, question: Create, actor: Actor) -> Document:
        """Begin an aggregate at the end of its parent."""
        about = AGGREGATES[question.kind]
        fields = about.initial(question.fields, at=_now())
        if about is PROJECT:
            return await self._create_project(question, actor, fields)
        if not about.ordered:
            return await self._create_unordered(question, actor, fields)
        above, parent_id = AGGREGATES[str(about.parent)], question.parent_id
        if parent_id is None:
            raise refused("parentId", "is required")

        async def act(tx: Transaction) -> None:
            require_visible(await tx.lock(above, parent_id))
            await require_names(tx, about, fields)
            place = await find_place(tx, about, parent_id, child_id=question.id, index=INDEX_MAX)
            await tx.record([Draft(about, question.id, "created", _camel(fields) | place)])

        return await self._do(question, actor, actor.scope(), act)

    async def _create_unordered(
        self, question: Create, actor: Actor, fields: dict[str, Any]
    ) -> Document:
        about = AGGREGATES[question.kind]
        above, parent_id = AGGREGATES[str(about.parent)], question.parent_id
        if parent_id is None:
            raise refused("parentId", "is required")

        async def act(tx: Transaction) -> None:
            # Shared: without an order, children of one parent need not wait for each other.
            require_visible(await tx.hold(above, parent_id))
            await require_references(tx, about, fields, actor.vouched)
            await require_names(tx, about, fields)
            await tx.record([Draft(about, question.id, "created", about.born(fields))])

        return await self._do(question, actor, actor.scope(), act)

    async def _create_project(
        self, question: Create, actor: Actor, fields: dict[str, Any]
    ) -> Document:
        if question.parent_id is not None:
            raise refused("parentId", "a project has no parent")
        chosen: str | None = fields["slug"]
        if chosen:
            return await self._do_create_project(question, actor, fields, [chosen])
        wishes = list(slugs(fields["name"], question.id))
        try:
            return await self._do_create_project(question, actor, fields, wishes)
        except errors.SlugTaken:
            # Another one was made from the same name just now: leave the pretty ones to them.
            return await self._do_create_project(question, actor, fields, wishes[-1:])

    async def _do_create_project(
        self, question: Create, actor: Actor, fields: dict[str, Any], wishes: list[str]
    ) -> Document:
        async def act(tx: Transaction) -> None:
            await require_names(tx, PROJECT, fields)
            slug = await tx.free_slug(wishes)
            if slug is None:
                raise errors.SlugTaken
            owner = {"userId": str(actor.user_id), "role": Role.OWNER.value}
            await tx.record(
                [
                    Draft(PROJECT, question.id, "created", _camel(fields) | {"slug": slug}),
                    Draft(MEMBER, new_id(), "added", owner),
                ]
            )

        return await self._do(question, actor, question.id, act)

    async def change(self, question: Change, actor: Actor) -> Document:
        """Set fields: one event for each that gets another value."""
        about = AGGREGATES[question.kind]
        asked = about.wanted(question.fields)

        async def act(tx: Transaction) -> None:
            row = require_visible(await tx.lock(about, question.id))
            require_version(row, question.expected_version)
            wanted = about.completed(row, asked, at=_now())
            base = question.base_version
            if base is not None and not 0 < base <= row["version"]:
                raise refused("baseVersion", "is not a version of this")
            if base is not None and base < row["version"]:
                since = await tx.field_history(about, question.id, list(wanted), since=base)
                plain = {name: about.plain(name, value) for name, value in row.items()}
                require_mergeable(plain, wanted, since, base_version=base)
            changed = {n: v for n, v in wanted.items() if not same(about.plain(n, row[n]), v)}
            await require_references(tx, about, changed, actor.vouched)
            await require_names(tx, about, changed)
            await tx.record(field_changes(about, question.id, row, wanted))

        return await self._do(question, actor, actor.scope(), act)

    async def remove(self, question: Remove, actor: Actor) -> Document:
        """Delete softly, and hide what is below; or remove what does not last."""
        about = AGGREGATES[question.kind]

        async def act(tx: Transaction) -> None:
            row = require_visible(await tx.lock(about, question.id))
            require_version(row, question.expected_version)
            if about.lasting:
                await tx.record([Draft(about, question.id, "deleted", {})])
            else:
                await tx.record([Draft(about, question.id, "removed", about.born(row))])

        return await self._do(question, actor, actor.scope(), act)

    async def restore(self, question: Restore, actor: Actor) -> Document:
        """Bring a deleted aggregate back to where it was."""
        about = AGGREGATES[question.kind]
        if not about.lasting:
            raise refused("kind", f"a {about.kind} that was removed is gone")

        async def act(tx: Transaction) -> None:
            if about.parent and about.ordered:
                await _lock_parent(tx, about, question.id)
            row = await tx.lock(about, question.id)
            if row is None:
                raise errors.NotFound
            if row["hidden"]:
                raise errors.Conflict("Restore what it belongs to first; that is deleted.")
            if row["deleted_at"] is not None:
                await tx.record([Draft(about, question.id, "restored", {})])

        return await self._do(question, actor, actor.scope(), act)

    async def move(self, question: Move, actor: Actor) -> Document:
        """Put a child at an index, of another parent if one is given."""
        about = AGGREGATES[question.kind]
        if about.parent is None or not about.ordered:
            raise refused("kind", f"a {about.kind} has no place to move from")

        async def act(tx: Transaction) -> None:
            parent = await _lock_parent(tx, about, question.id, parent_id=question.parent_id)
            parent_id = require_visible(parent)["id"]
            row = require_visible(await tx.lock(about, question.id))
            require_version(row, question.expected_version)
            if question.parent_id is None and row["parent_id"] != parent_id:
                raise TryAgain
            place = await find_place(
                tx, about, parent_id, child_id=question.id, index=question.index
            )
            here = place_of(row)
            if (here["parentId"], here["index"]) != (place["parentId"], place["index"]):
                await tx.record([moved(about, row, place)])

        return await self._do(question, actor, actor.scope(), act)

    async def _do(self, question: Command, actor: Actor, project_id: UUID, act: Act) -> Document:
        """Act unless it was done before, and show the result.

        That it was done shows when the action is recorded; or it was refused because of what it
        did the first time, so who is refused is looked up as well.
        """
        about = AGGREGATES[question.kind]
        require_project(about, question.id, project_id)
        claim = claim_of(question, question.command_id, question.id, project_id=project_id)

        async def work(tx: Transaction) -> Document:
            tx.claim_on_append(claim)
            if _is_for_good(question, about):
                last = await document(tx, about, question.id, actor=actor)
                await act(tx)
                return last
            await act(tx)
            if isinstance(question, Change) and (row := tx.left(question.id)):
                return await shown(tx, about, row, actor=actor)
            return await document(tx, about, question.id, actor=actor)

        async def before(tx: Transaction) -> Document | None:
            target_id = await tx.claimed(claim)
            if target_id is None:
                return None
            if _is_for_good(question, about):
                return Document(kind=question.kind, resource={})
            scope = tx.within(target_id if about is PROJECT else project_id)
            return await document(scope, about, target_id, actor=actor)

        cause = cause_of(actor, question.command_id, project_id=project_id)
        try:
            if isinstance(question, Change):
                return await self._store.change(cause, work)
            return await self._store.command(cause, work)
        except (errors.Unavailable, errors.DeadlineExceeded):
            raise
        except (Repeated, errors.AppError):
            if first := await self._store.command(cause, before):
                return first
            raise


def _is_for_good(question: Command, about: Aggregate) -> bool:
    """Whether nothing can be shown afterwards."""
    return isinstance(question, Remove) and not about.lasting


async def _lock_parent(
    tx: Transaction, about: Aggregate, aggregate_id: UUID, *, parent_id: UUID | None = None
) -> Row | None:
    """Lock the parent named, or else the one that the aggregate has now."""
    if parent_id is None:
        row = await tx.row(about, aggregate_id)
        if row is None:
            raise errors.NotFound
        parent_id = row["parent_id"]
        assert parent_id is not None
    return await tx.lock(AGGREGATES[str(about.parent)], parent_id)


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _camel(fields: dict[str, Any]) -> dict[str, Any]:
    return {to_camel(name): value for name, value in fields.items()}
