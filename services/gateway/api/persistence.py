"""Scenes of a script with their blocks, snapshots on demand, and how persistence is.

The members of these answers have the names that older clients know (snake_case).
"""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from libs.contracts.collab.persistence import (
    DIVERGENCE_STATUS,
    PERSISTENCE_HEALTH,
    READ_SCENES,
    SCENES_AT_ONCE_MAX,
    TAKE_SNAPSHOT,
    Fallback,
    Freshness,
    ReadScenes,
    SceneState,
    SceneText,
    SnapshotRequest,
)
from libs.contracts.events.manuscript import LIST_BOOK_SCENES, BookScene, BookScenes
from libs.contracts.pages import Cursor
from services.gateway.access.limits import LimitClass
from services.gateway.http.endpoint import Context, Endpoint
from services.gateway.http.route import Answer, AnyCall, Query

DEADLINE_S = 20.0
"""A hundred scenes may have to be read from long logs."""


class Scenes(Query):
    """A page of the scenes of a script."""

    cursor: Cursor | None = None
    limit: Annotated[int, Field(ge=1, le=SCENES_AT_ONCE_MAX)] = SCENES_AT_ONCE_MAX


class _Fixed(BaseModel):
    """A part of an answer whose names were fixed long ago."""

    model_config = ConfigDict(frozen=True)


class SceneContent(_Fixed):
    """The content of a scene as Slate JSON."""

    blocks: list[dict[str, Any]]


class SceneMetadata(_Fixed):
    """The source of the blocks.

    `source`: `yjs`, the live text; `rest`, a snapshot; `migrated`, a snapshot of an older system.
    `reason` says why blocks are not the live text although there is one (`unreadable`) or are left
    out (`too_large`); null when all is well.
    """

    source: str
    snapshot_at: datetime | None
    yjs_update_count: int
    last_modified: datetime
    freshness: Freshness
    state: SceneState
    reason: Fallback | None


class ScriptScene(_Fixed):
    """A scene of a script; `slugline` is its first scene heading, else its title."""

    sceneUUID: UUID  # noqa: N815 (a name of the source)
    slugline: str | None
    sceneIndex: int  # noqa: N815 (a name of the source)
    version: int
    content: SceneContent
    metadata: SceneMetadata


class ScriptScenes(_Fixed):
    """Scenes in reading order; `nextCursor` is null on the last page."""

    scenes: list[ScriptScene]
    nextCursor: str | None = None  # noqa: N815 (as in every other list)


async def _with_texts(context: Context, call: AnyCall, page: BookScenes) -> Answer:
    """Answer with the scenes and all their text, which one further question brings."""
    if not page.items:
        return Answer.json({"scenes": [], "nextCursor": None})
    texts = await context.caller.ask(
        READ_SCENES,
        ReadScenes(scene_ids=[item.scene.id for item in page.items]),
        call.actor,
        deadline_s=DEADLINE_S,
    )
    shown = page.items[: len(texts.scenes)]
    more = page.more or len(shown) < len(page.items)
    rows = ",".join(_scene(item, text) for item, text in zip(shown, texts.scenes, strict=True))
    cursor = json.dumps(shown[-1].cursor if more else None)
    return Answer(200, f'{{"scenes":[{rows}],"nextCursor":{cursor}}}'.encode())


def _scene(item: BookScene, text: SceneText) -> str:
    """One scene as JSON. Its blocks are JSON already, and may be megabytes: they are passed on."""
    scene = item.scene
    metadata = SceneMetadata(
        source=text.source,
        snapshot_at=text.snapshot_at,
        yjs_update_count=text.yjs_update_count,
        last_modified=max(text.last_modified or scene.updated_at, scene.updated_at),
        freshness=text.freshness,
        state=text.state,
        reason=text.reason,
    )
    head = json.dumps(
        {
            "sceneUUID": str(scene.id),
            "slugline": text.heading or scene.title,
            "sceneIndex": item.place,
            "version": scene.version,
        },
        ensure_ascii=False,
    )
    content = f'"content":{{"blocks":{text.blocks_json}}}'
    return f'{head[:-1]},{content},"metadata":{metadata.model_dump_json()}}}'


async def _require_operator(context: Context, call: AnyCall) -> Mapping[str, Any]:
    context.operators.require(call.identity)
    return {}


_health = partial(
    Endpoint,
    description="For operators (SCRIPTORIUM_OPERATORS). Measured over all replicas.",
    tag="Operating",
    cost=LimitClass.READ,
    action="ops.read",
    prepare=_require_operator,
    headers={"Cache-Control": "no-store"},
    problems=("FORBIDDEN",),
)

ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/scripts/{id=book_id}/scenes",
        LIST_BOOK_SCENES,
        summary="Read the scenes of a script with their blocks",
        description=(
            "In reading order, across chapters. A script is a book; one of any kind is"
            " answered. A page ends early when its blocks fill an answer."
        ),
        tag="Scenes",
        query=Scenes,
        cost=LimitClass.CONTENT,
        place="book",
        action="scene.read",
        show=_with_texts,
        answer=ScriptScenes,
    ),
    Endpoint(
        "POST",
        "/api/scenes/{id=scene_id}/snapshot",
        TAKE_SNAPSHOT,
        summary="Take a snapshot of a scene",
        description=(
            "Validation: `diverged` is about the snapshot that is replaced,"
            " `checksum_match` about the new one, `passed` about both."
        ),
        tag="Scenes",
        body=SnapshotRequest,
        cost=LimitClass.CONTENT,
        place="scene",
        action="scene.snapshot",
        new_id="snapshot_id",
        deadline_s=DEADLINE_S,
        problems=("RECENT_SNAPSHOT", "NOTHING_WRITTEN", "CONCURRENCY_CONFLICT"),
    ),
    _health(
        "GET",
        "/api/health/persistence",
        PERSISTENCE_HEALTH,
        summary="How persistence is",
    ),
    _health(
        "GET",
        "/api/health/divergence-status",
        DIVERGENCE_STATUS,
        summary="How snapshots and update logs agree",
    ),
)
