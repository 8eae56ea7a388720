"""The batcher as a state machine: whatever replicas and the bus do, each edit is settled once.

A model plays clients, collab replicas and a bus that loses, repeats and delays messages, in one
process and in virtual time. The replicas keep one log, as collab does. After every step these hold,
and after the faults have ended every edit is settled:

* an edit is settled only when the log has it, or its session was refused,
* an acknowledged seq covers every settled edit of its session,
* the edits of a scene stand in the log in the order in which they were submitted,
* every edit that is not settled is counted.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from libs.contracts import subjects
from libs.contracts.collab import frames
from services.gateway.live.batch_pacer import SPACING_S_MAX
from services.gateway.live.batcher import RESEND_AFTER_S, TICK_S, EditBatcher, SceneQueue
from services.gateway.live.replicas import BEAT_DEAD_S, Replicas
from tests.support.fake_bus import FakeBus
from tests.support.virtual_time import VirtualLoop

GATEWAY = "0000002a"
NAMES = ("collab-0", "collab-1", "collab-2")
SCENES = 4
SENDERS = 2
"""Sessions in each scene."""
HEAL_S = 10.0
BEAT_S = 0.25
AUTHOR = bytes(16)

SEEDS = 30
STEPS = 400


@dataclass(eq=False)
class Sender:
    """A session that counts what the batcher tells it."""

    scene: SceneQueue
    tag: int
    wants_acks: bool
    author: bytes = AUTHOR
    submitted: list[int] = field(default_factory=list[int])
    unsettled_bytes: int = 0
    settled: int = 0
    acked_seq: int = 0
    refused: bool = False

    def update_settled(self, entry_bytes: int) -> bool:
        self.settled += 1
        self.unsettled_bytes -= entry_bytes
        return self.wants_acks

    def send_ack(self, seq: int) -> None:
        assert self.wants_acks
        self.acked_seq = max(self.acked_seq, seq)

    def update_refused(self, reason: int) -> None:
        assert reason == frames.REASON_INVALID
        self.refused = True


@dataclass
class Replica:
    """A collab replica: it reads batches in order, commits, and acknowledges."""

    name: str
    alive: bool = True
    draining: bool = False
    inbox: deque[bytes] = field(default_factory=deque[bytes])
    number: int = 0
    """Of the newest batch that was committed, by which a repeated one is known."""
    ack: bytes = b""
    refused: set[int] = field(default_factory=set[int])


class Model:
    """Clients, replicas and the bus around one batcher."""

    def __init__(self, seed: int) -> None:
        self.choose = random.Random(seed)
        self.loop = VirtualLoop()
        self.bus = FakeBus()
        self.replicas = {name: Replica(name) for name in NAMES}
        self.acks: list[bytes] = []
        """On their way to the gateway, in whatever order."""
        self.log: dict[bytes, list[int]] = {}
        """The edits of each scene as they were committed, repeated ones included."""
        self.bad: set[int] = set()
        """Edits that collab refuses."""
        self.refused: set[int] = set()
        """Sessions of which a replica refused an edit; another one may still take later edits."""
        self.edits = 0
        self.scenes = [SceneQueue(bytes([number]) * 16) for number in range(SCENES)]
        self.senders = [
            Sender(scene, tag, wants_acks=tag % 2 == 0)
            for tag, scene in enumerate(self.scenes * SENDERS, 1)
        ]
        self.batcher = self.loop.run(self._start())

    async def _start(self) -> EditBatcher:
        batcher = EditBatcher(self.bus.client, Replicas(self.loop.time), GATEWAY)
        await batcher.start()
        self.ticking = self.loop.create_task(self._tick(batcher))
        return batcher

    @staticmethod
    async def _tick(batcher: EditBatcher) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            await batcher.tick()

    def run(self) -> None:
        """Take STEPS at random; then end all faults, and every edit is settled."""
        steps = list(self.weights())
        weights = list(self.weights().values())
        self.beat_all()
        for _ in range(STEPS):
            self.choose.choices(steps, weights)[0]()
            self.check()
        self.heal()

    def weights(self) -> dict[Callable[[], None], int]:
        """Return how often each step is taken."""
        return {
            self.submit: 30,
            self.submit_bad: 1,
            self.beat_all: 8,
            self.beat_one: 8,
            self.work: 15,
            self.carry: 15,
            self.deliver_ack: 15,
            self.pass_time: 20,
            self.settle_all: 4,
            self.lose_batches: 2,
            self.lose_ack: 2,
            self.repeat_ack: 2,
            self.kill: 1,
            self.restart: 3,
            self.drain: 1,
            self.silence: 2,
            self.no_responders: 1,
            self.cut_bus: 1,
            self.mend_bus: 3,
        }

    def heal(self) -> None:
        """End all faults; then every edit is settled."""
        self.mend_bus()
        for name in NAMES:
            self.replicas[name].draining = False
            self.replicas[name].alive = True
        for _ in range(int(HEAL_S / BEAT_S)):
            self.beat_all()
            self.loop.pass_time(BEAT_S)
            self.settle_all()
            self.check()
        assert self.batcher.unacked == 0, "some edits are never settled"
        assert self.loop.run(self.batcher.drained(0))
        assert not self.ticking.done()
        for sender in self.senders:
            assert sender.settled == len(sender.submitted)
            assert sender.unsettled_bytes == 0

    # -- clients

    def submit(self) -> None:
        """A client types; one whose session has ended does not."""
        sender = self.choose.choice(self.senders)
        for _ in range(0 if sender.refused else self.choose.randint(1, 3)):
            self._submit(sender)

    def _submit(self, sender: Sender) -> None:
        self.edits += 1
        sender.submitted.append(self.edits)
        update = self.edits.to_bytes(4)
        sender.unsettled_bytes += self.batcher.submit(
            sender.scene, sender, update, deliveries=SENDERS
        )

    def submit_bad(self) -> None:
        """A client sends an update that collab will refuse, and more that follow it."""
        self.bad.add(self.edits + 1)
        self.submit()

    # -- replicas

    def beat_all(self) -> None:
        """A heartbeat of each replica arrives."""
        for replica in self.replicas.values():
            self._beat(replica)

    def beat_one(self) -> None:
        """A heartbeat of one replica arrives."""
        self._beat(self._some_replica())

    def _beat(self, replica: Replica) -> None:
        if replica.alive:
            beat = frames.beat(replica.name, 0, draining=replica.draining)
            self.loop.run(self.bus.deliver(subjects.HEARTBEAT, beat))

    def _some_replica(self) -> Replica:
        return self.choose.choice(list(self.replicas.values()))

    def kill(self) -> None:
        """A replica dies with the batches that it has not committed."""
        name = self._some_replica().name
        self.replicas[name] = Replica(name, alive=False)

    def restart(self) -> None:
        """A replica is up, and knows nothing of earlier batches if it was down."""
        replica = self._some_replica()
        if not replica.alive or replica.draining:
            self.replicas[replica.name] = Replica(replica.name)

    def drain(self) -> None:
        """A replica tells that it is about to stop; it still commits what it is sent."""
        replica = self._some_replica()
        replica.draining = True
        self._beat(replica)

    def work(self) -> None:
        """A replica commits its next batch, and the acknowledgement sets off."""
        self._work(self._some_replica())

    def _work(self, replica: Replica) -> None:
        if not replica.inbox:
            return
        data = replica.inbox.popleft()
        number, _ = frames.read_batch_head(data)
        if number != replica.number:
            replica.number, replica.ack = number, self._commit(replica, number, data)
        self.acks.append(replica.ack)

    def _commit(self, replica: Replica, number: int, data: bytes) -> bytes:
        heads: dict[bytes, int] = {}
        refusals: list[tuple[int, int]] = []
        for scene, author, tag, update in frames.read_batch(data):
            assert author == AUTHOR
            edit = int.from_bytes(update)
            if tag in replica.refused or edit in self.bad:
                replica.refused.add(tag)
                refusals.append((tag, frames.REASON_INVALID))
                self.refused.add(tag)
                continue
            log = self.log.setdefault(scene, [])
            log.append(edit)
            heads[scene] = len(log)
        return frames.ack(number, heads, refusals)

    # -- the bus

    def carry(self) -> None:
        """All batches that were published arrive."""
        for sent in self.bus.take_sent():
            replica = self.replicas[sent.subject.rpartition(".")[2]]
            assert sent.subject == subjects.edit(replica.name)
            assert sent.reply == subjects.ack(GATEWAY)
            if replica.alive:
                replica.inbox.append(sent.data)

    def lose_batches(self) -> None:
        """All batches that were published are lost."""
        self.bus.take_sent()

    def deliver_ack(self, *, keep: bool = False) -> None:
        """An acknowledgement arrives, not always the oldest."""
        if self.acks:
            which = self.choose.randrange(len(self.acks))
            ack = self.acks[which] if keep else self.acks.pop(which)
            self.loop.run(self.bus.deliver(subjects.ack(GATEWAY), ack))

    def repeat_ack(self) -> None:
        """An acknowledgement arrives, not for the last time."""
        self.deliver_ack(keep=True)

    def lose_ack(self) -> None:
        """An acknowledgement is lost."""
        if self.acks:
            del self.acks[self.choose.randrange(len(self.acks))]

    def no_responders(self) -> None:
        """The bus tells that a replica is gone."""
        self.loop.run(self.bus.deliver(subjects.ack(GATEWAY), b""))

    def cut_bus(self) -> None:
        """Publishing fails from now on."""
        self.bus.away = True

    def mend_bus(self) -> None:
        """Publishing works again."""
        self.bus.away = False

    def pass_time(self) -> None:
        """Timers run."""
        self.loop.pass_time(self.choose.choice([0.0, 0.001, 0.03, 0.1, RESEND_AFTER_S + TICK_S]))

    def silence(self) -> None:
        """All heartbeats are late, and those of a few replicas come again."""
        self.loop.pass_time(BEAT_DEAD_S + 2 * TICK_S)
        for _ in range(self.choose.randint(0, len(NAMES))):
            self.beat_one()

    def settle_all(self) -> None:
        """Everything goes well for a moment."""
        self.loop.pass_time(SPACING_S_MAX)
        self.carry()
        for replica in self.replicas.values():
            while replica.inbox:
                self._work(replica)
        while self.acks:
            self.deliver_ack()

    # -- what holds

    def check(self) -> None:
        """Check what must hold after every step."""
        ignored = {
            edit for each in self.senders if each.tag in self.refused for edit in each.submitted
        }
        for log in self.log.values():
            first = [edit for edit in dict.fromkeys(log) if edit not in ignored]
            assert first == sorted(first), "a later edit was committed before an earlier one"
        for sender in self.senders:
            self._check_sender(sender)
        for scene in self.scenes:
            mine = [sender for sender in self.senders if sender.scene is scene]
            assert scene.unacked == sum(len(each.submitted) - each.settled for each in mine)
        assert self.batcher.unacked == sum(scene.unacked for scene in self.scenes)

    def _check_sender(self, sender: Sender) -> None:
        assert sender.settled <= len(sender.submitted), "an edit was settled twice"
        if sender.refused:
            return
        log = self.log.get(sender.scene.scene, [])
        # A session without acks hears of no seq.
        durable = log[: sender.acked_seq] if sender.wants_acks else log
        settled = sender.submitted[: sender.settled]
        assert set(durable).issuperset(settled), "an edit was settled that is not durable"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_each_edit_is_settled_once(seed: int):
    """Whatever the replicas and the bus do, and within seconds after they work again."""
    model = Model(seed)
    try:
        model.run()
    finally:
        model.loop.shut_down()
