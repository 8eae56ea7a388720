"""Events as lines of the audit trail: author, action and aggregate."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic.alias_generators import to_camel

from libs.contracts.events.audit import AuditLine
from libs.contracts.events.event import Event
from services.events.bundles.names import NAMING
from services.events.model.aggregates import AGGREGATES, MEMBER, TEAM_GRANT

_CHANGED = "_changed"
_SUBJECTS = {MEMBER.kind: "userId", TEAM_GRANT.kind: "teamId"}


def audit_line(event: Event, names: Mapping[UUID, str]) -> AuditLine:
    """Return the line of an event; *names* has the current names of aggregates."""
    field, old, new = _change(event)
    return quarantined_line(event).model_copy(
        update={
            "user_id": event.user_id,
            "deed": "changed" if field else event.event_type.partition(".")[2],
            "subject_id": _subject(event),
            "name": names.get(event.aggregate_id) or _named(event),
            "field": field,
            "old_value": old,
            "new_value": new,
            "source": event.source,
            "bundle_id": event.bundle_id,
            "correlation_id": event.correlation_id,
            "causation_id": event.causation_id,
        }
    )


def quarantined_line(event: Event) -> AuditLine:
    """Return the line of a quarantined event: its place without its content."""
    return AuditLine(
        id=event.id,
        timestamp=event.timestamp,
        event_type=event.event_type,
        aggregate_type=event.aggregate_type,
        aggregate_id=event.aggregate_id,
        version=event.version,
    )


def _change(event: Event) -> tuple[str | None, Any, Any]:
    """Return the field that changed, if any, and the values before and after."""
    action, data = event.event_type.partition(".")[2], event.data
    match action:
        case "created" | "added":
            return None, None, data
        case "removed":
            return None, data, None
        case "moved":
            return None, data.get("from"), data.get("to")
        case _ if action.endswith(_CHANGED):
            spec, name = AGGREGATES.get(event.aggregate_type), action.removesuffix(_CHANGED)
            path = spec.path_of(name) if spec else to_camel(name)
            return path, data.get("from"), data.get("to")
        case _:
            return None, None, None


def _subject(event: Event) -> UUID | None:
    member = _SUBJECTS.get(event.aggregate_type)
    return UUID(event.data[member]) if member and member in event.data else None


def _named(event: Event) -> str | None:
    """Return the name of an aggregate from its event, if the event has it."""
    said = (event.data.get(to_camel(name)) for name in NAMING)
    return next((name for name in said if isinstance(name, str)), None)
