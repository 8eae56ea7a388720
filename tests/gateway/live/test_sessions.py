"""Sessions and sockets in one process: flow control, acknowledgements, refusals, rights."""

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from libs.contracts import subjects
from libs.contracts.actor import Role
from libs.contracts.collab import frames
from libs.contracts.collab.yprotocol import (
    AUTH,
    EMPTY_UPDATE,
    NO_STRUCTS,
    STEP1,
    STEP2,
    UPDATE,
    ack_message,
    sync_message,
)
from libs.contracts.ids import new_id
from services.gateway.live.batch_pacer import SPACING_S_MAX
from services.gateway.live.batcher import RESEND_AFTER_S
from services.gateway.live.socket import (
    AUTHENTICATE_WAIT_S,
    CLOSE_WAIT_S,
    DENIED,
    EARLY_BYTES_MAX,
    INVALID,
    NOT_AUTHENTICATED,
    TOO_BIG,
    TRY_AGAIN,
    UNACKED_BYTES_MAX,
    WRITE_BUFFER_BYTES_MAX,
)
from tests.gateway.live.one_gateway import PROJECT, Client, OneGateway

REPLICA = "collab-1"
KILOBYTE = 1 << 10
ROUNDS = 3
"""An answer may let the next batch go."""


class Collab:
    """The only replica of collab: it answers when the test says so."""

    def __init__(self, world: OneGateway) -> None:
        self.world = world
        self.heads: dict[bytes, int] = {}
        self.entries: list[tuple[bytes, int, bytes]] = []
        """Scene, tag and update of everything that arrived."""
        beat = frames.beat(REPLICA, 0, draining=False)
        world.loop.run(world.bus.deliver(subjects.HEARTBEAT, beat))

    def answer(self, refuse: int = 0) -> None:
        """Answer joins, commit batches and acknowledge them; *refuse* is a reason."""
        for _ in range(ROUNDS):
            self.world.loop.pass_time(SPACING_S_MAX)
            for sent in self.world.bus.take_sent():
                if sent.subject in (subjects.SYNC_ANY, subjects.sync(REPLICA)):
                    self._deliver(sent.reply, self._state(sent.data))
                elif sent.subject == subjects.edit(REPLICA):
                    self._deliver(sent.reply, self._ack(sent.data, refuse))

    def _deliver(self, subject: str, data: bytes) -> None:
        self.world.loop.run(self.world.bus.deliver(subject, data))

    def _state(self, data: bytes) -> bytes:
        number, scene, _ = frames.read_sync_request(data)
        answer = frames.SyncAnswer(self.heads.get(scene, 0), EMPTY_UPDATE, b"\0", NO_STRUCTS)
        [part] = frames.replies(number, frames.sync_answer(answer), 1 << 19)
        return part

    def _ack(self, data: bytes, refuse: int) -> bytes:
        number, _ = frames.read_batch_head(data)
        touched: dict[bytes, int] = {}
        refusals: dict[int, int] = {}
        for scene, _, tag, update in frames.read_batch(data):
            self.entries.append((scene, tag, update))
            if refuse:
                refusals[tag] = refuse
            else:
                touched[scene] = self.heads[scene] = self.heads.get(scene, 0) + 1
        return frames.ack(number, touched, list(refusals.items()))


@pytest.fixture
def world() -> Iterator[OneGateway]:
    made = OneGateway()
    yield made
    made.loop.shut_down()


@pytest.fixture
def collab(world: OneGateway) -> Collab:
    return Collab(world)


@pytest.fixture
def scene() -> UUID:
    return new_id()


def joined(world: OneGateway, collab: Collab, scene: UUID, **query: Any) -> Client:
    """A client of /collab that is in sync."""
    client = world.connect(f"/collab/{scene}", Client(), token="ada", **query)
    world.write(client, sync_message(STEP1, b"\0"))
    collab.answer()
    client.received.clear()
    return client


def edit(update: bytes) -> bytes:
    return sync_message(UPDATE, update)


