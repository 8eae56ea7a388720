"""Words for tests of entities' files: what is stored, attached, detached and settled."""

import time
from hashlib import sha256
from typing import Any
from uuid import UUID

from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.blobs.transfers import SETTLE_CLAIM, SettleClaim
from libs.contracts.events import files
from libs.contracts.ids import new_id
from tests.events.support import Json, World

TEXT = "It was on a dreary night of November."


def stored(text: str = TEXT, **more: Any) -> files.StoredFile:
    body = text.encode()
    given: Json = {
        "path": "users/mary/notes/night.md",
        "url": "/api/blobs/x",
        "size": len(body),
        "type": "markdown",
        "checksum": sha256(body).hexdigest(),
        "preview": text[:200],
    }
    return files.StoredFile.model_validate(given | more)


def dated(seconds_ago: float) -> UUID:
    """A UUIDv7 of that time."""
    ms = int((time.time() - seconds_ago) * 1000)
    rest = new_id().int & ((1 << 80) - 1)
    return UUID(int=(ms << 80) | rest)


async def note(world: World, **fields: Any) -> Json:
    return await world.create("entity", world.project_id, type="note", name="Night", **fields)


async def attach(world: World, entity_id: Any, text: str = TEXT, **more: Any) -> Json:
    given: Json = {"claim_id": new_id(), "command_id": new_id(), "file": stored(text)}
    question = files.AttachFile(id=UUID(str(entity_id)), **(given | more))
    return (await world.caller.ask(files.ATTACH_FILE, question, world.actor)).resource


async def detach(world: World, entity_id: Any, **more: Any) -> Json:
    given: Json = {"id": entity_id, "command_id": new_id()}
    question = files.DetachFile.model_validate(given | more)
    return (await world.caller.ask(files.DETACH_FILE, question, world.actor)).resource


async def create_with_file(world: World, **more: Any) -> Json:
    given: Json = {
        "kind": "entity",
        "id": new_id(),
        "command_id": new_id(),
        "parent_id": world.project_id,
        "fields": {"type": "note", "name": "Night"},
        "claim_id": new_id(),
        "file": stored(),
    }
    question = files.CreateWithFile.model_validate(given | more)
    return (await world.caller.ask(files.CREATE_WITH_FILE, question, world.actor)).resource


async def settle(caller: Caller, claim_id: UUID, project_id: UUID) -> bool:
    question = SettleClaim(claim_id=claim_id, project_id=project_id)
    actor = Actor(user_id=new_id(), project_id=project_id)
    return (await caller.ask(SETTLE_CLAIM, question, actor)).used


def told(entity: Json) -> Json:
    file = entity["file"]
    return file | {"preview": entity["preview"]}


EXPECTED = stored().model_dump(mode="json")
"""What is told of the file that these words store when nothing else is said."""
