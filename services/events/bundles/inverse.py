"""Undo: the effects of a bundle, field by field, and the steps that reverse or repeat them.

Each aggregate that a bundle touched has effects: on its fields, on its `place`, and on whether it
is `deleted` (a creation turns that from true to false). Reversing an effect is safe when the
current value is the one that the bundle left, and done already when it is the value before.
Otherwise others changed it since, which is a conflict unless a resolution decides. The file of an
entity needs a claim on its bytes, which an undo does not have: a change of it is a conflict, which
only `theirs` resolves. The same holds for the schema version of a scene, which never falls.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from pydantic.alias_generators import to_camel

from libs import errors
from libs.contracts.events.bundles import DELETED, PLACE, FieldRef, Resolution
from libs.contracts.events.event import Event
from services.events.bundles.plan import Reason, StepConflict
from services.events.bundles.steps import (
    CreateStep,
    DeleteStep,
    MoveStep,
    RestoreStep,
    SetStep,
    Step,
    snake_name,
)
from services.events.model.actions import PURGED
from services.events.model.aggregate import AggregateSpec, Row
from services.events.model.aggregates import AGGREGATES
from services.events.model.equality import same
from services.events.model.merge import lowers_level
from services.events.model.refusal import field_refusal

type Direction = Literal["undo", "apply"]
type Key = tuple[UUID, str]
"""An aggregate, and the name of a field of it as clients write it."""


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect of a bundle on one field: the value before and the value after."""

    before: Any
    after: Any


@dataclass(slots=True)
class AggregateEffects:
    """The effects of a bundle on one aggregate.

    `born` has the fields at its creation, if the bundle created it; `last` has the fields at its
    removal, if the bundle removed it for good.
    """

    spec: AggregateSpec
    id: UUID
    project_id: UUID
    effects: dict[str, Effect] = field(default_factory=dict[str, Effect])
    born: dict[str, Any] | None = None
    last: dict[str, Any] | None = None
    version: int = 0


def effects_of(events: Iterable[Event]) -> list[AggregateEffects]:
    """Return the effects of the events of a bundle, parents and referenced kinds first.

    Raises:
        errors.Conflict: The bundle has an effect that undo does not cover.
    """
    touched: dict[UUID, AggregateEffects] = {}
    for event in sorted(events, key=lambda event: event.version):
        spec = AGGREGATES[event.aggregate_type]
        if spec.parent is None and not event.event_type.endswith("_changed"):
            raise errors.Conflict(
                f"This bundle creates or deletes a {spec.kind}, which undo does not cover."
            )
        if event.event_type.endswith(f".{PURGED}"):
            raise errors.Conflict("This bundle is part of a purge, and a purge cannot be undone.")
        if not spec.keeps_deleted and spec.parent is None:
            raise errors.Conflict(f"This bundle changes a {spec.kind}, which undo does not cover.")
        each = touched.setdefault(
            event.aggregate_id, AggregateEffects(spec, event.aggregate_id, event.project_id)
        )
        each.version = event.version
        _note(each, event)
    order = list(AGGREGATES)
    return sorted(touched.values(), key=lambda each: order.index(each.spec.kind))


def _note(each: AggregateEffects, event: Event) -> None:
    match event.event_type.partition(".")[2]:
        case "created":
            each.born = _fields(each.spec, event.data)
            each.last = None
            _merge(each, DELETED, True, False)
        case "removed":
            each.last = _fields(each.spec, event.data)
            _merge(each, DELETED, False, True)
        case "deleted":
            _merge(each, DELETED, False, True)
        case "restored":
            _merge(each, DELETED, True, False)
        case "moved":
            _merge(each, PLACE, event.data["from"], event.data["to"])
        case action if deed := each.spec.custom_events.get(action):
            was = deed.before(event.data)
            for name, value in deed.after(event.data).items():
                _merge(each, to_camel(name), was[name], value)
        case action:
            name = to_camel(action.removesuffix("_changed"))
            _merge(each, name, event.data["from"], event.data["to"])