def test_acks_count_what_is_durable(world: OneGateway, collab: Collab, scene: UUID):
    """Edits, and how many of them were the answer to step 1; nothing before collab answers."""
    client = joined(world, collab, scene, acks=1)

    world.write(client, edit(b"1"))
    world.write(client, sync_message(STEP2, b"2"))
    world.loop.pass_time(RESEND_AFTER_S / 2)
    before = list(client.received)
    collab.answer()

    assert before == []
    assert ack_message(2, 2, 1) in client.received
    assert [update for _, _, update in collab.entries] == [b"1", b"2"]


def test_a_client_ahead_of_collab_is_not_read(world: OneGateway, collab: Collab, scene: UUID):
    """Above UNACKED_BYTES_MAX under way; when half of that is durable it is read again."""
    client, other = (joined(world, collab, scene) for _ in range(2))
    for _ in range(UNACKED_BYTES_MAX // KILOBYTE):
        world.write(client, edit(bytes(KILOBYTE)))
    paused = client.reading
    collab.answer()

    assert (paused, client.reading, other.reading) == (False, True, True)


def test_a_slow_reader_is_closed(world: OneGateway, collab: Collab, scene: UUID):
    """It alone; up to the limit it is not, and its edits on their way are still committed."""
    slow, quick = (joined(world, collab, scene) for _ in range(2))
    assert slow.socket
    # It has read the answer to its join, which may be larger.
    slow.socket.resume_writing()
    slow.socket.pause_writing()
    slow.buffered = WRITE_BUFFER_BYTES_MAX
    announce = frames.fan(1, 1, 7, 7, edit(b"1"))
    world.loop.run(world.bus.deliver(subjects.scene(scene), announce))
    open_at_the_limit = slow.closed is None
    world.write(slow, edit(b"mine"))
    slow.buffered += 1
    announce = frames.fan(2, 2, 7, 7, edit(b"2"))
    world.loop.run(world.bus.deliver(subjects.scene(scene), announce))
    closed = slow.closed
    collab.answer()
    world.loop.pass_time(CLOSE_WAIT_S + 0.1)

    assert open_at_the_limit
    assert closed == (TRY_AGAIN, "too slow")
    assert slow.is_disconnected
    assert quick.received == [edit(b"1"), edit(b"2")]
    assert [update for _, _, update in collab.entries] == [b"mine"]


def test_an_author_is_not_sent_its_own_edit(world: OneGateway, collab: Collab, scene: UUID):
    """The session is named by its gateway and its tag."""
    author, reader = (joined(world, collab, scene) for _ in range(2))
    world.write(author, edit(b"1"))
    collab.answer()
    [(_, tag, _)] = collab.entries
    reply = next(iter(world.bus._subscriptions))  # pyright: ignore[reportPrivateUsage]
    gateway = int(reply.split(".")[2], 16)
    frame = frames.fan(1, 1, gateway, tag, edit(b"1"))
    world.loop.run(world.bus.deliver(subjects.scene(scene), frame))

    assert (author.received, reader.received) == ([], [edit(b"1")])


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (frames.REASON_INVALID, INVALID),
        (frames.REASON_TOO_LARGE, TOO_BIG),
        (frames.REASON_SCENE_FULL, TOO_BIG),
    ],
)
def test_a_refused_update_ends_its_session(
    world: OneGateway, collab: Collab, scene: UUID, reason: int, code: int
):
    """With a close code that tells why, once, and without an acknowledgement."""
    client = joined(world, collab, scene, acks=1)
    world.write(client, edit(b"bad"))
    collab.answer(refuse=reason)
    collab.answer(refuse=reason)

    assert client.closed
    assert client.closed[0] == code
    assert client.received == []


