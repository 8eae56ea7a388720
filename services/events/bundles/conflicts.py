"""Conflicts as people and programs read them: by bundle, each with its fields and both sides."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from libs import errors
from libs.contracts.events.bundles import DELETED, PLACE, Bundle
from libs.contracts.events.event import Event
from services.events.bundles.names import called
from services.events.bundles.plan import Clash
from services.events.bundles.steps import snake_of
from services.events.model.aggregate import Row
from services.events.model.log import wire_time
from services.events.model.page import fitting

type Told = list[dict[str, Any]]

_OF_VERSIONS = frozenset({"exists", "version"})
"""Reasons that tell of an aggregate as a whole: it is not the one that was meant."""


def types_of(clash: Clash) -> list[str]:
    """Return the types of event that may have given the field what it holds."""
    kind = clash.step.about.kind
    if clash.field == PLACE:
        return [f"{kind}.moved"]
    changed = list(clash.since)
    if clash.reason != "gone" and clash.field != DELETED:
        changed.append(clash.field)
    names = [snake_of(clash.step.about, name) for name in changed]
    if names:
        return [f"{kind}.{name}_changed" for name in names if name]
    return [f"{kind}.deleted", f"{kind}.removed", f"{kind}.restored"]


def told(
    clashes: Sequence[Clash],
    events: Mapping[int, Event],
    bundles: Mapping[UUID, Bundle],
    rows: Mapping[UUID, Row],
) -> Told:
    """Return clashes grouped by the bundle of the other side.

    Args:
        clashes: What stands in the way.
        events: By place in *clashes*, the event that gave the field what it holds.
        bundles: The bundles of these events.
        rows: The aggregates, for their names.
    """
    groups: dict[UUID | None, dict[str, Any]] = {}
    for place, clash in enumerate(clashes):
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
        group["fields"].append(_field(clash, rows.get(clash.step.id)))
    return [*groups.values()]


def _field(clash: Clash, row: Row | None) -> dict[str, Any]:
    return {
        "operation": clash.number,
        "aggregate": {"kind": clash.step.about.kind, "id": str(clash.step.id)},
        "name": called(row) if row else None,
        "reason": clash.reason,
        "field": clash.field,
        "base": clash.base,
        "theirs": clash.theirs,
        "yours": clash.yours,
        **({"since": [*clash.since]} if clash.since else {}),
    }


def refusal(clashes: Sequence[Clash], shown: Told) -> errors.AppError:
    """Return the refusal of a bundle: the gravest reason decides about its code."""
    reasons = {clash.reason: clash.number for clash in reversed(clashes)}
    if "reference" in reasons or "gone" in reasons:
        first = next(c for c in clashes if c.reason in ("gone", "reference"))
        kind = first.step.about.kind
        return errors.NotFound(
            f"operations.{first.number}: the {kind}, or what it needs, is not there.",
            operation=first.number,
        )
    sort = errors.ConcurrencyConflict if reasons.keys() & _OF_VERSIONS else errors.Conflict
    return sort(**as_fits(shown))


def blocked(clashes: Sequence[Clash], shown: Told) -> errors.AppError:
    """Return the refusal of what is to be taken back: it is there, and something is in its way.

    What nobody sent has no number, and what is not there is a conflict like any other.
    """
    for bundle in shown:
        for each in bundle["fields"]:
            each["operation"] = 0
    if {clash.reason for clash in clashes} & _OF_VERSIONS:
        return errors.ConcurrencyConflict(**as_fits(shown))
    rules = {clash.field if clash.reason == "refused" else None for clash in clashes}
    broken = errors.BY_CODE.get(rules.pop() or "") if len(rules) == 1 else None
    is_conflict = broken is not None and issubclass(broken, errors.Conflict)
    return (broken if broken and is_conflict else errors.Conflict)(**as_fits(shown))


def as_fits(shown: Told) -> dict[str, Any]:
    """Return conflicts as a refusal tells them: those that fit, and how many are left out."""
    carried, left_out = cut(shown)
    return {"conflicts": carried, **({"conflictsLeftOut": left_out} if left_out else {})}


def cut(shown: Told) -> tuple[Told, int]:
    """Return as many conflicts as an answer carries, at least one, and how many are left out."""
    fields = [each for bundle in shown for each in bundle["fields"]]
    count = fitting(len(json.dumps(each, ensure_ascii=False).encode()) for each in fields)
    kept: Told = []
    left = count
    for bundle in shown:
        if left <= 0:
            break
        kept.append(bundle | {"fields": bundle["fields"][:left]})
        left -= len(bundle["fields"])
    return kept, len(fields) - count
