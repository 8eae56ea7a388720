"""Dependents of an aggregate, which are purged with it, and referrers, which stay.

A child is purged with its parent, and an aggregate with its required references: a relation with
its entities, a fact with its entity. An aggregate with an optional reference, such as the scene
that reveals a fact, stays, and the reference is cleared.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from libs.postgres import Connection
from services.events.lifecycle.store import purge_statement
from services.events.model.aggregate import AggregateSpec
from services.events.model.aggregates import AGGREGATES, MEMBER, PROJECT


def owners_of(spec: AggregateSpec) -> Iterator[tuple[AggregateSpec, str]]:
    """Yield the kinds whose purge includes aggregates of *spec*, with the referring columns."""
    if spec is not PROJECT:
        yield PROJECT, "project_id"
    if spec.parent and spec.parent != PROJECT.kind:
        yield AGGREGATES[spec.parent], f"{spec.parent}_id"
    for name, kind in _references(spec):
        if _is_required(spec, name):
            yield AGGREGATES[kind], name


def optional_references_to(kind: str) -> Iterator[tuple[AggregateSpec, str]]:
    """Yield the kinds with an optional reference to *kind*, and the field of the reference."""
    for spec in AGGREGATES.values():
        for name, named in _references(spec):
            if named == kind and not _is_required(spec, name):
                yield spec, name


def name_references_to(kind: str) -> Iterator[tuple[AggregateSpec, str]]:
    """Yield the kinds with a reference to *kind* by name, and the field of the reference."""
    for spec in AGGREGATES.values():
        for field, named in spec.named.items():
            if named.kind == kind:
                yield spec, field


async def direct_dependents(
    connection: Connection, project_id: UUID, kind: str, ids: Sequence[UUID]
) -> dict[UUID, AggregateSpec]:
    """Return the direct dependents of aggregates of one kind."""
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
    """Return all dependents of an aggregate, itself included."""
    found: dict[UUID, AggregateSpec] = {target_id: target}
    # AGGREGATES has owners before dependents, so one walk through the kinds is enough.
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
    """Return the referrers of aggregates of one kind, with the fields that may refer to them.

    The fields hold one of the *ids*, or a name in *called*.
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
    """Return the names that no aggregate of the kind has once these aggregates are gone."""
    if not any(name_references_to(kind)):
        return frozenset()
    rows = await connection.fetch(purge_statement("names_that_end", kind), project_id, ids)
    return frozenset(row["name"] for row in rows)


def _references(spec: AggregateSpec) -> Iterator[tuple[str, str]]:
    """Yield the fields that hold the id of an aggregate; members are referred to by person."""
    for name, kind in spec.references.items():
        if kind in AGGREGATES and kind != MEMBER.kind:
            yield name, kind


def _is_required(spec: AggregateSpec, name: str) -> bool:
    field = spec.create.model_fields.get(name)
    return field is not None and field.is_required()
