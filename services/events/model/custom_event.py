"""Custom events: actions of one kind of aggregate only, which change several fields at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from libs.contracts.wire import Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomEvent:
    """An action that gives an aggregate something, such as a file, or takes it away.

    Its events hold the new values in members of their own, and the old ones in `from`, or null.

    Args:
        description: A sentence about the event for subscribers.
        says: The model of the data of its events, beside `from`.
        fields: The fields that it changes, by the members of the data that hold them.
        ends: Whether it clears the fields; the data then holds the values before.
        later: Members that the oldest events do not have.
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
