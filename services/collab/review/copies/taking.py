"""Hands out the conversations of a scene, page by page."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

import asyncpg
import zstandard

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.collab.conversations import (
    PAGE_BYTES,
    REACTION_PEOPLE_MAX,
    ConversationPage,
    TakeConversation,
)
from libs.postgres import Pool, load_queries
from libs.postgres.pool import UNREACHABLE
from services.collab.review.anchors.anchors import Anchors
from services.collab.review.copies.lines import (
    comment_line,
    hunk_line,
    patch_line,
    suggestion_line,
    thread_line,
)

SQL = load_queries("services.collab.review.copies")

ROWS_TOGETHER = 50
COMMENTS_TOGETHER = 20
COMMENTS_TOGETHER_BYTES = 32 * 1024
"""Comments that are read with their threads: so many of each, or so many bytes."""
ZSTD_LEVEL = 3
_NIL = UUID(int=0)


type _Kind = Literal["thread", "suggestion", "patch"]
_KINDS: tuple[_Kind, ...] = ("thread", "suggestion", "patch")


@dataclass(frozen=True, slots=True)
class _Place:
    """The last line of a page: a thread, suggestion or patch, or *part* of one.

    Parts are the comments of a thread and the hunks of a patch, by their numbers.
    """

    kind: _Kind = "thread"
    count: int = 0
    id: UUID = _NIL
    part: int = 0

    def __str__(self) -> str:
        return f"{self.kind}:{self.count}:{self.id}:{self.part}"

    @staticmethod
    def of(cursor: str | None) -> "_Place":
        """Return the place that *cursor* tells; without one, the beginning."""
        if cursor is None:
            return _Place()
        try:
            kind, count, ident, part = cursor.split(":")
            return _Place(_KINDS[_KINDS.index(kind)], int(count), UUID(ident), int(part))
        except ValueError as error:
            raise errors.Invalid("It is not a place among conversations.") from error


class ConversationReader:
    """Reads threads, comments, suggestions and patches of scenes as lines."""

    def __init__(self, pool: Pool, anchors: Anchors) -> None:
        """Read from *pool*; *anchors* are brought up to date first."""
        self._pool = pool
        self._anchors = anchors

    async def take(self, question: TakeConversation, actor: Actor) -> ConversationPage:
        """Return the next lines."""
        scene, project = question.scene_id, actor.scope()
        place = _Place.of(question.after)
        lines: list[bytes] = []
        last, size = place, 0
        try:
            if question.after is None:
                await self._anchors.follow(scene)
            kinds = _KINDS if question.patches else _KINDS[:2]
            async with aclosing(self._lines(project, scene, place, kinds)) as found:
                async for line, here in found:
                    lines.append(line)
                    last, size = here, size + len(line)
                    if size >= PAGE_BYTES:
                        break
        except (*UNREACHABLE, asyncpg.PostgresError) as error:
            raise errors.Unavailable from error
        packed = zstandard.compress(b"".join(lines), ZSTD_LEVEL) if lines else b""
        after = str(last) if size >= PAGE_BYTES else None
        return ConversationPage.model_construct(packed=packed, size=size, after=after)

    async def _lines(
        self, project: UUID, scene: UUID, place: _Place, kinds: Sequence[_Kind]
    ) -> AsyncGenerator[tuple[bytes, _Place]]:
        readers = {
            "thread": self._threads,
            "suggestion": self._suggestions,
            "patch": self._patches,
        }
        for kind in kinds[kinds.index(place.kind) :]:
            begin = place if kind == place.kind else _Place(kind)
            async for each in readers[kind](project, scene, begin):
                yield each

    async def _suggestions(
        self, project: UUID, scene: UUID, place: _Place
    ) -> AsyncGenerator[tuple[bytes, _Place]]:
        count, last = place.count, place.id
        while rows := await self._pool.fetch(SQL.suggestions, scene, project, last, ROWS_TOGETHER):
            for row in rows:
                count, last = count + 1, row["id"]
                yield suggestion_line(row, count), _Place("suggestion", count, last)

    async def _patches(
        self, project: UUID, scene: UUID, place: _Place
    ) -> AsyncGenerator[tuple[bytes, _Place]]:
        if place.count:
            async for each in self._hunks(project, place):
                yield each
        count, last = place.count, place.id
        while rows := await self._pool.fetch(SQL.patches, scene, project, last, ROWS_TOGETHER):
            for row in rows:
                count, last = count + 1, row["id"]
                here = _Place("patch", count, last)
                yield patch_line(row, count), here
                async for each in self._hunks(project, here):
                    yield each

    async def _hunks(self, project: UUID, place: _Place) -> AsyncGenerator[tuple[bytes, _Place]]:
        """Yield the hunks of the patch at *place* that come after it."""
        rows = await self._pool.fetch(SQL.hunks, place.id, project, place.part)
        ids = [row[name] for row in rows for name in ("anchor_id", "written_id") if row[name]]
        found = await self._pool.fetch(SQL.anchors, ids, project)
        anchors = {row["id"]: row for row in found}
        for row in rows:
            line = hunk_line(
                row, place.count, anchors[row["anchor_id"]], anchors.get(row["written_id"])
            )
            yield line, replace(place, part=row["number"])

    async def _threads(
        self, project: UUID, scene: UUID, place: _Place
    ) -> AsyncGenerator[tuple[bytes, _Place]]:
        if place.count:
            async for each in self._more_comments(project, place):
                yield each
        count, last = place.count, place.id
        while rows := await self._pool.fetch(SQL.threads, scene, project, last, ROWS_TOGETHER):
            ids = [row["id"] for row in rows]
            comments = await self._pool.fetch(
                SQL.first_comments, ids, COMMENTS_TOGETHER, COMMENTS_TOGETHER_BYTES
            )
            said = await self._said(comments)
            for row in rows:
                count, last = count + 1, row["id"]
                yield thread_line(row, count), _Place("thread", count, last)
                number = 0
                for comment in (each for each in comments if each["thread_id"] == last):
                    number = comment["number"]
                    line = comment_line(comment, count, *said[comment["id"]])
                    yield line, _Place("thread", count, last, number)
                if number < row["comment_count"]:
                    async for each in self._more_comments(
                        project, _Place("thread", count, last, number)
                    ):
                        yield each

    async def _more_comments(
        self, project: UUID, place: _Place
    ) -> AsyncGenerator[tuple[bytes, _Place]]:
        count, thread, number = place.count, place.id, place.part
        while rows := await self._pool.fetch(
            SQL.comments, thread, project, number, COMMENTS_TOGETHER
        ):
            said = await self._said(rows)
            for row in rows:
                number = row["number"]
                yield (
                    comment_line(row, count, *said[row["id"]]),
                    _Place("thread", count, thread, number),
                )

    async def _said(
        self, comments: Sequence[asyncpg.Record]
    ) -> dict[UUID, tuple[list[UUID], dict[str, list[UUID]]]]:
        """Return the people whom comments mention, and the reactions to them."""
        ids = [row["id"] for row in comments]
        found: dict[UUID, tuple[list[UUID], dict[str, list[UUID]]]] = {
            each: ([], {}) for each in ids
        }
        for row in await self._pool.fetch(SQL.mentions, ids):
            found[row["comment_id"]][0].append(row["person_id"])
        for row in await self._pool.fetch(SQL.reactions, ids, REACTION_PEOPLE_MAX):
            found[row["comment_id"]][1][row["emoji"]] = row["people"]
        return found
