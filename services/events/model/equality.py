"""When two values of a field are the same: as JSON sees it, and not as Python does."""

from typing import Any, cast


def same(one: Any, other: Any) -> bool:
    """Return whether two values are the same JSON: `true` is not `1`, and `1` is `1.0`.

    A whole number with an exponent is the one that the database writes out for it. Ids and times of
    rows are compared as what they are.
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
    """Return a number as JSON's numbers are read by most; None when it is too large for that."""
    try:
        return float(number)
    except OverflowError:
        return None
