"""What can happen to each kind of aggregate: the actions that may be recorded, and no others."""

from functools import cache

from services.events.model.aggregate import Aggregate

CHANGED = "_changed"
PURGED = "purged"
"""What happens last to an aggregate: what came before it may be gone from the log."""


@cache
def actions(about: Aggregate) -> frozenset[str]:
    """Return every action that an event of an aggregate may have.

    What is recorded is held against it, so that nothing happens of which the catalogue is silent.
    """
    if about.of_access:
        return frozenset({"added", "role_changed", "removed", PURGED})
    found = {"created", PURGED, *about.deeds, *(f"{name}{CHANGED}" for name in changing(about))}
    if about.parent and about.ordered:
        found.add("moved")
    if about.archivable:
        found |= {"archived", "unarchived"}
    found |= {"deleted", "restored"} if about.lasting else {"removed"}
    return frozenset(found)


def changing(about: Aggregate) -> list[str]:
    """Return the fields that can get another value: by a client, or because others did."""
    own = set(about.patch.model_fields) if about.patch else set[str]()
    changed = own | set(about.derived)
    for part in about.parts:
        if part.name in own or part.derived:
            changed |= set(part.columns.values())
    return [name for name in about.fields if name in changed - about.guarded]
