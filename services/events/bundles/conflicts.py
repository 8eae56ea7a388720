"""The report of conflicts: by bundle of the other side, with fields and both sides' values."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from libs import errors
from libs.contracts.events.bundles import DELETED, PLACE, Bundle
from libs.contracts.events.event import Event
from services.events.bundles.names import display_name
from services.events.bundles.plan import StepConflict
from services.events.bundles.steps import snake_name
from services.events.model.aggregate import Row
from services.events.model.log import wire_time
from services.events.model.page import fitting

type ConflictReport = list[dict[str, Any]]

_OF_VERSIONS = frozenset({"exists", "version"})
"""Reasons that concern an aggregate as a whole: it is not the one that was meant."""


def types_of(conflict: StepConflict) -> list[str]:
    """Return the types of event that may have set the field to its value."""
    kind = conflict.step.spec.kind
    if conflict.field == PLACE:
        return [f"{kind}.moved"]
    changed = list(conflict.since)
    if conflict.reason != "gone" and conflict.field != DELETED:
        changed.append(conflict.field)
    names = [snake_name(conflict.step.spec, name) for name in changed]
    if names:
        return [f"{kind}.{name}_changed" for name in names if name]
    return [f"{kind}.deleted", f"{kind}.removed", f"{kind}.restored"]


def report(
    conflicts: Sequence[StepConflict],
    events: Mapping[int, Event],
    bundles: Mapping[UUID, Bundle],
    rows: Mapping[UUID, Row],
) -> ConflictReport:
    """Return conflicts grouped by the bundle of the other side.

    Args:
        conflicts: The conflicts of steps.
        events: By place in *conflicts*, the event that set the field to its value.
        bundles: The bundles of these events.
        rows: The aggregates, for their names.
    """
    groups: dict[UUID | None, dict[str, Any]] = {}
    for place, conflict in enumerate(conflicts):
        event = events.get(place)
        bundle = bundles.get(event.bundle_id) if event else None
        group = groups.setdefault(
            event.bundle_id if event else None,
            {
                "bundleId": str(event.bundle_id) if event else None,
                "by": str(event.user_id) if event else None,
                "at": wire_time(event.timestamp) if event else None,
                "type": bundle.type.value if bundle else None,
                "label": bundle.label if bundle else None,
                "fields": [],
            },
        )
        group["fields"].append(_field(conflict, rows.get(conflict.step.id)))
    return [*groups.values()]


def _field(conflict: StepConflict, row: Row | None) -> dict[str, Any]:
    return {
        "operation": conflict.number,
        "aggregate": {"kind": conflict.step.spec.kind, "id": str(conflict.step.id)},
        "name": display_name(row) if row else None,
        "reason": conflict.reason,
        "field": conflict.field,
        "base": conflict.base,
        "theirs": conflict.theirs,
        "yours": conflict.yours,
        **({"since": [*conflict.since]} if conflict.since else {}),
    }


def conflict_error(conflicts: Sequence[StepConflict], shown: ConflictReport) -> errors.AppError:
    """Return the error that refuses a bundle; the gravest reason decides about its code."""
    reasons = {conflict.reason: conflict.number for conflict in reversed(conflicts)}
    if "reference" in reasons or "gone" in reasons:
        first = next(c for c in conflicts if c.reason in ("gone", "reference"))
        kind = first.step.spec.kind
        return errors.NotFound(
            f"operations.{first.number}: the {kind}, or something it refers to, does not exist.",
            operation=first.number,
        )
    sort = errors.ConcurrencyConflict if reasons.keys() & _OF_VERSIONS else errors.Conflict
    return sort(**report_that_fits(shown))


def reversal_error(conflicts: Sequence[StepConflict], shown: ConflictReport) -> errors.AppError:
    """Return the error that refuses a reversal.

    Its steps have no numbers, because no client sent them, and a missing aggregate is a conflict.
    """
    for bundle in shown:
        for each in bundle["fields"]:
            each["operation"] = 0
    if {conflict.reason for conflict in conflicts} & _OF_VERSIONS:
        return errors.ConcurrencyConflict(**report_that_fits(shown))
    rules = {conflict.field if conflict.reason == "refused" else None for conflict in conflicts}
    broken = errors.BY_CODE.get(rules.pop() or "") if len(rules) == 1 else None
    is_conflict = broken is not None and issubclass(broken, errors.Conflict)
    return (broken if broken and is_conflict else errors.Conflict)(**report_that_fits(shown))


def report_that_fits(shown: ConflictReport) -> dict[str, Any]:
    """Return the data of a refusal: the conflicts that fit, and how many are left out."""
    carried, left_out = cut_report(shown)
    return {"conflicts": carried, **({"conflictsLeftOut": left_out} if left_out else {})}


def cut_report(shown: ConflictReport) -> tuple[ConflictReport, int]:
    """Return as many conflicts as fit into an answer, at least one, and how many do not."""
    fields = [each for bundle in shown for each in bundle["fields"]]
    count = fitting(len(json.dumps(each, ensure_ascii=False).encode()) for each in fields)
    kept: ConflictReport = []
    left = count
    for bundle in shown:
        if left <= 0:
            break
        kept.append(bundle | {"fields": bundle["fields"][:left]})
        left -= len(bundle["fields"])
    return kept, len(fields) - count
