"""What a peer's checkpoint is recognised by: the canonical JSON of its operations.

The form is that of RFC 8785 (JCS), which a browser writes with `JSON.stringify` and sorted members.
Earlier releases had a form of their own: whole numbers written out, members in the order of code
points. Both agree on all but very large and very small numbers and rare names, so that peers of
either time go on.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast

import rfc8785

from services.events.model.log import canonical

_EXACT_MAX = 2**53 - 1
"""JSON's numbers are doubles: a whole number above this is the double next to it."""


def checksums_of(operations: Sequence[dict[str, Any]]) -> list[str]:
    """Return the checksums by which a peer may name these operations, the usual one first."""
    forms = [canonical(operations)]
    # A number that is no double no browser has: only the earlier form has words for it.
    with suppress(rfc8785.CanonicalizationError, OverflowError):
        forms.insert(0, rfc8785.dumps(_as_doubles(operations)))
    return [hashlib.sha256(form).hexdigest() for form in forms]


def _as_doubles(value: Any) -> Any:
    match value:
        case dict():
            members = cast("dict[str, Any]", value)
            return {name: _as_doubles(inner) for name, inner in members.items()}
        case list():
            return [_as_doubles(inner) for inner in cast("list[Any]", value)]
        case int() if abs(value) > _EXACT_MAX:
            return float(value)
        case _:
            return value
