"""Filtered and sorted lists: one statement, composed of named pieces of `queries.sql`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.events.model.aggregate import AggregateSpec
from services.events.model.page import PageMark
from services.events.store.statements import SQL


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A query of a page of a list.

    Args:
        filters: The values of filters, by their names.
        sort: The name of a sort key of the kind.
        descending: Whether the greatest comes first; rows without the key come last anyway.
        after: The end of the page before.
        include_deleted: Whether deleted aggregates are included.
        limit: The greatest number of rows.
    """

    filters: Mapping[str, Any]
    sort: str
    descending: bool
    after: PageMark | None
    include_deleted: bool
    limit: int


def list_statement(
    spec: AggregateSpec, project_id: UUID, wanted: ListQuery
) -> tuple[str, list[Any]]:
    """Return the statement that reads a page, and its parameters."""
    listing, key = spec.listing, spec.listing.keys[wanted.sort]
    parameters: list[Any] = [project_id, wanted.include_deleted, wanted.limit]
    conditions: list[str] = []
    for name, value in wanted.filters.items():
        asked = listing.filters[name]
        parameters.append(value)
        piece: str = getattr(SQL, f"where_{asked.test}")
        conditions.append(piece.format(column=asked.column, value=f"${len(parameters)}"))
    if wanted.after is not None:
        conditions.append(_continuation(key.column, key.type, wanted, parameters))
    text = SQL.list.format(
        view=listing.view or spec.view,
        key=key.column,
        direction="DESC" if wanted.descending else "ASC",
        conditions="".join(f"\n    AND {_bare(each)}" for each in conditions),
    )
    return text, parameters


def _continuation(column: str, kind: str, wanted: ListQuery, parameters: list[Any]) -> str:
    assert wanted.after is not None
    value, last_id = wanted.after
    side = "before" if wanted.descending else "after"
    parameters.append(last_id)
    place = f"${len(parameters)}"
    if value is None:
        nothing: str = getattr(SQL, f"{side}_nothing")
        return nothing.format(key=column, id=place)
    parameters.append(value)
    something: str = getattr(SQL, f"{side}_value")
    return something.format(key=column, id=place, value=f"${len(parameters)}", type=kind)


def _bare(piece: str) -> str:
    """Return a piece without its comment lines, so that it can stand within a line."""
    return "\n".join(line for line in piece.splitlines() if not line.lstrip().startswith("--"))
