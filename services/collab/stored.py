"""What the log and the heads say when they are read, damage included."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

import asyncpg
import zstandard

from services.collab.updates import checksum

LOAD_ROWS_MAX = 25_000
"""Rows read at a time: about 50 ms, most of it not on the event loop."""


class Trust(IntEnum):
    """How much of what is derived from a log may be used to read it."""

    ORIGINALS = 0
    COMPACTED = 1
    HEAD = 2


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of a scene after some seq: an optional base, then rows in order."""

    after: int
    """The seq that was asked for."""
    base_seq: int
    """Which seq the base reaches, or 0 without one."""
    base: bytes | None
    """A head or a compacted row: everything up to `base_seq` as one update."""
    seqs: list[int]
    rows: list[bytes]
    damaged: list[int]
    """Rows whose bytes no longer match their checksum; left out of `rows`."""
    excluded: list[int]
    """Quarantined rows; what is in them is in no state."""
    base_is_head: bool = False
    """Whether the base is a head; otherwise it is a compacted row."""
    base_damaged: bool = False
    full: bool = False
    """As many rows as may be read at a time: there may be more."""
    lost: int = 0
    """The newest quarantined compacted row beyond the base, or 0."""
    repairs: int = 0
    """How often what is derived from the log was made anew: what was read before may be wrong."""

    @property
    def upto(self) -> int:
        """The newest seq contained or passed over, or 0."""
        newest = self.seqs[-1] if self.seqs else self.base_seq
        return max([newest, *self.excluded[-1:], *self.damaged[-1:]])

    @property
    def pruned(self) -> bool:
        """Whether rows are missing anywhere after the base (or `after`).

        Not only before the first: of rows that were pruned, quarantined ones are still there. And
        where there are none at all a quarantined compacted row tells that there were.
        """
        if self.lost > self.upto and not self.full:
            return True
        rows = [each for each in (self.seqs, self.excluded, self.damaged) if each]
        last = max((each[-1] for each in rows), default=0)
        return last > 0 and sum(map(len, rows)) < last - max(self.base_seq, self.after)


@dataclass(frozen=True, slots=True)
class Head:
    """A head as it is stored."""

    upto: int
    state: bytes | None
    """None when it is damaged."""
    vector: bytes
    packed: bytes
    version: int
    updated_at: datetime


def stored_of(
    records: Sequence[asyncpg.Record], after: int, rows_max: int = LOAD_ROWS_MAX
) -> Stored:
    """Read the answer of the query `load` or `rows`."""
    base_seq, base, base_is_head, base_damaged = 0, None, False, False
    seqs: list[int] = []
    rows: list[bytes] = []
    damaged: list[int] = []
    excluded: list[int] = []
    lost, repairs = 0, 0
    for record in records:
        body: bytes | None = record["body"]
        if record["seq"] == 0:
            repairs = record["checksum"]
        elif record["is_base"] is None:
            lost = record["seq"]
        elif body is None:
            excluded.append(record["seq"])
        elif record["is_base"]:
            base_seq = record["seq"]
            base_is_head = record["size"] is not None
            base = unpack(body, record["size"]) if base_is_head else body
            base_damaged = base is None or checksum(base) != record["checksum"]
        elif checksum(body) != record["checksum"]:
            damaged.append(record["seq"])
        else:
            seqs.append(record["seq"])
            rows.append(body)
    full = len(records) - (repairs > 0) >= rows_max
    return Stored(
        after,
        base_seq,
        base,
        seqs,
        rows,
        damaged,
        excluded,
        base_is_head=base_is_head,
        base_damaged=base_damaged,
        full=full,
        lost=lost,
        repairs=repairs,
    )


def unpack(packed: bytes, size: int) -> bytes | None:
    """Decompress *packed*, which must be *size* bytes then; None when it is damaged."""
    # The frame's own size is checked first: a damaged one must not make us allocate gigabytes.
    try:
        if zstandard.frame_content_size(packed) != size:
            return None
        return zstandard.decompress(packed, max_output_size=size)
    except zstandard.ZstdError:
        return None
