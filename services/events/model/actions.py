"""The actions that may be recorded about each kind of aggregate."""

from functools import cache

from services.events.model.aggregate import AggregateSpec

CHANGED = "_changed"
PURGED = "purged"
"""The last action on an aggregate; its earlier events may be gone from the log."""


@cache
def actions(spec: AggregateSpec) -> frozenset[str]:
    """Return every action that an event of a kind of aggregate may have.

    Every event is checked against them, so that the catalogue describes all events.
    """
    if spec.grants_access:
        return frozenset({"added", "role_changed", "removed", PURGED})
    found = {
        "created",
        PURGED,
        *spec.custom_events,
        *(f"{name}{CHANGED}" for name in changeable_fields(spec)),
    }
    if spec.parent and spec.ordered:
        found.add("moved")
    if spec.archivable:
        found |= {"archived", "unarchived"}
    found |= {"deleted", "restored"} if spec.keeps_deleted else {"removed"}
    return frozenset(found)


def changeable_fields(spec: AggregateSpec) -> list[str]:
    """Return the fields that can get another value, by a client or as a consequence."""
    own = set(spec.patch.model_fields) if spec.patch else set[str]()
    changed = own | set(spec.derived)
    for part in spec.parts:
        if part.name in own or part.derived:
            changed |= set(part.columns.values())
    return [name for name in spec.fields if name in changed - spec.guarded]
