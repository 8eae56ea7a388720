"""Kinds of values that several resources have: texts, times, colours and free JSON."""

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, cast

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from libs.contracts import names

NAME_CHARS_MAX = 200
SUMMARY_CHARS_MAX = 10_000
TEXT_CHARS_MAX = 10_000
NOTE_CHARS_MAX = 2_000
PROMPT_CHARS_MAX = 20_000
OBJECT_BYTES_MAX = 28 * 1024
"""Size of a free JSON object, as compact UTF-8 with each number in its shortest form."""
OBJECT_WRITTEN_BYTES_MAX = 64 * 1024
"""The same with whole numbers written out, as they are stored: `1e300` has 301 digits there."""
OBJECT_DEPTH_MAX = 10
VALUE_DEPTH_MAX = 100
"""Depth of any JSON value in a request, checked before its meaning is known."""
BLOB_BYTES_MAX = 5 << 30
"""Size of one blob."""
YEARS = (1000, 9000)
"""First and last year of a time; PostgreSQL and every client can hold these in any time zone."""

_WITH_EXPONENT_FROM = 1e16
"""Python writes floats from here on with an exponent."""

_TEXT = r"^[^\x00]*$"

Name = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=NAME_CHARS_MAX, pattern=names.PATTERN
    ),
]
KnownName = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True,
        min_length=1,
        max_length=NAME_CHARS_MAX,
        pattern=r"^[^\x00-\x1f\x7f]*$",
    ),
]
"""A name in answers and copies: older names may have overrides of direction."""


NormalName = Annotated[Name, AfterValidator(names.normal)]
"""A name that only one may have, in the normal form in which such names are compared."""
Summary = Annotated[str, StringConstraints(max_length=SUMMARY_CHARS_MAX, pattern=_TEXT)]
Text = Annotated[str, StringConstraints(max_length=TEXT_CHARS_MAX, pattern=_TEXT)]
Note = Annotated[str, StringConstraints(max_length=NOTE_CHARS_MAX, pattern=_TEXT)]
Statement = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=NOTE_CHARS_MAX, pattern=_TEXT
    ),
]
Prompt = Annotated[str, StringConstraints(max_length=PROMPT_CHARS_MAX, pattern=_TEXT)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""The SHA-256 of the plain bytes of a blob, in hexadecimal."""
Size = Annotated[int, Field(ge=0, le=BLOB_BYTES_MAX)]
"""The size of a blob, in bytes."""
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-f]{6}$")]
Confidence = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
"""How sure something is: from 0, not at all, to 1."""
Flag = Annotated[bool, Field(strict=True)]
"""`true` or `false`, and nothing that only resembles them."""


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
    shortest = written = len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())
    # Storing writes numbers out: the value has to be of the same size before and after that.
    for number in _large_numbers(value):
        said = len(repr(number))
        shortest += _length_in_short(number) - said
        written += len(str(int(number))) - said
    if shortest > OBJECT_BYTES_MAX:
        raise ValueError(f"may have {OBJECT_BYTES_MAX} bytes at most")
    if written > OBJECT_WRITTEN_BYTES_MAX:
        raise ValueError(
            f"may have {OBJECT_WRITTEN_BYTES_MAX} bytes at most with its numbers written out"
        )
    return value


def _any(value: Any) -> Any:
    _require_storable(value, VALUE_DEPTH_MAX)
    return value


def _require_storable(value: object, depth: int) -> None:
    """Return when jsonb can hold *value* and gives back the same."""
    match value:
        case dict() | list() if depth == 0:
            raise ValueError("is nested too deep")
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


def _large_numbers(value: object) -> Iterator[int | float]:
    """Yield the whole numbers that may be written in full or with an exponent."""
    match value:
        case dict():
            for inner in cast("dict[str, object]", value).values():
                yield from _large_numbers(inner)
        case list():
            for inner in cast("list[object]", value):
                yield from _large_numbers(inner)
        case int() | float() if abs(value) >= _WITH_EXPONENT_FROM:
            yield value
        case _:
            pass


def _length_in_short(number: float) -> int:
    try:
        return len(repr(float(number)))
    except OverflowError:
        return len(repr(number))


JsonObject = Annotated[dict[str, Any], AfterValidator(_bounded)]
"""A free JSON object, bounded in size and depth."""
JsonValue = Annotated[Any, AfterValidator(_any)]
"""Any JSON value that can be stored and sent on as it is: `1e400` would arrive as null."""


def name_key(name: str) -> str:
    """Return what two names are compared by: not how they are typed, nor their case."""
    return names.normal(name).casefold()
