"""Tells replicas and gateways at once what the database will tell them later.

A message that is lost costs a second: workers look for runs, and followers for what happened.
"""

from collections.abc import Callable
from uuid import UUID

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from libs.contracts.subjects import RUN_CANCELLED, RUN_QUEUED, run_told


class Announcing:
    """Sends and hears short messages over core NATS."""

    def __init__(self, client: Client) -> None:
        """Speak over *client*."""
        self._client = client

    async def listen(
        self, *, on_queued: Callable[[], None], on_cancelled: Callable[[UUID], None]
    ) -> None:
        """Call *on_queued* when a run waits, and *on_cancelled* when one is to end."""

        async def queued(_: Msg) -> None:
            on_queued()

        async def cancelled(message: Msg) -> None:
            on_cancelled(UUID(bytes=message.data[:16]))

        await self._client.subscribe(RUN_QUEUED, cb=queued)
        await self._client.subscribe(RUN_CANCELLED, cb=cancelled)

    async def queued(self, run: UUID) -> None:
        """Tell that a run waits for a worker."""
        await self._tell(RUN_QUEUED, run)
        await self.changed(run)

    async def cancelled(self, run: UUID) -> None:
        """Tell that a run is to end."""
        await self._tell(RUN_CANCELLED, run)
        await self.changed(run)

    async def changed(self, run: UUID) -> None:
        """Tell that something happened to a run."""
        await self._tell(run_told(run), run)

    async def _tell(self, subject: str, run: UUID) -> None:
        try:
            await self._client.publish(subject, run.bytes)
        except nats.errors.Error:
            return
