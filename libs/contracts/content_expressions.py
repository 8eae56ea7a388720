"""Content expressions of ProseMirror: whether one can be read, and the names in it."""

import re
from collections.abc import Iterator

EXPANDED_MAX = 1_000
"""Names in an expression after every repetition is written out: `(a b){3}` has six."""

_TOKEN = re.compile(r"\s*(?:(\w+)|\{(\d{1,4})(?:,(\d{0,4}))?\}|([()|+*?]))\s*", re.ASCII)


def require_expression(expression: str) -> str:
    """Return *expression* when it can be read.

    Raises:
        ValueError: It cannot be, or it is too long when its repetitions are written out.
    """
    open_groups: list[int] = []
    size = last = at = 0
    waiting = bool(expression.strip())
    while at < len(expression):
        token = _TOKEN.match(expression, at)
        if token is None:
            raise ValueError(f"no content expression: {expression[at:].strip()!r} cannot be read")
        at = token.end()
        name, least, most, sign = token.groups()
        if name:
            size, last, waiting = size + 1, 1, False
        elif sign == "(":
            open_groups.append(size)
            size, waiting = 0, True
        elif waiting:
            raise ValueError(
                f"no content expression: a name is missing before {token[0].strip()!r}"
            )
        elif sign == ")":
            if not open_groups:
                raise ValueError("no content expression: a bracket is closed that was not opened")
            last = size
            size += open_groups.pop()
        elif sign == "|":
            waiting = True
        elif least:
            times = max(int(least), int(most or 0))
            size, last = size + last * (times - 1), last * times
        if size > EXPANDED_MAX:
            raise ValueError(f"has more than {EXPANDED_MAX} names when it is written out")
    if waiting or open_groups:
        raise ValueError("no content expression: it ends too early")
    return expression


def words(expression: str) -> Iterator[str]:
    """Yield the names in an expression."""
    return (token[1] for token in _TOKEN.finditer(expression) if token[1])
