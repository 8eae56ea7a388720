"""HTTP ranges: one range of bytes; anything else is answered with the whole."""

import re

from libs import errors

_RANGE = re.compile(r"^bytes=(\d{0,19})-(\d{0,19})$")


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return start and length of the one range asked for, None for the whole.

    Several ranges, other units and malformed ones are ignored, as RFC 9110 allows.

    Raises:
        errors.RangeNotSatisfiable: It begins behind the end.
    """
    match = _RANGE.match((header or "").strip().replace(" ", ""))
    if match is None or match[1] == match[2] == "":
        return None
    if match[1] == "":
        length = min(int(match[2]), size)
        start = size - length
    else:
        start = int(match[1])
        last = int(match[2]) if match[2] else size - 1
        if last < start and match[2]:
            return None
        length = min(last, size - 1) - start + 1
    if length <= 0:
        raise errors.RangeNotSatisfiable(size=size)
    return start, length
