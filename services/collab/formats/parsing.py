"""JSON from outside, with limits before anything is built and a place for every complaint."""

import json
import math
import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, cast

from services.collab import offsets
from services.collab.formats.tree import BadContent, number

DEPTH_MAX = 100
"""Levels of JSON arrays and objects: some 45 levels of blocks."""
NODES_MAX = 400_000
"""Objects in one content; a novel of 2 MB has about 60,000."""
BYTES_MAX = 8 << 20
"""Bytes of one content as JSON."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_NUMBERS = re.compile(r'"(?:[^"\\]|\\.)*"|NaN|-?Infinity|-?\d[\d.eE+-]*', re.DOTALL)
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+'
"""Also one that does not end: it would else be tried again from each quotation mark in it."""
_STRINGS = re.compile(_STRING, re.DOTALL)
_BRACKETS = re.compile(_STRING + rb"|[\[\]{}]", re.DOTALL)
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS = bytes(one for one in range(256) if one not in _STEPS)


def text(body: bytes) -> str:
    """Decode UTF-8.

    Raises:
        BadContent: It is none.
    """
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise BadContent("The content is not UTF-8 text.", f"byte {error.start}") from None


def load(body: bytes) -> Any:
    """Parse JSON; numbers come in normal form.

    Raises:
        BadContent: It is no JSON, or larger, deeper or of more objects than is allowed.
    """
    if len(body) > BYTES_MAX:
        raise BadContent(f"The content is larger than {BYTES_MAX} bytes (BYTES_MAX).")
    decoded = text(body)
    _measure(body)
    try:
        return json.loads(decoded, parse_int=_integer, parse_float=_float, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise BadContent(f"Not JSON: {error.msg}.", _place(decoded, error.pos)) from None
    except (OverflowError, ValueError) as error:
        raise BadContent(f"Not JSON: {error}.", _place(decoded, _bad_number(decoded))) from None
    except RecursionError as error:
        raise BadContent(f"Not JSON: {error}.") from None


def _place(text: str, at: int) -> str:
    """Line and column of a character, both from 1; columns count UTF-16 code units."""
    start = text.rfind("\n", 0, at) + 1
    line = text.count("\n", 0, start) + 1
    return f"line {line}, column {offsets.to_utf16(text[start:], at - start) + 1}"


def _bad_number(text: str) -> int:
    """Where the first number stands that JSON does not have, or no browser could hold."""
    for found in _NUMBERS.finditer(text):
        token = found.group()
        whole = token.lstrip("-").isdecimal()
        if token.endswith(("NaN", "Infinity")) or (whole and math.isinf(float(token))):
            return found.start()
    return 0


def _measure(body: bytes) -> None:
    """Count depth and objects without recursion, before the parser allocates anything."""
    brackets = _STRINGS.sub(b"", body).translate(None, _NO_BRACKETS)
    if max(_depths(brackets), default=0) > DEPTH_MAX:
        raise BadContent(
            f"The content nests deeper than {DEPTH_MAX} levels (DEPTH_MAX).", _too_deep(body)
        )
    if brackets.count(b"{") > NODES_MAX:
        raise BadContent(f"The content has more than {NODES_MAX} objects (NODES_MAX).")


def _depths(brackets: bytes) -> Iterator[int]:
    """Yield how many of *brackets* are open after each of them."""
    return accumulate(map(_STEPS.__getitem__, brackets))


def _too_deep(body: bytes) -> str:
    """Where the first bracket stands that opens one level too many."""
    places = [at for found in _BRACKETS.finditer(body) if body[at := found.start()] in _STEPS]
    depths = _depths(bytes(body[at] for at in places))
    place = next(at for at, depth in zip(places, depths, strict=True) if depth > DEPTH_MAX)
    return _place(body.decode(), len(body[:place].decode()))


def _integer(digits: str) -> Any:
    return number(int(digits))


def _float(digits: str) -> Any:
    return number(float(digits))


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON number")


def string(value: Any, place: str) -> str:
    """Return *value*, which must be text that every client can decode.

    Raises:
        BadContent: It is no string, or holds half a character.
    """
    if not isinstance(value, str):
        raise BadContent("Must be a string.", place)
    if not value.isascii() and _SURROGATE.search(value):
        raise BadContent("Holds half of a UTF-16 pair.", place)
    return value


def mapping(value: Any, place: str) -> dict[str, Any]:
    """Return *value*, which must be an object.

    Raises:
        BadContent: It is none, or has a key or text with half a character in it.
    """
    if not isinstance(value, dict):
        raise BadContent("Must be an object.", place)
    return cast("dict[str, Any]", value)


def array(value: Any, place: str) -> list[Any]:
    """Return *value*, which must be an array.

    Raises:
        BadContent: It is none.
    """
    if not isinstance(value, list):
        raise BadContent("Must be an array.", place)
    return cast("list[Any]", value)


def sound(value: Any, place: str) -> Any:
    """Return *value*, JSON of any depth, whose strings must be whole.

    Raises:
        BadContent: One of them holds half a character.
    """
    match value:
        case str():
            return string(value, place)
        case dict():
            for key, inner in mapping(value, place).items():
                sound(inner, f"{place}.{string(key, place)}")
        case list():
            for at, inner in enumerate(array(value, place)):
                sound(inner, f"{place}[{at}]")
        case _:
            pass
    return cast("Any", value)
