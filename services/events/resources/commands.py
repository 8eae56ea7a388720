"""Commands about single aggregates of every kind."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

from pydantic.alias_generators import to_camel

from libs import errors
from libs.contracts.actor import Actor, Role
from libs.contracts.events.manuscript import Change, Create, Document, Move, Remove, Restore
from libs.contracts.events.resources import INDEX_MAX, Kind
from libs.contracts.ids import new_id
from services.events.common.commands import (
    claim_of,
    context_of,
    read_document,
    require_project,
    require_version,
    require_visible,
    to_document,
    to_wire,
)
from services.events.common.references import require_names, require_references
from services.events.model.aggregate import AggregateSpec, Row
from services.events.model.aggregates import AGGREGATES, MEMBER, PROJECT
from services.events.model.aggregates.project import slugs
from services.events.model.equality import same
from services.events.model.log import PendingEvent
from services.events.model.merge import field_changes, require_mergeable
from services.events.model.order import move_event, place_of
from services.events.model.refusal import field_refusal
from services.events.resources.placing import find_place
from services.events.store import (
    AlreadyRecorded,
    Reader,
    RetryTransaction,
    SingleChange,
    Store,
    Transaction,
)
from services.events.store.optimistic import Decide

type Act = Callable[[Transaction], Awaitable[None]]
type Command = Create | Change | Remove | Restore | Move


class CommandHandlers:
    """Handlers of commands about single aggregates."""

    def __init__(self, store: Store) -> None:
        """Append to *store*."""
        self._store = store

    async def create(self, question: Create, actor: Actor) -> Document:
        """Create an aggregate, as the last child of its parent if there is an order."""
        spec = AGGREGATES[question.kind]
        fields = spec.initial(question.fields, at=_now())
        if spec is PROJECT:
            return await self._create_project(question, actor, fields)
        if not spec.ordered:
            return await self._create_unordered(question, actor, fields)
        above, parent_id = AGGREGATES[str(spec.parent)], question.parent_id
        if parent_id is None:
            raise field_refusal("parentId", "is required")

        async def act(tx: Transaction) -> None:
            require_visible(await tx.lock(above, parent_id))
            await require_names(tx, spec, fields)
            place = await find_place(tx, spec, parent_id, child_id=question.id, index=INDEX_MAX)
            await tx.record([PendingEvent(spec, question.id, "created", _camel(fields) | place)])

        return await self._run_command(question, actor, actor.scope(), act)

    async def _create_unordered(
        self, question: Create, actor: Actor, fields: dict[str, Any]
    ) -> Document:
        spec = AGGREGATES[question.kind]
        above, parent_id = AGGREGATES[str(spec.parent)], question.parent_id
        if parent_id is None:
            raise field_refusal("parentId", "is required")

        async def act(tx: Transaction) -> None:
            # A shared lock: without an order, children of one parent need not wait for each other.
            require_visible(await tx.lock_shared(above, parent_id))
            await require_references(tx, spec, fields, actor.vouched)
            await require_names(tx, spec, fields)
            await tx.record([PendingEvent(spec, question.id, "created", spec.born(fields))])

        return await self._run_command(question, actor, actor.scope(), act)

    async def _create_project(
        self, question: Create, actor: Actor, fields: dict[str, Any]
    ) -> Document:
        if question.parent_id is not None:
            raise field_refusal("parentId", "a project has no parent")
        chosen: str | None = fields["slug"]
        if chosen:
            return await self._do_create_project(question, actor, fields, [chosen])
        wishes = list(slugs(fields["name"], question.id))
        try:
            return await self._do_create_project(question, actor, fields, wishes)
        except errors.SlugTaken:
            # Another project with this name was created just now; use the last slug.
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
                    PendingEvent(PROJECT, question.id, "created", _camel(fields) | {"slug": slug}),
                    PendingEvent(MEMBER, new_id(), "added", owner),
                ]
            )

        return await self._run_command(question, actor, question.id, act)

    async def change(self, question: Change, actor: Actor) -> Document:
        """Set fields: one event for each that gets another value.

        The first attempt takes no locks, which is enough while a change needs only its own row.
        """
        spec = AGGREGATES[question.kind]
        asked = spec.wanted(question.fields)

        def decide(row: Row) -> list[PendingEvent] | None:
            wanted = _wanted(spec, question, asked, row)
            if _is_behind(question, row) or _refers(spec, _changed(spec, row, wanted)):
                return None
            return field_changes(spec, question.id, row, wanted)

        async def act(tx: Transaction) -> None:
            row = require_visible(await tx.lock(spec, question.id))
            wanted = _wanted(spec, question, asked, row)
            base = question.base_version
            if base is not None and _is_behind(question, row):
                since = await tx.field_history(spec, question.id, list(wanted), since=base)
                plain = {name: spec.plain(name, value) for name, value in row.items()}
                require_mergeable(plain, wanted, since, base_version=base)
            changed = _changed(spec, row, wanted)
            await require_references(tx, spec, changed, actor.vouched)
            await require_names(tx, spec, changed)
            await tx.record(field_changes(spec, question.id, row, wanted))

        return await self._run_command(question, actor, actor.scope(), act, decide=decide)

    async def remove(self, question: Remove, actor: Actor) -> Document:
        """Delete an aggregate, which hides its dependents; or remove it if its kind is not kept."""
        spec = AGGREGATES[question.kind]

        async def act(tx: Transaction) -> None:
            row = require_visible(await tx.lock(spec, question.id))
            require_version(row, question.expected_version)
            if spec.keeps_deleted:
                await tx.record([PendingEvent(spec, question.id, "deleted", {})])
            else:
                await tx.record([PendingEvent(spec, question.id, "removed", spec.born(row))])

        return await self._run_command(question, actor, actor.scope(), act)

    async def restore(self, question: Restore, actor: Actor) -> Document:
        """Restore a deleted aggregate at its old place."""
        spec = AGGREGATES[question.kind]
        if not spec.keeps_deleted:
            raise field_refusal("kind", f"a removed {spec.kind} cannot be restored")

        async def act(tx: Transaction) -> None:
            if spec.parent and spec.ordered:
                await _lock_parent(tx, spec, question.id)
            row = await tx.lock(spec, question.id)
            if row is None:
                raise errors.NotFound
            if row["hidden"]:
                raise errors.Conflict(
                    "Something that it belongs to is deleted; restore that first."
                )
            if row["deleted_at"] is not None:
                await tx.record([PendingEvent(spec, question.id, "restored", {})])

        return await self._run_command(question, actor, actor.scope(), act)

    async def move(self, question: Move, actor: Actor) -> Document:
        """Move a child to an index, under another parent if one is given."""
        spec = AGGREGATES[question.kind]
        if spec.parent is None or not spec.ordered:
            raise field_refusal("kind", f"a {spec.kind} has no order and cannot be moved")

        async def act(tx: Transaction) -> None:
            parent = await _lock_parent(tx, spec, question.id, parent_id=question.parent_id)
            parent_id = require_visible(parent)["id"]
            row = require_visible(await tx.lock(spec, question.id))
            require_version(row, question.expected_version)
            if question.parent_id is None and row["parent_id"] != parent_id:
                raise RetryTransaction
            place = await find_place(
                tx, spec, parent_id, child_id=question.id, index=question.index
            )
            here = place_of(row)
            if (here["parentId"], here["index"]) != (place["parentId"], place["index"]):
                await tx.record([move_event(spec, row, place)])

        return await self._run_command(question, actor, actor.scope(), act)

    async def _run_command(
        self,
        question: Command,
        actor: Actor,
        project_id: UUID,
        act: Act,
        *,
        decide: Decide | None = None,
    ) -> Document:
        """Carry out a command unless it was done before, and show the result.

        A command that was done before is noticed when it is recorded. It may also be refused
        because of its own first effect; therefore its first outcome is looked up after every
        refusal.

        Args:
            question: The command.
            actor: The person who sends it.
            project_id: The project in which it acts.
            act: Its effect within a transaction.
            decide: Its effect on the row of its aggregate, when that may suffice.
        """
        spec = AGGREGATES[question.kind]
        require_project(spec, question.id, project_id)
        claim = claim_of(question, question.command_id, question.id, project_id=project_id)
        context = context_of(actor, question.command_id, project_id=project_id)

        async def act_and_show(tx: Transaction) -> Document:
            tx.claim_on_append(claim)
            if _leaves_nothing(question, spec):
                last = await read_document(tx, spec, question.id, actor=actor)
                await act(tx)
                return last
            await act(tx)
            if isinstance(question, Change) and (row := tx.row_after(question.id)):
                return await to_document(tx, spec, row, actor=actor)
            return await read_document(tx, spec, question.id, actor=actor)

        async def show_first_time(tx: Transaction) -> Document | None:
            target_id = await tx.claimed(claim)
            if target_id is None:
                return None
            if _leaves_nothing(question, spec):
                return Document(kind=question.kind, resource={})
            scope = tx.within(target_id if spec is PROJECT else project_id)
            return await read_document(scope, spec, target_id, actor=actor)

        try:
            if decide:
                change = SingleChange(spec, question.id, claim, decide)
                if row := await self._store.change_one(context, change):
                    return await self._shown(spec, row, actor)
            return await self._store.run_command(context, act_and_show)
        except (errors.Unavailable, errors.DeadlineExceeded):
            raise
        except (AlreadyRecorded, errors.AppError):
            if first := await self._store.run_command(context, show_first_time):
                return first
            raise

    async def _shown(self, spec: AggregateSpec, row: Row, actor: Actor) -> Document:
        if spec is not PROJECT:
            return Document(kind=cast("Kind", spec.kind), resource=to_wire(spec, row))

        async def show(reader: Reader) -> Document:
            return await to_document(reader, spec, row, actor=actor)

        return await self._store.run_read(show, project_id=actor.scope())


def _wanted(
    spec: AggregateSpec, question: Change, asked: Mapping[str, Any], row: Row
) -> dict[str, Any]:
    """Return all fields that a change sets in *row*, those that follow from others included.

    Raises:
        errors.NotFound: The aggregate is deleted.
        errors.PreconditionFailed: The aggregate is not at the expected version.
        errors.Invalid: The base version is none of its versions.
    """
    require_visible(row)
    require_version(row, question.expected_version)
    base = question.base_version
    if base is not None and not 0 < base <= row["version"]:
        raise field_refusal("baseVersion", "is not a version of this aggregate")
    return spec.completed(row, asked, at=_now())


def _is_behind(question: Change, row: Row) -> bool:
    """Return whether others changed the aggregate after the version that the author had seen."""
    return question.base_version is not None and question.base_version < row["version"]


def _changed(spec: AggregateSpec, row: Row, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that get another value."""
    return {n: v for n, v in wanted.items() if not same(spec.plain(n, row[n]), v)}


def _refers(spec: AggregateSpec, fields: Mapping[str, Any]) -> bool:
    """Return whether *fields* refer to other aggregates, which must then be held."""
    named = (fields.get(name) for name, kind in spec.references.items() if kind in AGGREGATES)
    return any(value is not None for value in named) or any(spec.names_in(fields))


def _leaves_nothing(question: Command, spec: AggregateSpec) -> bool:
    """Return whether nothing can be shown after a command."""
    return isinstance(question, Remove) and not spec.keeps_deleted


async def _lock_parent(
    tx: Transaction, spec: AggregateSpec, aggregate_id: UUID, *, parent_id: UUID | None = None
) -> Row | None:
    """Lock the given parent, or the current parent of the aggregate when none is given."""
    if parent_id is None:
        row = await tx.row(spec, aggregate_id)
        if row is None:
            raise errors.NotFound
        parent_id = row["parent_id"]
        assert parent_id is not None
    return await tx.lock(AGGREGATES[str(spec.parent)], parent_id)


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _camel(fields: dict[str, Any]) -> dict[str, Any]:
    return {to_camel(name): value for name, value in fields.items()}
