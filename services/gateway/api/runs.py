"""Runs of the ai service: begun, listed, read, followed, cancelled, and what they are made from."""

import asyncio
from collections.abc import AsyncGenerator
from functools import partial
from typing import Annotated
from uuid import UUID

import nats.errors
from pydantic import Field

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.ai.runs import (
    CANCEL_RUN,
    CREATE_RUN,
    FOLLOW_RUN,
    LIST_RUNS,
    READ_LINEAGE,
    READ_RUN,
    RUN_VERSION_MAX,
    RUNS_OPEN_MAX,
    WHERE_RUN,
    FollowRun,
    RunCreate,
    RunFollowed,
    WhereRun,
)
from services.gateway.access import permissions
from services.gateway.access.limits import LimitClass
from services.gateway.access.permissions import Access, Action
from services.gateway.http.endpoint import Context, Endpoint, Enter
from services.gateway.http.route import (
    EVENT_STREAM,
    Answer,
    AnyCall,
    AnyRoute,
    Call,
    NoBody,
    Query,
    Route,
    Streamed,
)
from services.gateway.streams import sse

TAG = "AI"
STREAM_S_MAX = 30.0
"""After this a client comes back, with its rights looked at again, and goes on where it was."""
LOOK_INTERVAL_S = 0.25
HEARTBEAT_S = 10.0
STALL_S = 15.0
_OF_PROJECT = "/api/projects/{id}/ai/runs"
_ONE = "/api/ai/runs/{id}"
_UNBUFFERED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def access_to_run(context: Context, call: AnyCall, action: Action) -> Access:
    """Return what the caller is in the project of the run that the path names.

    Raises:
        NotFound: There is no such run, or they are a stranger to its project.
        Forbidden: Their role or their token does not allow *action*.
        ProjectArchived: The project can only be read, and *action* changes something.
    """
    where = await context.caller.ask(
        WHERE_RUN, WhereRun(id=call.path["id"]), Actor(user_id=call.identity.user_id)
    )
    if where.project_id is None:
        raise errors.NotFound
    access = await context.authority.access(call.identity, "project", where.project_id)
    if access.deleted:
        raise errors.NotFound
    permissions.require(access, action)
    if call.request.method != "GET":
        permissions.require_open(access, action)
    return access


def _within(action: Action) -> Enter:
    async def enter(context: Context, call: AnyCall) -> Access:
        return await access_to_run(context, call, action)

    return enter


_row = partial(Endpoint, tag=TAG)

ENDPOINTS = (
    _row(
        "POST",
        _OF_PROJECT,
        CREATE_RUN,
        summary="Begin a run",
        description=(
            "Over the whole project, one book, or one scene. `enrich` finds names, places, points"
            " of view, tenses and key passages; `continuity` compares the text with canon and with"
            " itself. Both are done by rules, without a model and without a key, and quote word for"
            f" word. A project has at most {RUNS_OPEN_MAX} runs that are queued or running."
        ),
        cost=LimitClass.CONTENT,
        place="project",
        action="ai.generate",
        body=RunCreate,
        new_id="id",
        status=201,
        location="/api/ai/runs/{id}",
        problems=("LIMIT_REACHED",),
    ),
    _row(
        "GET",
        _OF_PROJECT,
        LIST_RUNS,
        summary="List runs, the newest first",
        cost=LimitClass.READ,
        place="project",
        action="ai.read",
    ),
    _row(
        "GET",
        _ONE,
        READ_RUN,
        summary="Read a run with its steps and its output",
        cost=LimitClass.READ,
        enter=_within("ai.read"),
        action="ai.read",
    ),
    _row(
        "POST",
        f"{_ONE}/cancel",
        CANCEL_RUN,
        summary="Cancel a run",
        description=(
            "A queued run is cancelled at once, a running one within its step. Closing a stream"
            " cancels nothing. A run that has ended stays as it is."
        ),
        cost=LimitClass.WRITE,
        enter=_within("ai.cancel"),
        action="ai.cancel",
    ),
    _row(
        "GET",
        f"{_ONE}/lineage",
        READ_LINEAGE,
        summary="Read what a run is made from and what it made",
        description="The versions of texts that it read, its steps, and what it wrote elsewhere.",
        cost=LimitClass.READ,
        enter=_within("ai.read"),
        action="ai.read",
    ),
)


class StreamQuery(Query):
    """The version to go on after."""

    last_event_id: Annotated[
        int | None,
        Field(
            ge=0,
            le=RUN_VERSION_MAX,
            description="As the header Last-Event-ID, which counts if both are given.",
        ),
    ] = None


class RunStreams:
    """Serves what happens to runs as server-sent events."""

    def __init__(self, context: Context) -> None:
        """Ask the ai service by *context*."""
        self._context = context

    def routes(self) -> list[AnyRoute]:
        """Return the route."""
        return [
            Route(
                method="GET",
                path=f"{_ONE}/stream",
                handler=self.follow,
                summary="Follow a run",
                description=(
                    "Server-sent events from the beginning of the run, or from behind"
                    " `Last-Event-ID`, without a gap and without one twice. `id` is a version of"
                    " the run, `data` is `{version, kind, at, data}`: `kind` is `status` or `step`."
                    " The stream ends with the run, or after half a minute: then go on where you"
                    " were, as EventSource does by itself."
                ),
                tag=TAG,
                body=NoBody,
                query=StreamQuery,
                cost=LimitClass.READ,
                problems=("NOT_FOUND", "FORBIDDEN", "GONE"),
                answer_media_types=(EVENT_STREAM,),
            )
        ]

    async def follow(self, call: Call[NoBody, StreamQuery]) -> Answer:
        """Stream what happens to a run; what is wrong with the question is answered first."""
        access = await access_to_run(self._context, call, "ai.read")
        actor = Actor(user_id=call.identity.user_id, project_id=access.project_id, role=access.role)
        question = FollowRun(id=call.path["id"], after=_place(call))
        first = await self._context.caller.ask(FOLLOW_RUN, question, actor)
        stream = Streamed(
            self._messages(question.id, actor, first), STREAM_S_MAX + STALL_S, idle_s=STALL_S
        )
        return Answer(200, media_type=EVENT_STREAM, headers=_UNBUFFERED, stream=stream)

    async def _messages(self, run: UUID, actor: Actor, found: RunFollowed) -> AsyncGenerator[bytes]:
        clock = asyncio.get_running_loop().time
        ends, heard = clock() + STREAM_S_MAX, clock()
        yield sse.retry(500)
        while True:
            if found.items:
                heard = clock()
                yield b"".join(
                    sse.message(str(one.version), one.model_dump_json(by_alias=True).encode())
                    for one in found.items
                )
            if found.ended or clock() > ends:
                return
            if clock() - heard > HEARTBEAT_S:
                heard = clock()
                yield sse.comment("still running")
            if not found.items:
                await asyncio.sleep(LOOK_INTERVAL_S)
            question = FollowRun(id=run, after=found.upto)
            try:
                found = await self._context.caller.ask(FOLLOW_RUN, question, actor)
            except (errors.AppError, nats.errors.Error):
                # The client comes back, and is told then what is wrong.
                return


def _place(call: Call[NoBody, StreamQuery]) -> int:
    """Return the version after which to go on.

    Raises:
        Invalid: The header is no version of a run.
    """
    header = call.header("Last-Event-ID")
    if header is None:
        return call.query.last_event_id or 0
    if header.isascii() and header.isdecimal() and int(header) <= RUN_VERSION_MAX:
        return int(header)
    detail = "must be the id of an event of this run"
    raise errors.Invalid(errors=[{"field": "lastEventId", "detail": detail}])
