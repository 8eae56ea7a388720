"""Changes of fields: their events, and the merge of a change made from an older version."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from pydantic.alias_generators import to_camel

from libs import errors
from libs.contracts.events.event import Event
from services.events.model.aggregate import AggregateSpec, Row
from services.events.model.equality import same
from services.events.model.log import PendingEvent, wire_time
from services.events.model.refusal import field_refusal


def field_changes(
    spec: AggregateSpec, aggregate_id: UUID, row: Row, wanted: Mapping[str, Any]
) -> list[PendingEvent]:
    """Return one event for each field whose value would change.

    Every change of fields passes through here, whichever request it came by, so that all requests
    obey the same rules.

    Raises:
        errors.Invalid: A field changes only by a custom event.
        errors.AppError: The level of a monotonic field would fall; its spec names the error.
    """
    _require_rising(spec, row, wanted)
    changed = {
        name: (held, value)
        for name, value in wanted.items()
        if not same(held := spec.plain(name, row[name]), value)
    }
    for name in sorted(spec.guarded & changed.keys()):
        raise field_refusal(
            spec.path_of(name),
            "cannot be changed on its own; it changes with the file of the entity",
        )
    return [
        PendingEvent(spec, aggregate_id, f"{name}_changed", {"from": held, "to": value})
        for name, (held, value) in changed.items()
    ]


def lowers_level(spec: AggregateSpec, name: str, held: Any, value: Any) -> bool:
    """Return whether the level of a monotonic field would fall from *held* to *value*."""
    if name not in spec.monotonic:
        return False
    level = spec.monotonic[name].level
    had, wanted = level(held), level(value)
    return had is not None and (wanted is None or wanted < had)


def _require_rising(spec: AggregateSpec, row: Row, wanted: Mapping[str, Any]) -> None:
    for name, monotonic in spec.monotonic.items():
        held, value = row[name], wanted.get(name, row[name])
        if lowers_level(spec, name, held, value):
            raise monotonic.refusal(current=monotonic.level(held), wanted=monotonic.level(value))


def require_mergeable(
    row: Row, wanted: Mapping[str, Any], since: Iterable[Event], *, base_version: int
) -> None:
    """Return when *wanted*, made from *base_version*, may be merged into *row*.

    A field conflicts when both sides gave it a new value and the values differ. The conflicts are
    grouped by the bundle that gave the other side's value.

    Args:
        row: The aggregate as it is.
        wanted: The fields to change.
        since: The aggregate's events after *base_version*, in order.
        base_version: The version that the author of *wanted* had seen.

    Raises:
        errors.Conflict: With both sides' values.
    """
    bases: dict[str, Any] = {}
    latest: dict[str, Event] = {}
    for event in since:
        name = event.event_type.partition(".")[2].removesuffix("_changed")
        if name in wanted and "from" in event.data:
            bases.setdefault(name, event.data["from"])
            latest[name] = event
    bundles: dict[UUID, dict[str, Any]] = {}
    for name, event in latest.items():
        base, theirs, yours = bases[name], row[name], wanted[name]
        if same(theirs, yours) or same(theirs, base):
            continue
        bundle = bundles.setdefault(
            event.bundle_id,
            {
                "bundleId": str(event.bundle_id),
                "by": str(event.user_id),
                "at": wire_time(event.timestamp),
                "fields": [],
            },
        )
        bundle["fields"].append(
            {"field": to_camel(name), "base": base, "theirs": theirs, "yours": yours}
        )
    if bundles:
        raise errors.Conflict(
            baseVersion=base_version, currentVersion=row["version"], conflicts=[*bundles.values()]
        )
