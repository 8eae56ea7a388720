"""Uploads that take more than one request: begun, gone on with, finished, forgotten."""

from contextlib import suppress
from uuid import UUID

from libs import errors
from libs.contracts.blobs.transfers import (
    BEGIN_UPLOAD,
    CANCEL_UPLOAD,
    CHECKED_BYTES_MAX,
    COMPLETE_UPLOAD,
    FIND_UPLOAD,
    BeginUpload,
    Begun,
    CancelUpload,
    CompleteUpload,
    FindUpload,
    Upload,
)
from libs.contracts.values import BLOB_BYTES_MAX
from libs.contracts.wire import Wire
from services.gateway.api import tus_words as words
from services.gateway.api.blobs import PresignedUrl, presigned
from services.gateway.http import bodies
from services.gateway.http.blob_tickets import DEADLINE_S, Blobs, given
from services.gateway.http.incoming import Incoming
from services.gateway.http.route import JSON, Answer, AnyCall, Call, NoBody

REQUEST_BYTES_MAX = 64 << 10
"""Of a request for a direct upload."""
COMPLETE_WAIT_S = 600.0
"""Until all of a direct upload is verified."""
SETTLE_WAIT_S = 20.0
"""How long somebody who asks waits for an upload that is being finished."""


class DirectUpload(Wire):
    """The upload, and where to send its bytes; `target` is null when the project has them."""

    upload: Upload
    target: PresignedUrl | None


