"""From steps to pending events: the effects of a bundle on the current rows, and its conflicts.

A plan works on copies of the rows that the transaction holds, so that later steps see the effects
of earlier ones; nothing is written before the whole plan is complete.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, assert_never
from uuid import UUID

from pydantic.alias_generators import to_camel

from libs.contracts.events.bundles import DELETED, PLACE
from libs.contracts.events.event import Event
from services.events.bundles.siblings import Siblings
from services.events.bundles.steps import (
    CreateStep,
    DeleteStep,
    MoveStep,
    RestoreStep,
    SetStep,
    Step,
)
from services.events.common.references import unknown_name
from services.events.model.aggregate import AggregateSpec, Row
from services.events.model.aggregates import AGGREGATES, MEMBER
from services.events.model.equality import same
from services.events.model.log import PendingEvent
from services.events.model.merge import field_changes

type Child = tuple[UUID, str, bool]
"""Id, rank, and whether it lives."""

type Reason = Literal["changed", "gone", "exists", "version", "reference", "refused"]


@dataclass(frozen=True, slots=True)
class StepConflict:
    """The reason why one step cannot be done.

    `changed`: another author gave the field another value. `gone`: the aggregate or its new parent
    is deleted or never existed. `exists`: the id is taken. `version`: it is not at the expected
    version. `reference`: it refers to something that does not exist. `refused`: with the current
    rows it would break a rule, such as a unique name.
    """

    number: int
    step: Step
    reason: Reason
    field: str
    base: Any = None
    theirs: Any = None
    yours: Any = None
    event: Event | None = None
    since: tuple[str, ...] = ()
    """Fields of an aggregate to be deleted that others changed since."""


@dataclass(slots=True)
class PlanInput:
    """The input of a plan, locked by the transaction.

    Args:
        rows: The current rows of the aggregates.
        known: The ids that are taken in the project, also by aggregates that no longer exist.
        children: The children of each parent whose order may change, by kind and parent.
        since: The events of aggregates after the version that a step was made from, oldest
            first, without events of the author's own session.
        members: The people of the project that steps refer to.
        named: The ids that steps refer to by name, by kind and name, of those not deleted.
    """

    rows: Mapping[UUID, Row]
    known: frozenset[UUID] = frozenset()
    children: Mapping[tuple[str, UUID], Sequence[Child]] = field(
        default_factory=dict[tuple[str, UUID], Sequence[Child]]
    )
    since: Mapping[UUID, Sequence[Event]] = field(default_factory=dict[UUID, Sequence[Event]])
    members: frozenset[UUID] = frozenset()
    named: Mapping[tuple[str, str], UUID] = field(default_factory=dict[tuple[str, str], UUID])


class Plan:
    """The effects of a bundle.

    `pending_events` are in order; `numbers` has the number of the step of each of them.
    """

    def __init__(self, held: PlanInput, *, at: str) -> None:
        """Plan on the rows in *held*; *at* is the time, as JSON."""
        self.pending_events: list[PendingEvent] = []
        self.numbers: list[int] = []
        self.conflicts: list[StepConflict] = []
        self._held = held
        self._at = at
        self._specs: dict[UUID, AggregateSpec] = {}
        self._rows: dict[UUID, Row] = {}
        self._gone: set[UUID] = set()
        self._siblings: dict[tuple[str, UUID], Siblings] = {}
        self._named = dict(held.named)

    def add(self, number: int, step: Step) -> None:
        """Plan one step; after a conflict everything is as before it.

        Raises:
            RankOverflow: The siblings must be ranked again first.
            errors.Invalid: The values of the step do not fit the aggregate.
        """
        self._specs[step.id] = step.spec
        row = self._held.rows.get(step.id)
        if step.expected is not None and row and row["version"] != step.expected:
            self._add_conflict(
                number, step, "version", "version", base=step.expected, theirs=row["version"]
            )
            return
        match step:
            case SetStep():
                self._set(number, step)
            case CreateStep():
                self._create(number, step)
            case DeleteStep():
                self._delete(number, step)
            case RestoreStep():
                self._restore(number, step)
            case MoveStep():
                self._move(number, step)
            case _:
                assert_never(step)  # pyright: ignore[reportArgumentType]  # Step is never used bare

    def row(self, aggregate_id: UUID) -> Row | None:
        """Return an aggregate as the plan leaves it."""
        if aggregate_id in self._gone:
            return None
        return self._rows.get(aggregate_id) or self._held.rows.get(aggregate_id)

    def is_visible(self, aggregate_id: UUID) -> bool:
        """Return whether neither an aggregate nor any of its owners is deleted."""
        row = self.row(aggregate_id)
        if row is None or row.get("deleted_at") is not None:
            return False
        return not self._is_hidden(aggregate_id, row)

    def _is_hidden(self, aggregate_id: UUID, row: Row) -> bool:
        """Return whether an owner of an aggregate is deleted, as the plan leaves it.

        Owners that are not held do not change, so the row is right about them; and all owners that
        hide the row now are held.
        """
        spec = self._specs.get(aggregate_id)
        names = spec.hidden_with if spec and spec.hidden_with else ("parent_id",)
        owners = [row[name] for name in names if row[name] is not None]
        known = [owner for owner in owners if self.row(owner) is not None]
        if any(not self.is_visible(owner) for owner in known):
            return True
        return row["hidden"] and len(known) < len(owners)

    def _set(self, number: int, step: SetStep) -> None:
        spec, row = step.spec, self.row(step.id)
        if row is None or not self.is_visible(step.id):
            for name, value in step.values.items():
                old = step.olds.get(name)
                self._add_conflict(number, step, "gone", to_camel(name), base=old, yours=value)
            return
        conflicts = [*self._outdated(number, step, row)]
        if conflicts:
            self.conflicts += conflicts
            return
        full = spec.completed(row, step.values, at=self._at)
        if step.exact:
            full |= step.values
        pending_events = field_changes(spec, step.id, row, full)
        if pending_events and self._refers_well(number, step, row, full):
            after = row | {name: spec.value(name, value) for name, value in full.items()}
            spec.require_whole(after)
            self._rows[step.id] = after
            self._draft(number, *pending_events)

    def _outdated(self, number: int, step: SetStep, row: Row) -> list[StepConflict]:
        """Return the fields that have neither the value that the author saw nor the wanted one."""
        spec, found = step.spec, list[StepConflict]()
        since = self._since(step, None if step.olds else step.base)
        for name, yours in step.values.items():
            theirs, event = spec.plain(name, row[name]), None
            if step.olds:
                base = step.olds[name]
            else:
                changes = [e for e in since if e.event_type == f"{spec.kind}.{name}_changed"]
                if not changes:
                    continue
                base, event = changes[0].data["from"], changes[-1]
            if not (same(theirs, base) or same(theirs, yours)):
                found.append(
                    StepConflict(
                        number, step, "changed", to_camel(name), base, theirs, yours, event
                    )
                )
        return found

    def _since(self, step: Step, base: int | None) -> Sequence[Event]:
        if base is None:
            return ()
        return [event for event in self._held.since.get(step.id, ()) if event.version > base]

    def _create(self, number: int, step: CreateStep) -> None:
        spec = step.spec
        taken = step.id in self._held.known or step.id in self._rows
        if taken and not (step.again and self.row(step.id) is None):
            self._add_conflict(number, step, "exists", DELETED, theirs=False, yours=False)
            return
        if step.parent_id and not self.is_visible(step.parent_id):
            self._add_conflict(number, step, "gone", "parentId", yours=str(step.parent_id))
            return
        if not self._refers_well(number, step, {}, step.fields):
            return
        row: Row = {name: spec.value(name, value) for name, value in step.fields.items()}
        row |= {"id": step.id, "parent_id": step.parent_id, "deleted_at": None, "hidden": False}
        place: dict[str, Any] = {}
        if step.parent_id and spec.ordered:
            place = self._children(spec, step.parent_id).insert(step.id, step.index)
            row["rank"] = place["rank"]
        spec.require_whole(row)
        self._gone.discard(step.id)
        self._rows[step.id] = row
        if isinstance(row.get("name"), str):
            self._named[spec.kind, row["name"]] = step.id
        self._draft(number, PendingEvent(spec, step.id, "created", spec.born(row) | place))

    def _refers_well(self, number: int, step: Step, row: Row, fields: Mapping[str, Any]) -> bool:
        """Return whether all new references by id exist; note a conflict if one does not."""
        spec = step.spec
        for name, kind in spec.references.items():
            value = fields.get(name)
            if value is None or spec.plain(name, row.get(name)) == value:
                continue
            named = UUID(value)
            there = named in self._held.members if kind == MEMBER.kind else self.is_visible(named)
            if not there and kind in AGGREGATES:
                self._add_conflict(number, step, "reference", to_camel(name), yours=value)
                return False
        return self._names_well(number, step, row, fields)

    def _names_well(self, number: int, step: Step, row: Row, fields: Mapping[str, Any]) -> bool:
        """Return whether all new references by name exist; note a conflict if one does not.

        Raises:
            errors.Invalid: A name does not exist, and the author of the step gave it.
        """
        for name, kind, value in step.spec.names_in(fields):
            known = self._named.get((kind, value))
            if row.get(name) == value or (known and self.is_visible(known)):
                continue
            if isinstance(step, CreateStep):
                raise unknown_name(f"operations.{number}.fields.{to_camel(name)}", kind, value)
            if not (isinstance(step, SetStep) and step.exact):
                raise unknown_name(f"operations.{number}.value", kind, value)
            self._add_conflict(number, step, "reference", to_camel(name), yours=value)
            return False
        return True

    def _delete(self, number: int, step: DeleteStep) -> None:
        spec, row = step.spec, self.row(step.id)
        if row is None or not self.is_visible(step.id):
            self._add_conflict(number, step, "gone", DELETED, base=False, theirs=True, yours=True)
            return
        foreign = [e for e in self._since(step, step.base) if "from" in e.data]
        if foreign:
            self._add_conflict(
                number,
                step,
                "changed",
                DELETED,
                base=False,
                theirs=False,
                yours=True,
                event=foreign[-1],
            )
            return
        if spec.ordered:
            self._show(spec, row, living=False)
        if spec.keeps_deleted:
            self._rows[step.id] = row | {"deleted_at": self._at}
            self._draft(number, PendingEvent(spec, step.id, "deleted", {}))
        else:
            self._gone.add(step.id)
            self._draft(number, PendingEvent(spec, step.id, "removed", spec.born(row)))

    def _restore(self, number: int, step: RestoreStep) -> None:
        row = self.row(step.id)
        if row is None or self._is_hidden(step.id, row):
            self._add_conflict(number, step, "gone", DELETED, base=True, theirs=True, yours=False)
        elif row.get("deleted_at") is not None:
            self._rows[step.id] = row | {"deleted_at": None}
            if isinstance(row.get("name"), str):
                self._named[step.spec.kind, row["name"]] = step.id
            if step.spec.ordered:
                self._show(step.spec, row, living=True)
            self._draft(number, PendingEvent(step.spec, step.id, "restored", {}))

    def _move(self, number: int, step: MoveStep) -> None:
        spec, row = step.spec, self.row(step.id)
        parent_id: UUID | None = step.parent_id or (row["parent_id"] if row else None)
        if (
            row is None
            or parent_id is None
            or not (self.is_visible(step.id) and self.is_visible(parent_id))
        ):
            wanted = {"parentId": str(parent_id) if parent_id else None, "index": step.index}
            self._add_conflict(number, step, "gone", PLACE, yours=wanted)
            return
        old = self._children(spec, row["parent_id"])
        here = {
            "parentId": str(row["parent_id"]),
            "index": old.index_of(step.id),
            "rank": row["rank"],
        }
        new = self._children(spec, parent_id)
        if new is not old:
            old.leave(step.id)
        if step.rank is not None:
            there = new.put_back(step.id, step.rank, step.index)
        else:
            there = new.insert(step.id, step.index)
        if (here["parentId"], here["index"]) == (there["parentId"], there["index"]):
            # It keeps its place, so it keeps its rank, too.
            new.settle(step.id, row["rank"])
            return
        self._rows[step.id] = row | {
            "parent_id": parent_id,
            str(spec.parent_column): parent_id,
            "rank": there["rank"],
        }
        self._draft(number, PendingEvent(spec, step.id, "moved", {"from": here, "to": there}))

    def _children(self, spec: AggregateSpec, parent_id: UUID) -> Siblings:
        key = spec.kind, parent_id
        if key not in self._siblings:
            self._siblings[key] = Siblings(*key, self._held.children.get(key, ()))
        return self._siblings[key]

    def _show(self, spec: AggregateSpec, row: Row, *, living: bool) -> None:
        key = spec.kind, row["parent_id"]
        if key in self._held.children or key in self._siblings:
            self._children(*(spec, row["parent_id"])).show(row["id"], living=living)

    def _draft(self, number: int, *pending_events: PendingEvent) -> None:
        self.pending_events += pending_events
        self.numbers += [number] * len(pending_events)

    def _add_conflict(
        self,
        number: int,
        step: Step,
        reason: Reason,
        field_name: str,
        *,
        base: Any = None,
        theirs: Any = None,
        yours: Any = None,
        event: Event | None = None,
    ) -> None:
        self.conflicts.append(
            StepConflict(number, step, reason, field_name, base, theirs, yours, event)
        )
