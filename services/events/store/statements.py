"""The statements of `queries.sql`, filled in for each kind of aggregate."""

from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any

import asyncpg

from libs.contracts.events.event import Event
from libs.postgres import load_queries
from services.events.model.aggregate import AggregateSpec
from services.events.model.aggregates import AGGREGATES, SCENE

SQL = load_queries("services.events")

STATEMENTS_MAX = 2_000
"""Statements that are cached; there may be one for each set of fields that change together."""

APPEND = f"{SQL.appending}\n{SQL.append}"

_COMPUTED = ("index", "role")
"""Members of resources that are not in their views, or are expensive there."""


def statement(name: str, spec: AggregateSpec, changed: tuple[str, ...] = ()) -> str:
    """Return a statement for one kind of aggregate, and for the columns that change."""
    return _filled(name, spec.kind, changed)


def marked_by_id(text: str) -> str:
    """Return the text of a statement for use after `look_up_by_id`."""
    return f"{text}\n-- many"


def append_and_change(spec: AggregateSpec) -> str:
    """Return the statement that appends and updates the row of one aggregate, or undoes itself."""
    return _append_and_change(spec.kind)


@cache
def _append_and_change(kind: str) -> str:
    return f"{SQL.appending},\n{_filled('changing', kind)}\n{SQL.insist}"


@cache
def _depth(kind: str) -> int:
    above = AGGREGATES[kind].parent
    return 1 + _depth(above) if above else 0


def kind_depth(spec: AggregateSpec) -> int:
    """Return the number of kinds above a kind: 0 for a kind without a parent."""
    return _depth(spec.kind)


def kind_order(spec: AggregateSpec) -> int:
    """Return the place of a kind in AGGREGATES: after its parent and the kinds it refers to."""
    return list(AGGREGATES).index(spec.kind)


@lru_cache(STATEMENTS_MAX)
def _filled(name: str, kind: str, changed: tuple[str, ...] = ()) -> str:
    spec = AGGREGATES[kind]
    names = spec.columns
    shown = [
        spec.figures.get(name, name) for name in spec.resource.model_fields if name not in _COMPUTED
    ]
    text: str = getattr(SQL, name)
    return text.format(
        table=spec.table,
        view=spec.view,
        parent=spec.parent_column,
        columns=", ".join(names),
        schema="v.schema_version" if "schema_version" in names else "NULL::integer",
        editor="v.editor_in_use" if spec is SCENE else "NULL::text",
        whole=", ".join(dict.fromkeys((*names, *spec.fields))),
        changed=", ".join(changed),
        new_changed=", ".join(f"n.{name}" for name in changed),
        shown=", ".join(f"v.{name}" for name in shown),
        new_columns=", ".join(f"n.{name}" for name in names),
    )


def events_from_rows(rows: Iterable[asyncpg.Record]) -> list[Event]:
    """Return rows of the log as events."""
    return [Event.model_validate(dict[str, Any](row)) for row in rows]
