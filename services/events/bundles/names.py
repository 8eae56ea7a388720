"""The names of things, for lists of operations that people read."""

from typing import Any

from pydantic.alias_generators import to_camel

from libs.contracts.events.bundles import DELETED, PLACE, BundleOperation, Target
from libs.contracts.events.event import Event
from services.events.model.aggregate import AggregateSpec, Row
from services.events.model.aggregates import AGGREGATES

NAME_CHARS_MAX = 60
"""The length of a name within a sentence; the full name is a member beside it."""

ARCHIVED = "archived"
"""The field of an operation that archives or unarchives a project."""

NAMING = ("title", "name", "fact", "key")
"""Fields that name an aggregate for people, the best first."""

_OPS = {
    "created": "create",
    "added": "create",
    "deleted": "delete",
    "removed": "delete",
    "restored": "restore",
    "moved": "move",
    "archived": "archive",
    "unarchived": "unarchive",
    "purged": "purge",
}


def display_name(row: Row) -> str | None:
    """Return the name of an aggregate for people; None when it has none."""
    return next((row[name] for name in NAMING if isinstance(row.get(name), str)), None)


def describe_aggregate(spec: AggregateSpec, row: Row | None) -> str:
    """Return a description such as "Chapter 3", or "Entity “Victor”" where there is no order."""
    kind = spec.kind.replace("_", " ").capitalize()
    if row is None:
        return kind
    if spec.parent and spec.ordered and row.get("index") is not None and row["deleted_at"] is None:
        return f"{kind} {row['index'] + 1}"
    name = display_name(row)
    if name is None:
        return kind
    short = name if len(name) <= NAME_CHARS_MAX else name[: NAME_CHARS_MAX - 1] + "…"
    return f"{kind} “{short}”"


def describe_operation(event: Event, row: Row | None) -> BundleOperation:
    """Return the description of an event, with the old and the new value."""
    spec = AGGREGATES[event.aggregate_type]
    action = event.event_type.partition(".")[2]
    op = _OPS.get(action, "set")
    field, old, new = _change(op, action, event.data)
    words = to_words(field) if op == "set" and field else f"{op}d"
    return BundleOperation(
        what=f"{describe_aggregate(spec, row)}: {words}",
        op=op,
        aggregate=Target(kind=spec.kind, id=event.aggregate_id),
        name=display_name(row) if row else None,
        field=field,
        old_value=old,
        new_value=new,
        event_id=event.id,
        version=event.version,
    )


def to_words(field: str) -> str:
    """Return the name of a field as words: `revealState` is "reveal state"."""
    return "".join(f" {each.lower()}" if each.isupper() else each for each in field)


def _change(op: str, action: str, data: dict[str, Any]) -> tuple[str | None, Any, Any]:
    match op:
        case "create":
            return None, None, data
        case "delete" | "restore":
            return DELETED, op == "restore", op == "delete"
        case "archive" | "unarchive":
            return ARCHIVED, op == "unarchive", op == "archive"
        case "purge":
            return None, None, None
        case "move":
            return PLACE, data["from"], data["to"]
        case _ if action == "file_uploaded":
            new = {name: value for name, value in data.items() if name not in ("from", "claimId")}
            return "file", data["from"], new
        case _ if action == "file_deleted":
            return "file", data["from"], None
        case _:
            return to_camel(action.removesuffix("_changed")), data["from"], data["to"]
