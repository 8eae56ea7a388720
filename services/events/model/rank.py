"""Ranks: text keys between any two of which there is room for another.

A rank is a whole number and a fraction in base 62, compared byte by byte. The first character
tells the sign and length of the whole part (`a0` is zero, `a1` one, `Zz` minus one), so that
adding at either end keeps ranks short: a million appends need five characters. A fraction never
ends in `0`, so there is always room below it. Inserting again and again into the narrowest gap
costs about one character per six inserts; past RANK_CHARS_MAX siblings are ranked anew.

The scheme is the one of David Greenspan's "Implementing Fractional Indexing".
"""

RANK_CHARS_MAX = 200
"""The length above which siblings are ranked again; the column allows more, so nothing fails."""

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ZERO, _LAST = _DIGITS[0], _DIGITS[-1]
_FIRST_RANK = "a0"


def between(low: str | None, high: str | None) -> str:
    """Return a rank above *low* and below *high*; None stands for no bound.

    Raises:
        ValueError: *low* is not below *high*.
    """
    if low is None and high is None:
        return _FIRST_RANK
    if high is None:
        assert low is not None
        whole = _whole(low)
        return _successor(whole) or whole + _midpoint(low[len(whole) :], None)
    if low is None:
        whole = _whole(high)
        if len(high) > len(whole):
            return whole
        return _predecessor(whole) or whole + _midpoint("", high[len(whole) :])
    if low >= high:
        raise ValueError(f"{low!r} is not below {high!r}")
    whole, above = _whole(low), _whole(high)
    if whole == above:
        return whole + _midpoint(low[len(whole) :], high[len(whole) :])
    following = _successor(whole)
    if following is not None and following < high:
        return following
    return whole + _midpoint(low[len(whole) :], None)


def after(low: str | None, count: int) -> list[str]:
    """Return *count* ranks above *low*, in order."""
    ranks: list[str] = []
    for _ in range(count):
        low = between(low, None)
        ranks.append(low)
    return ranks


def _whole(rank: str) -> str:
    head = rank[0]
    length = ord(head) - ord("a") if head >= "a" else ord("Z") - ord(head)
    return rank[: length + 2]


def _midpoint(low: str, high: str | None) -> str:
    """Return a fraction between two fractions; no *high* stands for one."""
    shared = ""
    if high is not None:
        same = 0
        while (low[same] if same < len(low) else _ZERO) == high[same]:
            same += 1
        shared, low, high = high[:same], low[same:], high[same:]
    while True:
        first = _DIGITS.index(low[0]) if low else 0
        last = _DIGITS.index(high[0]) if high is not None else len(_DIGITS)
        if last - first > 1:
            return shared + _DIGITS[(first + last + 1) // 2]
        if high is not None and len(high) > 1:
            return shared + high[0]
        shared, low, high = shared + _DIGITS[first], low[1:], None


def _successor(whole: str) -> str | None:
    head, digits = whole[0], whole[1:].rstrip(_LAST)
    carried = len(whole) - 1 - len(digits)
    if digits:
        raised = _DIGITS[_DIGITS.index(digits[-1]) + 1]
        return head + digits[:-1] + raised + _ZERO * carried
    if head == "Z":
        return _FIRST_RANK
    if head == "z":
        return None
    return chr(ord(head) + 1) + _ZERO * (carried + (1 if head >= "a" else -1))


def _predecessor(whole: str) -> str | None:
    head, digits = whole[0], whole[1:].rstrip(_ZERO)
    borrowed = len(whole) - 1 - len(digits)
    if digits:
        lowered = _DIGITS[_DIGITS.index(digits[-1]) - 1]
        return head + digits[:-1] + lowered + _LAST * borrowed
    if head == "a":
        return "Z" + _LAST
    if head == "A":
        return None
    return chr(ord(head) - 1) + _LAST * (borrowed + (-1 if head > "a" else 1))