def _merge(each: AggregateEffects, name: str, before: Any, after: Any) -> None:
    first = each.effects.get(name)
    each.effects[name] = Effect(first.before if first else before, after)


def _fields(spec: AggregateSpec, data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: data.get(to_camel(name)) for name in spec.fields}


class Inverse:
    """The steps that undo a bundle, or apply it again, on the current rows.

    Steps come in an order in which they can be done: first restorations, parents and referenced
    kinds first; then moves and changes of fields; then deletions, in reverse order.
    """

    def __init__(
        self,
        touched: Sequence[AggregateEffects],
        rows: Mapping[UUID, Row],
        *,
        direction: Direction = "undo",
        only: Iterable[FieldRef] | None = None,
        resolutions: Iterable[Resolution] = (),
    ) -> None:
        """Find the steps.

        Args:
            touched: The effects of the bundle.
            rows: The current rows of the aggregates that exist.
            direction: Whether to undo the bundle or to apply it again.
            only: The fields to pick; all when omitted.
            resolutions: The decisions about fields in conflict.

        Raises:
            errors.Invalid: *only* or a resolution names a field that the bundle did not touch.
        """
        self.conflicts: list[StepConflict] = []
        self._rows = rows
        self._direction: Direction = direction
        self._restores: list[Step] = []
        self._changes: list[Step] = []
        self._deletes: list[Step] = []
        self._resolved = {(r.aggregate.id, r.field): r for r in resolutions}
        self._known = {(each.id, name) for each in touched for name in each.effects}
        self._known |= {(each.id, DELETED) for each in touched}
        _require_known(self._resolved, self._known, "resolutions")
        picked = None
        if only is not None:
            picked = {(ref.aggregate.id, ref.field): ref for ref in only}
            _require_known(picked, self._known, "fields")
        for each in touched:
            self._take_back(each, picked)

    @property
    def steps(self) -> list[Step]:
        """All steps, in order."""
        return [*self._restores, *self._changes, *reversed(self._deletes)]

    def _take_back(self, each: AggregateEffects, picked: Mapping[Key, FieldRef] | None) -> None:
        names = [n for n in each.effects if picked is None or (each.id, n) in picked]
        if not names:
            return
        wishes = {name: self._ends(each, name) for name in names}
        row = self._rows.get(each.id)
        is_deleted = row is None or row.get("deleted_at") is not None
        if DELETED in wishes:
            _, want = wishes.pop(DELETED)
            if want:
                # A deletion needs no other change first; a restoration brings the values back.
                if not is_deleted:
                    self._remove(each, row or {})
                return
            if is_deleted:
                self._bring_back(each, row)
        elif is_deleted and not self._comes_back(each, row):
            return
        values: dict[str, Any] = {}
        for name, ends in wishes.items():
            if row is None:
                continue
            if name == PLACE:
                self._move(each, row, *ends)
            else:
                self._value(each, row, name, ends, values)
        if values:
            self._changes.append(SetStep(spec=each.spec, id=each.id, values=values, exact=True))

    def _ends(self, each: AggregateEffects, name: str) -> tuple[Any, Any]:
        """Return the value that is expected now, and the value that is wanted."""
        effect = each.effects[name]
        if self._direction == "undo":
            return effect.after, effect.before
        return effect.before, effect.after

    def _value(
        self,
        each: AggregateEffects,
        row: Row,
        name: str,
        ends: tuple[Any, Any],
        values: dict[str, Any],
    ) -> None:
        base, want = ends
        own = _own_name(each.spec, name)
        theirs = each.spec.plain(own, row[own])
        resolution = self._resolved.get((each.id, name))
        if resolution and resolution.take == "value":
            values |= _chosen(each.spec, own, resolution.value)
        elif same(theirs, want) or (resolution and resolution.take == "theirs"):
            return
        elif lowers_level(each.spec, own, theirs, want):
            self._add_conflict(each, name, (base, theirs, want), reason="refused")
        elif own not in each.spec.guarded and (same(theirs, base) or resolution):
            values[own] = want
        else:
            self._add_conflict(each, name, (base, theirs, want))

    def _move(self, each: AggregateEffects, row: Row, base: Any, want: Any) -> None:
        there = str(row["parent_id"]), row["rank"]
        resolution = self._resolved.get((each.id, PLACE))
        if there == (want["parentId"], want["rank"]) or (
            resolution and resolution.take == "theirs"
        ):
            return
        if there != (base["parentId"], base["rank"]) and not resolution:
            shown = {"parentId": there[0]}
            self._add_conflict(each, PLACE, (_shown(base), shown, _shown(want)))
            return
        if resolution and resolution.take == "value":
            raise field_refusal(
                "resolutions",
                "a place can be resolved as mine or theirs only; for another place, move it",
            )
        self._changes.append(
            MoveStep(
                spec=each.spec,
                id=each.id,
                parent_id=UUID(want["parentId"]),
                index=want["index"],
                rank=want["rank"],
            )
        )

    def _remove(self, each: AggregateEffects, row: Row) -> None:
        """Delete an aggregate that the bundle created or restored, unless it changed since."""
        resolution = self._resolved.get((each.id, DELETED))
        if resolution and resolution.take == "theirs":
            return
        after = (each.born or {}) | {
            _own_name(each.spec, name): effect.after
            for name, effect in each.effects.items()
            if name not in (DELETED, PLACE)
        }
        since = [
            to_camel(name)
            for name, value in after.items()
            if not same(each.spec.plain(name, row[name]), value)
        ]
        if since and not resolution:
            self._add_conflict(each, DELETED, (False, False, True), since)
            return
        self._deletes.append(DeleteStep(spec=each.spec, id=each.id))

    def _bring_back(self, each: AggregateEffects, row: Row | None) -> None:
        if row is not None:
            self._restores.append(RestoreStep(spec=each.spec, id=each.id))
        elif fields := each.last or each.born:
            # A removed aggregate is created again; its parent is the project.
            self._restores.append(
                CreateStep(
                    spec=each.spec,
                    id=each.id,
                    fields=fields,
                    parent_id=each.project_id,
                    index=0,
                    again=True,
                )
            )

    def _comes_back(self, each: AggregateEffects, row: Row | None) -> bool:
        """Return whether an aggregate that was deleted since is to be restored first."""
        resolution = self._resolved.get((each.id, DELETED))
        if resolution is None:
            self._add_conflict(each, DELETED, (False, True, False))
        if row is None or resolution is None or resolution.take != "mine":
            return False
        self._restores.append(RestoreStep(spec=each.spec, id=each.id))
        return True

    def _add_conflict(
        self,
        each: AggregateEffects,
        name: str,
        ends: tuple[Any, Any, Any],
        since: Iterable[str] = (),
        *,
        reason: Reason = "changed",
    ) -> None:
        """Note a conflict of a field: its expected, its current and its wanted value."""
        base, theirs, yours = ends
        step = Step(spec=each.spec, id=each.id)
        self.conflicts.append(
            StepConflict(0, step, reason, name, base, theirs, yours, since=tuple(since))
        )


def _require_known(named: Iterable[Key], known: set[Key], what: str) -> None:
    for aggregate_id, name in named:
        if (aggregate_id, name) not in known:
            raise field_refusal(what, f"the bundle did not change {name} of {aggregate_id}")


def _own_name(spec: AggregateSpec, name: str) -> str:
    found = snake_name(spec, name)
    assert found is not None
    return found


def _chosen(spec: AggregateSpec, own: str, value: Any) -> dict[str, Any]:
    """Return a value that a person chose in a resolution, validated like any other change."""
    for part in spec.parts:
        for inner, name in part.columns.items():
            if name == own:
                return spec.wanted({part.name: {inner: value}})
    return spec.wanted({own: value})


def _shown(place: Mapping[str, Any]) -> dict[str, Any]:
    return {"parentId": place["parentId"], "index": place["index"]}
