"""Entities that are created with their content: the file first, then the events."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from libs.contracts.blobs.transfers import BeginUpload
from libs.contracts.events.files import CREATE_WITH_FILE
from services.gateway.api.aggregates import creation, fields_of
from services.gateway.api.file_views import stored_file, words
from services.gateway.api.world import ENTITY, EntityDraft
from services.gateway.http.asking import routes_of
from services.gateway.http.blob_tickets import Blobs, given
from services.gateway.http.endpoint import Context
from services.gateway.http.route import Answer, AnyRoute, Call

MARKDOWN = "text/markdown"


def creation_route(context: Context, blobs: Blobs) -> AnyRoute:
    """Return the route that creates an entity, with its content in *blobs* if it is given."""
    row = creation(ENTITY)
    filed = replace(row, rpc=CREATE_WITH_FILE, prepare=partial(_stored, blobs))
    without, with_file = routes_of([row, filed], context)

    async def create(call: Call[EntityDraft]) -> Answer:
        return await (without if call.body.content is None else with_file).handler(call)

    return replace(without, handler=create)


async def _stored(blobs: Blobs, _: Context, call: Call[EntityDraft]) -> Mapping[str, Any]:
    """Store the content, and return what the request says of it."""
    call.require("blob.upload")
    draft = call.body
    content = draft.content or ""
    body = content.encode()
    wanted = BeginUpload(
        # The same for a retry: it finds what the first try stored.
        upload_id=call.new_id,
        size=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        file_name=f"{call.new_id}.md",
        media_type=MARKDOWN,
    )
    upload = await blobs.store(wanted, given(body), call.actor)
    assert upload.blob is not None
    claim_id, blob = await blobs.claim(upload.blob.sha256, call.new_id, call.actor)
    file = stored_file(
        blob.model_copy(update={"media_type": MARKDOWN}),
        project_id=call.access.project_id,
        entity_id=call.new_id,
        entity_type=draft.type,
        owner_id=call.identity.user_id,
        file_name=wanted.file_name,
        preview=words(content),
    )
    return {"fields": fields_of(draft), "claim_id": claim_id, "file": file}
