"""How a kind can be filtered and sorted: names of fields and tests, never a word of SQL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from libs.contracts.wire import Wire

type Test = Literal[
    "is", "ignoring_case", "prefix", "contains", "before", "from",
    "holds", "called", "tagged", "tag_of", "overdue", "either_end",
]  # fmt: skip
"""What a filter asks of a column: each is the statement `where_<test>` of `queries.sql`."""


@dataclass(frozen=True, slots=True)
class ListFilter:
    """What one member of a filter asks: a test, and the column that it is put to."""

    test: Test
    column: str


@dataclass(frozen=True, slots=True)
class SortKey:
    """What a list can be sorted by; where it is null a row comes last."""

    column: str
    type: Literal["text", "timestamptz", "float8"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """How a kind is listed.

    Args:
        model: What a client may ask for; its members are the names in *filters*.
        filters: What each asks.
        keys: What the list can be sorted by, under the name that clients use.
        view: What is read; the kind's own view when null.
    """

    model: type[Wire] = Wire
    filters: Mapping[str, ListFilter] = field(default_factory=dict[str, ListFilter])
    keys: Mapping[str, SortKey] = field(default_factory=dict[str, SortKey])
    view: str | None = None

    @property
    def usual(self) -> str:
        """What it is sorted by when nothing is said."""
        return next(iter(self.keys), "")


CREATED = {"createdAt": SortKey("created_at", "timestamptz")}
DATED = {**CREATED, "updatedAt": SortKey("updated_at", "timestamptz")}
NAMED = {**DATED, "name": SortKey("name_key", "text")}
BY_NAME = {
    "name": ListFilter("ignoring_case", "name_key"),
    "name_prefix": ListFilter("prefix", "name_key"),
    "name_contains": ListFilter("contains", "name"),
}
