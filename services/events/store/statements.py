"""The statements of `queries.sql`, filled in for each kind of aggregate."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import asyncpg

from libs.contracts.events import Event
from libs.postgres import load_queries
from services.events.model.aggregate import Aggregate
from services.events.model.aggregates import AGGREGATES

SQL = load_queries("services.events")

_COMPUTED = ("index", "role")
"""Members of resources that their views do not hold, or that cost something."""


def statement(name: str, about: Aggregate) -> str:
    """Return a statement for one kind of aggregate."""
    return _filled(name, about.kind)


@cache
def _depth(kind: str) -> int:
    above = AGGREGATES[kind].parent
    return 1 + _depth(above) if above else 0


def depth_of(about: Aggregate) -> int:
    """Return how many kinds are above a kind: 0 for one without a parent."""
    return _depth(about.kind)


def order_of(about: Aggregate) -> int:
    """Return the place of a kind among all: after those that it hangs under or refers to."""
    return list(AGGREGATES).index(about.kind)


@cache
def _filled(name: str, kind: str) -> str:
    about = AGGREGATES[kind]
    names = about.columns
    shown = [name for name in about.resource.model_fields if name not in _COMPUTED]
    text: str = getattr(SQL, name)
    return text.format(
        table=about.table,
        view=about.view,
        parent=about.parent_column,
        columns=", ".join(names),
        schema="v.schema_version" if "schema_version" in names else "NULL::integer",
        whole=", ".join(dict.fromkeys((*names, *about.fields))),
        new_columns=", ".join(f"n.{name}" for name in names),
        shown=", ".join(f"v.{name}" for name in shown),
        values=", ".join(f"${place}" for place in range(1, len(names) + 1)),
    )


def of_events(rows: Iterable[asyncpg.Record]) -> list[Event]:
    """Return rows of the log as events."""
    return [Event.model_validate(dict[str, Any](row)) for row in rows]
