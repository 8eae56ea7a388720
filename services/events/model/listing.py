"""The filters and sort keys of the lists of a kind: names of fields and tests, no SQL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from libs.contracts.wire import Wire

type Test = Literal[
    "is", "ignoring_case", "prefix", "contains", "before", "from",
    "holds", "called", "tagged", "tag_of", "overdue", "either_end",
]  # fmt: skip
"""The test that a filter puts to a column: the statement `where_<test>` of `queries.sql`."""


@dataclass(frozen=True, slots=True)
class ListFilter:
    """One filter: a test, and the column that it is put to."""

    test: Test
    column: str


@dataclass(frozen=True, slots=True)
class SortKey:
    """A column that a list can be sorted by; rows in which it is null come last."""

    column: str
    type: Literal["text", "timestamptz", "float8"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The filters and sort keys of a kind.

    Args:
        model: The filters that a client may send; its members are the names in *filters*.
        filters: The test of each filter.
        keys: The sort keys, under the names that clients use.
        view: The view that is read; the view of the kind when None.
    """

    model: type[Wire] = Wire
    filters: Mapping[str, ListFilter] = field(default_factory=dict[str, ListFilter])
    keys: Mapping[str, SortKey] = field(default_factory=dict[str, SortKey])
    view: str | None = None

    @property
    def usual(self) -> str:
        """The name of the default sort key."""
        return next(iter(self.keys), "")


CREATED = {"createdAt": SortKey("created_at", "timestamptz")}
DATED = {**CREATED, "updatedAt": SortKey("updated_at", "timestamptz")}
NAMED = {**DATED, "name": SortKey("name_key", "text")}
BY_NAME = {
    "name": ListFilter("ignoring_case", "name_key"),
    "name_prefix": ListFilter("prefix", "name_key"),
    "name_contains": ListFilter("contains", "name"),
}
