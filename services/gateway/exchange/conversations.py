"""Comments and suggestions on their way into an export, and out of one that somebody sent."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from uuid import UUID

import zstandard
from pydantic import ValidationError

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.collab.conversations import (
    LINE,
    LINE_BYTES_MAX,
    PAGE_BYTES,
    TAKE_CONVERSATION,
    CarriedComment,
    CarriedThread,
    ConversationPage,
    TakeConversation,
)
from libs.contracts.collab.suggestions import SUGGESTIONS_MAX, SuggestionStatus
from libs.contracts.collab.threads import THREADS_MAX

DEADLINE_S = 30.0
TRIES_MAX = 3
TRY_DELAY_S = 0.5


class ConversationsOf:
    """Reads the conversations of one project."""

    def __init__(self, caller: Caller, actor: Actor) -> None:
        """Read those of the actor's project over *caller*."""
        self._caller = caller
        self._actor = actor

    async def pages(self, scene_id: UUID) -> AsyncGenerator[bytes]:
        """Yield the lines of a scene, page by page.

        Raises:
            errors.Unavailable: Collab is away.
        """
        question: TakeConversation | None = TakeConversation(scene_id=scene_id)
        while question:
            page = await self._ask(question)
            if page.size:
                most = PAGE_BYTES + LINE_BYTES_MAX
                yield zstandard.decompress(page.packed, max_output_size=most)
            after = page.after
            question = TakeConversation(scene_id=scene_id, after=after) if after else None

    async def _ask(self, question: TakeConversation) -> ConversationPage:
        for tried in range(1, TRIES_MAX + 1):
            try:
                return await self._caller.ask(
                    TAKE_CONVERSATION, question, self._actor, deadline_s=DEADLINE_S
                )
            except errors.Unavailable:
                if tried == TRIES_MAX:
                    raise
            await asyncio.sleep(TRY_DELAY_S * tried)
        raise errors.Unavailable


def checked_pages(lines: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Yield the lines of one scene as pages, after each line was looked at.

    Raises:
        errors.PackageDamaged: A line is malformed, or does not follow from the lines before it.
        errors.TooLarge: There are more threads, comments or suggestions than a scene may have.
    """
    order = _Order()
    page: list[bytes] = []
    size = 0
    for number, raw in enumerate(lines, 1):
        order.add(raw, f"{name}, line {number}")
        page.append(raw)
        size += len(raw)
        if size >= PAGE_BYTES:
            yield b"".join(page)
            page, size = [], 0
    if page:
        yield b"".join(page)


class _Order:
    """Threads from 1, each followed by its comments from 1; then suggestions from 1."""

    def __init__(self) -> None:
        self._threads = 0
        self._comments = 0
        self._suggestions = 0
        self._open = 0

    def add(self, raw: bytes, at: str) -> None:
        if len(raw) > LINE_BYTES_MAX:
            raise errors.TooLarge(limitBytes=LINE_BYTES_MAX, at=at)
        try:
            line = LINE.validate_json(raw)
        except (ValidationError, RecursionError) as error:
            detail = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "too deep"
            raise errors.PackageDamaged(f"A conversation is malformed: {detail}", at=at) from None
        if isinstance(line, CarriedComment):
            self._comments += 1
            follows = (line.thread, line.number) == (self._threads, self._comments)
            follows = follows and not self._suggestions
        elif isinstance(line, CarriedThread):
            self._require_comment(at)
            self._threads, self._comments = self._threads + 1, 0
            follows = line.id == self._threads and not self._suggestions
        else:
            self._require_comment(at)
            self._suggestions += 1
            self._open += line.status is SuggestionStatus.OPEN
            follows = line.id == self._suggestions
        if not follows:
            raise errors.PackageDamaged(
                f"This {line.kind} does not follow the lines before it.", at=at
            )
        if self._threads > THREADS_MAX:
            raise errors.TooLarge(f"A scene has at most {THREADS_MAX} threads.", at=at)
        if self._open > SUGGESTIONS_MAX:
            raise errors.TooLarge(f"A scene has at most {SUGGESTIONS_MAX} open suggestions.", at=at)

    def _require_comment(self, at: str) -> None:
        if self._threads and not self._comments:
            raise errors.PackageDamaged("The thread before it has no comment.", at=at)
