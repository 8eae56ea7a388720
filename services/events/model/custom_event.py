"""What happens to one kind of aggregate only, and changes several fields at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from libs.contracts.wire import Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomEvent:
    """Something whole that comes or goes.

    Its events hold that in their own members, and in `from` what was there before, or null.

    Args:
        description: A sentence about it for subscribers.
        says: What its events hold beside `from`.
        fields: The fields that it changes, by the members of its events that hold them.
        ends: Whether it leaves them empty; its events then tell what went.
        later: Members that its oldest events do not have.
    """

    description: str
    says: type[Wire]
    fields: Mapping[str, str]
    ends: bool = False
    later: frozenset[str] = frozenset()

    def after(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields as an event with this data leaves them."""
        return self._fields({} if self.ends else data)

    def before(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields as they were before an event with this data."""
        return self._fields(data["from"] or {})

    def _fields(self, held: Mapping[str, Any]) -> dict[str, Any]:
        return {name: held.get(member) for member, name in self.fields.items()}
