"""Surrogate pairs that something falls into, made what every Yjs client makes of them.

Yjs counts UTF-16 code units, so an edit may fall between the two halves of an emoji. A client that
takes it in then holds U+FFFD for each half. yrs, whose text is UTF-8, keeps the emoji whole and
moves the edit; from then on it counts otherwise than Yjs does. So each such pair is replaced before
yrs sees it: U+FFFD is one code unit, as a half is, and no clock changes.
"""

import re
from collections import defaultdict
from collections.abc import Sequence

from pycrdt import get_state, get_update

from libs.contracts.collab.yprotocol import Malformed, read_varuint, varuint
from services.collab.nesting import after_struct, content_at

STATE_BYTES_MIN = 32 * 1024
"""A first update of at least so many bytes is a state, and is looked into only where it is cut."""
LOOKUPS_MAX = 8
"""More places than this are not looked up in a state: walking it takes no longer then."""

_PAIR = re.compile(rb"[\xf0-\xf4][\x80-\xbf]{3}")
"""A character of two code units in UTF-8."""
_HALVES = "\ufffd\ufffd".encode()
_GC, _SKIP, _STRING, _DELETED, _JSON, _ANY = 0, 10, 4, 1, 2, 8


def replaced(updates: Sequence[bytes]) -> Sequence[bytes]:
    """Return *updates* with U+FFFD for both halves of each pair that something in them cuts.

    The first, when it is large, is taken for a state in which nothing cuts anything any more.
    Updates that cannot be walked are returned as they are.
    """
    if not any(_PAIR.search(update) for update in updates):
        return updates
    try:
        return _replaced(updates)
    except (Malformed, IndexError, ValueError):
        return updates


def _replaced(updates: Sequence[bytes]) -> Sequence[bytes]:
    head = list(updates[:1]) if len(updates) > 1 and len(updates[0]) > STATE_BYTES_MIN else []
    walks = [_Walk(update) for update in updates[len(head) :]]
    cuts: defaultdict[int, set[int]] = defaultdict(set)
    for walk in walks:
        for client, clocks in walk.cuts.items():
            cuts[client] |= clocks
    if head and _PAIR.search(head[0]) and _cut(head[0], cuts):
        head = [_Walk(head[0]).replaced(cuts)]
    return [*head, *(walk.replaced(cuts) for walk in walks)]


def _cut(state: bytes, cuts: dict[int, set[int]]) -> bool:
    """Whether one of *cuts* may fall into a pair of *state*; walking it would take longer."""
    vector = _vector(get_state(state))
    inside = [(c, at) for c, some in cuts.items() for at in some if 0 < at < vector.get(c, 0)]
    if len(inside) > LOOKUPS_MAX:
        return True
    for client, at in inside:
        # yrs begins behind a pair when it is asked for what follows its first half.
        before, behind = (
            _first_text(get_update(state, _encoded(vector | {client: clock})))
            for clock in (at - 1, at)
        )
        if _PAIR.match(before) and before != behind:
            return True
    return False


def _vector(encoded: bytes) -> dict[int, int]:
    count, at = read_varuint(encoded, 0)
    found: dict[int, int] = {}
    for _ in range(count):
        client, at = read_varuint(encoded, at)
        found[client], at = read_varuint(encoded, at)
    return found


def _encoded(vector: dict[int, int]) -> bytes:
    pairs = b"".join(varuint(client) + varuint(clock) for client, clock in vector.items())
    return varuint(len(vector)) + pairs


def _first_text(update: bytes) -> bytes:
    """Return the text with which *update* begins; empty when it begins with something else."""
    clients, at = read_varuint(update, 0)
    if not clients:
        return b""
    for _ in range(3):
        at = read_varuint(update, at)[1]
    if update[at] & 31 != _STRING:
        return b""
    size, start = read_varuint(update, content_at(update, at))
    return update[start : start + size]


class _Walk:
    """Where an update cuts, and which of its strings could be cut."""

    def __init__(self, update: bytes) -> None:
        self._update = update
        self.cuts: defaultdict[int, set[int]] = defaultdict(set)
        self._strings: list[tuple[int, int, int]] = []
        """Client, clock and place of each string that has a pair."""
        at = self._structs()
        self._deletions(at)

    def _structs(self) -> int:
        data = self._update
        clients, at = read_varuint(data, 0)
        for _ in range(clients):
            count, at = read_varuint(data, at)
            client, at = read_varuint(data, at)
            clock, at = read_varuint(data, at)
            for _ in range(count):
                info = data[at]
                kind = info & 31
                if kind in (_GC, _SKIP):
                    length, at = read_varuint(data, at + 1)
                    clock += length
                    continue
                content = self._origins(at + 1, info)
                if kind == _STRING:
                    size, start = read_varuint(data, content)
                    at = start + size
                    clock += self._string(client, clock, content, data[start:at])
                elif kind in (_DELETED, _JSON, _ANY):
                    clock += read_varuint(data, content)[0]
                    at = after_struct(data, at)
                else:
                    clock += 1
                    at = after_struct(data, at)
        return at

    def _origins(self, at: int, info: int) -> int:
        """Note what the item cuts whose *info* is before *at*; return where its content begins."""
        data = self._update
        if not info & 0xC0:
            return content_at(data, at - 1)
        for mask, after in ((0x80, 1), (0x40, 0)):
            if info & mask:
                client, at = read_varuint(data, at)
                clock, at = read_varuint(data, at)
                self.cuts[client].add(clock + after)
        return at

    def _string(self, client: int, clock: int, content: int, text: bytes) -> int:
        """Note a string that could be cut; return how many code units it has."""
        if text.isascii():
            return len(text)
        if _PAIR.search(text):
            self._strings.append((client, clock, content))
        return len(text.decode(errors="replace").encode("utf-16-le")) // 2

    def _deletions(self, at: int) -> None:
        data = self._update
        clients, at = read_varuint(data, at)
        for _ in range(clients):
            client, at = read_varuint(data, at)
            ranges, at = read_varuint(data, at)
            for _ in range(ranges):
                clock, at = read_varuint(data, at)
                length, at = read_varuint(data, at)
                self.cuts[client] |= {clock, clock + length}

    def replaced(self, cuts: dict[int, set[int]]) -> bytes:
        """Return the update with U+FFFD for both halves of each pair that *cuts* fall into."""
        pieces: list[bytes] = []
        done = 0
        for client, clock, content in self._strings:
            size, start = read_varuint(self._update, content)
            text = self._update[start : start + size]
            made = _halved(text, clock, cuts.get(client, set()))
            if made != text:
                pieces += [self._update[done:content], varuint(len(made)), made]
                done = start + size
        return b"".join([*pieces, self._update[done:]]) if pieces else self._update


def _halved(text: bytes, clock: int, cuts: set[int]) -> bytes:
    found = bytearray()
    done = 0
    for pair in _PAIR.finditer(text):
        before = text[done : pair.start()]
        clock += len(before.decode(errors="replace").encode("utf-16-le")) // 2
        found += before
        found += _HALVES if clock + 1 in cuts else pair[0]
        clock, done = clock + 2, pair.end()
    return bytes(found + text[done:])
