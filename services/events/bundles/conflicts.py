"""Conflicts as people and programs read them: by bundle, each with its fields and both sides."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from libs import errors
from libs.contracts.bundles import DELETED, PLACE, Bundle
from libs.contracts.events import Event
from services.events.bundles.names import called
from services.events.bundles.plan import Clash
from services.events.bundles.steps import snake_of
from services.events.model.aggregate import Row
from services.events.model.log import wire_time

type Told = list[dict[str, Any]]


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
    if "exists" in reasons or "version" in reasons:
        return errors.ConcurrencyConflict(conflicts=shown)
    return errors.Conflict(conflicts=shown)
