"""A Yjs document that knows the id of each of its characters. No I/O.

pycrdt (0.14) shows text without the ids of its characters, and anchors and authorship are about
nothing else. This is the integration of Yjs itself (YATA: `src/structs/Item.js` of yjs 13, method
`integrate`), without what only serves shared maps, undo and events. It takes the same bytes as
pycrdt does and shows the same text; tests compare both on real and random logs.
"""

from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from services.collab.review import structs
from services.collab.review.structs import DeleteSet, Id, Struct

MAX_CLOCK = 2**53
_HALF = "\ufffd"
_PENDING_MAX = 100_000
"""Structs that wait for others; more are not kept, as with a log that lost its beginning."""

_DEAD_BETWEEN_MAX = 1_000
"""Deleted items that are passed over to find what stands beside a text."""


class Item:
    """Neighbouring ids that came together and still are."""

    __slots__ = (
        "branch",
        "client",
        "clock",
        "deleted",
        "key",
        "kind",
        "left",
        "origin",
        "parent",
        "right",
        "right_origin",
        "size",
        "text",
    )

    def __init__(self, struct: Struct) -> None:
        """Take what *struct* says; it stands nowhere yet."""
        self.client = struct.client
        self.clock = struct.clock
        self.size = struct.size
        self.kind = struct.kind
        self.text = struct.text
        self.origin = struct.origin
        self.right_origin = struct.right_origin
        self.key = struct.key
        self.parent: Branch | None = None
        self.branch: Branch | None = None
        self.left: Item | None = None
        self.right: Item | None = None
        self.deleted = struct.kind == structs.DELETED

    @property
    def last(self) -> Id:
        """The last of its ids."""
        return self.client, self.clock + self.size - 1


class Branch:
    """A root or an element: a sequence of items."""

    __slots__ = ("attributes", "item", "start")

    def __init__(self, item: Item | None) -> None:
        """Begin empty; *item* is the element, None for a root."""
        self.item = item
        self.start: Item | None = None
        self.attributes: list[Item] = []

    @property
    def deleted(self) -> bool:
        """Whether the element itself is gone."""
        return self.item is not None and self.item.deleted


class Fate(Enum):
    """The characters that one update brought and deleted."""

    KEPT = "kept"
    GONE = "gone"
    CAME = "came"


@dataclass(frozen=True, slots=True)
class Change:
    """The change of a document's text by one update."""

    came: DeleteSet
    """Ids that are new, per client as ranges (first, end)."""
    gone: DeleteSet
    """Ids that were shown, or stood in elements that were, and are deleted now."""


class Ranges:
    """Ranges of ids, sorted to be asked often."""

    def __init__(self, ranges: DeleteSet) -> None:
        """Sort *ranges*, which do not overlap."""
        self._sorted = {client: sorted(own) for client, own in ranges.items()}

    def hold(self, client: int, clock: int) -> bool:
        """Whether an id is in one of them."""
        own = self._sorted.get(client)
        if not own:
            return False
        at = bisect_right(own, (clock, MAX_CLOCK)) - 1
        return at >= 0 and clock < own[at][1]

    def touch(self, client: int, first: int, end: int) -> bool:
        """Whether one of the ids from *first* to before *end* is in one of them."""
        own = self._sorted.get(client)
        if not own:
            return False
        at = bisect_right(own, (first, MAX_CLOCK)) - 1
        return (at >= 0 and first < own[at][1]) or (at + 1 < len(own) and own[at + 1][0] < end)


@dataclass(frozen=True, slots=True)
class Run:
    """Characters that follow each other in a text and in their ids."""

    client: int
    clock: int
    text: str
    """UTF-16 code units, one character each."""


def joined(runs: Iterable[Run]) -> Iterator[Run]:
    """Yield *runs*, one where several follow each other in their ids, too."""
    parts: list[str] = []
    client = clock = end = -1
    for run in runs:
        if parts and (run.client, run.clock) != (client, end):
            yield Run(client, clock, "".join(parts))
            parts = []
        if not parts:
            client, clock = run.client, run.clock
        parts.append(run.text)
        end = run.clock + len(run.text)
    if parts:
        yield Run(client, clock, "".join(parts))


