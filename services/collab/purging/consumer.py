"""Hearing which scenes are purged."""

from collections.abc import Callable

from faststream.nats import NatsBroker
from nats.aio.client import Client

from libs.bus import PoisonMessage, subscribe_facts
from libs.contracts.events.event import Announcement
from libs.contracts.streams import EVENTS
from libs.contracts.subjects import PURGES_CONSUMER, SCENES_PURGED
from libs.postgres import Pool, load_queries
from libs.tasks import passed

SQL = load_queries("services.collab.purging")


class Purges:
    """Notes what is purged; replicas share the work."""

    def __init__(self, pool: Pool, noted: Callable[[], None]) -> None:
        """Note in *pool*, and call *noted* when there is something to erase."""
        self._pool = pool
        self._noted = noted

    def subscribe(self, broker: NatsBroker, client: Client) -> None:
        """Consume durably: what was purged while nobody was there is heard later."""
        subscribe_facts(
            broker,
            client,
            EVENTS,
            subject=SCENES_PURGED,
            durable=PURGES_CONSUMER,
            on_fact=self.on_purged,
        )

    async def on_purged(self, fact: Announcement) -> None:
        """Note that a scene, with its branches, is to be erased.

        Raises:
            Poison: The fact is about something else.
        """
        event = fact.event
        if event.event_type != "scene.purged":
            raise PoisonMessage(f"{event.event_type} is no purge of a scene")
        await self._pool.execute(SQL.mark, event.aggregate_id, event.project_id, event.id)
        passed("purging.marked")
        self._noted()
