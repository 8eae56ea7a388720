"""Numbers instead of ids: the things of a document are numbered through all kinds, in order."""

from collections.abc import Mapping

from libs import errors
from libs.contracts.events.workspaces import AGGREGATES_MAX, FORMAT, Head
from services.events.model.aggregate import AggregateSpec
from services.events.model.aggregates import AGGREGATES

KINDS: tuple[AggregateSpec, ...] = tuple(
    each for each in AGGREGATES.values() if each.parent is not None
)
"""The kinds in a document, in its order: the content of a project without members and grants."""


class Numbering:
    """The kind of each number in a document."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        """Number as many things of each kind as in *counts*, in the order of KINDS."""
        self.ranges: dict[str, range] = {}
        first = 1
        for spec in KINDS:
            count = counts.get(spec.kind, 0)
            self.ranges[spec.kind] = range(first, first + count)
            first += count
        self.total = first - 1

    @classmethod
    def of(cls, head: Head) -> "Numbering":
        """Return the numbering of a document that begins with *head*.

        Raises:
            errors.Unsupported: The document has another format.
            errors.Unknown: The document has a kind that is not known here.
            errors.TooLarge: The document has more than AGGREGATES_MAX things.
        """
        if head.format != FORMAT:
            raise errors.Unsupported(
                f"This format is not supported; the supported format is {FORMAT}.",
                at="format",
                known=[FORMAT],
            )
        unknown = head.kinds.keys() - {spec.kind for spec in KINDS}
        if unknown:
            name = min(unknown)
            raise errors.Unknown(
                f"kinds.{name}: is not known here",
                errors=[{"field": f"kinds.{name}", "detail": "is not known here"}],
            )
        numbering = cls(head.kinds)
        if numbering.total > AGGREGATES_MAX:
            raise errors.TooLarge(
                f"A project can be copied with at most {AGGREGATES_MAX} aggregates."
            )
        return numbering

    def kind_of(self, number: int) -> AggregateSpec | None:
        """Return the kind of a number; None when the document does not have the number."""
        return next((each for each in KINDS if number in self.ranges[each.kind]), None)
