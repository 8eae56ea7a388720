"""The bytes of entities' files on their way into an export, whatever breaks off on the way."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.blobs.transfers import OPEN_BLOB, Blob, OpenBlob, Ticket
from services.gateway.http.blob_tickets import DEADLINE_S, Blobs
from services.gateway.http.route import Cut

TRIES_MAX = 3
"""In which not one more byte came, or nobody answered."""
TRY_DELAY_S = 0.5


class Missing(Exception):
    """The bytes cannot be had; `reason` is what the manifest says about it."""

    def __init__(self, reason: str) -> None:
        """Say why."""
        self.reason = reason
        super().__init__(reason)


class BytesOf:
    """Reads the blobs of one project."""

    def __init__(self, blobs: Blobs, actor: Actor) -> None:
        """Read the actor's."""
        self._blobs = blobs
        self._actor = actor

    async def find(self, sha256: str) -> tuple[Blob, Ticket]:
        """Return what is known of a blob, and leave to read it.

        Raises:
            Missing: Its bytes are collected, archived, quarantined, or never were there.
            errors.Unavailable: Blobs is away.
        """
        question = OpenBlob(sha256=sha256)
        tried = 0
        while True:
            try:
                opened = await self._blobs.caller.ask(
                    OPEN_BLOB, question, self._actor, deadline_s=DEADLINE_S
                )
            except errors.Unavailable:
                tried += 1
                if tried == TRIES_MAX:
                    raise
                await asyncio.sleep(TRY_DELAY_S * tried)
                continue
            except errors.NotFound:
                raise Missing("unknown") from None
            except errors.BlobUnavailable:
                raise Missing("collected") from None
            except errors.BlobDamaged:
                raise Missing("quarantined") from None
            if opened.ticket is None:
                # Asking has called it back: the next export may have it.
                raise Missing("archived")
            return opened.blob, opened.ticket

    async def parts(self, blob: Blob, ticket: Ticket) -> AsyncGenerator[bytes]:
        """Yield all of a blob; goes on where a connection broke.

        Raises:
            Missing: It proved damaged, or was collected on the way.
            errors.Unavailable: Blobs is away.
        """
        done = tried = 0
        while done < blob.size:
            before = done
            try:
                wanted = {"range": f"bytes={done}-"}
                answer = await self._blobs.bytes.read(ticket, "GET", wanted)
                assert answer.stream is not None
                async with aclosing(answer.stream.source) as source:
                    async for part in source:
                        done += len(part)
                        yield part
            except errors.BlobDamaged:
                raise Missing("quarantined") from None
            except (Cut, errors.Unavailable) as error:
                tried = 1 if done > before else tried + 1
                if tried == TRIES_MAX:
                    raise errors.Unavailable("A file could not be read.") from error
                await asyncio.sleep(TRY_DELAY_S * tried)
            if done < blob.size:
                # The task that broke off may know the reason.
                _, ticket = await self.find(blob.sha256)
