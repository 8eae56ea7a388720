"""When two values of a field are the same: as JSON sees it, and not as Python does."""

from typing import Any, cast


def same(one: Any, other: Any) -> bool:
    """Return whether two values are the same JSON: `true` is not `1`, and `1` is `1.0`.

    Ids and times of rows are compared as what they are.
    """
    # What Python takes for different is different; only what it takes for equal needs a look.
    return one == other and _agree_on_booleans(one, other)


def _agree_on_booleans(one: Any, other: Any) -> bool:
    """Return whether equal values have their booleans at the same places."""
    match one:
        case str():
            return True
        case dict():
            members = cast("dict[str, Any]", one)
            return all(_agree_on_booleans(value, other[name]) for name, value in members.items())
        case list():
            pairs = zip(cast("list[Any]", one), cast("list[Any]", other), strict=True)
            return all(_agree_on_booleans(*pair) for pair in pairs)
        case _:
            return isinstance(one, bool) is isinstance(other, bool)
