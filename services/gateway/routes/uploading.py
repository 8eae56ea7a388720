"""Uploads that take more than one request: begun, gone on with, finished, forgotten."""

from libs import errors
from libs.contracts.blobs import (
    BEGIN_UPLOAD,
    BLOB_BYTES_MAX,
    CANCEL_UPLOAD,
    CHECKED_BYTES_MAX,
    CHECKSUM_ALGORITHMS,
    COMPLETE_UPLOAD,
    FIND_UPLOAD,
    BeginUpload,
    Begun,
    CancelUpload,
    CompleteUpload,
    FindUpload,
    Upload,
)
from libs.contracts.wire import Wire
from services.gateway.blobs import DEADLINE_S, Blobs, given
from services.gateway.edge import bodies
from services.gateway.edge.incoming import Incoming
from services.gateway.edge.route import JSON, Answer, AnyCall, Call, NoBody
from services.gateway.routes import tus_words as words
from services.gateway.routes.blobs import PresignedUrl, presigned, require_living

REQUEST_BYTES_MAX = 64 << 10
"""Of a request for a direct upload."""
COMPLETE_WAIT_S = 600.0
"""Until all of a direct upload is verified."""


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
        return Answer(
            204,
            headers={
                **words.TUS,
                "Tus-Version": words.VERSION,
                "Tus-Max-Size": str(BLOB_BYTES_MAX),
                "Tus-Extension": words.EXTENSIONS,
                "Tus-Checksum-Algorithm": ",".join(CHECKSUM_ALGORITHMS),
            },
        )

    async def create(self, call: Call[Incoming]) -> Answer:
        """Begin an upload of either sort."""
        require_living(call)
        if call.header("tus-resumable") is None and bodies.media_type(call.request) == JSON:
            return await self._create_direct(call)
        if wrong := words.wrong_version(call):
            return wrong
        begun = await self._begin(call, words.wanted(call))
        upload = begun.upload
        if call.header("content-type") and begun.ticket and call.body.length != 0:
            sent = await self._take(call, begun, 0)
            if isinstance(sent, Answer):
                return sent
            upload = sent
        elif begun.ticket and upload.size == 0:
            upload = await self._blobs.bytes.patch(begun.ticket, given(b""), offset=0, length=0)
        place = f"/api/projects/{call.path['id']}/uploads/{upload.id}"
        return Answer(201, headers={**words.state(upload), "Location": place})

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
        require_living(call)
        if call.header("tus-resumable") and (wrong := words.wrong_version(call)):
            return wrong
        upload = (await self._find(call)).upload
        headers = {**words.state(upload), "Cache-Control": "no-store"}
        if call.request.method == "HEAD":
            return Answer(200, headers=headers)
        return Answer.json(upload, 200, headers)

    async def append(self, call: Call[Incoming]) -> Answer:
        """Take the next bytes."""
        require_living(call)
        if wrong := words.wrong_version(call):
            return wrong
        if bodies.media_type(call.request) != words.OFFSET_TYPE:
            raise errors.Unsupported(f"Send the bytes as {words.OFFSET_TYPE}.")
        offset = words.number(call, "upload-offset")
        if offset is None:
            raise words.refused("Upload-Offset", "is required")
        begun = await self._find(call)
        if offset != begun.upload.offset:
            raise errors.Conflict("The upload is at another offset.", offset=begun.upload.offset)
        if begun.ticket is None:
            return Answer(204, headers=words.state(begun.upload))
        taken = await self._take(call, begun, offset)
        return taken if isinstance(taken, Answer) else Answer(204, headers=words.state(taken))

    async def cancel(self, call: Call[NoBody]) -> Answer:
        """Forget an upload."""
        require_living(call)
        if wrong := words.wrong_version(call):
            return wrong
        await self._find(call)
        question = CancelUpload(upload_id=call.path["uploadId"])
        await self._blobs.caller.ask(CANCEL_UPLOAD, question, call.actor, deadline_s=DEADLINE_S)
        return Answer(204, headers=words.TUS)

    async def complete(self, call: Call[NoBody]) -> Answer:
        """Verify a direct upload."""
        require_living(call)
        question = CompleteUpload(upload_id=call.path["uploadId"])
        return Answer.json(
            await self._blobs.caller.ask(
                COMPLETE_UPLOAD, question, call.actor, deadline_s=COMPLETE_WAIT_S
            )
        )

    async def _begin(self, call: AnyCall, wanted: BeginUpload) -> Begun:
        return await self._blobs.caller.ask(BEGIN_UPLOAD, wanted, call.actor, deadline_s=DEADLINE_S)

    async def _find(self, call: AnyCall) -> Begun:
        question = FindUpload(upload_id=call.path["uploadId"])
        return await self._blobs.caller.ask(
            FIND_UPLOAD, question, call.actor, deadline_s=DEADLINE_S
        )

    async def _take(self, call: Call[Incoming], begun: Begun, offset: int) -> Upload | Answer:
        """Pass on the bytes of this request; an answer when they are not what they should be."""
        assert begun.ticket is not None
        checksum, length = words.checksum(call), call.body.length
        left = None if begun.upload.size is None else begun.upload.size - offset
        if left is not None and length is not None and length > left:
            raise errors.TooLarge("More bytes than the upload still takes.", limitBytes=left)
        if checksum and length is not None and length > CHECKED_BYTES_MAX:
            raise errors.TooLarge(limitBytes=CHECKED_BYTES_MAX)
        try:
            return await self._blobs.bytes.patch(
                begun.ticket, call.body.parts(), offset=offset, length=length, checksum=checksum
            )
        except errors.ContentMismatch as refusal:
            # That of these bytes; that of the whole is told as everywhere.
            if "checksum" in refusal.data:
                return words.mismatch(call, refusal)
            raise
