"""Forgets what was made from words that are purged, and old facts."""

from uuid import UUID

from faststream.nats import NatsBroker
from nats.aio.client import Client

from libs.bus import PoisonMessage, subscribe_facts
from libs.contracts.ai.runs import RunError
from libs.contracts.events.event import Announcement
from libs.contracts.streams import EVENTS
from libs.contracts.subjects import AI_PURGES, AI_PURGES_CONSUMER
from libs.tasks import PeriodicTask
from services.ai.store import SQL, Store

LOOK_INTERVAL_S = 60.0
FACTS_KEPT_DAYS = 30
"""As long as the stream keeps them."""
FORGET_INTERVAL_S = 600.0
FORGET_ROWS = 5_000

_GONE = RunError(code="GONE", detail="A scene that the run had read was purged.")


class Erasing:
    """Hears of purges, and erases; any number of replicas may."""

    def __init__(self, store: Store) -> None:
        """Erase in *store*."""
        self._store = store

    def subscribe(self, broker: NatsBroker, client: Client) -> None:
        """Consume durably: what was purged while nobody was there is heard later."""
        subscribe_facts(
            broker,
            client,
            EVENTS,
            subject=AI_PURGES,
            durable=AI_PURGES_CONSUMER,
            on_fact=self.on_purged,
        )

    def tasks(self) -> list[PeriodicTask]:
        """Return what a replica does in the background."""
        again = PeriodicTask("erase_again", self.erase_again, interval_s=LOOK_INTERVAL_S)
        return [again, PeriodicTask("forget_facts", self.forget, interval_s=FORGET_INTERVAL_S)]

    async def on_purged(self, fact: Announcement) -> None:
        """Erase what was made from a scene, or all that a project had.

        Raises:
            PoisonMessage: The fact is no purge.
        """
        event = fact.event
        if not event.event_type.endswith(".purged"):
            raise PoisonMessage(f"{event.event_type} is no purge")
        if event.event_type in ("project.purged", "scene.purged"):
            await self._store.rows(SQL.note_purged, event.aggregate_id)
            await self._erase(event.aggregate_id)

    async def erase_again(self) -> None:
        """Erase once more what was purged a while ago: a step may have been under way."""
        for row in await self._store.rows(SQL.due_purges):
            await self._erase(row["id"])

    async def forget(self) -> bool:
        """Forget some old facts; return whether there may be more."""
        async with self._store.transaction() as connection:
            status = await connection.execute(SQL.forget_facts, FACTS_KEPT_DAYS, FORGET_ROWS)
        return int(status.rpartition(" ")[2]) == FORGET_ROWS

    async def _erase(self, thing: UUID) -> None:
        """Erase all of a project or a scene: an id is never that of both."""
        error = _GONE.model_dump(mode="json", by_alias=True)
        async with self._store.transaction() as connection:
            await connection.execute(SQL.erase_project, thing)
            await connection.execute(SQL.erase_facts, thing)
            await connection.execute(SQL.erase_fact, thing)
            await connection.execute(SQL.erase_results, thing, error)