class CharacterDocument:
    """A document that takes updates in and tells which characters it shows, with their ids."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.roots: dict[str, Branch] = {}
        self._items: dict[int, list[Item]] = {}
        self._starts: dict[int, list[int]] = {}
        self._waiting: dict[int, list[Struct]] = {}
        self._waiting_deletions: DeleteSet = {}
        self._came: DeleteSet = {}
        self._gone: DeleteSet = {}

    def apply(self, update: bytes) -> Change:
        """Take *update* in and return what it did; what lacks a predecessor waits for it.

        Raises:
            BadUpdate: It cannot be decoded.
        """
        found, deleted = structs.decode(update)
        self._came, self._gone = {}, {}
        queues = self._waiting
        for own in found:
            if own:
                queue = queues.setdefault(own[0].client, [])
                queue += own
                queue.sort(key=lambda struct: struct.clock)
        self._integrate_all(queues)
        self._waiting = {client: queue for client, queue in queues.items() if queue}
        if sum(map(len, self._waiting.values())) > _PENDING_MAX:
            self._waiting = {}
        for client, ranges in self._waiting_deletions.items():
            deleted.setdefault(client, []).extend(ranges)
        self._waiting_deletions = self._delete(deleted)
        return Change(self._came, self._gone)

    def reached(self, client: int) -> int:
        """Return the clock that *client* will use next."""
        starts = self._starts.get(client)
        if not starts:
            return 0
        return starts[-1] + self._items[client][-1].size

    def clocks(self) -> dict[int, int]:
        """Return the clock that each client will use next: the state vector."""
        return {client: self.reached(client) for client in self._items}

    def knows(self, ident: Id) -> bool:
        """Whether *ident* is part of the document, shown or not."""
        return 0 <= ident[1] < self.reached(ident[0])

    def shows(self, ident: Id) -> bool:
        """Whether *ident* is a character that is shown."""
        item = self._find(ident)
        return item is not None and item.kind == structs.STRING and _visible(item)

    def stands(self, ident: Id) -> bool:
        """Whether *ident*, deleted or not, is in an element that is not deleted itself."""
        item = self._find(ident)
        if item is None or item.parent is None or item.kind == structs.GC:
            return False
        branch: Branch | None = item.parent
        while branch is not None and branch.item is not None:
            if branch.item.deleted:
                return False
            branch = branch.item.parent
        return branch is not None

    def around(self, ident: Id) -> tuple[Id | None, list[Id]]:
        """Return the id right after *ident* in its sequence, shown or not, and its elements' ids.

        Raises:
            KeyError: The document does not know *ident*, or forgot where it stood.
        """
        item = self._find(ident)
        if item is None or item.parent is None:
            raise KeyError(ident)
        after: Id | None = None
        if item.last != ident:
            after = ident[0], ident[1] + 1
        elif item.right is not None:
            after = item.right.client, item.right.clock
        elements: list[Id] = []
        branch: Branch | None = item.parent
        while branch is not None and branch.item is not None:
            elements.append((branch.item.client, branch.item.clock))
            branch = branch.item.parent
        return after, elements

    def runs(self, root: str) -> Iterator[Run]:
        """Yield all characters that *root* shows, in order."""
        for item in self._walk(root):
            if item.kind == structs.STRING and not item.deleted:
                yield Run(item.client, item.clock, item.text)

    def parts(self, root: str, change: Change) -> Iterator[tuple[Run, Fate]]:
        """Yield what *root* showed before or shows after *change*, the newest one, in order."""
        came, gone = Ranges(change.came), Ranges(change.gone)
        for item in self._walk(root, deleted=True):
            if item.kind != structs.STRING:
                continue
            run = Run(item.client, item.clock, item.text)
            # An update cuts items where its ranges end, so one id decides for the whole item.
            if came.hold(item.client, item.clock):
                if _visible(item):
                    yield run, Fate.CAME
            elif item.deleted:
                if gone.hold(item.client, item.clock):
                    yield run, Fate.GONE
            else:
                yield run, Fate.KEPT

    def stretches(self, ids: DeleteSet, *, shown: bool) -> Iterator[list[Run]]:
        """Yield the text of *ids*, all *shown* or all deleted, as runs that stand side by side.

        *ids* are the `came` or `gone` of the last change.
        """
        own: dict[Item, None] = {}
        for client, ranges in ids.items():
            items = self._items.get(client, [])
            for first, end in ranges:
                for at in range(max(self._index((client, first)), 0), len(items)):
                    item = items[at]
                    if item.clock >= end:
                        break
                    if item.kind == structs.STRING and (_visible(item) or not shown):
                        own[item] = None
        for item in own:
            if _beside(item.left, own, "left") is not None:
                continue
            runs: list[Run] = []
            part: Item | None = item
            while part is not None:
                runs.append(Run(part.client, part.clock, part.text))
                part = _beside(part.right, own, "right")
            yield runs

    def gap(self, ident: Id, *, after: bool = False) -> tuple[str, int] | None:
        """Return the root of *ident*, and how many characters it shows before that, or *after* it.

        An element counts with all that is in it. None for what is unknown, and for what was in an
        element whose content is forgotten.
        """
        wanted = self._find(ident)
        if wanted is None or wanted.parent is None:
            return None
        for root in self.roots:
            before = 0
            found: int | None = None
            for item in self._walk(root, deleted=True):
                if found is not None and not _within(item, wanted):
                    return root, before
                if item is wanted:
                    inside = ident[1] - item.clock + after if not item.deleted else 0
                    if item.kind == structs.STRING:
                        return root, before + inside
                    if not after:
                        return root, before
                    found = before
                if item.kind == structs.STRING and not item.deleted:
                    before += item.size
            if found is not None:
                return root, before
        return None

    def _walk(self, root: str, *, deleted: bool = False) -> Iterator[Item]:
        branch = self.roots.get(root)
        stack = [branch.start] if branch else []
        while stack:
            item = stack.pop()
            while item is not None:
                yield item
                if item.branch is not None and (deleted or not item.deleted):
                    stack.append(item.right)
                    item = item.branch.start
                else:
                    item = item.right

    def _integrate_all(self, queues: dict[int, list[Struct]]) -> None:
        """Integrate what can be, in any order that its origins allow."""
        at = dict.fromkeys(queues, 0)
        progress = True
        while progress:
            progress = False
            # Yjs writes higher clients first, and they tend to build on lower ones.
            for client in sorted(queues):
                queue, place = queues[client], at[client]
                while place < len(queue) and self._try(queue[place]):
                    place += 1
                progress = progress or place > at[client]
                at[client] = place
        for client, queue in queues.items():
            del queue[: at[client]]

    def _try(self, struct: Struct) -> bool:
        """Integrate *struct*; False when something that it names is not there yet."""
        known = self.reached(struct.client)
        if struct.clock > known:
            return False
        offset = known - struct.clock
        if offset >= struct.size:
            return True
        for ident in (struct.origin, struct.right_origin, struct.parent):
            if isinstance(ident, tuple) and not self.knows(ident):
                return False
        item = Item(struct)
        if offset:
            item.clock += offset
            item.size -= offset
            item.origin = (item.client, item.clock - 1)
            item.text = item.text[offset:]
        self._integrate(item, struct.parent)
        self._items.setdefault(item.client, []).append(item)
        self._starts.setdefault(item.client, []).append(item.clock)
        _note(self._came, item)
        return True

    def _integrate(self, item: Item, named: str | Id | None) -> None:
        if item.kind == structs.GC:
            item.deleted = True
            return
        left = self._ending(item.origin) if item.origin else None
        right = self._starting(item.right_origin) if item.right_origin else None
        parent = self._parent(item, named, left, right)
        if parent is None:
            item.kind, item.deleted = structs.GC, True
            return
        item.parent = parent
        if item.kind == structs.TYPE:
            item.branch = Branch(item)
        if item.key is not None:
            # Attributes show no text, so which of them wins decides nothing here.
            parent.attributes.append(item)
        else:
            left = self._place(item, parent, left, right)
            item.left = left
            if left is None:
                item.right, parent.start = parent.start, item
            else:
                item.right, left.right = left.right, item
            if item.right is not None:
                item.right.left = item
        if parent.deleted:
            self._remove(item)

    def _parent(
        self, item: Item, named: str | Id | None, left: Item | None, right: Item | None
    ) -> Branch | None:
        if isinstance(named, str):
            return self.roots.setdefault(named, Branch(None))
        if named is not None:
            holder = self._find(named)
            return holder.branch if holder is not None else None
        if item.origin and (left is None or left.parent is None):
            return None
        if item.right_origin and (right is None or right.parent is None):
            return None
        beside = left or right
        if beside is None:
            return None
        item.key = beside.key
        return beside.parent

    def _place(
        self, item: Item, parent: Branch, left: Item | None, right: Item | None
    ) -> Item | None:
        """Return behind which item *item* stands, as all replicas decide it."""
        at = left.right if left is not None else parent.start
        if at is right:
            return left
        seen: set[Item] = set()
        conflicting: set[Item] = set()
        while at is not None and at is not right:
            seen.add(at)
            conflicting.add(at)
            if at.origin == item.origin:
                if at.client < item.client:
                    left = at
                    conflicting.clear()
                elif at.right_origin == item.right_origin:
                    break
            elif at.origin is not None and (before := self._find(at.origin)) in seen:
                if before not in conflicting:
                    left = at
                    conflicting.clear()
            else:
                break
            at = at.right
        return left

    def _index(self, ident: Id) -> int:
        """Return which item of its client holds *ident*; -1 when there is none."""
        client, clock = ident
        starts = self._starts.get(client)
        if not starts or not self.knows(ident):
            return -1
        return bisect_right(starts, clock) - 1

    def _find(self, ident: Id) -> Item | None:
        at = self._index(ident)
        return self._items[ident[0]][at] if at >= 0 else None

    def _ending(self, ident: Id) -> Item | None:
        """Return the item that ends with *ident*, cut off there if need be."""
        at = self._index(ident)
        if at < 0:
            return None
        item = self._items[ident[0]][at]
        if item.last != ident and item.kind != structs.GC:
            self._split(at, item, ident[1] + 1)
        return item

    def _starting(self, ident: Id) -> Item | None:
        """Return the item that begins with *ident*, cut there if need be."""
        at = self._index(ident)
        if at < 0:
            return None
        item = self._items[ident[0]][at]
        if item.clock != ident[1] and item.kind != structs.GC:
            return self._split(at, item, ident[1])
        return item

    def _split(self, at: int, item: Item, clock: int) -> Item:
        """Cut *item* before *clock*; returns what follows."""
        offset = clock - item.clock
        rest = Item.__new__(Item)
        rest.client, rest.clock, rest.size = item.client, clock, item.size - offset
        rest.kind, rest.key, rest.parent, rest.branch = item.kind, item.key, item.parent, None
        rest.origin, rest.right_origin = (item.client, clock - 1), item.right_origin
        rest.deleted = item.deleted
        text, rest.text = item.text[:offset], item.text[offset:]
        if text and "\ud800" <= text[-1] < "\udc00":
            # Yjs makes both halves of a pair that is cut U+FFFD.
            text, rest.text = text[:-1] + _HALF, _HALF + rest.text[1:]
        item.text, item.size = text, offset
        rest.left, rest.right = item, item.right
        if item.key is None and item.parent is not None:
            item.right = rest
            if rest.right is not None:
                rest.right.left = rest
        elif item.parent is not None:
            item.parent.attributes.append(rest)
        self._items[item.client].insert(at + 1, rest)
        self._starts[item.client].insert(at + 1, clock)
        return rest

    def _delete(self, deleted: DeleteSet) -> DeleteSet:
        """Delete what is there of *deleted*; returns the rest."""
        rest: DeleteSet = {}
        for client, ranges in deleted.items():
            reached = self.reached(client)
            for first, end in ranges:
                if end > reached:
                    rest.setdefault(client, []).append((max(first, reached), end))
                if first < min(end, reached):
                    self._delete_range(client, first, min(end, reached))
        return rest

    def _delete_range(self, client: int, first: int, end: int) -> None:
        items = self._items[client]
        at = self._index((client, first))
        item = items[at]
        if item.clock < first and not item.deleted:
            self._split(at, item, first)
            at += 1
        while at < len(items) and items[at].clock < end:
            item = items[at]
            if not item.deleted:
                if item.clock + item.size > end:
                    self._split(at, item, end)
                self._remove(item)
            at += 1

    def _remove(self, item: Item) -> None:
        """Delete *item* and all that is in it."""
        stack = [item]
        while stack:
            one = stack.pop()
            if one.deleted:
                continue
            one.deleted = True
            _note(self._gone, one)
            if one.branch is not None:
                stack += one.branch.attributes
                inner = one.branch.start
                while inner is not None:
                    stack.append(inner)
                    inner = inner.right


def _note(ranges: DeleteSet, item: Item) -> None:
    """Add the ids of *item* to *ranges*."""
    own = ranges.setdefault(item.client, [])
    end = item.clock + item.size
    if own and own[-1][1] == item.clock:
        own[-1] = own[-1][0], end
    else:
        own.append((item.clock, end))


def _beside(item: Item | None, own: Container[Item], side: Literal["left", "right"]) -> Item | None:
    """Return the next of *own* from *item* on if nothing that is shown stands between."""
    for _ in range(_DEAD_BETWEEN_MAX):
        if item is None or item in own:
            return item
        if not item.deleted and item.kind != structs.FORMAT:
            return None
        item = item.left if side == "left" else item.right
    return None


def _visible(item: Item) -> bool:
    """Whether neither *item* nor an element around it is deleted."""
    if item.deleted or item.key is not None:
        return False
    branch = item.parent
    while branch is not None and branch.item is not None:
        if branch.item.deleted or branch.item.key is not None:
            return False
        branch = branch.item.parent
    return branch is not None


def _within(item: Item, element: Item) -> bool:
    """Whether *item* stands in *element*."""
    branch = item.parent
    while branch is not None and branch.item is not None:
        if branch.item is element:
            return True
        branch = branch.item.parent
    return False
