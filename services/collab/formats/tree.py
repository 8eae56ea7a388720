"""The neutral tree that every format and every Yjs layout is read into.

A tree keeps the names of where it comes from (Slate's or Tiptap's, see `names`). In normal form,
which all functions here expect and return:
- neighbouring leaves have different marks, and no leaf is empty;
- marks have no null values: that is how Yjs says "not marked";
- a number that is whole and exact in a browser is an int, every other number a float;
- in marks, which Yjs keeps as JSON and pycrdt reads with an error in the last digit, numbers have
  at most 15 significant digits.
"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.collab import align

EXACT_INTEGER_MAX = 2**53
"""Up to here a browser's number is exact."""

EMBED = "yjs-embed"
"""Type under which a value embedded in a Y.Text is shown.

Its attribute `value` is the value, `attributes` its formatting, such as the width of a picture.
"""


WOULD_READ_OTHERWISE = (
    "The editor of this scene has no place for this; the scene would read otherwise than what was"
    " sent."
)


class BadContent(ValueError):
    """The content cannot be parsed; `place` says where, as far as it is known."""

    def __init__(self, reason: str, place: str = "") -> None:
        """Keep *reason*, a sentence, and *place*, such as `content[3].children[0].text`."""
        self.reason = reason
        self.place = place
        super().__init__(reason, place)


class CannotHold(ValueError):
    """The scene is laid out for an editor that has no room for this content."""

    def __init__(self, reason: str, place: str = "") -> None:
        """Keep *reason*, which says what to do, and *place*."""
        self.reason = reason
        self.place = place
        super().__init__(reason, place)


@dataclass(slots=True)
class Leaf:
    """Text whose characters all carry the same marks."""

    text: str
    marks: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(slots=True)
class Element:
    """A block or an inline element; `type` is None where the editor gave none."""

    type: str | None
    attrs: dict[str, Any] = field(default_factory=dict[str, Any])
    children: list["Node"] = field(default_factory=list["Node"])
    handle: Any = field(default=None, compare=False, repr=False)
    """The shared type it was read from; None for an embedded value and for what was parsed."""
    origin: "Element | None" = field(default=None, compare=False, repr=False)
    """In a view: the native element that this one shows; None for what is new (see `editors`)."""


type Node = Leaf | Element


def number(value: Any) -> Any:
    """Return *value*, JSON of any depth, with its numbers in normal form."""
    match value:
        case bool() | None | str():
            return value
        case int():
            return value if abs(value) <= EXACT_INTEGER_MAX else number(float(value))
        case float() if not math.isfinite(value):
            # As JSON.stringify has it.
            return None
        case float():
            whole = value.is_integer() and abs(value) <= EXACT_INTEGER_MAX
            return int(value) if whole else value
        case dict():
            # pycrdt gives members in another order each time.
            return {key: number(value[key]) for key in sorted(value)}  # type: ignore[reportUnknownVariableType]
        case list() | tuple():
            return [number(inner) for inner in value]  # type: ignore[reportUnknownVariableType]
        case _:
            # Bytes: shown, never written.
            return str(value)


def marks(values: dict[str, Any] | None) -> dict[str, Any]:
    """Return *values* of marks in normal form."""
    if not values:
        return {}
    return {key: _rounded(number(value)) for key, value in values.items() if value is not None}


def _rounded(value: Any) -> Any:
    match value:
        case float():
            rounded = float(f"{value:.15g}")
            return number(rounded if math.isfinite(rounded) else value)
        case dict():
            return {key: _rounded(inner) for key, inner in value.items()}  # type: ignore[reportUnknownVariableType]
        case list():
            return [_rounded(inner) for inner in value]  # type: ignore[reportUnknownVariableType]
        case _:
            return value


def joined(children: Iterable[Node]) -> list[Node]:
    """Return *children* with empty leaves dropped and equal neighbours made one."""
    found: list[Node] = []
    more: list[str] = []
    for child in children:
        if isinstance(child, Leaf):
            if not child.text:
                continue
            last = found[-1] if found else None
            if isinstance(last, Leaf) and last.marks == child.marks:
                more.append(child.text)
                continue
        if more:
            _lengthen(found, more)
        found.append(child)
    if more:
        _lengthen(found, more)
    return found


def _lengthen(found: list[Node], more: list[str]) -> None:
    """Put the texts *more* at the end of the leaf that is the last of *found*."""
    last = found[-1]
    assert isinstance(last, Leaf)
    found[-1] = Leaf("".join([last.text, *more]), last.marks)
    more.clear()


def text_of(node: Node) -> str:
    """Return all text of *node*."""
    if isinstance(node, Leaf):
        return node.text
    return "".join(text_of(child) for child in node.children)


def key_of(node: Node) -> str:
    """Return a text that is the same for equal nodes and for no others."""
    return json.dumps(_plain(node), sort_keys=True, separators=(",", ":"))


def _plain(node: Node) -> Any:
    if isinstance(node, Leaf):
        return [node.text, node.marks]
    return [node.type, node.attrs, [_plain(child) for child in node.children]]


def equals(one: Node, other: Node) -> bool:
    """Whether two nodes are equal, where true is not 1; faster than comparing their keys."""
    if isinstance(one, Leaf) or isinstance(other, Leaf):
        return (
            isinstance(one, Leaf)
            and isinstance(other, Leaf)
            and one.text == other.text
            and _equal_json(one.marks, other.marks)
        )
    return (
        one.type == other.type
        and len(one.children) == len(other.children)
        and _equal_json(one.attrs, other.attrs)
        and all(map(equals, one.children, other.children))
    )


def _equal_json(one: dict[str, Any], other: dict[str, Any]) -> bool:
    if not one and not other:
        return True
    return one == other and json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def equal_pairs(old: Sequence[Node], new: Sequence[Node]) -> list[tuple[int, int]]:
    """Pair equal nodes of *old* and *new*, in order; as many as possible, or nearly."""
    size = min(len(old), len(new))
    head = 0
    while head < size and equals(old[head], new[head]):
        head += 1
    tail = 0
    while tail < size - head and equals(old[-1 - tail], new[-1 - tail]):
        tail += 1
    gone, came = old[head : len(old) - tail], new[head : len(new) - tail]
    between: list[tuple[int, int]] = []
    if gone and came:
        between = align.equal_pairs([key_of(one) for one in gone], [key_of(one) for one in came])
    return [
        *((at, at) for at in range(head)),
        *((head + i, head + k) for i, k in between),
        *((len(old) - at, len(new) - at) for at in range(tail, 0, -1)),
    ]


def is_inline(node: Node, names: frozenset[str]) -> bool:
    """Whether *node* stands in a line of text; *names* are the elements known to."""
    return isinstance(node, Leaf) or node.type in names


def elements(nodes: Iterable[Node]) -> Iterator[Element]:
    """Yield the elements among *nodes*."""
    return (node for node in nodes if isinstance(node, Element))
