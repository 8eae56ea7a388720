"""What goes with a thing and what only names it, read off the model; pure but for the look-ups.

A child goes with its parent, and what must name something (a relation its entities, a fact the one
it is about) goes with that. What may name something, such as the scene that reveals a fact, stays,
and names nothing afterwards.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from libs.postgres import Connection
from services.events.lifecycle.orders import filled
from services.events.model.aggregate import Aggregate
from services.events.model.aggregates import AGGREGATES, MEMBER, PROJECT


def ties_of(about: Aggregate) -> Iterator[tuple[Aggregate, str]]:
    """Yield the kinds that something of *about* goes with, and by which column."""
    if about is not PROJECT:
        yield PROJECT, "project_id"
    if about.parent and about.parent != PROJECT.kind:
        yield AGGREGATES[about.parent], f"{about.parent}_id"
    for name, kind in _references(about):
        if _is_required(about, name):
            yield AGGREGATES[kind], name


def mentions_of(kind: str) -> Iterator[tuple[Aggregate, str]]:
    """Yield the kinds that may name something of *kind*, and by which field."""
    for about in AGGREGATES.values():
        for name, named in _references(about):
            if named == kind and not _is_required(about, name):
                yield about, name


def calls_of(kind: str) -> Iterator[tuple[Aggregate, str]]:
    """Yield the kinds that may call something of *kind* by its name, and by which field."""
    for about in AGGREGATES.values():
        for field, named in about.named.items():
            if named.kind == kind:
                yield about, field


async def directly_below(
    connection: Connection, project_id: UUID, kind: str, ids: Sequence[UUID]
) -> dict[UUID, Aggregate]:
    """Return what is there and goes with some things of one kind."""
    found: dict[UUID, Aggregate] = {}
    for about in AGGREGATES.values():
        for above, column in ties_of(about):
            if above.kind == kind:
                query = filled("naming", about.kind, column)
                rows = await connection.fetch(query, project_id, ids)
                found |= {row["id"]: about for row in rows}
    return found


async def all_below(
    connection: Connection, project_id: UUID, target: Aggregate, target_id: UUID
) -> dict[UUID, Aggregate]:
    """Return everything that goes with a thing, itself included."""
    found: dict[UUID, Aggregate] = {target_id: target}
    # What others hang under or refer to comes first, so one walk through the kinds is enough.
    for about in AGGREGATES.values():
        for above, column in ties_of(about):
            ids = [key for key, kind in found.items() if kind is above]
            if ids:
                query = filled("naming", about.kind, column)
                rows = await connection.fetch(query, project_id, ids)
                found |= {row["id"]: about for row in rows}
    return found


async def mentioning(
    connection: Connection,
    project_id: UUID,
    kind: str,
    ids: Sequence[UUID],
    called: Collection[str] = (),
) -> Mapping[UUID, tuple[Aggregate, tuple[str, ...]]]:
    """Return what names some things of one kind and stays, with the fields that may do so.

    They are named by their *ids*, or by what they are *called*.
    """
    queries: list[tuple[Aggregate, str, str, Collection[Any]]] = [
        (about, name, filled("naming", about.kind, name), ids) for about, name in mentions_of(kind)
    ]
    if called:
        queries += [
            (about, name, filled("calling", about.kind, name), called)
            for about, name in calls_of(kind)
        ]
    found: dict[UUID, tuple[Aggregate, tuple[str, ...]]] = {}
    for about, name, query, wanted in queries:
        for row in await connection.fetch(query, project_id, list(wanted)):
            _, names = found.get(row["id"], (about, ()))
            found[row["id"]] = about, (*names, name)
    return found


async def names_that_end(
    connection: Connection, project_id: UUID, kind: str, ids: Sequence[UUID]
) -> frozenset[str]:
    """Return the names under which nothing can be found any more once these things are gone."""
    if not any(calls_of(kind)):
        return frozenset()
    rows = await connection.fetch(filled("names_that_end", kind), project_id, ids)
    return frozenset(row["name"] for row in rows)


def _references(about: Aggregate) -> Iterator[tuple[str, str]]:
    """Yield the fields that hold an aggregate's id; a member is named by their person's."""
    for name, kind in about.references.items():
        if kind in AGGREGATES and kind != MEMBER.kind:
            yield name, kind


def _is_required(about: Aggregate, name: str) -> bool:
    field = about.create.model_fields.get(name)
    return field is not None and field.is_required()
