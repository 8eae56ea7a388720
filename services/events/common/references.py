"""References of an aggregate: in the same project, not deleted, and locked until the commit."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from libs import errors
from libs.contracts.actor import VOUCHED_MAX
from services.events.common.commands import require_visible
from services.events.model.aggregate import AggregateSpec
from services.events.model.aggregates import AGGREGATES, MEMBER
from services.events.model.refusal import field_refusal
from services.events.store import Reader, Transaction

type Vouched = Mapping[UUID, Collection[UUID]]
"""The teams of people, as the gateway knows them."""


async def require_references(
    tx: Transaction, spec: AggregateSpec, fields: Mapping[str, Any], vouched: Vouched | None = None
) -> None:
    """Return when all references in *fields* exist, and lock their targets until the end.

    Args:
        tx: The transaction.
        spec: The kind of aggregate that has these fields.
        fields: The fields that will be set.
        vouched: The teams of people that the fields refer to, as the gateway knows them.

    Raises:
        errors.NotFound: A target is not in this project, or is deleted.
        errors.Invalid: A person is neither a member of the project nor in a team with a role there.
        errors.PeopleUnknown: The teams of a person are not given.
    """
    named: list[tuple[str, UUID, str]] = []
    for name, kind in spec.references.items():
        if fields.get(name) is not None and kind in AGGREGATES:
            named.append((kind, UUID(fields[name]), name))
    # In one order, so that two transactions with the same references never deadlock.
    for kind, thing_id, name in sorted(named):
        field = spec.path_of(name)
        if kind == MEMBER.kind:
            if thing_id not in await project_people(tx, {thing_id}, vouched or {}, field=field):
                raise field_refusal(field, "is not a member of this project")
            continue
        try:
            require_visible(await tx.lock_shared(AGGREGATES[kind], thing_id))
        except errors.NotFound:
            detail = f"there is no such {kind} in this project"
            raise errors.NotFound(
                f"{field}: {detail}", errors=[{"field": field, "detail": detail}]
            ) from None


async def require_names(tx: Transaction, spec: AggregateSpec, fields: Mapping[str, Any]) -> None:
    """Return when all references by name in *fields* exist, and lock their targets.

    Raises:
        errors.Invalid: The project has no aggregate with that name, or it is deleted.
    """
    for field, kind, name in sorted(spec.names_in(fields)):
        found = await tx.ids_by_name(AGGREGATES[kind], [name])
        row = await tx.lock_shared(AGGREGATES[kind], found[name]) if name in found else None
        if row is None or row["hidden"] or row["deleted_at"] is not None:
            raise unknown_name(spec.path_of(field), kind, name)


def unknown_name(field: str, kind: str, name: str) -> errors.Invalid:
    """Return the refusal of a reference by name whose target does not exist."""
    words = kind.replace("_", " ")
    article = "an" if words[0] in "aeiou" else "a"
    return field_refusal(
        field, f"{name!r} is neither built in nor the name of {article} {words} of this project"
    )


async def project_people(
    reader: Reader, named: Collection[UUID], vouched: Vouched, *, field: str
) -> frozenset[UUID]:
    """Return the people in *named* who are in the project, as members or by a team.

    Raises:
        errors.PeopleUnknown: The teams of some are not given; `userIds` are those people.
        errors.Invalid: The teams of more than VOUCHED_MAX people would be needed.
    """
    if not named:
        return frozenset()
    pairs = [(user_id, team_id) for user_id, teams in vouched.items() for team_id in teams]
    rows = await reader.people(named, pairs)
    unknown = set(named) - rows - vouched.keys()
    if len(unknown) + len(vouched) > VOUCHED_MAX and unknown:
        raise field_refusal(
            field, f"names more than {VOUCHED_MAX} people who are not members themselves"
        )
    if unknown:
        raise unknown_people(field, unknown)
    return rows


def unknown_people(field: str, people: Collection[UUID]) -> errors.PeopleUnknown:
    """Return the refusal of people who are not known to be in the project."""
    detail = "is not a member of this project"
    return errors.PeopleUnknown(
        f"{field}: {detail}",
        errors=[{"field": field, "detail": detail}],
        userIds=sorted(map(str, people)),
    )
