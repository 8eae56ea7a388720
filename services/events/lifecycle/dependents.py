"""What goes with a thing and what only names it, read off the model; pure but for the look-ups.

A child goes with its parent, and what must name something (a relation its entities, a fact the one
it is about) goes with that. What may name something, such as the scene that reveals a fact, stays,
and names nothing afterwards.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from libs.postgres import Connection
from services.events.lifecycle.store import purge_statement
from services.events.model.aggregate import AggregateSpec
from services.events.model.aggregates import AGGREGATES, MEMBER, PROJECT


def owners_of(spec: AggregateSpec) -> Iterator[tuple[AggregateSpec, str]]:
    """Yield the kinds that something of *about* goes with, and by which column."""
    if spec is not PROJECT:
        yield PROJECT, "project_id"
    if spec.parent and spec.parent != PROJECT.kind:
        yield AGGREGATES[spec.parent], f"{spec.parent}_id"
    for name, kind in _references(spec):
        if _is_required(spec, name):
            yield AGGREGATES[kind], name


def optional_references_to(kind: str) -> Iterator[tuple[AggregateSpec, str]]:
    """Yield the kinds that may name something of *kind*, and by which field."""
    for spec in AGGREGATES.values():
        for name, named in _references(spec):
            if named == kind and not _is_required(spec, name):
                yield spec, name


def name_references_to(kind: str) -> Iterator[tuple[AggregateSpec, str]]:
    """Yield the kinds that may call something of *kind* by its name, and by which field."""
    for spec in AGGREGATES.values():
        for field, named in spec.named.items():
            if named.kind == kind:
                yield spec, field


async def direct_dependents(
    connection: Connection, project_id: UUID, kind: str, ids: Sequence[UUID]
) -> dict[UUID, AggregateSpec]:
    """Return what is there and goes with some things of one kind."""
    found: dict[UUID, AggregateSpec] = {}
    for spec in AGGREGATES.values():
        for above, column in owners_of(spec):
            if above.kind == kind:
                query = purge_statement("naming", spec.kind, column)
                rows = await connection.fetch(query, project_id, ids)
                found |= {row["id"]: spec for row in rows}
    return found


async def all_dependents(
    connection: Connection, project_id: UUID, target: AggregateSpec, target_id: UUID
) -> dict[UUID, AggregateSpec]:
    """Return everything that goes with a thing, itself included."""
    found: dict[UUID, AggregateSpec] = {target_id: target}
    # What others hang under or refer to comes first, so one walk through the kinds is enough.
    for spec in AGGREGATES.values():
        for above, column in owners_of(spec):
            ids = [key for key, kind in found.items() if kind is above]
            if ids:
                query = purge_statement("naming", spec.kind, column)
                rows = await connection.fetch(query, project_id, ids)
                found |= {row["id"]: spec for row in rows}
    return found


async def referrers_of(
    connection: Connection,
    project_id: UUID,
    kind: str,
    ids: Sequence[UUID],
    called: Collection[str] = (),
) -> Mapping[UUID, tuple[AggregateSpec, tuple[str, ...]]]:
    """Return what names some things of one kind and stays, with the fields that may do so.

    They are named by their *ids*, or by what they are *called*.
    """
    queries: list[tuple[AggregateSpec, str, str, Collection[Any]]] = [
        (spec, name, purge_statement("naming", spec.kind, name), ids)
        for spec, name in optional_references_to(kind)
    ]
    if called:
        queries += [
            (spec, name, purge_statement("calling", spec.kind, name), called)
            for spec, name in name_references_to(kind)
        ]
    found: dict[UUID, tuple[AggregateSpec, tuple[str, ...]]] = {}
    for spec, name, query, wanted in queries:
        for row in await connection.fetch(query, project_id, list(wanted)):
            _, names = found.get(row["id"], (spec, ()))
            found[row["id"]] = spec, (*names, name)
    return found


async def names_without_owner(
    connection: Connection, project_id: UUID, kind: str, ids: Sequence[UUID]
) -> frozenset[str]:
    """Return the names under which nothing can be found any more once these things are gone."""
    if not any(name_references_to(kind)):
        return frozenset()
    rows = await connection.fetch(purge_statement("names_that_end", kind), project_id, ids)
    return frozenset(row["name"] for row in rows)


def _references(spec: AggregateSpec) -> Iterator[tuple[str, str]]:
    """Yield the fields that hold an aggregate's id; a member is named by their person's."""
    for name, kind in spec.references.items():
        if kind in AGGREGATES and kind != MEMBER.kind:
            yield name, kind


def _is_required(spec: AggregateSpec, name: str) -> bool:
    field = spec.create.model_fields.get(name)
    return field is not None and field.is_required()
