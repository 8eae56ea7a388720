"""A real stack whose blobs replicas can be told where to die, and hands in its database."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from libs.bus import Caller, connect_broker
from libs.contracts.ids import new_id
from libs.tasks.failpoints import CRASH
from services.blobs.storage import Storage
from services.blobs.storage.local import LocalStorage
from tests.blobs.collection.support import Desk, Vault
from tests.blobs.support import Desk as Client
from tests.events.support import World
from tests.support.stack import TEST_LIMITS
from tools.stack import Stack
from tools.stack.part import Spec

HASTY = {
    "SCRIPTORIUM_RETENTION_ATTACHMENT_S": "4",
    "SCRIPTORIUM_GRACE_S": "1",
    "SCRIPTORIUM_CLAIM_WINDOW_S": "1",
    "SCRIPTORIUM_READERS_WAIT_S": "0",
    "SCRIPTORIUM_COLLECTION_INTERVAL_S": "0.2",
    "SCRIPTORIUM_COLLECTION_DUTY": "1",
}
DYING = "blobs-1"
DEATH_WAIT_S = 60.0


class Mortal(Stack):
    """A stack whose parts can be given another environment for their next start."""

    def __init__(
        self, folder: Path, replicas: Mapping[str, int], environment: Mapping[str, str]
    ) -> None:
        self.environments: dict[str, dict[str, str]] = {}
        super().__init__(
            folder / "data",
            replicas=replicas,
            environment={
                **TEST_LIMITS,
                "SCRIPTORIUM_COLD_URL": (folder / "cold").as_uri(),
                **environment,
            },
            log_format="json",
        )
        self.cold = folder / "cold"

    def _describe(self, service: str, number: int) -> Spec:
        spec = super()._describe(service, number)
        self.environments[spec.name] = dict(spec.environment)
        return replace(spec, environment=self.environments[spec.name])

    async def begin(self, environment: Mapping[str, str], part: str = DYING) -> None:
        """Start the one that dies, with more settings."""
        self.hold(part)
        self.kill(part)
        await self.wait_ended(part)
        told = self.environments[part]
        told.pop(CRASH, None)
        told.update(environment)
        self.release(part)
        async with asyncio.timeout(DEATH_WAIT_S):
            while self.pid(part) is None:  # noqa: ASYNC110 (a part tells no beginning)
                await asyncio.sleep(0.01)
        # It stays down when it dies.
        self.hold(part)

    async def die_at(self, step: str, part: str = DYING) -> None:
        """Start it so that it dies at *step*."""
        await self.begin({CRASH: step}, part)

    async def dead(self, part: str = DYING) -> None:
        """Wait until it has killed itself."""
        await self.wait_ended(part, DEATH_WAIT_S)

    async def alive(self, part: str = DYING) -> None:
        """Start it so that it lives."""
        await self.begin({}, part)
        await self.wait_ready(part)


@asynccontextmanager
async def hands(stack: Mortal, hot: Storage | None = None) -> AsyncGenerator[tuple[Desk, Client]]:
    """A person who looks into the database and storage, and the same one as a gateway sees them.

    Bytes are in the folder of the stack, or in *hot*.
    """
    broker, client = await connect_broker(
        stack.nats_url("gateway"), service="gateway", replica=f"hands-{new_id().hex[-6:]}"
    )
    caller = Caller(client)
    hot = hot or LocalStorage(str(stack.data_dir / "blobs"))
    stack.cold.mkdir(parents=True, exist_ok=True)
    cold = LocalStorage(str(stack.cold))
    async with (
        Vault.open(stack, stack.cold, hot=hot, cold=cold) as vault,
        httpx.AsyncClient(timeout=60) as http,
    ):
        world = await World.begin(caller)
        yield Desk(vault, world), Client(caller, http, world.actor)
    await broker.stop()


async def figures(stack: Stack, parts: Sequence[str] = (DYING,)) -> Counter[str]:
    """Every sample of blobs by its name without the prefix; labels and *parts* summed up."""
    found = Counter[str]()
    async with httpx.AsyncClient() as http:
        pages = [(await http.get(f"{stack.ops_url(part)}/metrics")).text for part in parts]
    for family in chain.from_iterable(map(text_string_to_metric_families, pages)):
        for sample in family.samples:
            found[sample.name.removeprefix("scriptorium_blobs_")] += sample.value  # pyright: ignore[reportArgumentType]  # whole numbers all
    return found
