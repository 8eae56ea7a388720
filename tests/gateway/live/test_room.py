"""A room as a state machine: each reader gets the whole log, in order and without a gap.

A model commits rows and announces them over a bus that loses, repeats, reorders and delays frames
and answers; frames overlap as those of two replicas do. Readers join at any time, leave, and stop
reading. A reader never gets a row whose predecessors it lacks, and soon after the faults have ended
every reader that is still connected has all rows, and the room keeps nothing for joins.
"""

# pyright: reportPrivateUsage=false
# The model looks at what a room keeps, which no reader can see.

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from libs.contracts import subjects
from libs.contracts.collab import frames
from libs.contracts.collab.yprotocol import (
    EMPTY_UPDATE,
    STEP1,
    STEP2,
    SYNC,
    UPDATE,
    read_bytes,
    sync_message,
)
from libs.contracts.ids import new_id
from services.gateway.live import room
from services.gateway.live.collab_client import SYNC_WAIT_S
from services.gateway.live.room import Room
from services.gateway.live.room_registry import HEAD_POLL_S, ROOM_LINGER_S, SWEEP_S
from services.gateway.live.socket import CLOSE_WAIT_S, TRY_AGAIN, WRITE_BUFFER_BYTES_MAX
from services.gateway.live.yjs_socket import YjsSocket
from tests.gateway.live.one_gateway import Client, OneGateway
from tests.support.fake_bus import Sent

SEEDS = 30
STEPS = 300
READERS_MAX = 6
HEAL_S = 4 * SYNC_WAIT_S + 4 * HEAD_POLL_S
OTHER_GATEWAY = 1 << 31
PART_BYTES = 150
RECENT_BYTES_MAX, AHEAD_BYTES_MAX = 20, 3_000
"""Of rooms here: rows of four bytes reach these limits within a few steps."""
VECTOR = b"\x01\x07\x01"
"""A state vector that some readers join with; they have the first row."""


def rows_of(update: bytes) -> list[int]:
    """The rows in an update: here each is its seq in four bytes."""
    return [int.from_bytes(update[at : at + 4]) for at in range(0, len(update), 4)]


def update_of(first: int, last: int) -> bytes:
    """The rows *first* to *last*, merged."""
    return b"".join(seq.to_bytes(4) for seq in range(first, last + 1))


@dataclass(eq=False)
class Reader:
    """A client that checks each message against those before."""

    room: Callable[[], Room | None]
    known: int = 0
    """It has all rows up to this one."""
    own: set[int] = field(default_factory=set[int])
    """Rows that it wrote, which are not sent back to it."""
    synced: bool = False
    client: Client = field(default_factory=Client)

    def __post_init__(self) -> None:
        self.client.on_message = self._read

    def _read(self, message: bytes) -> None:
        if message[0] != SYNC:
            return
        body, _ = read_bytes(message, 2)
        if message[1] == STEP1:
            return
        for seq in rows_of(body) if body != EMPTY_UPDATE else ():
            self.skip_own()
            assert seq <= self.known + 1, "a row came before an older one"
            self.known = max(self.known, seq)
        if message[1] == STEP2:
            self.skip_own()
            hosted = self.room()
            assert hosted
            assert self.known >= (hosted.last_seq or 0), "synced without rows that others have"
            self.synced = True

    def skip_own(self) -> None:
        """Count its own rows as known as soon as it knows the ones before."""
        while self.known + 1 in self.own:
            self.known += 1


