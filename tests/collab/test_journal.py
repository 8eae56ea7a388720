"""The journal as a state machine: what is acknowledged is in the log, whatever the database does.

A model runs two replicas' journals over one log, in one process and in virtual time. Commits take
time, lose races for a key, and fail before or after they took effect; replicas die between any two
steps, also between a commit and its announcement. As gateways do, the model submits a batch again
that was not acknowledged, to any replica.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import cast

import pytest

from services.collab.journal import Journal
from services.collab.model import Batch, SceneRun
from services.collab.store import Fenced, Store
from tests.support.virtual_time import VirtualLoop

SEEDS = 40
STEPS = 150
SCENES = 3
REPLICAS = 2
HEAL_S = 30.0
AUTHOR = bytes(16)


class FakeStore:
    """A log in memory with the log's key, and faults that the model chooses."""

    def __init__(self, choose: random.Random) -> None:
        self.log: dict[bytes, dict[int, bytes]] = {}
        self.faults = True
        self._choose = choose

    async def heads(self, scenes: Sequence[bytes]) -> list[int]:
        await self._take_time()
        self._fail(0.05)
        return [max(self.log.get(scene, {0: b""})) for scene in scenes]

    async def append(self, batches: Sequence[Batch], seqs: list[int]) -> None:
        """Insert all rows or none, as one transaction does."""
        await self._take_time()
        self._fail(0.1)
        scenes = [scene for batch in batches for scene in batch.scenes]
        updates = [update for batch in batches for update in batch.updates]
        rows = list(zip(scenes, seqs, updates, strict=True))
        if any(seq in self.log.get(scene, {}) for scene, seq, _ in rows):
            raise Fenced
        for scene, seq, update in rows:
            self.log.setdefault(scene, {})[seq] = update
        await self._take_time()
        self._fail(0.1)

    async def _take_time(self) -> None:
        await asyncio.sleep(self._choose.choice([0, 0.001, 0.01]))

    def _fail(self, share: float) -> None:
        if self.faults and self._choose.random() < share:
            raise ConnectionResetError


class Replica:
    """A journal, and what it announced and acknowledged."""

    def __init__(self, model: "Model") -> None:
        self._model = model
        self.announced: dict[bytes, int] = {}
        self.journal = Journal(cast("Store", model.store), self._announce)
        self.running = model.loop.create_task(self.journal.run())

    async def _announce(self, runs: dict[bytes, SceneRun]) -> None:
        await asyncio.sleep(self._model.choose.choice([0, 0.002]))
        for scene, run in runs.items():
            rows = self._model.store.log[scene]
            committed = [rows[seq] for seq in range(run.seq_from, run.seq_to + 1)]
            assert committed == run.updates, "an announcement is not what the log has"
            assert run.seq_from > self.announced.get(scene, 0), "announced out of order"
            self.announced[scene] = run.seq_to

    def submit(self, number: int) -> None:
        """Submit a batch of the model."""
        batch = self._model.batches[number]

        async def done(heads: dict[bytes, int]) -> None:
            assert not self.running.cancelled()
            await self._model.acknowledged(self, number, heads)

        self.journal.submit(batch, done)


class Model:
    """Gateways, which submit, and the replicas of collab."""

    def __init__(self, seed: int) -> None:
        self.choose = random.Random(seed)
        self.loop = VirtualLoop()
        self.store = FakeStore(self.choose)
        self.batches: dict[int, Batch] = {}
        self.submitted_to: dict[int, Replica] = {}
        self.acks: dict[int, int] = {}
        self.edits = 0
        self.replicas = [self.loop.run(self._start()) for _ in range(REPLICAS)]

    async def _start(self) -> Replica:
        return Replica(self)

    async def acknowledged(self, replica: Replica, number: int, heads: dict[bytes, int]) -> None:
        """Check that what is acknowledged is durable and was announced."""
        batch = self.batches[number]
        assert heads.keys() == set(batch.scenes)
        for scene, update in zip(batch.scenes, batch.updates, strict=True):
            rows = self.store.log[scene]
            assert update in [rows[seq] for seq in range(1, heads[scene] + 1)]
            assert replica.announced[scene] >= heads[scene], "acknowledged before announced"
        if self.submitted_to.get(number) is replica:
            self.acks[number] = self.acks.get(number, 0) + 1
            del self.submitted_to[number]
        assert self.acks.get(number, 0) <= 1, "acknowledged twice by one replica"

    def run(self) -> None:
        """Take STEPS at random; then the faults end, and every batch is acknowledged."""
        steps = (self.submit, self.pass_time, self.kill, self.submit_again)
        for _ in range(STEPS):
            self.choose.choices(steps, (10, 8, 1, 1))[0]()
            self.check_log()
        self.store.faults = False
        self.loop.pass_time(HEAL_S)
        self.submit_lost()
        self.loop.pass_time(HEAL_S)
        for replica in self.replicas:
            assert not replica.running.done()
            assert self.loop.run(replica.journal.drained(within_s=0.001))
        self.check_log()
        self.check_order()
        assert self.acks.keys() == self.batches.keys()

    def submit(self) -> None:
        """A batch arrives at a replica."""
        batch = Batch()
        for _ in range(self.choose.randint(1, 4)):
            self.edits += 1
            scene = bytes([self.choose.randrange(SCENES)]) * 16
            batch.add(scene, AUTHOR, 7, self.edits.to_bytes(4))
        number = len(self.batches) + 1
        self.batches[number] = batch
        self._submit(number)

    def _submit(self, number: int) -> None:
        replica = self.choose.choice(self.replicas)
        self.submitted_to[number] = replica
        replica.submit(number)

    def submit_again(self) -> None:
        """A gateway that got no answer in time sends a batch to a replica, perhaps the same."""
        if self.submitted_to:
            self._submit(self.choose.choice(list(self.submitted_to)))

    def submit_lost(self) -> None:
        """Send the batches again that died with their replica."""
        for number in [n for n, at in self.submitted_to.items() if at not in self.replicas]:
            self._submit(number)

    def pass_time(self) -> None:
        """The journals go on."""
        self.loop.pass_time(self.choose.choice([0.0, 0.001, 0.02, 0.2]))

    def kill(self) -> None:
        """A replica dies wherever it is, and another process takes its place."""
        at = self.choose.randrange(REPLICAS)
        self.replicas[at].running.cancel()
        self.loop.pass_time(0)
        self.replicas[at] = self.loop.run(self._start())

    def check_log(self) -> None:
        """The log of a scene has no gap."""
        for rows in self.store.log.values():
            assert sorted(rows) == list(range(1, len(rows) + 1))

    def check_order(self) -> None:
        """A batch stands in the log in its own order, wherever it stands."""
        for batch in self.batches.values():
            for scene in set(batch.scenes):
                rows = self.store.log[scene]
                in_log = [rows[seq] for seq in sorted(rows)]
                mine = [u for s, u in zip(batch.scenes, batch.updates, strict=True) if s == scene]
                first = [update for update in dict.fromkeys(in_log) if update in mine]
                assert first == mine


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_batch_is_acknowledged_when_it_is_durable(seed: int):
    """Once by the replica that it was sent to, after its rows were committed and announced."""
    model = Model(seed)
    try:
        model.run()
    finally:
        model.loop.shut_down()
