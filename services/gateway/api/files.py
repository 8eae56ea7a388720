"""The files of entities: bytes first, then the event that refers to them."""

from typing import Any, cast
from uuid import UUID

from libs import errors
from libs.bus import Caller
from libs.contracts.blobs.transfers import OPEN_BLOB, Blob, OpenBlob
from libs.contracts.events import manuscript
from libs.contracts.events.files import ATTACH_FILE, DETACH_FILE, AttachFile, DetachFile
from libs.contracts.events.world import Entity, EntityType
from libs.contracts.values import BLOB_BYTES_MAX, Sha256
from libs.contracts.versions import Expected, is_expected
from libs.contracts.wire import Wire
from services.gateway.access.limits import LimitClass
from services.gateway.api.blobs import (
    ANY,
    OCTETS,
    RANGE_NOTE,
    READ_HEADERS,
    READ_PROBLEMS,
    STORE_PROBLEMS,
    NameOfFile,
    Sent,
    Shown,
    sent,
)
from services.gateway.api.file_views import PREVIEW_BYTES, is_text, preview_of, stored_file
from services.gateway.http import etags
from services.gateway.http.blob_tickets import DEADLINE_S, Blobs
from services.gateway.http.incoming import Incoming
from services.gateway.http.route import (
    Answer,
    AnyCall,
    AnyRoute,
    Basis,
    Call,
    NoBody,
    Route,
    Version,
)

TAG = "Entities"
_PATH = "/api/entities/{id}/file"
_VERSION_NOTE = "If-Match or `baseVersion` protects what somebody else did meanwhile; optional."
_PROBLEMS = ("BLOB_UNAVAILABLE", "CONFLICT", "CONCURRENCY_CONFLICT", "PRECONDITION_FAILED")

type Json = dict[str, Any]


class SentFile(Sent, Basis):
    """The file that is being sent, and the expected version of the entity."""


class FileChoice(Wire):
    """A file that the project has already."""

    sha256: Sha256
    file_name: NameOfFile | None = None
    base_version: Version | None = None


