"""Content expressions of ProseMirror, such as `paragraph block*`, as automata.

The automaton is Glushkov's: a state for each name in the expression, so it never grows beyond the
expression, whatever that says. (The port of prosemirror-model on PyPI makes deterministic automata,
which may grow exponentially, and its `fill_before` and `find_wrapping` only append.)
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

POSITIONS_MAX = 500
"""Names in one expression, those that a count such as `{2,5}` repeats included."""
DEPTH_MAX = 50
"""Parentheses within each other."""
START = -1
"""The state before the first child."""

_TOKEN = re.compile(r"\s*([\w-]+|[()|+*?{},])")


class BadExpression(ValueError):
    """This is no content expression, or too large a one."""


@dataclass(frozen=True, slots=True)
class Content:
    """A content expression: which children a node may have, in which order."""

    names: tuple[str, ...]
    """A node type or a group at each position."""
    first: tuple[int, ...]
    follow: tuple[tuple[int, ...], ...]
    last: frozenset[int]
    empty: bool
    """Whether no children at all are allowed."""

    def after(self, state: int) -> tuple[int, ...]:
        """Return the positions that the next child may take."""
        return self.first if state == START else self.follow[state]

    def ends(self, state: int) -> bool:
        """Whether the children may end here."""
        return self.empty if state == START else state in self.last


@dataclass(slots=True)
class _Part:
    """A part of an expression: where it begins and ends, and whether it may be left out."""

    first: tuple[int, ...] = ()
    last: tuple[int, ...] = ()
    empty: bool = True


def parse(expression: str) -> Content:
    """Return the automaton of *expression*.

    Raises:
        BadExpression: It is none, or has more than POSITIONS_MAX names.
    """
    parser = _Parser(expression)
    found = parser.whole()
    return Content(
        tuple(parser.names),
        found.first,
        tuple(tuple(positions) for positions in parser.follow),
        frozenset(found.last),
        found.empty,
    )


class _Parser:
    def __init__(self, expression: str) -> None:
        self.names: list[str] = []
        self.follow: list[dict[int, None]] = []
        self._expression = expression
        self._tokens = list(_tokens(expression))
        self._at = 0
        self._depth = 0

    def whole(self) -> _Part:
        if not self._tokens:
            return _Part()
        found = self._choice()
        if self._next() is not None:
            raise self._bad()
        return found

    def _bad(self) -> BadExpression:
        return BadExpression(f"{self._expression!r} is no content expression.")

    def _next(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, token: str) -> bool:
        if self._next() != token:
            return False
        self._at += 1
        return True

    def _choice(self) -> _Part:
        found = self._sequence()
        while self._take("|"):
            other = self._sequence()
            found = _Part(
                found.first + other.first, found.last + other.last, found.empty or other.empty
            )
        return found

    def _sequence(self) -> _Part:
        found = self._repeated()
        while self._next() not in (None, "|", ")"):
            found = self._joined(found, self._repeated())
        return found

    def _joined(self, one: _Part, other: _Part) -> _Part:
        self._link(one.last, other.first)
        return _Part(
            one.first + other.first if one.empty else one.first,
            one.last + other.last if other.empty else other.last,
            one.empty and other.empty,
        )

    def _link(self, ends: Iterable[int], starts: Iterable[int]) -> None:
        for end in ends:
            self.follow[end].update(dict.fromkeys(starts))

    def _repeated(self, end: int | None = None) -> _Part:
        """Read one atom and what repeats it, which ends before token *end*."""
        begin = self._at
        found = self._atom()
        while (sign := self._next()) in ("+", "*", "?", "{") and self._at != end:
            self._at += 1
            if sign == "{":
                found = self._counted(begin, found)
                continue
            if sign != "?":
                self._link(found.last, found.first)
            found = _Part(found.first, found.last, found.empty or sign != "+")
        return found

    def _counted(self, begin: int, found: _Part) -> _Part:
        """Repeat what was read since *begin*, and once already, as often as `{…}` says."""
        end = self._at - 1
        least, most = self._counts()
        after = self._at
        parts = [found]
        while len(parts) < max(least, most or 0, 1):
            # Reading the same tokens again makes new positions.
            self._at = begin
            parts.append(self._repeated(end))
        self._at = after
        if most is None:
            self._link(parts[-1].last, parts[-1].first)
        if most == 0:
            return _Part()
        joined = _Part()
        for nth, part in enumerate(parts):
            optional = _Part(part.first, part.last, part.empty or nth >= least)
            joined = self._joined(joined, optional)
        return joined

    def _counts(self) -> tuple[int, int | None]:
        least = self._number()
        most: int | None = least
        if self._take(","):
            most = None if self._next() == "}" else self._number()
        if not self._take("}") or (most is not None and most < least):
            raise self._bad()
        return least, most

    def _number(self) -> int:
        token = self._next() or ""
        if not token.isdecimal() or len(token) > 3:
            raise self._bad()
        self._at += 1
        return int(token)

    def _atom(self) -> _Part:
        if self._take("("):
            self._depth += 1
            if self._depth > DEPTH_MAX:
                raise BadExpression(f"More than {DEPTH_MAX} parentheses within each other.")
            found = self._choice()
            if not self._take(")"):
                raise self._bad()
            self._depth -= 1
            return found
        name = self._next()
        if name is None or not re.fullmatch(r"[\w-]+", name):
            raise self._bad()
        self._at += 1
        if len(self.names) >= POSITIONS_MAX:
            raise BadExpression(f"More than {POSITIONS_MAX} names in a content expression.")
        self.names.append(name)
        self.follow.append({})
        here = (len(self.names) - 1,)
        return _Part(here, here, empty=False)


def _tokens(expression: str) -> Iterable[str]:
    at = 0
    expression = expression.rstrip()
    while at < len(expression):
        found = _TOKEN.match(expression, at)
        if not found:
            raise BadExpression(f"{expression!r} is no content expression.")
        yield found[1]
        at = found.end()
