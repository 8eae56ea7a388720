"""Passing an import on: state page by page, texts and files one by one, then the word to begin.

Until that word nothing can be seen of it. What is wrong is told with its place in the file.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from uuid import UUID

import zstandard
from pydantic import ValidationError

from libs import errors
from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.blobs.transfers import BeginUpload
from libs.contracts.events.workspaces import (
    DROP_PACKAGE,
    OPEN_PACKAGE,
    PAGE_BYTES,
    PUT_CONVERSATION,
    PUT_PAGE,
    PUT_TEXT,
    START_IMPORT,
    TEXT_BYTES_MAX,
    DropPackage,
    Head,
    Job,
    OpenPackage,
    PutConversation,
    PutPage,
    PutText,
    StartImport,
)
from libs.contracts.ids import new_id
from libs.contracts.rpc import Method
from libs.contracts.wire import Wire
from services.gateway.exchange.conversations import checked_pages
from services.gateway.exchange.packing import STATE, text_name
from services.gateway.exchange.unpacking import Unpacking
from services.gateway.http.blob_tickets import Blobs

ZSTD_LEVEL = 3
PUT_DEADLINE_S = 30.0

_TEXT = re.compile(r"scenes/(\d{6,9})\.yjs")
_CONVERSATION = re.compile(r"scenes/(\d{6,9})\.comments\.ndjson")


class Importing:
    """One import."""

    def __init__(self, caller: Caller, blobs: Blobs, actor: Actor, package_id: UUID) -> None:
        """Send a package called *package_id* for *actor* over *caller*, its bytes to *blobs*."""
        self._caller = caller
        self._blobs = blobs
        self._actor = actor
        self._package_id = package_id

    async def begin(self, unpacking: Unpacking, job_id: UUID, name: str | None) -> Job:
        """Send all that is in a file; returns the job that makes a project of it.

        Whatever goes wrong, a client that leaves included, the package leaves no place taken.

        Raises:
            errors.AppError: Something in it is not as it must be; `at` says where.
        """
        lines = unpacking.lines()
        head = _head(await asyncio.to_thread(next, lines, b""))
        try:
            opening = OpenPackage(package_id=self._package_id, head=head)
            await self._put(STATE, OPEN_PACKAGE, opening)
            await self._send(unpacking, lines)
            question = StartImport(job_id=job_id, package_id=self._package_id, name=name)
            return await self._caller.ask(START_IMPORT, question, self._actor)
        except BaseException:
            # A package that a job has begun with is not dropped by this.
            await asyncio.shield(self._drop())
            raise

    async def _send(self, unpacking: Unpacking, lines: Iterator[bytes]) -> None:
        await self._send_pages(lines)
        for name in unpacking.names:
            if match := _TEXT.fullmatch(name):
                await self._send_text(unpacking, name, int(match[1]))
            elif match := _CONVERSATION.fullmatch(name):
                await self._send_conversation(unpacking, name, int(match[1]))
            elif (sha256 := name.removeprefix("files/")) in unpacking.blobs:
                await self._send_bytes(unpacking, name, sha256)
            elif name != STATE:
                await asyncio.to_thread(_read_through, unpacking, name)

    async def _send_pages(self, lines: Iterator[bytes]) -> None:
        first = 1
        page = 0
        while some := await asyncio.to_thread(_take, lines):
            body = await asyncio.to_thread(zstandard.compress, b"".join(some), ZSTD_LEVEL)
            question = PutPage.model_construct(
                package_id=self._package_id, page=page, first=first, body=body
            )
            await self._put(STATE, PUT_PAGE, question)
            first, page = first + len(some), page + 1

    async def _send_text(self, unpacking: Unpacking, name: str, number: int) -> None:
        text = await asyncio.to_thread(unpacking.text, name)
        if not text:
            raise errors.PackageDamaged(f"{name} is empty.", at=name)
        packed = await asyncio.to_thread(zstandard.compress, text, ZSTD_LEVEL)
        if len(packed) > TEXT_BYTES_MAX:
            raise errors.TooLarge(
                f"The text of a scene may have {TEXT_BYTES_MAX} bytes, compressed.", at=name
            )
        question = PutText.model_construct(
            package_id=self._package_id, number=number, packed=packed, size=len(text)
        )
        await self._put(name, PUT_TEXT, question)

    async def _send_conversation(self, unpacking: Unpacking, name: str, number: int) -> None:
        if not unpacking.has(text_name(number)):
            raise errors.PackageDamaged(f"{name} is about a scene without a text.", at=name)
        pages = checked_pages(unpacking.lines(name), name)
        page = 0
        while body := await asyncio.to_thread(next, pages, b""):
            packed = await asyncio.to_thread(zstandard.compress, body, ZSTD_LEVEL)
            question = PutConversation.model_construct(
                package_id=self._package_id,
                number=number,
                page=page,
                packed=packed,
                size=len(body),
            )
            await self._put(name, PUT_CONVERSATION, question)
            page += 1

    async def _send_bytes(self, unpacking: Unpacking, name: str, sha256: str) -> None:
        """Store bytes in a place of the package's own; the job takes them from there."""
        packed = unpacking.blobs[sha256]
        wanted = BeginUpload(
            upload_id=new_id(), size=packed.bytes, sha256=sha256, media_type=packed.media_type
        )
        place = Actor(user_id=self._actor.user_id, project_id=self._package_id)
        async with aclosing(_parts(unpacking, name)) as parts:
            try:
                await self._blobs.store(wanted, parts, place)
            except errors.ContentMismatch:
                raise errors.PackageDamaged(
                    f"{name} is not what the manifest says.", at=name
                ) from None

    async def _put[Q: Wire, A: Wire](self, name: str, method: Method[Q, A], question: Q) -> None:
        try:
            await self._caller.ask(method, question, self._actor, deadline_s=PUT_DEADLINE_S)
        except (errors.Invalid, errors.TooLarge, errors.Unsupported) as error:
            where = f"{name}, thing {at}" if isinstance(at := error.data.get("at"), int) else name
            raise type(error)(error.detail, **(error.data | {"at": where})) from None

    async def _drop(self) -> None:
        try:
            question = DropPackage(package_id=self._package_id)
            await self._caller.ask(DROP_PACKAGE, question, self._actor)
        except errors.AppError:
            return  # it goes by itself, after a while


def _head(line: bytes) -> Head:
    try:
        return Head.model_validate_json(line)
    except ValidationError:
        raise errors.PackageDamaged(
            "The first line of the state does not say what is in it.", at=STATE
        ) from None


def _take(lines: Iterator[bytes]) -> list[bytes]:
    """Return as many lines as fill a page."""
    taken: list[bytes] = []
    size = 0
    for line in lines:
        taken.append(line)
        size += len(line)
        if size >= PAGE_BYTES:
            break
    return taken


async def _parts(unpacking: Unpacking, name: str) -> AsyncGenerator[bytes]:
    chunks = unpacking.chunks(name)
    while chunk := await asyncio.to_thread(next, chunks, b""):
        yield chunk


def _read_through(unpacking: Unpacking, name: str) -> None:
    for _ in unpacking.chunks(name):
        pass
