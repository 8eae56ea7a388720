"""A peer for tests: it edits while offline, pushes checkpoints, pulls, and keeps what it saw."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from libs.contracts.events import sync as s
from libs.contracts.events.event import Announcement
from libs.contracts.ids import new_id
from services.events.model.aggregate import Row
from services.events.model.aggregates import AGGREGATES
from services.events.model.log import fold
from tests.events.bundling import ALL
from tests.events.support import Json, World


def digest(operations: list[Json]) -> str:
    """The checksum of a checkpoint, as docs/sync.md tells a client to make it."""
    text = json.dumps(operations, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def checkpoint(session_id: UUID, number: int, *operations: Json) -> Json:
    """The body of a push."""
    given = [{"id": str(new_id()), **each} for each in operations]
    return {
        "sessionId": str(session_id),
        "checkpoint": number,
        "operations": given,
        "checksum": digest(given),
    }


@dataclass
class Copy:
    """What a peer has pulled: rows folded from events, and the position after them."""

    after: int | None = None
    rows: dict[UUID, Row | None] = field(default_factory=dict[UUID, Row | None])
    ids: list[UUID] = field(default_factory=list[UUID])

    def take(self, pulled: s.Pulled) -> None:
        """Apply one pulled checkpoint, whole or not at all."""
        lines = "".join(f"{each.position} {each.event.checksum}\n" for each in pulled.items)
        assert hashlib.sha256(lines.encode()).hexdigest() == pulled.checksum
        for each in pulled.items:
            self._apply(each)
        self.after = pulled.next

    def _apply(self, announcement: Announcement) -> None:
        event = announcement.event
        row = self.rows.get(event.aggregate_id)
        expected = row["version"] + 1 if row else None
        assert expected is None or event.version == expected, "an event was skipped or reordered"
        spec = AGGREGATES[event.aggregate_type]
        self.rows[event.aggregate_id] = fold(spec, row, event)
        self.ids.append(event.id)


@dataclass(frozen=True)
class Peer:
    """A peer that asks the service itself."""

    world: World
    session_id: UUID = field(default_factory=new_id)

    async def push(self, number: int, *operations: Json, **more: Any) -> s.Pushed:
        return await self.send(checkpoint(self.session_id, number, *operations) | more)

    async def send(self, body: Json) -> s.Pushed:
        question = s.Push.model_validate({"may": ALL, **body})
        return await self.world.caller.ask(s.PUSH, question, self.world.actor)

    async def resume(self) -> int:
        question = s.Resume(session_id=self.session_id)
        answer = await self.world.caller.ask(s.RESUME, question, self.world.actor)
        return answer.last_checkpoint

    async def pull(self, after: int | None = None) -> s.Pulled:
        return await self.world.caller.ask(s.PULL, s.Pull(after=after), self.world.actor)

    async def pull_all(self, copy: Copy) -> Copy:
        while True:
            pulled = await self.pull(copy.after)
            copy.take(pulled)
            if not pulled.more:
                return copy

    async def conflicts(self, **more: Any) -> list[s.KeptConflict]:
        question = s.ListConflicts(**more)
        answer = await self.world.caller.ask(s.LIST_CONFLICTS, question, self.world.actor)
        return answer.items

    async def resolve(self, conflict_id: UUID, take: str, **more: Any) -> Any:
        question = s.Resolve.model_validate(
            {"commandId": new_id(), "conflictId": conflict_id, "take": take, "may": ALL, **more}
        )
        return await self.world.caller.ask(s.RESOLVE, question, self.world.actor)
