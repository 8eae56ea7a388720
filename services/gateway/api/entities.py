"""Entities that are created with their content: the file first, then the events."""

import hashlib
from typing import Annotated

from pydantic import StringConstraints

from libs.bus import Caller
from libs.contracts.blobs.transfers import BeginUpload
from libs.contracts.events.files import CREATE_WITH_FILE, CreateWithFile
from libs.contracts.events.world import EntityCreate
from libs.contracts.wire import Wire
from services.gateway.access.authority import Authority
from services.gateway.api.aggregates import Aggregate
from services.gateway.api.file_views import stored_file, words
from services.gateway.api.shapes import Shape
from services.gateway.http.blob_tickets import Blobs, given
from services.gateway.http.route import Answer, Call

CONTENT_CHARS_MAX = 200_000
MARKDOWN = "text/markdown"


class EntityDraft(EntityCreate):
    """A new entity; only a `task` takes task details, only the story bible story details.

    `content` is Markdown or plain text, and becomes the entity's file.
    """

    content: Annotated[str, StringConstraints(max_length=CONTENT_CHARS_MAX)] | None = None


class Entities(Aggregate):
    """Handlers about entities."""

    def __init__(self, shape: Shape, caller: Caller, authority: Authority, blobs: Blobs) -> None:
        """As an aggregate; content is kept in *blobs*."""
        super().__init__(shape, caller, authority)
        self._blobs = blobs

    async def create(self, call: Call[Wire]) -> Answer:
        """Create one, with its content if it is given."""
        draft = call.body
        if not isinstance(draft, EntityDraft) or draft.content is None:
            return await super().create(call)
        call.require("blob.upload")
        body = draft.content.encode()
        wanted = BeginUpload(
            # The same for a retry: it finds what the first try stored.
            upload_id=call.new_id,
            size=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
            file_name=f"{call.new_id}.md",
            media_type=MARKDOWN,
        )
        upload = await self._blobs.store(wanted, given(body), call.actor)
        assert upload.blob is not None
        claim_id, blob = await self._blobs.claim(upload.blob.sha256, call.new_id, call.actor)
        file = stored_file(
            blob.model_copy(update={"media_type": MARKDOWN}),
            project_id=call.access.project_id,
            entity_id=call.new_id,
            entity_type=draft.type,
            owner_id=call.identity.user_id,
            file_name=wanted.file_name,
            preview=words(draft.content),
        )
        question = CreateWithFile(
            kind="entity",
            id=call.new_id,
            command_id=call.command_id,
            parent_id=call.path["id"],
            fields=self._fields(draft),
            claim_id=claim_id,
            file=file,
        )
        return self._created(await self._ask(CREATE_WITH_FILE, question, call.actor))
