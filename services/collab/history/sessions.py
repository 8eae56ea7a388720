"""Editing sessions, newest first, without reading a long log whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.collab.history.records import SQL, Records

WINDOW_ROWS_FIRST = 10_000
"""Versions looked at for a page, about 40 ms; four times as many when they are too few."""
KEPT_ROWS_FIRST = 200
GROWTH = 4


@dataclass(slots=True)
class Session:
    """Versions without a pause between them, or a piece of such a session."""

    seq_from: int
    seq_to: int
    started_at: datetime
    ended_at: datetime
    authors: dict[str, dict[str, int]]
    """User id to `{"updates", "bytes"}`."""
    updates: int
    bytes: int

    def take(self, later: "Session") -> None:
        """Become one with the piece that follows."""
        self.seq_to, self.ended_at = later.seq_to, max(self.ended_at, later.ended_at)
        self.updates += later.updates
        self.bytes += later.bytes
        for author, share in later.authors.items():
            mine = self.authors.setdefault(author, {"updates": 0, "bytes": 0})
            mine["updates"] += share["updates"]
            mine["bytes"] += share["bytes"]


def joined(pieces: Sequence[Session], pause: timedelta) -> list[Session]:
    """Join those between which the log was only cut by a compaction; *pieces* are in order."""
    found: list[Session] = []
    for piece in pieces:
        if found and piece.started_at - found[-1].ended_at <= pause:
            found[-1].take(piece)
        else:
            found.append(piece)
    return found


class SessionBook:
    """Finds editing sessions."""

    def __init__(self, records: Records, *, pause: timedelta) -> None:
        """Read from *records*; a longer pause than *pause* ends a session."""
        self._pool = records.pool
        self._pause = pause

    async def page(
        self, document: UUID, before: int | None, limit: int
    ) -> tuple[list[Session], bool]:
        """Return sessions that end before the seq *before*, and whether there are older ones."""
        ends = await self._pool.fetchrow(SQL.session_ends, document)
        assert ends is not None
        top: int = ends["head"] if before is None else before - 1
        rows, kept_rows = WINDOW_ROWS_FIRST, KEPT_ROWS_FIRST
        while True:
            found, whole = await self._newest(document, ends["kept"], top, rows, kept_rows)
            if whole or len(found) > limit:
                return found[:limit], len(found) > limit
            rows, kept_rows = rows * GROWTH, kept_rows * GROWTH

    async def _newest(
        self, document: UUID, kept_upto: int, top: int, rows: int, kept_rows: int
    ) -> tuple[list[Session], bool]:
        """Return sessions, newest first, and whether these are all; only whole ones."""
        after = max(kept_upto, top - rows)
        pieces = await self._live(document, after, top)
        whole = False
        if after == kept_upto:
            kept = await self._fetch(SQL.kept_sessions, document, top, kept_rows)
            pieces = kept[::-1] + pieces
            whole = len(kept) < kept_rows
        found = joined(pieces, self._pause)
        if not whole:
            # It may begin before the window.
            del found[:1]
        return found[::-1], whole

    async def ends(self, document: UUID, after: int, upto: int) -> list[int]:
        """Where sessions of originals after *after* end, some at least; *upto* ends the last."""
        rows = WINDOW_ROWS_FIRST
        while True:
            window = min(upto, after + rows)
            found = [one.seq_to for one in await self._live(document, after, window)]
            if window == upto:
                return [*found[:-1], upto]
            if len(found) > 1:
                return found[:-1]
            rows *= GROWTH

    async def kept_authors(self, document: UUID, seq_from: int, seq_to: int) -> list[str]:
        """Everybody who wrote in the compacted sessions that reach into these versions."""
        rows = await self._pool.fetch(SQL.kept_authors, document, seq_from, seq_to)
        return [str(row["author"]) for row in rows]

    async def _live(self, document: UUID, after: int, upto: int) -> list[Session]:
        return await self._fetch(SQL.live_sessions, document, after, self._pause, upto)

    async def _fetch(self, query: str, *args: Any) -> list[Session]:
        return [Session(**row) for row in await self._pool.fetch(query, *args)]