def test_a_reader_may_not_write(world: OneGateway, collab: Collab, scene: UUID):
    """Each edit is refused and nothing is sent; repeated deletions are no attempt to write."""
    world.users.role = Role.READER
    client = joined(world, collab, scene)
    world.write(client, sync_message(STEP2, NO_STRUCTS + b"\1\7\1\0\1"))
    silent = list(client.received)
    world.write(client, edit(b"1"))
    collab.answer()

    assert silent == []
    assert [message[0] for message in client.received] == [AUTH]
    assert collab.entries == []
    assert client.closed is None


def test_rights_that_end_close_the_socket(world: OneGateway, collab: Collab, scene: UUID):
    """At once when the membership says so; a role that only reads gets told and stays."""
    client = joined(world, collab, scene)
    user_id = world.users.users["ada"].user_id
    world.users.role = Role.READER
    world.loop.run(_changed(world, user_id))
    told = [message[0] for message in client.received]
    world.users.forbidden = True
    world.loop.run(_changed(world, user_id))
    world.loop.pass_time(0)

    assert told == [AUTH]
    assert client.closed == (DENIED, "Access denied")


async def _changed(world: OneGateway, user_id: UUID) -> None:
    world.gateway.membership_changed(PROJECT, user_id)


def test_early_messages_wait_for_the_admission(world: OneGateway, collab: Collab, scene: UUID):
    """In their order; a client that sends too much meanwhile is not read from."""
    world.users.hold()
    client = world.connect(f"/collab/{scene}", Client(), token="ada", acks=1)
    world.write(client, sync_message(STEP1, b"\0"))
    for number in range(EARLY_BYTES_MAX // KILOBYTE + 1):
        world.write(client, edit(number.to_bytes(2) + bytes(KILOBYTE)))
    paused = client.reading
    world.users.release()
    for _ in range(4):
        collab.answer()

    assert (paused, client.reading) == (False, True)
    numbers = [int.from_bytes(update[:2]) for _, _, update in collab.entries]
    assert numbers == list(range(EARLY_BYTES_MAX // KILOBYTE + 1))


@pytest.mark.parametrize("path", ["/ws", "/collab/{scene}"])
def test_a_client_must_authenticate_in_time(world: OneGateway, scene: UUID, path: str):
    """A silent one is not authenticated; one whose check takes long may try again."""
    world.users.hold()
    client = world.connect(path.format(scene=scene), Client(), token="ada")
    world.loop.pass_time(AUTHENTICATE_WAIT_S + 0.1)

    expected = NOT_AUTHENTICATED if path == "/ws" else (TRY_AGAIN, "try again")
    assert client.closed == expected


def test_one_json_socket_has_many_scenes(world: OneGateway, collab: Collab, scene: UUID):
    """An update that is refused ends the session in its scene; the socket goes on with others."""
    client = world.connect("/ws", Client(), token="ada")
    world.loop.run(world.users.identify("ada"))
    user_id = str(world.users.users["ada"].user_id)
    hello = {"type": "client.hello", "userId": user_id, "capabilities": ["acks"]}
    scenes = [str(scene), str(new_id())]
    for message in (hello, *({"type": "join.scene", "sceneId": each} for each in scenes)):
        world.write(client, json.dumps(message).encode())
        collab.answer()
    client.received.clear()

    def write(scene_id: str) -> None:
        text = b64encode(b"1").decode()
        said = {"type": "editor.update", "sceneId": scene_id, "ydocUpdateBase64": text}
        world.write(client, json.dumps(said).encode())

    write(scenes[0])
    collab.answer(refuse=frames.REASON_INVALID)
    write(scenes[1])
    collab.answer()
    write(scenes[0])

    events = [json.loads(message) for message in client.received]
    seen = [
        (each["type"], each.get("code"), each.get("sceneId"), each.get("count"))
        for each in events
        if not each["type"].startswith("presence.")
    ]
    assert seen == [
        ("error", "VALIDATION_FAILED", scenes[0], None),
        ("editor.ack", None, scenes[1], 1),
        ("error", "NOT_JOINED", scenes[0], None),
    ]
    assert client.closed is None
