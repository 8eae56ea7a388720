"""Kinds of values that several resources have: texts, times, colours and free JSON."""

import json
import math
from datetime import UTC, datetime
from typing import Annotated, Any, cast

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

TEXT_CHARS_MAX = 10_000
NOTE_CHARS_MAX = 2_000
PROMPT_CHARS_MAX = 20_000
OBJECT_BYTES_MAX = 28 * 1024
"""Of a free JSON object, as compact UTF-8: its old and new value together still fit an event."""
OBJECT_DEPTH_MAX = 10
YEARS = (1000, 9000)
"""Which years a time may be of; PostgreSQL and every client can hold these in any time zone."""

_TEXT = r"^[^\x00]*$"

Text = Annotated[str, StringConstraints(max_length=TEXT_CHARS_MAX, pattern=_TEXT)]
Note = Annotated[str, StringConstraints(max_length=NOTE_CHARS_MAX, pattern=_TEXT)]
Statement = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=NOTE_CHARS_MAX, pattern=_TEXT
    ),
]
Prompt = Annotated[str, StringConstraints(max_length=PROMPT_CHARS_MAX, pattern=_TEXT)]
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-f]{6}$")]
Confidence = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
"""How sure something is: from 0, not at all, to 1."""


def _instant(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("the year in UTC must be 1 to 9999") from None


Instant = Annotated[AwareDatetime, AfterValidator(_instant)]
"""A time with its offset, in UTC, of any year that has a place in the calendar: a bound, such as
the begin of a period or the end of a token's life."""


def _in_utc(moment: datetime) -> datetime:
    moment = _instant(moment)
    if not YEARS[0] <= moment.year <= YEARS[1]:
        raise ValueError(f"the year must be {YEARS[0]} to {YEARS[1]}")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A time with its offset, kept in UTC."""


def _bounded(value: dict[str, Any]) -> dict[str, Any]:
    _require_storable(value, OBJECT_DEPTH_MAX)
    size = len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())
    if size > OBJECT_BYTES_MAX:
        raise ValueError(f"may have {OBJECT_BYTES_MAX} bytes at most")
    return value


def _require_storable(value: object, depth: int) -> None:
    """Return when jsonb can hold *value* and gives back the same."""
    match value:
        case dict() | list() if depth == 0:
            raise ValueError(f"may be nested {OBJECT_DEPTH_MAX} deep at most")
        case dict():
            for key, inner in cast("dict[str, object]", value).items():
                _require_storable(key, depth)
                _require_storable(inner, depth - 1)
        case list():
            for inner in cast("list[object]", value):
                _require_storable(inner, depth - 1)
        case str() if "\0" in value:
            raise ValueError("may not contain the character NUL")
        case float() if not math.isfinite(value):
            raise ValueError("numbers must be finite")
        case _:
            pass


JsonObject = Annotated[dict[str, Any], AfterValidator(_bounded)]
"""A free JSON object, bounded in size and depth."""
