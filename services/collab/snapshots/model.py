"""The state of a snapshot: freshness, life cycle, and its difference from the log. No I/O.

The checksum of a state (`yjs_checksum`) is SHA-256 over what every replica finds the same,
however it got there: the state vector by client, the deletions by client with touching ranges
joined, and the blocks as canonical JSON. The bytes of an update would not do: the same state is
encoded differently after another order of merging. What waits for a missing predecessor is in
none of the three, as nobody can see it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from typing import Any, cast

from libs.contracts.collab.persistence import Freshness, SceneState, Severity

type Block = Mapping[str, Any]
type Ranges = Sequence[tuple[int, int]]
"""From which clock up to which (not included) items are deleted, in order and not touching."""

DIFF_BLOCKS_MAX = 20
"""So many differing blocks are shown in a report; all are counted."""
EXCERPT_CHARS_MAX = 120
ALIGN_BLOCKS_MAX = 1_000
"""Longer differing stretches are compared place by place: aligning is quadratic."""
CRITICAL_SHARE = 0.5

ACTIONS: Mapping[Severity | None, str] = {
    None: "Nothing to do.",
    Severity.MINOR: "Take a new snapshot: it reads the same, only form or checksums differ.",
    Severity.MODERATE: "Repair from the log: some blocks of the snapshot read differently.",
    Severity.CRITICAL: (
        "Repair from the log now, and look for the cause: the snapshot cannot stand in for the"
        " scene, and storage or memory may be failing."
    ),
}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Ages in seconds from which a snapshot counts as stale, and as very stale."""

    stale_s: float
    very_stale_s: float


def freshness(
    snapshot_at: datetime | None, now: datetime, thresholds: Thresholds, *, complete: bool
) -> Freshness:
    """How fresh a snapshot is; a *complete* one, of a scene that did not change since, stays so."""
    if snapshot_at is None:
        return Freshness.NEVER
    age_s = (now - snapshot_at).total_seconds()
    if complete or age_s < thresholds.stale_s:
        return Freshness.FRESH
    return Freshness.STALE if age_s < thresholds.very_stale_s else Freshness.VERY_STALE


def state_of(
    *, head: int, first_snapshot_seq: int | None, compacted: bool, pruned: bool
) -> SceneState:
    """Where a scene is in its life, from what is stored of it.

    Args:
        head: The newest seq of its log, 0 without one.
        first_snapshot_seq: Where its first snapshot from Yjs stood; None before that.
        compacted: Whether a compacted row is there.
        pruned: Whether originals were removed after their retention.
    """
    if not head:
        return SceneState.CREATED
    if pruned:
        return SceneState.YJS_ARCHIVED
    if compacted:
        return SceneState.YJS_COMPACTED
    if first_snapshot_seq is None:
        return SceneState.YJS_INITIAL
    return SceneState.YJS_ACTIVE if head > first_snapshot_seq else SceneState.YJS_SYNCED


def canonical(blocks: Sequence[Block]) -> bytes:
    """Blocks as JSON that is the same for the same blocks: sorted keys, no spaces, UTF-8."""
    # A lone surrogate cannot be UTF-8; it stays visible as the escape it came from.
    text = json.dumps(blocks, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace")


def position_digest(vector: Mapping[int, int], deleted: Mapping[int, Ranges]) -> str:
    """SHA-256 (hex) of where a state stands: who wrote how much, and what of it is deleted.

    Deletions of what has not arrived are left out, like everything else that waits.
    """
    clocks = sorted((client, clock) for client, clock in vector.items() if clock)
    gone = [
        (client, start, min(end, vector.get(client, 0)))
        for client in sorted(deleted)
        for start, end in deleted[client]
        if start < vector.get(client, 0)
    ]
    return hashlib.sha256(json.dumps([clocks, gone], separators=(",", ":")).encode()).hexdigest()


def checksum(position: str, content: bytes) -> str:
    """SHA-256 (hex) of a state: its `position_digest` and its blocks as `canonical` JSON."""
    return hashlib.sha256(position.encode() + b"\n" + content).hexdigest()


def text_of(block: Block) -> str:
    """All text of a block and what is nested in it, in order."""
    if isinstance(text := block.get("text"), str):
        return text
    children = block.get("children")
    if not isinstance(children, list):
        return ""
    return "".join(text_of(child) for child in cast("list[Block]", children))


def heading(blocks: Sequence[Block]) -> str | None:
    """The text of the first scene heading, or None."""
    return next((text_of(b) for b in blocks if b.get("type") == "scene-heading"), None)


@dataclass(frozen=True, slots=True)
class Difference:
    """How the blocks of a snapshot differ from those of the log."""

    differing: int
    reads_differently: int
    shown: list[dict[str, Any]]


def compare(yjs: Sequence[Block], rest: Sequence[Block]) -> Difference:
    """Compare blocks, aligned so that one more or less does not shift the others."""
    ours, theirs = [canonical([b]) for b in yjs], [canonical([b]) for b in rest]
    differing = reads = 0
    shown: list[dict[str, Any]] = []
    for tag, i1, i2, j1, j2 in _opcodes(ours, theirs):
        if tag == "equal":
            continue
        for place in range(max(i2 - i1, j2 - j1)):
            mine = yjs[i1 + place] if i1 + place < i2 else None
            other = rest[j1 + place] if j1 + place < j2 else None
            differing += 1
            reads += _text(mine) != _text(other)
            if len(shown) < DIFF_BLOCKS_MAX:
                shown.append(
                    {
                        "yjs_index": i1 + place if mine is not None else None,
                        "rest_index": j1 + place if other is not None else None,
                        "yjs": _excerpt(mine),
                        "rest": _excerpt(other),
                    }
                )
    if list(map(text_of, yjs)) == list(map(text_of, rest)):
        # Another alignment would have said so: only forms differ.
        reads = 0
    return Difference(differing, reads, shown)


def severity(found: Difference, yjs_count: int, rest_count: int) -> Severity:
    """How bad it is that a snapshot differs, by what its reader would notice.

    MINOR: it reads the same; marks, attributes, types or checksums differ. MODERATE: some blocks
    read differently. CRITICAL: more than half of the blocks do, or one side is empty. (One that
    cannot be read at all, or stands where the log never was, is CRITICAL too.)
    """
    if not found.reads_differently:
        return Severity.MINOR
    share = found.reads_differently / max(yjs_count, rest_count)
    lost = not yjs_count or not rest_count
    return Severity.CRITICAL if lost or share > CRITICAL_SHARE else Severity.MODERATE


def _opcodes(ours: list[bytes], theirs: list[bytes]) -> list[tuple[str, int, int, int, int]]:
    start, shortest = 0, min(len(ours), len(theirs))
    while start < shortest and ours[start] == theirs[start]:
        start += 1
    end = 0
    while end < shortest - start and ours[-1 - end] == theirs[-1 - end]:
        end += 1
    mine, other = ours[start : len(ours) - end], theirs[start : len(theirs) - end]
    if len(mine) > ALIGN_BLOCKS_MAX or len(other) > ALIGN_BLOCKS_MAX:
        return [("replace", start, len(ours) - end, start, len(theirs) - end)]
    return [
        (tag, start + i1, start + i2, start + j1, start + j2)
        for tag, i1, i2, j1, j2 in SequenceMatcher(None, mine, other, autojunk=False).get_opcodes()
    ]


def _text(block: Block | None) -> str | None:
    return None if block is None else text_of(block)


def _excerpt(block: Block | None) -> str | None:
    return None if block is None else canonical([block])[1:-1].decode()[:EXCERPT_CHARS_MAX]
