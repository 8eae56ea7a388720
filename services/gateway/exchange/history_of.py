"""The history of a project on its way into an export: its events, and the past of its scenes.

It is there to be read and kept: what is imported begins a history of its own.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from uuid import UUID

import zstandard

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.collab.content import ContentFormat
from libs.contracts.collab.history import (
    LIST_SESSIONS,
    LIST_SNAPSHOTS,
    READ_AT,
    REPLAY_PAGE,
    SESSIONS_PAGE_MAX,
    EditingSession,
    ListSessions,
    NamedSnapshot,
    OfScene,
    ReadAt,
    Replayed,
    ReplayPage,
)
from libs.contracts.events.workspaces import READ_LOG, ReadLog
from libs.contracts.rpc import Method
from libs.contracts.wire import Wire
from services.gateway.exchange.replay_lines import frame_line

DEADLINE_S = 30.0
TRIES_MAX = 3
TRY_DELAY_S = 0.5
LOG_PAGE_BYTES_MAX = 64 << 20
"""Unpacked."""
VERSION_BYTES_MAX = 5 << 20
"""Of a named version: what a message on the bus has room for."""


class HistoryOf:
    """Reads the history of one project."""

    def __init__(self, caller: Caller, actor: Actor) -> None:
        """Read that of the actor's project over *caller*."""
        self._caller = caller
        self._actor = actor

    async def events(self) -> AsyncGenerator[bytes]:
        """Yield the log as lines, some at a time."""
        question: ReadLog | None = ReadLog()
        while question:
            page = await self._ask(READ_LOG, question)
            yield zstandard.decompress(page.body, max_output_size=LOG_PAGE_BYTES_MAX)
            question = ReadLog(after=page.after, version=page.version) if page.after else None

    async def sessions(self, scene_id: UUID) -> list[EditingSession]:
        """Return who wrote when in a scene."""
        sessions: list[EditingSession] = []
        before: int | None = None
        while True:
            question = ListSessions(document_id=scene_id, before=before, limit=SESSIONS_PAGE_MAX)
            page = await self._ask(LIST_SESSIONS, question)
            sessions += page.items
            before = page.next_before
            if before is None:
                return sessions

    async def snapshots(self, scene_id: UUID) -> list[NamedSnapshot]:
        """Return which versions of a scene have names."""
        return (await self._ask(LIST_SNAPSHOTS, OfScene(scene_id=scene_id))).items

    async def version(self, scene_id: UUID, snapshot: NamedSnapshot) -> bytes | None:
        """Return a named version as one Yjs update; None when it is gone, or more than fits."""
        if snapshot.size_bytes > VERSION_BYTES_MAX:
            return None
        question = ReadAt(
            document_id=scene_id,
            scene_id=scene_id,
            format=ContentFormat.YJS,
            at=f"snapshot:{snapshot.id}",
        )
        try:
            return (await self._ask(READ_AT, question)).body
        except (errors.NotFound, errors.Gone, errors.TooLarge):
            return None

    async def edits(self, scene_id: UUID) -> AsyncGenerator[bytes]:
        """Yield the edits of a scene as the replay tells them, page by page.

        The last line says `end`; or `error`, when the rest cannot be had.
        """
        question = ReplayPage(document_id=scene_id, scene_id=scene_id)
        seq = 0
        try:
            while True:
                page: Replayed = await self._ask(REPLAY_PAGE, question)
                seq = page.after
                if page.frames:
                    yield b"".join(map(frame_line, page.frames))
                if page.done:
                    yield _line({"end": True, "seq": seq})
                    return
                question = question.model_copy(update={"after": page.after, "upto": page.upto})
        except (errors.Gone, errors.TooLarge) as error:
            yield _line({"error": {"code": error.code, "detail": error.detail}, "seq": seq})

    async def _ask[Q: Wire, A: Wire](self, method: Method[Q, A], question: Q) -> A:
        for tried in range(1, TRIES_MAX):
            try:
                return await self._caller.ask(method, question, self._actor, deadline_s=DEADLINE_S)
            except errors.Unavailable:
                await asyncio.sleep(TRY_DELAY_S * tried)
        return await self._caller.ask(method, question, self._actor, deadline_s=DEADLINE_S)


def _line(said: object) -> bytes:
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
