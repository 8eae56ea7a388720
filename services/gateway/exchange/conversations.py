"""Comments, suggestions and patches on their way into an export, and out of one that was sent."""

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
    CarriedHunk,
    CarriedPatch,
    CarriedSuggestion,
    CarriedThread,
    ConversationPage,
    Line,
    TakeConversation,
)
from libs.contracts.collab.patches import PATCHES_MAX
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
        question: TakeConversation | None = TakeConversation(scene_id=scene_id, patches=True)
        while question:
            page = await self._ask(question)
            if page.size:
                most = PAGE_BYTES + LINE_BYTES_MAX
                yield zstandard.decompress(page.packed, max_output_size=most)
            after = page.after
            question = question.model_copy(update={"after": after}) if after else None

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
    order.end(name)
    if page:
        yield b"".join(page)


class _Order:
    """Checks that lines follow one another.

    Threads come first, from 1, each with its comments from 1; then suggestions from 1; then patches
    from 1, each with its hunks from 1.
    """

    def __init__(self) -> None:
        self._threads = self._suggestions = self._patches = 0
        self._parts = 0
        """Comments of the last thread, or hunks of the last patch."""
        self._open = 0

    def add(self, raw: bytes, at: str) -> None:
        """Check the next line.

        Raises:
            errors.PackageDamaged: It is malformed, or does not follow.
            errors.TooLarge: It is too long, or one more than a scene may have.
        """
        if len(raw) > LINE_BYTES_MAX:
            raise errors.TooLarge(limitBytes=LINE_BYTES_MAX, at=at)
        try:
            line = LINE.validate_json(raw)
        except (ValidationError, RecursionError) as error:
            detail = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "too deep"
            raise errors.PackageDamaged(f"A conversation is malformed: {detail}", at=at) from None
        if not isinstance(line, CarriedComment | CarriedHunk):
            self.end(at)
        if not self._follows(line):
            raise errors.PackageDamaged(
                f"This {line.kind} does not follow the lines before it.", at=at
            )
        for count, most, of in (
            (self._threads, THREADS_MAX, "threads"),
            (self._open, SUGGESTIONS_MAX, "open suggestions"),
            (self._patches, PATCHES_MAX, "patches"),
        ):
            if count > most:
                raise errors.TooLarge(f"A scene has at most {most} {of}.", at=at)

    def end(self, at: str) -> None:
        """Check that what came last has the lines that belong to it.

        Raises:
            errors.PackageDamaged: It does not.
        """
        if self._parts:
            return
        if self._patches:
            raise errors.PackageDamaged("The patch before it has no hunk.", at=at)
        if self._threads and not self._suggestions:
            raise errors.PackageDamaged("The thread before it has no comment.", at=at)

    def _follows(self, line: Line) -> bool:
        match line:
            case CarriedThread():
                self._threads, self._parts = self._threads + 1, 0
                return line.id == self._threads and not (self._suggestions or self._patches)
            case CarriedComment():
                self._parts += 1
                here = (line.thread, line.number) == (self._threads, self._parts)
                return here and not (self._suggestions or self._patches)
            case CarriedSuggestion():
                self._suggestions += 1
                self._open += line.status is SuggestionStatus.OPEN
                return line.id == self._suggestions and not self._patches
            case CarriedPatch():
                self._patches, self._parts = self._patches + 1, 0
                return line.id == self._patches
            case CarriedHunk():
                self._parts += 1
                return (line.patch, line.number) == (self._patches, self._parts)