class FileRoutes:
    """Handlers about the files of entities."""

    def __init__(self, caller: Caller, blobs: Blobs) -> None:
        """Ask events over *caller*, and *blobs*."""
        self._caller = caller
        self._blobs = blobs

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        return [self._get(), self._put(), self._post(), self._delete()]

    def _get(self) -> AnyRoute:
        return Route(
            method="GET",
            path=_PATH,
            handler=self.fetch,
            summary="Fetch the file of an entity",
            description=RANGE_NOTE,
            tag=TAG,
            body=NoBody,
            query=Shown,
            cost=LimitClass.CONTENT,
            place=("entity", "id"),
            answers_deleted=True,
            action="entity.read",
            problems=READ_PROBLEMS,
            etag=True,
            answer_media_types=(ANY,),
            answer_headers=READ_HEADERS,
            also=(206,),
            waits=Blob,
            head=True,
        )

    def _put(self) -> AnyRoute:
        return Route(
            method="PUT",
            path=_PATH,
            handler=self.put,
            summary="Give an entity a file",
            description=(
                "The body is the file itself, under any media type; it takes the place of the one"
                f" that was there. {_VERSION_NOTE} Needs `blob.upload`, too."
            ),
            tag=TAG,
            body=Incoming,
            query=SentFile,
            cost=LimitClass.CONTENT,
            place=("entity", "id"),
            action="entity.update",
            answer=Entity,
            problems=(*STORE_PROBLEMS, *_PROBLEMS),
            etag=True,
            body_bytes_max=BLOB_BYTES_MAX,
            media_types=(OCTETS, ANY),
        )

    def _post(self) -> AnyRoute:
        return Route(
            method="POST",
            path=_PATH,
            handler=self.choose,
            summary="Give an entity a file that the project has",
            description=_VERSION_NOTE,
            tag=TAG,
            body=FileChoice,
            query=Basis,
            cost=LimitClass.WRITE,
            place=("entity", "id"),
            action="entity.update",
            answer=Entity,
            problems=_PROBLEMS,
            etag=True,
        )

    def _delete(self) -> AnyRoute:
        return Route(
            method="DELETE",
            path=_PATH,
            handler=self.delete,
            summary="Take an entity's file away",
            description=f"Its bytes stay for the time of retention. {_VERSION_NOTE}",
            tag=TAG,
            body=NoBody,
            query=Basis,
            cost=LimitClass.WRITE,
            place=("entity", "id"),
            answers_deleted=True,
            action="entity.update",
            answer=Entity,
            problems=_PROBLEMS,
            etag=True,
        )

    async def fetch(self, call: Call[NoBody, Shown]) -> Answer:
        """Fetch the file."""
        file = (await self._entity(call))["file"]
        if file is None:
            raise errors.NotFound("This has no file.")
        name = call.query.file_name or cast("str", file["path"]).rpartition("/")[2]
        return await self._blobs.read(
            call, file["checksum"], file_name=name, inline=call.query.inline
        )

    async def put(self, call: Call[Incoming, SentFile]) -> Answer:
        """Store a file, and give it to the entity."""
        call.require("blob.upload")
        entity = await self._entity(call)
        # What cannot be attached need not be sent.
        if not is_expected(entity["version"], _expected(call, entity)):
            raise errors.PreconditionFailed(currentVersion=entity["version"])
        upload = await self._blobs.store(sent(call), call.body.parts(), call.actor)
        assert upload.blob is not None
        return await self._attach(
            call, entity, upload.blob.sha256, call.query.file_name, call.query.base_version
        )

    async def choose(self, call: Call[FileChoice, Basis]) -> Answer:
        """Give the entity a file that is there."""
        body, entity = call.body, await self._entity(call)
        base = body.base_version or call.query.base_version
        return await self._attach(call, entity, body.sha256, body.file_name, base)

    async def delete(self, call: Call[NoBody, Basis]) -> Answer:
        """Take the file away."""
        question = DetachFile(
            id=call.path["id"],
            command_id=call.command_id,
            expected_version=_expected(call, await self._entity(call)),
            base_version=call.query.base_version,
        )
        return _answer((await self._caller.ask(DETACH_FILE, question, call.actor)).resource)

    async def _attach(
        self, call: AnyCall, entity: Json, sha256: str, file_name: str | None, base: int | None
    ) -> Answer:
        claim_id, blob = await self._blobs.claim(sha256, call.path["id"], call.actor)
        file = stored_file(
            blob,
            project_id=call.access.project_id,
            entity_id=call.path["id"],
            entity_type=EntityType(entity["type"]),
            owner_id=UUID(entity["createdBy"]),
            file_name=file_name,
            preview=await self._preview(call, blob) if is_text(blob.media_type) else None,
        )
        question = AttachFile(
            id=call.path["id"],
            command_id=call.command_id,
            claim_id=claim_id,
            file=file,
            expected_version=_expected(call, entity),
            base_version=base,
        )
        return _answer((await self._caller.ask(ATTACH_FILE, question, call.actor)).resource)

    async def _preview(self, call: AnyCall, blob: Blob) -> str | None:
        if blob.size == 0:
            return ""
        opened = await self._blobs.caller.ask(
            OPEN_BLOB, OpenBlob(sha256=blob.sha256), call.actor, deadline_s=DEADLINE_S
        )
        if opened.ticket is None:
            return None
        return preview_of(await self._blobs.bytes.head(opened.ticket, PREVIEW_BYTES))

    async def _entity(self, call: AnyCall) -> Json:
        question = manuscript.Read(kind="entity", id=call.path["id"])
        return (await self._caller.ask(manuscript.READ, question, call.actor)).resource


def _expected(call: AnyCall, entity: Json) -> Expected:
    """Return the version that If-Match names, by a tag of the entity or by that of its file."""
    if_match, file = call.header("if-match"), entity["file"]
    if file is not None and etags.lists(if_match, f'"{file["checksum"]}"'):
        return entity["version"]
    return etags.expected_version(if_match, "entity", call.path["id"])


def _answer(entity: Json) -> Answer:
    return Answer.json(entity, 200, {"ETag": etags.tag_of("entity", entity)})
