"""Words for tests that tamper with the log, and for those who mend it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.events import integrity as c
from libs.contracts.events.event import Event
from libs.postgres import Pool
from services.events.store import events_from_rows


@dataclass(frozen=True)
class Operator:
    """Somebody who runs the system."""

    caller: Caller
    actor: Actor

    async def verify(self, project_id: UUID | None = None) -> list[c.Flawed]:
        found: list[c.Flawed] = []
        after: c.Place | None = None
        while True:
            walk = c.Walk(project_id=project_id, after=after)
            step = await self.caller.ask(c.VERIFY, walk, self.actor)
            found += step.flawed
            after = step.after
            if after is None:
                return found

    async def export(self, project_id: UUID | None = None) -> c.Exported:
        items: list[dict[str, Any]] = []
        damaged: list[c.Flawed] = []
        after: c.Place | None = None
        while True:
            walk = c.Walk(project_id=project_id, after=after)
            step = await self.caller.ask(c.EXPORT, walk, self.actor)
            items += step.items
            damaged += step.damaged
            after = step.after
            if after is None:
                return c.Exported(items=items, damaged=damaged)

    async def quarantine(self, project_id: UUID, *, all: bool = False) -> list[c.Quarantined]:  # noqa: A002
        question = c.ListQuarantine(project_id=project_id, all=all)
        return (await self.caller.ask(c.QUARANTINE, question, self.actor)).items

    async def show(self, aggregate_id: Any, version: int) -> c.Quarantined:
        question = c.ShowQuarantined(aggregate_id=aggregate_id, version=version)
        return await self.caller.ask(c.SHOW_QUARANTINED, question, self.actor)

    async def decide(self, aggregate_id: Any, version: int, *originals: Event) -> c.Quarantined:
        question = c.Decide(
            aggregate_id=aggregate_id,
            version=version,
            originals=list(originals),
            by="the operator",
            reason="looked at it",
        )
        return await self.caller.ask(c.DECIDE, question, self.actor)

    async def inspect(self, id: Any) -> c.Story:  # noqa: A002
        return await self.caller.ask(c.INSPECT, c.Inspect(id=id), self.actor)

    async def search(self, **conditions: Any) -> list[Event]:
        question = c.Search.model_validate(conditions)
        return (await self.caller.ask(c.SEARCH, question, self.actor)).events


async def event(owner: Pool, aggregate_id: Any, version: int) -> Event:
    rows = await owner.fetch(
        "SELECT * FROM event_log WHERE aggregate_id = $1 AND version = $2", aggregate_id, version
    )
    return events_from_rows(rows)[0]


async def flip(owner: Pool, aggregate_id: Any, version: int) -> Event:
    """Turn one byte of an event's data; returns the event as it was."""
    original = await event(owner, aggregate_id, version)
    done = await owner.execute(
        """UPDATE events SET data = replace(data::text, '"to": "', '"to": "~')::jsonb
        WHERE aggregate_id = $1 AND version = $2""",
        aggregate_id,
        version,
    )
    assert done == "UPDATE 1"
    assert await event(owner, aggregate_id, version) != original
    return original


async def lose(owner: Pool, aggregate_id: Any, version: int) -> Event:
    """Take an event out of the log; returns it."""
    original = await event(owner, aggregate_id, version)
    await owner.execute(
        "DELETE FROM events WHERE aggregate_id = $1 AND version = $2", aggregate_id, version
    )
    return original
