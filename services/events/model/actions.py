"""What can happen to each kind of aggregate: the actions that may be recorded, and no others."""

from functools import cache

from services.events.model.aggregate import AggregateSpec

CHANGED = "_changed"
PURGED = "purged"
"""What happens last to an aggregate: what came before it may be gone from the log."""


@cache
def actions(spec: AggregateSpec) -> frozenset[str]:
    """Return every action that an event of an aggregate may have.

    What is recorded is held against it, so that nothing happens of which the catalogue is silent.
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
    """Return the fields that can get another value: by a client, or because others did."""
    own = set(spec.patch.model_fields) if spec.patch else set[str]()
    changed = own | set(spec.derived)
    for part in spec.parts:
        if part.name in own or part.derived:
            changed |= set(part.columns.values())
    return [name for name in spec.fields if name in changed - spec.guarded]
