"""Cursors: where a page ended, opaque to the client."""

import base64
import binascii
import json
import re
from typing import Any

from services.events.model.refusal import refused

CURSOR_CHARS_MAX = 2000

_KEY = re.compile(r"[0-9A-Za-z-]{1,1000}")


def cursor_after(key: str) -> str:
    """Return the cursor of what follows *key*."""
    return base64.urlsafe_b64encode(json.dumps(["v1", key]).encode()).decode().rstrip("=")


def key_of(cursor: str | None) -> str | None:
    """Return the key that *cursor* continues after; None at the beginning.

    Raises:
        errors.Invalid: It is not one of ours.
    """
    if cursor is None:
        return None
    if len(cursor) > CURSOR_CHARS_MAX:
        raise refused("cursor", "not a cursor of this list")
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        found: Any = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, UnicodeError, RecursionError) as error:
        raise refused("cursor", "not a cursor of this list") from error
    match found:
        case ["v1", str() as key] if _KEY.fullmatch(key):
            return key
        case _:
            raise refused("cursor", "not a cursor of this list")
