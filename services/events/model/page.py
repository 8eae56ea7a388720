"""Cursors: the ends of pages, opaque to clients."""

import base64
import json
import math
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from services.events.model.listing import SortKey
from services.events.model.refusal import field_refusal

CURSOR_CHARS_MAX = 2000

PAGE_BYTES_MAX = 4 * 1024 * 1024
"""The size limit of a page, whatever its number of items: it has to fit into one message."""

type PageMark = tuple[Any, UUID]
"""The end of a sorted page: the value of its sort key, or None for null, and the row's id."""

_NOT_OURS = "not a cursor of this list in this order"
_KEY = re.compile(r"[0-9A-Za-z-]{1,1000}")


def cursor_after(key: str) -> str:
    """Return the cursor of the page after *key*."""
    return base64.urlsafe_b64encode(json.dumps(["v1", key]).encode()).decode().rstrip("=")


def cursor_key(cursor: str | None) -> str | None:
    """Return the key that *cursor* continues after; None at the beginning.

    Raises:
        errors.Invalid: The cursor was not made by this service.
    """
    if cursor is None:
        return None
    try:
        found = _found(cursor)
    except ValueError as error:  # of Base64 and UTF-8, too
        raise field_refusal("cursor", "is not a cursor of this list") from error
    match found:
        case ["v1", str() as key] if _KEY.fullmatch(key):
            return key
        case _:
            raise field_refusal("cursor", "is not a cursor of this list")


def cursor_at(sort: str, value: Any, row_id: UUID) -> str:
    """Return the cursor of the page after a row in a list sorted by *sort*."""
    plain = value.isoformat() if isinstance(value, datetime) else value
    words = json.dumps(["v2", sort, plain, str(row_id)], ensure_ascii=False)
    return base64.urlsafe_b64encode(words.encode()).decode().rstrip("=")


def cursor_mark(cursor: str | None, sort: str, key: SortKey) -> PageMark | None:
    """Return the place after which *cursor* continues a list sorted by *sort*; None at the start.

    Raises:
        errors.Invalid: The cursor is not one of this list in this order.
    """
    if cursor is None:
        return None
    try:
        found = _found(cursor)
        match found:
            case ["v2", str() as given, value, str() as row_id] if given == sort:
                return _key_value(value, key), UUID(row_id)
            case _:
                pass
    except (ValueError, TypeError, OverflowError) as error:
        raise field_refusal("cursor", _NOT_OURS) from error
    raise field_refusal("cursor", _NOT_OURS)


def fitting(sizes: Iterable[int]) -> int:
    """Return how many items of these sizes, in bytes, fit on a page; at least one does."""
    count, total = 0, 0
    for size in sizes:
        total += size
        if count and total > PAGE_BYTES_MAX:
            break
        count += 1
    return count


def _key_value(value: Any, key: SortKey) -> Any:
    match key.type, value:
        case _, None:
            return None
        case "text", str() if "\0" not in value:
            return value
        case "timestamptz", str():
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is None or not 1 < moment.year < 9999:
                raise ValueError(value)
            return moment
        case "float8", int() | float() if math.isfinite(value):
            return float(value)
        case _:
            raise ValueError(value)


def _found(cursor: str) -> Any:
    if len(cursor) > CURSOR_CHARS_MAX:
        raise ValueError("too long")
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        return json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except RecursionError as error:
        raise ValueError("nested") from error
