"""Requests of routes to blobs: a decision over the bus, then bytes with the ticket it returned."""

from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import replace
from uuid import UUID

from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.blobs.transfers import (
    BEGIN_UPLOAD,
    CLAIM_BLOB,
    OPEN_BLOB,
    BeginUpload,
    Blob,
    ClaimBlob,
    OpenBlob,
    Opened,
    Upload,
)
from libs.contracts.ids import new_id
from services.gateway.http import etags
from services.gateway.http.forwarding import READ_HEADERS, Bytes
from services.gateway.http.route import Answer, AnyCall

DEADLINE_S = 10.0


class Blobs:
    """Asks blobs."""

    def __init__(self, caller: Caller, carrier: Bytes) -> None:
        """Ask over *caller*, bring bytes with *carrier*."""
        self.caller = caller
        self.bytes = carrier

    async def store(self, wanted: BeginUpload, body: AsyncIterable[bytes], actor: Actor) -> Upload:
        """Store all of *body* as one blob; not read when the project is known to have it.

        Raises:
            ContentMismatch: It is not what was declared; nothing was stored.
            QuotaExceeded, StorageFull, TooLarge: There is no room for it.
            Unavailable: Blobs is away.
        """
        begun = await self.caller.ask(BEGIN_UPLOAD, wanted, actor, deadline_s=DEADLINE_S)
        if begun.ticket is None:
            return begun.upload
        return await self.bytes.put(begun.ticket, body, length=wanted.size)

    async def claim(self, sha256: str, entity_id: UUID, actor: Actor) -> tuple[UUID, Blob]:
        """Keep a blob for an entity's file, until it is known what came of that.

        Raises:
            NotFound: The project has no such blob.
            BlobUnavailable: Its bytes are gone.
        """
        claim_id = new_id()
        question = ClaimBlob(claim_id=claim_id, sha256=sha256, source="entity", source_id=entity_id)
        claimed = await self.caller.ask(CLAIM_BLOB, question, actor, deadline_s=DEADLINE_S)
        return claim_id, claimed.blob

    async def read(
        self, call: AnyCall, sha256: str, *, file_name: str | None, inline: bool
    ) -> Answer:
        """Return an answer with a blob, or with the range that was asked for.

        Raises:
            NotFound: The project has no such blob.
            BlobUnavailable: Its bytes are gone.
        """
        question = OpenBlob(sha256=sha256, file_name=file_name, inline=inline)
        opened = await self.caller.ask(OPEN_BLOB, question, call.actor, deadline_s=DEADLINE_S)
        tag = f'"{sha256}"'
        if etags.is_known(call.header("if-none-match"), tag):
            return Answer(304, headers={"ETag": tag})
        if opened.ticket is None:
            later = not_yet(opened)
            return replace(later, body=b"") if call.request.method == "HEAD" else later
        headers = {name: value for name in READ_HEADERS if (value := call.header(name)) is not None}
        method = "HEAD" if call.request.method == "HEAD" else "GET"
        return await self.bytes.read(opened.ticket, method, headers)


def not_yet(opened: Opened) -> Answer:
    """Return the answer about a blob that is on its way back from the archive."""
    return Answer.json(opened.blob, 202, {"Retry-After": str(opened.retry_after_s or 1)})


async def given(body: bytes) -> AsyncGenerator[bytes]:
    """Yield bytes that are there already."""
    yield body