class Uploading:
    """Handlers about uploads."""

    def __init__(self, blobs: Blobs, public_url: str | None) -> None:
        """Ask *blobs*; clients reach us at *public_url*, or where they asked."""
        self._blobs = blobs
        self._public_url = public_url

    async def options(self, _: Call[NoBody]) -> Answer:
        """Tell what this server can do."""
        return Answer(204, headers=words.OFFERED)

    async def create(self, call: Call[Incoming]) -> Answer:
        """Begin an upload of either sort."""
        if call.header("tus-resumable") is None and bodies.media_type(call.request) == JSON:
            return await self._create_direct(call)
        if wrong := words.wrong_version(call):
            return wrong
        begun = await self._begin(call, words.wanted(call))
        upload = begun.upload
        place = f"/api/projects/{call.path['id']}/uploads/{upload.id}"
        try:
            if begun.ticket and (words.has_body(call) or call.header("upload-checksum")):
                upload = await self._take(call, begun, 0)
            elif begun.ticket and upload.size == 0:
                upload = await self._blobs.bytes.patch(begun.ticket, given(b""), offset=0, length=0)
            elif begun.ticket is None:
                # The project has these bytes already; those that come along are not looked at.
                _require_no_more(call, upload.offset)
            return Answer(201, headers={**words.state(upload), "Location": place})
        except errors.AppError as refusal:
            # The client does not know where it is, so nobody will go on with it.
            with suppress(errors.AppError):
                await self._cancel(call, upload.id)
            return words.answer(call, refusal)

    async def _create_direct(self, call: Call[Incoming]) -> Answer:
        asked = bodies.parse_body(words.UploadWanted, await call.body.whole(REQUEST_BYTES_MAX))
        if not asked.direct:
            raise errors.Invalid("Begin a resumable upload by tus.")
        wanted = BeginUpload(
            upload_id=call.new_id,
            size=asked.size,
            sha256=asked.sha256,
            file_name=asked.file_name,
            media_type=asked.media_type,
            asset_type=asked.asset_type,
            ttl_s=asked.expires_in,
        )
        begun = await self._begin(call, wanted)
        ticket = begun.ticket
        target = presigned(call, ticket, "PUT", self._public_url) if ticket else None
        place = f"/api/projects/{call.path['id']}/uploads/{begun.upload.id}"
        return Answer.json(
            DirectUpload(upload=begun.upload, target=target), 201, {"Location": place}
        )

    async def show(self, call: Call[NoBody]) -> Answer:
        """Tell how far an upload is."""
        if call.request.method == "HEAD":
            return await self._show_to_tus(call)
        if call.header("tus-resumable") and (wrong := words.wrong_version(call)):
            return wrong
        upload = (await self._find(call)).upload
        try:
            upload = await self._settled(call, upload)
        except errors.UploadUnfinished:
            return Answer.json(upload, 202, {"Retry-After": str(words.RETRY_AFTER_S)})
        return Answer.json(upload, 200, words.state(upload))

    async def _show_to_tus(self, call: Call[NoBody]) -> Answer:
        """Tell in headers how far an upload is.

        Whatever is not sure yet is told as 423: clients ask again, where after 503 they would begin
        the upload anew.
        """
        if wrong := words.wrong_version(call):
            return wrong
        try:
            upload = await self._settled(call, (await self._find(call)).upload)
        except errors.Unavailable as away:
            detail = "How far this upload is cannot be told now; ask again."
            raise errors.UploadUnfinished(detail, retryAfterS=words.RETRY_AFTER_S) from away
        headers = words.state(upload)
        if upload.metadata:
            headers["Upload-Metadata"] = upload.metadata
        return Answer(200, headers=headers)

    async def _settled(self, call: AnyCall, upload: Upload) -> Upload:
        """Return an upload of which a part is missing, or which is done.

        Raises:
            Gone: What arrived of it was refused for good.
            UploadUnfinished: All of it is here, and it is not known yet what becomes of it.
        """
        if upload.blob is not None or not upload.is_received:
            return upload
        question = CompleteUpload(upload_id=upload.id)
        with suppress(errors.AppError):
            return await self._blobs.caller.ask(
                COMPLETE_UPLOAD, question, call.actor, deadline_s=SETTLE_WAIT_S
            )
        upload = (await self._find(call)).upload
        if upload.blob is None:
            raise errors.UploadUnfinished(retryAfterS=words.RETRY_AFTER_S)
        return upload

    async def append(self, call: Call[Incoming]) -> Answer:
        """Take the next bytes."""
        if wrong := words.wrong_version(call):
            return wrong
        words.require_bytes_type(call)
        words.require_offered(call)
        offset = words.number(call, "upload-offset")
        if offset is None:
            raise words.refused("Upload-Offset", "is required")
        size = words.number(call, "upload-length")
        begun = await self._find(call)
        upload = begun.upload
        if size is not None and upload.size not in (None, size):
            raise words.refused("Upload-Length", "differs from the declared one")
        if offset != upload.offset:
            raise errors.Conflict("The upload is at another offset.", offset=upload.offset)
        if begun.ticket is not None:
            try:
                upload = await self._take(call, begun, offset, size)
            except errors.ContentMismatch as refusal:
                return words.answer(call, refusal)
        else:
            await _require_none(call)
        return Answer(204, headers=words.state(upload))

    async def cancel(self, call: Call[NoBody]) -> Answer:
        """Forget an upload."""
        if wrong := words.wrong_version(call):
            return wrong
        await self._find(call)
        await self._cancel(call, call.path["uploadId"])
        return Answer(204)

    async def complete(self, call: Call[NoBody]) -> Answer:
        """Verify a direct upload."""
        question = CompleteUpload(upload_id=call.path["uploadId"])
        return Answer.json(
            await self._blobs.caller.ask(
                COMPLETE_UPLOAD, question, call.actor, deadline_s=COMPLETE_WAIT_S
            )
        )

    async def _cancel(self, call: AnyCall, upload_id: UUID) -> None:
        question = CancelUpload(upload_id=upload_id)
        await self._blobs.caller.ask(CANCEL_UPLOAD, question, call.actor, deadline_s=DEADLINE_S)

    async def _begin(self, call: AnyCall, wanted: BeginUpload) -> Begun:
        return await self._blobs.caller.ask(BEGIN_UPLOAD, wanted, call.actor, deadline_s=DEADLINE_S)

    async def _find(self, call: AnyCall) -> Begun:
        question = FindUpload(upload_id=call.path["uploadId"])
        return await self._blobs.caller.ask(
            FIND_UPLOAD, question, call.actor, deadline_s=DEADLINE_S
        )

    async def _take(
        self, call: Call[Incoming], begun: Begun, offset: int, told_size: int | None = None
    ) -> Upload:
        """Pass on the bytes of this request, and the length of all if it comes only now.

        Raises:
            ContentMismatch: They are not what they should be.
            TooLarge: They are more than the upload or a request may have.
            AppError: What blobs refused them for.
        """
        assert begun.ticket is not None
        checksum, length = words.checksum(call), call.body.length
        size = told_size if begun.upload.size is None else begun.upload.size
        if size is not None and size > BLOB_BYTES_MAX:
            raise errors.TooLarge(limitBytes=BLOB_BYTES_MAX)
        if size is not None and size < offset:
            raise words.refused("Upload-Length", "is less than the bytes received")
        left = None if size is None else size - offset
        if left is not None:
            _require_no_more(call, left)
        if checksum and length is not None and length > CHECKED_BYTES_MAX:
            raise errors.TooLarge(limitBytes=CHECKED_BYTES_MAX)
        upload = await self._blobs.bytes.patch(
            begun.ticket,
            call.body.parts(),
            offset=offset,
            length=length,
            checksum=checksum,
            size=size if begun.upload.size is None else None,
        )
        if size != upload.size:
            # A replica of an older release does not know that the length may come later.
            raise errors.Unavailable
        return upload


def _require_no_more(call: Call[Incoming], left: int) -> None:
    """Accept a body that says it has at most *left* bytes, or does not say how many.

    Raises:
        TooLarge: It says more.
    """
    if call.body.length is not None and call.body.length > left:
        raise errors.TooLarge("More bytes than the upload still takes.", limitBytes=left)


async def _require_none(call: Call[Incoming]) -> None:
    """Accept a request without bytes, as one is that asks again about an upload that is done.

    Raises:
        TooLarge: It has some: they would be told as stored, and are not.
    """
    _require_no_more(call, 0)
    async for _ in call.body.parts():
        raise errors.TooLarge("The upload is done; it takes no more bytes.", limitBytes=0)
