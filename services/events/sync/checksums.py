"""Checksums of checkpoints: SHA-256 of the canonical JSON of the operations.

The form is RFC 8785 (JCS), which a browser produces with `JSON.stringify` and sorted members.
Earlier releases had another form: whole numbers written out, members in the order of code points.
Both forms agree except for very large and very small numbers and rare names, so that peers of
both kinds can continue.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, cast

import rfc8785

from services.events.model.log import canonical

_EXACT_MAX = 2**53 - 1
"""Numbers of JSON are doubles: a whole number above this is rounded to a double."""


def checksums_of(operations: Sequence[dict[str, Any]]) -> list[str]:
    """Return the checksums that a peer may give for these operations, the usual one first."""
    forms = [canonical(operations)]
    # A number that is not a double can be written in the earlier form only.
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
