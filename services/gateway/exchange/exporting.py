"""Streaming an export: state from events, texts from collab, bytes from blobs, then the history."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from uuid import UUID

import structlog
import zstandard

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.events.workspaces import (
    DROP_PACKAGE,
    READ_PAGE,
    TAKE_DEADLINE_S,
    TAKE_PACKAGE,
    TAKE_TEXT,
    DropPackage,
    PackagePage,
    PackageState,
    ReadPage,
    TakePackage,
    TakeText,
    Text,
)
from libs.contracts.ids import new_id
from libs.contracts.wire import Wire
from services.gateway.exchange.bytes_of import BytesOf, Missing
from services.gateway.exchange.conversations import ConversationsOf
from services.gateway.exchange.history_of import HistoryOf
from services.gateway.exchange.packing import (
    EVENTS,
    STATE,
    Packing,
    conversation_name,
    file_name,
    history_name,
    markdown_name,
    text_name,
)
from services.gateway.exchange.unpacking import TEXT_UNPACKED_BYTES_MAX
from services.gateway.http.blob_tickets import Blobs

log = structlog.get_logger(__name__)

TEXTS_AT_ONCE = 4
TEXT_DEADLINE_S = 30.0
TEXT_TRIES_MAX = 3
TEXT_TRY_DELAY_S = 0.5


class Exporting:
    """One export."""

    def __init__(
        self, caller: Caller, blobs: Blobs, actor: Actor, *, history: bool, conversations: bool
    ) -> None:
        """Export the project of *actor*, asking over *caller* and *blobs*.

        The export contains its *history* and its *conversations* if they are wanted.
        """
        self._caller = caller
        self._actor = actor
        self._bytes = BytesOf(blobs, actor)
        self._history = HistoryOf(caller, actor) if history else None
        self._conversations = ConversationsOf(caller, actor) if conversations else None
        self._package_id = new_id()

    async def begin(self) -> tuple[PackageState, AsyncGenerator[bytes]]:
        """Put the state of this moment aside; what is wrong with the question is answered now.

        Returns it, and the zip file bit by bit, to be closed whether or not it is read: until
        then the package keeps one of its owner's places.
        """
        question = TakePackage(package_id=self._package_id)
        try:
            package = await self._caller.ask(
                TAKE_PACKAGE, question, self._actor, deadline_s=TAKE_DEADLINE_S
            )
        except BaseException:
            await asyncio.shield(self._drop())
            raise
        stream = self._stream(package)
        # A generator that was never begun has no end either.
        await anext(stream)
        return package, stream

    async def _stream(self, package: PackageState) -> AsyncGenerator[bytes]:
        """Yield nothing at first, and then the file; cut short when something of it is away."""
        try:
            yield b""
            packing = Packing()
            scenes: dict[int, UUID] = {}
            files: dict[str, int] = {}
            packing.begin(STATE)
            yield packing.write(_line(package.head.model_dump(mode="json")))
            for number in range(package.pages):
                page = await self._page(number)
                scenes |= page.scenes
                files |= page.files
                yield await asyncio.to_thread(packing.write, page.body)
            yield packing.end()
            numbers = sorted(scenes)
            for start in range(0, len(numbers), TEXTS_AT_ONCE):
                some = numbers[start : start + TEXTS_AT_ONCE]
                texts = await asyncio.gather(*(self._text(scenes[number]) for number in some))
                for number, text in zip(some, texts, strict=True):
                    if text.size:
                        yield await asyncio.to_thread(_add, packing, number, text)
                        if self._conversations:
                            said = _said(packing, self._conversations, number, scenes[number])
                            async with aclosing(said) as parts:
                                async for part in parts:
                                    yield part
            for sha256, size in sorted(files.items()):
                async with aclosing(self._file(packing, sha256, size)) as parts:
                    async for part in parts:
                        yield part
            if self._history:
                async with aclosing(_past(packing, self._history, scenes)) as parts:
                    async for part in parts:
                        yield part
            yield packing.finish(datetime.now(UTC))
        except errors.AppError as error:
            log.warning("export cut short", code=error.code)
            raise
        finally:
            await self._drop()

    async def _page(self, number: int) -> PackagePage:
        question = ReadPage(package_id=self._package_id, page=number)
        return await self._caller.ask(READ_PAGE, question, self._actor)

    async def _text(self, scene_id: UUID) -> Text:
        question = TakeText(scene_id=scene_id, markdown=True)
        for tried in range(1, TEXT_TRIES_MAX + 1):
            try:
                return await self._caller.ask(
                    TAKE_TEXT, question, self._actor, deadline_s=TEXT_DEADLINE_S
                )
            except errors.Unavailable:
                if tried == TEXT_TRIES_MAX:
                    raise
            await asyncio.sleep(TEXT_TRY_DELAY_S * tried)
        raise errors.Unavailable

    async def _file(self, packing: Packing, sha256: str, size: int) -> AsyncGenerator[bytes]:
        """Write the bytes of a file; where they cannot be had the manifest says why."""
        begun = False
        try:
            blob, ticket = await self._bytes.find(sha256)
            packing.begin(file_name(sha256), size=blob.size)
            begun = True
            async with aclosing(self._bytes.parts(blob, ticket)) as parts:
                async for part in parts:
                    yield packing.write(part)
            yield packing.end()
            packing.note_blob(sha256, blob.size, media_type=blob.media_type)
        except Missing as error:
            log.warning("export without a file", reason=error.reason)
            if begun:
                yield packing.leave()
            packing.note_blob(sha256, size, missing=error.reason)

    async def _drop(self) -> None:
        try:
            await self._caller.ask(
                DROP_PACKAGE, DropPackage(package_id=self._package_id), self._actor
            )
        except errors.AppError:
            return  # it goes by itself, after a while


async def _said(
    packing: Packing, conversations: ConversationsOf, number: int, scene_id: UUID
) -> AsyncGenerator[bytes]:
    """Write the comments and suggestions of a scene, if there are any."""
    begun = False
    async with aclosing(conversations.pages(scene_id)) as pages:
        async for page in pages:
            if not begun:
                packing.begin(conversation_name(number), large=True)
                begun = True
            yield await asyncio.to_thread(packing.write, page)
    if begun:
        yield packing.end()


async def _past(
    packing: Packing, history: HistoryOf, scenes: Mapping[int, UUID]
) -> AsyncGenerator[bytes]:
    """Write the events, and of each scene its sessions, its named versions and its edits."""
    packing.begin(EVENTS, large=True)
    async with aclosing(history.events()) as pages:
        async for page in pages:
            yield await asyncio.to_thread(packing.write, page)
    yield packing.end()
    for number, scene_id in sorted(scenes.items()):
        named = await history.snapshots(scene_id)
        about = {
            "sceneId": str(scene_id),
            "sessions": [_plainly(each) for each in await history.sessions(scene_id)],
            "snapshots": [_plainly(each) for each in named],
        }
        yield packing.add(history_name(number, ".json"), json.dumps(about, indent=1).encode())
        for snapshot in named:
            if version := await history.version(scene_id, snapshot):
                name = history_name(number, f"/{snapshot.id}.yjs")
                yield await asyncio.to_thread(packing.add, name, version)
        packing.begin(history_name(number, ".ndjson"), large=True)
        async with aclosing(history.edits(scene_id)) as pages:
            async for page in pages:
                yield await asyncio.to_thread(packing.write, page)
        yield packing.end()


def _add(packing: Packing, number: int, text: Text) -> bytes:
    sent = packing.add(text_name(number), _plain(text.packed))
    if text.markdown:
        sent += packing.add(markdown_name(number), _plain(text.markdown))
    return sent


def _plainly(said: Wire) -> dict[str, object]:
    return said.model_dump(mode="json", by_alias=True)


def _plain(packed: bytes) -> bytes:
    return zstandard.decompress(packed, max_output_size=TEXT_UNPACKED_BYTES_MAX)


def _line(said: object) -> bytes:
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
