"""A three-way merge of blocks: the changes of two sides to one base, and their conflicts. No I/O.

Blocks that only one side touched are never in conflict, nor are new blocks, wherever they stand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from libs.contracts.collab.branches import (
    CONFLICT_TEXT_CHARS_MAX,
    BlockConflict,
    ConflictKind,
    MergeStrategy,
)
from services.collab.history.blocks import Block, key, pair, text_of
from services.collab.textdiff import regions

_WHY = {
    ConflictKind.BOTH_CHANGED: "The scene and the branch both changed this block since the base.",
    ConflictKind.DELETED_IN_SCENE: "The branch changed a block that the scene deleted.",
    ConflictKind.DELETED_IN_BRANCH: "The scene changed a block that the branch deleted.",
}


@dataclass(frozen=True, slots=True)
class Side:
    """The changes of one side to the base."""

    became: list[Block | None]
    """Each block of the base as it is now; None when it was deleted."""
    added: list[list[Block]]
    """New blocks before each block of the base, and at the end."""


def follow(base: Sequence[Block], now: Sequence[Block]) -> Side:
    """Find out what became of each block of *base*.

    A block that moved counts as deleted here and added there, as editors do it.
    """
    equal, changed = pair(base, now)
    place = dict([*equal, *changed])
    became = [now[place[i]] if i in place else None for i in range(len(base))]
    origin = {k: i for i, k in place.items()}
    added: list[list[Block]] = [[] for _ in range(len(base) + 1)]
    before = 0
    for k, block in enumerate(now):
        if k in origin:
            before = origin[k] + 1
        else:
            added[before].append(block)
    return Side(became, added)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Base, scene and branch, block by block."""

    base: list[Block]
    scene: Side
    branch: Side

    @classmethod
    def of(cls, base: list[Block], scene: Sequence[Block], branch: Sequence[Block]) -> "Comparison":
        """Compare both sides with *base*."""
        return cls(base, follow(base, scene), follow(base, branch))

    def conflicts(self) -> list[BlockConflict]:
        """Return the blocks that both sides changed differently."""
        found: list[BlockConflict] = []
        for i, block in enumerate(self.base):
            kind = self._kind(i)
            if kind is None:
                continue
            found.append(
                BlockConflict(
                    block=i,
                    kind=kind,
                    base=_shown(block) or "",
                    scene=_shown(self.scene.became[i]),
                    branch=_shown(self.branch.became[i]),
                    explanation=_WHY[kind],
                )
            )
        return found

    def _kind(self, i: int) -> ConflictKind | None:
        scene, branch = self.scene.became[i], self.branch.became[i]
        known = key(self.base[i])
        if _same(scene, self.base[i]) or _same(branch, self.base[i]) or _same(scene, branch):
            return None
        if scene is None:
            return None if branch is None or key(branch) == known else ConflictKind.DELETED_IN_SCENE
        return ConflictKind.BOTH_CHANGED if branch else ConflictKind.DELETED_IN_BRANCH

    def merged(self, strategy: MergeStrategy) -> list[Block]:
        """All blocks, with conflicts decided by *strategy*."""
        found: list[Block] = []
        for i, block in enumerate(self.base):
            found += self._added(i)
            found += self._decided(i, block, strategy)
        return found + self._added(len(self.base))

    def _added(self, i: int) -> list[Block]:
        scene, branch = self.scene.added[i], self.branch.added[i]
        known = {key(block) for block in scene}
        return scene + [block for block in branch if key(block) not in known]

    def _decided(self, i: int, block: Block, strategy: MergeStrategy) -> list[Block]:
        scene, branch = self.scene.became[i], self.branch.became[i]
        if self._kind(i) is None:
            kept = branch if _same(scene, block) else scene
            return [kept] if kept is not None else []
        match strategy:
            case MergeStrategy.OURS:
                return [scene] if scene is not None else []
            case MergeStrategy.THEIRS:
                return [branch] if branch is not None else []
            case MergeStrategy.MERGE:
                if scene is None or branch is None:
                    return [kept for kept in (scene, branch) if kept is not None]
                both = merged_block(block, scene, branch)
                # What cannot be woven together stands below one another: nothing is lost.
                return [both] if both else [scene, branch]


def _same(one: Block | None, other: Block | None) -> bool:
    if one is None or other is None:
        return one is other
    return key(one) == key(other)


def _shown(block: Block | None) -> str | None:
    return None if block is None else text_of(block)[:CONFLICT_TEXT_CHARS_MAX]


def merged_block(base: Block, scene: Block, branch: Block) -> Block | None:
    """Weave two versions of a block together: all insertions, all deletions, all marks.

    None when one of them holds more than lines of text with marks.
    """
    if any(not _is_plain(one) for one in (base, scene, branch)):
        return None
    words = [text_of(one) for one in (base, scene, branch)]
    ours, theirs = _edits(words[0], words[1]), _edits(words[0], words[2])
    marks = [_marks(one) for one in (base, scene, branch)]
    woven: list[tuple[str, dict[str, Any]]] = []

    def insert(side: _Edits, its_marks: list[dict[str, Any]], at: int) -> str:
        start, end = side.inserted.get(at, (0, 0))
        woven.extend((side.text[n], its_marks[n]) for n in range(start, end))
        return side.text[start:end]

    for at in range(len(words[0]) + 1):
        came = insert(ours, marks[1], at)
        start, end = theirs.inserted.get(at, (0, 0))
        if theirs.text[start:end] != came:
            insert(theirs, marks[2], at)
        if at < len(words[0]) and ours.place[at] >= 0 and theirs.place[at] >= 0:
            one, other = marks[1][ours.place[at]], marks[2][theirs.place[at]]
            woven.append((words[0][at], other if one == marks[0][at] else one))
    kept = branch if _frame(scene) == _frame(base) else scene
    return {**kept, "children": _leaves(woven)}


@dataclass(frozen=True, slots=True)
class _Edits:
    """A text as it came from a base."""

    text: str
    place: list[int]
    """Where each character of the base is now; -1 when it was deleted."""
    inserted: dict[int, tuple[int, int]]
    """Text inserted before a character of the base: its start and end in the new text."""


def _edits(base: str, text: str) -> _Edits:
    place: list[int] = []
    inserted: dict[int, tuple[int, int]] = {}
    at = 0
    for start, end, first, last in regions(base, text):
        place += range(at, at + start - len(place))
        place += [-1] * (end - start)
        if last > first:
            inserted[start] = (first, last)
        at = last
    place += range(at, at + len(base) - len(place))
    return _Edits(text, place, inserted)


def _is_plain(block: Block) -> bool:
    children = block.get("children")
    return isinstance(children, list) and all("text" in child for child in children)  # pyright: ignore[reportUnknownVariableType]


def _frame(block: Block) -> str:
    return key({name: value for name, value in block.items() if name != "children"})


def _marks(block: Block) -> list[dict[str, Any]]:
    """The marks of each character."""
    found: list[dict[str, Any]] = []
    for child in block["children"]:
        marks = {name: value for name, value in child.items() if name != "text"}
        found += [marks] * len(child["text"])
    return found


def _leaves(characters: Sequence[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    last: dict[str, Any] | None = None
    for character, marks in characters:
        if marks == last:
            found[-1]["text"] += character
        else:
            found.append({"text": character, **marks})
            last = marks
    return found or [{"text": ""}]
