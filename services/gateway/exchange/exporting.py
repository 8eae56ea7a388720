"""Streaming an export: pages of state from events, texts from collab, a zip file to the client."""

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from uuid import UUID

import structlog
import zstandard

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.ids import new_id
from libs.contracts.workspaces import (
    DROP_PACKAGE,
    READ_PAGE,
    TAKE_DEADLINE_S,
    TAKE_PACKAGE,
    TAKE_TEXT,
    DropPackage,
    PackageState,
    Page,
    ReadPage,
    TakePackage,
    TakeText,
    Text,
)
from services.gateway.exchange.packing import STATE, Packing, markdown_name, text_name
from services.gateway.exchange.unpacking import TEXT_UNPACKED_BYTES_MAX

log = structlog.get_logger(__name__)

TEXTS_AT_ONCE = 4
TEXT_DEADLINE_S = 30.0
TEXT_TRIES_MAX = 3
TEXT_TRY_DELAY_S = 0.5


class Exporting:
    """One export."""

    def __init__(self, caller: Caller, actor: Actor) -> None:
        """Export the project of *actor*, asking over *caller*."""
        self._caller = caller
        self._actor = actor
        self._package_id = new_id()

    async def take(self) -> PackageState:
        """Put the state of this moment aside; what is wrong with the question is answered now."""
        question = TakePackage(package_id=self._package_id)
        return await self._caller.ask(
            TAKE_PACKAGE, question, self._actor, deadline_s=TAKE_DEADLINE_S
        )

    async def stream(self, package: PackageState) -> AsyncGenerator[bytes]:
        """Yield the zip file bit by bit; it is cut short when something that it needs is away."""
        try:
            packing = Packing()
            scenes: dict[int, UUID] = {}
            packing.begin(STATE)
            yield packing.write(_line(package.head.model_dump(mode="json")))
            for number in range(package.pages):
                page = await self._page(number)
                scenes |= page.scenes
                yield await asyncio.to_thread(packing.write, page.body)
            yield packing.end()
            numbers = sorted(scenes)
            for start in range(0, len(numbers), TEXTS_AT_ONCE):
                some = numbers[start : start + TEXTS_AT_ONCE]
                texts = await asyncio.gather(*(self._text(scenes[number]) for number in some))
                for number, text in zip(some, texts, strict=True):
                    if text.size:
                        yield await asyncio.to_thread(_add, packing, number, text)
            yield packing.finish(datetime.now(UTC))
        except errors.AppError as error:
            log.warning("export cut short", code=error.code)
            raise
        finally:
            await self._drop()

    async def _page(self, number: int) -> Page:
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

    async def _drop(self) -> None:
        try:
            await self._caller.ask(
                DROP_PACKAGE, DropPackage(package_id=self._package_id), self._actor
            )
        except errors.AppError:
            return  # it goes by itself, after a while


def _add(packing: Packing, number: int, text: Text) -> bytes:
    sent = packing.add(text_name(number), _plain(text.packed))
    if text.markdown:
        sent += packing.add(markdown_name(number), _plain(text.markdown))
    return sent


def _plain(packed: bytes) -> bytes:
    return zstandard.decompress(packed, max_output_size=TEXT_UNPACKED_BYTES_MAX)


def _line(said: object) -> bytes:
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
