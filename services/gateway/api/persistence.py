"""Scenes of a script with their blocks, snapshots on demand, and how persistence is.

The members of these answers have the names that older clients know (snake_case).
"""

import json
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from libs import errors
from libs.bus import Caller
from libs.contracts.collab.persistence import (
    DIVERGENCE_STATUS,
    PERSISTENCE_HEALTH,
    READ_SCENES,
    SCENES_AT_ONCE_MAX,
    TAKE_SNAPSHOT,
    AskHealth,
    DivergenceStatus,
    Fallback,
    Freshness,
    PersistenceHealth,
    ReadScenes,
    SceneState,
    SceneText,
    Snapshot,
    TakeSnapshot,
)
from libs.contracts.events.manuscript import LIST_BOOK_SCENES, BookScene, ListBookScenes
from libs.contracts.rpc import Method
from libs.contracts.wire import Wire
from services.gateway.access.limits import LimitClass
from services.gateway.access.operators import Operators
from services.gateway.api.shapes import CURSOR_CHARS_MAX
from services.gateway.http.route import Answer, AnyRoute, Call, NoBody, NoQuery, Query, Route

DEADLINE_S = 20.0
"""A hundred scenes may have to be read from long logs."""


class Scenes(Query):
    """Which part of a script."""

    cursor: Annotated[str, StringConstraints(max_length=CURSOR_CHARS_MAX)] | None = None
    limit: Annotated[int, Field(ge=1, le=SCENES_AT_ONCE_MAX)] = SCENES_AT_ONCE_MAX


class _Fixed(BaseModel):
    """A part of an answer whose names were fixed long ago."""

    model_config = ConfigDict(frozen=True)


class SceneContent(_Fixed):
    """What is written in a scene, as Slate JSON."""

    blocks: list[dict[str, Any]]


class SceneMetadata(_Fixed):
    """Where the blocks are from.

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


class SnapshotRequest(Wire):
    """How to take a snapshot.

    `force` also when a recent one exists. `validate` compares the one that is replaced with the
    log, and reads the new one back.
    """

    force: bool = False
    validate_: bool = Field(default=False, alias="validate")


class PersistenceRoutes:
    """Handlers about what is derived from the text of scenes."""

    def __init__(self, caller: Caller, operators: Operators) -> None:
        """Ask over *caller*; *operators* may see how the system is."""
        self._caller = caller
        self._operators = operators

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        return [
            Route(
                method="GET",
                path="/api/scripts/{id}/scenes",
                handler=self.scenes,
                summary="Read the scenes of a script with their blocks",
                description=(
                    "In reading order, across chapters. A script is a book; one of any kind is"
                    " answered. A page ends early when its blocks fill an answer."
                ),
                tag="Scenes",
                body=NoBody,
                query=Scenes,
                cost=LimitClass.CONTENT,
                place=("book", "id"),
                action="scene.read",
                answer=ScriptScenes,
            ),
            Route(
                method="POST",
                path="/api/scenes/{id}/snapshot",
                handler=self.snapshot,
                summary="Take a snapshot of a scene",
                description=(
                    "Validation: `diverged` is about the snapshot that is replaced,"
                    " `checksum_match` about the new one, `passed` about both."
                ),
                tag="Scenes",
                body=SnapshotRequest,
                query=NoQuery,
                cost=LimitClass.CONTENT,
                place=("scene", "id"),
                action="scene.snapshot",
                answer=Snapshot,
                problems=("RECENT_SNAPSHOT", "NOTHING_WRITTEN", "CONCURRENCY_CONFLICT"),
                deleted_matters=True,
            ),
            self._health("persistence", self.persistence, PersistenceHealth, "How persistence is"),
            self._health(
                "divergence-status",
                self.divergence,
                DivergenceStatus,
                "How snapshots and update logs agree",
            ),
        ]

    def _health(self, name: str, handler: Any, answer: type[BaseModel], summary: str) -> AnyRoute:
        return Route(
            method="GET",
            path=f"/api/health/{name}",
            handler=handler,
            summary=summary,
            description="For operators (SCRIPTORIUM_OPERATORS). Measured over all replicas.",
            tag="Operating",
            body=NoBody,
            query=NoQuery,
            cost=LimitClass.READ,
            action="ops.read",
            answer=answer,
            problems=("FORBIDDEN",),
        )

    async def scenes(self, call: Call[NoBody, Scenes]) -> Answer:
        """Answer with a page of scenes: one question for their order, one for all their text."""
        page = await self._caller.ask(
            LIST_BOOK_SCENES,
            ListBookScenes(
                book_id=call.path["id"], cursor=call.query.cursor, limit=call.query.limit
            ),
            call.actor,
        )
        if not page.items:
            return Answer.json({"scenes": [], "nextCursor": None})
        texts = await self._caller.ask(
            READ_SCENES,
            ReadScenes(scene_ids=[item.scene.id for item in page.items]),
            call.actor,
            deadline_s=DEADLINE_S,
        )
        shown = page.items[: len(texts.scenes)]
        more = page.more or len(shown) < len(page.items)
        rows = ",".join(_row(item, text) for item, text in zip(shown, texts.scenes, strict=True))
        cursor = json.dumps(shown[-1].cursor if more else None)
        return Answer(200, f'{{"scenes":[{rows}],"nextCursor":{cursor}}}'.encode())

    async def snapshot(self, call: Call[SnapshotRequest]) -> Answer:
        """Take one; a retry with the same Idempotency-Key is answered with the same."""
        if call.access.deleted:
            raise errors.NotFound
        taken = await self._caller.ask(
            TAKE_SNAPSHOT,
            TakeSnapshot(
                scene_id=call.path["id"],
                snapshot_id=call.new_id,
                force=call.body.force,
                validate=call.body.validate_,
            ),
            call.actor,
            deadline_s=DEADLINE_S,
        )
        return Answer.json(taken)

    async def persistence(self, call: Call[NoBody]) -> Answer:
        """Tell operators how persistence is."""
        return await self._told(call, PERSISTENCE_HEALTH)

    async def divergence(self, call: Call[NoBody]) -> Answer:
        """Tell operators how snapshots and logs agree."""
        return await self._told(call, DIVERGENCE_STATUS)

    async def _told[A: Wire](self, call: Call[NoBody], method: Method[AskHealth, A]) -> Answer:
        self._operators.require(call.identity)
        found = await self._caller.ask(method, AskHealth(), call.actor)
        return Answer.json(found, 200, {"Cache-Control": "no-store"})


def _row(item: BookScene, text: SceneText) -> str:
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
