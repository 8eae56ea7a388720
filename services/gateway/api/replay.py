"""The replay stream: how a scene came to be, as lines of JSON."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Any

from pydantic import Field

from libs import errors
from libs.bus import Caller
from libs.contracts.collab.history import (
    REPLAY_PAGE,
    REPLAY_STEP_MAX,
    At,
    Replayed,
    ReplayPage,
    ReplayStep,
)
from services.gateway.access.limits import LimitClass
from services.gateway.api.documents import InBranch, document_of
from services.gateway.api.history import TAG
from services.gateway.api.points import POINT
from services.gateway.exchange.replay_lines import frame_line, json_line
from services.gateway.http.route import Answer, AnyRoute, Call, NoBody, Route, Streamed

NDJSON = "application/x-ndjson"

REPLAY_S_MAX = 60.0
"""A stream that takes longer, because its client reads slowly, ends early."""
REPLAY_BYTES_MAX = 64 << 20
"""Of one stream; its last line says where to go on."""
PAGE_DEADLINE_S = 10.0


class ReplayQuery(InBranch):
    """From where to where (without: all there is), and how much is in a frame."""

    since: Annotated[At | None, Field(alias="from")] = None
    until: Annotated[At | None, Field(alias="to")] = None
    step: Annotated[int, Field(ge=1, le=REPLAY_STEP_MAX)] | ReplayStep = 1


class ReplayRoutes:
    """Streams histories."""

    def __init__(self, caller: Caller) -> None:
        """Ask collab over *caller*."""
        self._caller = caller

    def routes(self) -> list[AnyRoute]:
        """Return the route."""
        return [
            Route(
                method="GET",
                path="/api/scenes/{id}/replay",
                handler=self.replay,
                summary="Replay how a scene came to be",
                description=(
                    f"{POINT} One JSON value a line: first the base state, then the edits in"
                    " order, `{seqFrom, seq, at, by, update}`, `update` being one Yjs update in"
                    " base64; apply them one after the other. `step` is how many versions are in"
                    " a frame, or `session` for one frame an editing session. The last line is"
                    " `{end, seq}`: with `end` true all was sent; else `from=seq:<seq>` goes on"
                    " there. A line with `error` is a problem on the way."
                ),
                tag=TAG,
                body=NoBody,
                query=ReplayQuery,
                cost=LimitClass.CONTENT,
                place=("scene", "id"),
                action="scene.read",
                problems=("GONE", "TOO_LARGE"),
                answer_media_types=(NDJSON,),
            )
        ]

    async def replay(self, call: Call[NoBody, ReplayQuery]) -> Answer:
        """Stream the frames; what is wrong with the question is answered before the first."""
        query = call.query
        question = ReplayPage(
            document_id=await document_of(self._caller, call, query.branch),
            scene_id=call.path["id"],
            since=query.since,
            until=query.until,
            step=query.step,
        )
        first = await self._page(call, question)
        stream = Streamed(self._lines(call, question, first), REPLAY_S_MAX)
        return Answer(200, media_type=NDJSON, stream=stream)

    async def _page(self, call: Call[Any, Any], question: ReplayPage) -> Replayed:
        return await self._caller.ask(REPLAY_PAGE, question, call.actor, deadline_s=PAGE_DEADLINE_S)

    async def _lines(
        self, call: Call[Any, Any], question: ReplayPage, page: Replayed
    ) -> AsyncGenerator[bytes]:
        """Write page after page; the next one is asked for when the client took the last."""
        sent = 0
        ends = asyncio.get_running_loop().time() + REPLAY_S_MAX - PAGE_DEADLINE_S
        while True:
            lines = b"".join(frame_line(frame) for frame in page.frames)
            sent += len(lines)
            if lines:
                yield lines
            late = asyncio.get_running_loop().time() > ends
            if page.done or sent > REPLAY_BYTES_MAX or late:
                yield json_line({"end": page.done, "seq": page.after})
                return
            question = question.model_copy(update={"after": page.after, "upto": page.upto})
            try:
                page = await self._page(call, question)
            except errors.AppError as error:
                # The status went out long ago.
                yield json_line({"error": {"code": error.code, "detail": error.detail}})
                return
