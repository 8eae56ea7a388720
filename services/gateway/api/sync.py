"""Sync over HTTP: what an offline peer pushes, pulls, and leaves to be decided."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.events import sync
from libs.contracts.events.bundles import COMMIT_DEADLINE_S, Committed
from libs.contracts.events.sync import CHECKPOINT_OPERATIONS_MAX, CONFLICTS_PAGE_MAX, Digest, Number
from libs.contracts.rpc import Method
from libs.contracts.values import JsonValue
from libs.contracts.wire import Sparse, Wire
from services.gateway.access.authority import Authority
from services.gateway.access.limits import LimitClass
from services.gateway.api.bundles import Cursor, allowed
from services.gateway.http.route import Answer, AnyRoute, Call, NoBody, NoQuery, Query, Route

PUSH_BYTES_MAX = 6 << 20
"""Of a checkpoint; its operations may carry event data of 64 KiB each."""

_TAG = "Sync"
_PLACE = ("project", "id")
_REFUSALS = ("CONFLICT", "CONCURRENCY_CONFLICT", "UNKNOWN_NAME", "IDEMPOTENCY_KEY_REUSED")


class SyncPush(Wire):
    """A checkpoint: operations as in a bundle, each with an `id` of the peer's own.

    `checksum` is the SHA-256 of the canonical JSON of `operations` (RFC 8785).
    """

    session_id: UUID
    checkpoint: Number
    operations: Annotated[
        list[dict[str, JsonValue]], Field(min_length=1, max_length=CHECKPOINT_OPERATIONS_MAX)
    ]
    checksum: Digest


class SyncResolve(Sparse):
    """What to do about a conflict; `value` for a field that is to hold something else."""

    take: Literal["mine", "theirs", "value"]
    value: JsonValue = None


class After(Query):
    """From where to read on: `next` of the page before."""

    after: Annotated[int, Field(ge=-(2**63), le=2**63 - 1)] | None = None


class ConflictPage(Query):
    """Which conflicts: those that wait, those that were resolved, or all."""

    resolved: Literal["false", "true", "all"] = "false"
    cursor: Cursor | None = None
    limit: Annotated[int, Field(ge=1, le=CONFLICTS_PAGE_MAX)] = 50


class SyncRoutes:
    """Handlers for offline peers."""

    def __init__(self, caller: Caller, authority: Authority) -> None:
        """Ask events over *caller*; *authority* keeps what a push may change."""
        self._caller = caller
        self._authority = authority

    def routes(self) -> list[AnyRoute]:
        """Return the routes."""
        path = "/api/projects/{id}/sync"
        return [
            Route(
                method="POST",
                path=f"{path}/push",
                handler=self.push,
                summary="Push a checkpoint of operations",
                description=(
                    "Applied whole or not at all, and once; what conflicts comes back as data."
                    " Each operation needs the permission of what it does."
                ),
                tag=_TAG,
                body=SyncPush,
                query=NoQuery,
                cost=LimitClass.WRITE,
                place=_PLACE,
                action="sync.push",
                answer=sync.Pushed,
                problems=_REFUSALS,
                body_bytes_max=PUSH_BYTES_MAX,
            ),
            Route(
                method="GET",
                path=f"{path}/sessions/{{sessionId}}",
                handler=self.resume,
                summary="Which checkpoint of a session came last",
                tag=_TAG,
                body=NoBody,
                query=NoQuery,
                cost=LimitClass.READ,
                place=_PLACE,
                action="sync.push",
                answer=sync.Resumed,
            ),
            Route(
                method="GET",
                path=f"{path}/pull",
                handler=self.pull,
                summary="Pull events in commit order",
                description="Up to 100 at a time, after a position; none is ever skipped.",
                tag=_TAG,
                body=NoBody,
                query=After,
                cost=LimitClass.READ,
                place=_PLACE,
                action="sync.pull",
                answer=sync.Pulled,
            ),
            Route(
                method="GET",
                path=f"{path}/conflicts",
                handler=self.conflicts,
                summary="List the conflicts that wait, or were resolved",
                tag=_TAG,
                body=NoBody,
                query=ConflictPage,
                cost=LimitClass.READ,
                place=_PLACE,
                action="sync.pull",
                answer=sync.Conflicts,
            ),
            Route(
                method="POST",
                path=f"{path}/conflicts/{{conflictId}}/resolve",
                handler=self.resolve,
                summary="Decide a conflict",
                tag=_TAG,
                body=SyncResolve,
                query=NoQuery,
                cost=LimitClass.WRITE,
                place=_PLACE,
                action="sync.push",
                answer=Committed,
                problems=_REFUSALS,
            ),
        ]

    async def push(self, call: Call[SyncPush]) -> Answer:
        """Push."""
        body = call.body
        question = sync.Push(
            session_id=body.session_id,
            checkpoint=body.checkpoint,
            operations=body.operations,
            checksum=body.checksum,
            may=allowed(call.access),
        )
        return await self._ask_and_doubt(sync.PUSH, question, call.actor)

    async def resume(self, call: Call[NoBody]) -> Answer:
        """Tell the last checkpoint."""
        question = sync.Resume(session_id=call.path["sessionId"])
        return await self._ask(sync.RESUME, question, call.actor)

    async def pull(self, call: Call[NoBody, After]) -> Answer:
        """Pull."""
        return await self._ask(sync.PULL, sync.Pull(after=call.query.after), call.actor)

    async def conflicts(self, call: Call[NoBody, ConflictPage]) -> Answer:
        """List conflicts."""
        page = call.query
        question = sync.ListConflicts(resolved=page.resolved, cursor=page.cursor, limit=page.limit)
        return await self._ask(sync.LIST_CONFLICTS, question, call.actor)

    async def resolve(self, call: Call[SyncResolve]) -> Answer:
        """Resolve one."""
        question = sync.Resolve(
            command_id=call.command_id,
            conflict_id=call.path["conflictId"],
            take=call.body.take,
            value=call.body.value,
            may=allowed(call.access),
        )
        return await self._ask_and_doubt(sync.RESOLVE, question, call.actor)

    async def _ask_and_doubt[Q: Wire, A: Wire](
        self, method: Method[Q, A], question: Q, actor: Actor
    ) -> Answer:
        """Ask for something that may delete things, or raise the schema of scenes."""
        answer = await self._ask(method, question, actor)
        # Here at once, for whoever asks next; the other gateways hear of it.
        self._authority.doubt()
        return answer

    async def _ask[Q: Wire, A: Wire](
        self, method: Method[Q, A], question: Q, actor: Actor
    ) -> Answer:
        answer = await self._caller.ask(method, question, actor, deadline_s=COMMIT_DEADLINE_S)
        return Answer.json(answer)