class Model:
    """The log of one scene, the bus and the readers around one gateway."""

    def __init__(self, seed: int) -> None:
        self.choose = random.Random(seed)
        self.world = OneGateway()
        self.scene: UUID = new_id()
        self.head = 0
        self.last_shown = 0
        self.readers: list[Reader] = []
        self.frames: list[bytes] = []
        """On their way to the gateway."""
        self.answers: list[tuple[str, bytes]] = []
        """The same, each for a request."""

    @property
    def room(self) -> Room | None:
        return self.world.gateway.rooms._rooms.get(self.scene.bytes)

    def run(self) -> None:
        """Take STEPS at random; then the faults end, and every reader has every row."""
        steps = list(self.weights())
        weights = list(self.weights().values())
        for _ in range(STEPS):
            self.choose.choices(steps, weights)[0]()
            self.check_room()
        if self.choose.random() < 0.5:
            self.frames.clear()
        self.heal()
        self.check_readers()
        self.commit()
        self.heal()
        self.check_readers()
        if self.room:
            assert not self.room._recent, "frames are kept although no session joins"
            assert not self.room._ahead
        self.empty()

    def check_room(self) -> None:
        """What was shown is never shown again as if it were new."""
        last = self.room.last_seq if self.room else None
        if last is not None:
            assert last >= self.last_shown, "the room went back"
            self.last_shown = last

    def check_readers(self) -> None:
        """Each has every row."""
        for reader in self.readers:
            reader.skip_own()
            assert reader.client.closed is None
            assert (reader.known, reader.synced) == (self.head, True)

    def weights(self) -> dict[Callable[[], None], int]:
        """Return how often each step is taken."""
        return {
            self.commit: 30,
            self.deliver_frame: 40,
            self.answer: 12,
            self.deliver_answer: 7,
            self.pass_time: 10,
            self.join: 8,
            self.leave: 2,
            self.stop_reading: 1,
            self.lose_frame: 3,
            self.repeat_frame: 6,
            self.reorder_frames: 1,
            self.lose_requests: 1,
            self.lose_answer: 1,
            self.wait_long: 1,
        }

    def heal(self) -> None:
        """Everything arrives, for as long as retries and polls may take."""
        for _ in range(int(HEAL_S / 0.5)):
            self.frames.sort(key=lambda data: frames.read_fan(data)[0])
            while self.frames:
                self.deliver_frame()
            for _ in range(4):
                self.answer()
                while self.answers:
                    self.deliver_answer()
            self.world.loop.pass_time(0.5)
            self._forget_closed()

    def empty(self) -> None:
        """Every reader leaves, and the room is closed."""
        while self.readers:
            self.leave()
        self.world.loop.pass_time(ROOM_LINGER_S + 3 * SWEEP_S)
        assert self.room is None

    # -- readers

    def join(self) -> None:
        """A reader opens the scene, with nothing or with the first row."""
        if len(self.readers) >= READERS_MAX:
            return
        reader = Reader(lambda: self.room)
        vector = b"\x00"
        if self.head and self.choose.random() < 0.3:
            reader.known, vector = 1, VECTOR
        self.readers.append(reader)
        self.world.connect(f"/collab/{self.scene}", reader.client, token="ada", acks=1)
        self.world.write(reader.client, sync_message(STEP1, vector))

    def leave(self) -> None:
        """A reader is gone."""
        if self.readers:
            reader = self.readers.pop(self.choose.randrange(len(self.readers)))
            self.world.loop.run(self._leave(reader))

    async def _leave(self, reader: Reader) -> None:
        reader.client.leave()

    def stop_reading(self) -> None:
        """A reader leaves more unread than it may; the next message closes its socket."""
        if self.readers:
            client = self.choose.choice(self.readers).client
            client.buffered = 10 * WRITE_BUFFER_BYTES_MAX
            assert client.socket
            client.socket.pause_writing()

    def _forget_closed(self) -> None:
        for reader in self.readers:
            assert reader.client.closed is None or reader.client.closed[0] == TRY_AGAIN
        self.readers = [reader for reader in self.readers if reader.client.closed is None]

    # -- collab

    def commit(self) -> None:
        """Rows are committed, by a reader or elsewhere, and announced in one frame or several."""
        first, self.head = self.head + 1, self.head + self.choose.randint(1, 3)
        gateway, tag = OTHER_GATEWAY, 7
        writers = [reader for reader in self.readers if self._tag(reader)]
        if writers and self.choose.random() < 0.5:
            writer = self.choose.choice(writers)
            gateway, tag = self.world.gateway.rooms._gateway, self._tag(writer)
            writer.own.update(range(first, self.head + 1))
            writer.skip_own()
        elif self.choose.random() < 0.1:
            # Two wrote: everyone is sent it.
            gateway = tag = 0
        if self.choose.random() < 0.2:
            self.frames += [
                self._frame(seq, seq, gateway, tag) for seq in range(first, self.head + 1)
            ]
        else:
            self.frames.append(self._frame(first, self.head, gateway, tag))
        if self.choose.random() < 0.1:
            self.frames.append(self._frame(max(1, first - 2), self.head, 0, 0))

    def _tag(self, reader: Reader) -> int:
        """Of its session, once that is in the room."""
        socket = reader.client.socket
        assert isinstance(socket, YjsSocket)
        session = socket._session
        is_there = session and session.room and reader.client.closed is None
        return session.tag if session and is_there else 0

    def _frame(self, first: int, last: int, gateway: int, tag: int) -> bytes:
        return frames.fan(first, last, gateway, tag, sync_message(UPDATE, update_of(first, last)))

    def answer(self) -> None:
        """Collab answers all requests as the log is now; the answers set off."""
        for sent in self.world.bus.take_sent():
            if body := self._answer(sent):
                number, body = body
                parts = frames.replies(number, body, PART_BYTES)
                self.choose.shuffle(parts)
                self.answers += [(sent.reply, part) for part in parts]

    def _answer(self, sent: Sent) -> tuple[int, bytes] | None:
        if sent.subject == subjects.SYNC_ANY:
            number, scene, vector = frames.read_sync_request(sent.data)
            assert scene == self.scene.bytes
            first = 2 if vector == VECTOR else 1
            step2 = update_of(first, self.head) or EMPTY_UPDATE
            answer = frames.SyncAnswer(self.head, step2, b"\x00", b"\x00\x00")
            return number, frames.sync_answer(answer)
        if sent.subject == subjects.HEADS:
            number, scenes = frames.read_heads_request(sent.data)
            return number, frames.heads_answer([self.head for _ in scenes])
        if sent.subject == subjects.RANGE:
            number, _, first, last = frames.read_range_request(sent.data)
            last = min(last, first + 4)
            return number, frames.range_answer(last, update_of(first, last))
        assert sent.subject == subjects.awareness(self.scene)
        return None

    # -- the bus

    def deliver_frame(self) -> None:
        """The oldest frame arrives."""
        if self.frames:
            self._deliver(subjects.scene(self.scene), self.frames.pop(0))

    def repeat_frame(self) -> None:
        """A frame arrives, not for the last time."""
        if self.frames:
            self._deliver(subjects.scene(self.scene), self.choose.choice(self.frames))

    def lose_frame(self) -> None:
        """A frame is lost."""
        if self.frames:
            del self.frames[self.choose.randrange(len(self.frames))]

    def reorder_frames(self) -> None:
        """Frames of two replicas overtake each other."""
        self.choose.shuffle(self.frames)

    def deliver_answer(self) -> None:
        """A part of an answer arrives."""
        if self.answers:
            self._deliver(*self.answers.pop(self.choose.randrange(len(self.answers))))

    def lose_requests(self) -> None:
        """All requests that were sent are lost."""
        self.world.bus.take_sent()

    def lose_answer(self) -> None:
        """A part of an answer is lost."""
        if self.answers:
            self.answers.pop()

    def _deliver(self, subject: str, data: bytes) -> None:
        self.world.loop.run(self.world.bus.deliver(subject, data))

    def pass_time(self) -> None:
        """Timers run."""
        self.world.loop.pass_time(self.choose.choice([0.0, 0.05, 0.5]))
        self._forget_closed()

    def wait_long(self) -> None:
        """Snapshots grow old, heads are polled, closed sockets are ended."""
        self.world.loop.pass_time(self.choose.choice([HEAD_POLL_S, CLOSE_WAIT_S + 0.1]))
        self._forget_closed()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_each_reader_gets_the_whole_log_in_order(seed: int, monkeypatch: pytest.MonkeyPatch):
    """Whatever the bus does, and without another join after it works again."""
    monkeypatch.setattr(room, "RECENT_BYTES_MAX", RECENT_BYTES_MAX)
    monkeypatch.setattr(room, "AHEAD_BYTES_MAX", AHEAD_BYTES_MAX)
    model = Model(seed)
    try:
        model.run()
    finally:
        model.world.loop.shut_down()
