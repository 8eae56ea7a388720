"""Equality of values of fields: as JSON values, and not as Python objects."""

from typing import Any, cast


def same(one: Any, other: Any) -> bool:
    """Return whether two values are the same JSON: `true` is not `1`, and `1` is `1.0`.

    A whole number with an exponent equals the number that the database writes out for it. Ids and
    times of rows are compared as such.
    """
    if type(one) is str:
        return one == other
    match one, other:
        case dict(), dict():
            these, those = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
            return these.keys() == those.keys() and all(
                same(value, those[name]) for name, value in these.items()
            )
        case list(), list():
            left, right = cast("list[Any]", one), cast("list[Any]", other)
            return len(left) == len(right) and all(map(same, left, right))
        case (bool(), _) | (_, bool()):
            return one is other
        case (int(), float()) | (float(), int()):
            return _double(one) == _double(other)
        case _:
            return one == other


def _double(number: float) -> float | None:
    """Return a number as a double, as most readers of JSON see it; None if it is too large."""
    try:
        return float(number)
    except OverflowError:
        return None
