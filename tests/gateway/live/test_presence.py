"""Whose presence is whose: a person keeps their place, and nobody takes another's."""

import asyncio
import json
from typing import Any

from libs.contracts.collab.yprotocol import read_bytes
from libs.contracts.ids import new_id
from services.gateway.live.json_session import JsonEncoder
from services.gateway.live.presence import NULL, RENEWAL_INTERVAL_S, Presence, decode, encode
from services.gateway.live.subscribers import Encoder, Subscribers
from services.gateway.live.yjs_socket import YjsEncoder

CLIENT = 7
COLLAB = YjsEncoder()


class Socket:
    """Somebody in the room, who remembers what they heard."""

    def __init__(self, person: str) -> None:
        self.tag = 0
        self.dialect: Encoder = COLLAB
        self.badge: dict[str, Any] = {"id": person, "name": person.title()}
        self.presences: set[int] = set()
        self.heard: dict[int, Any] = {}
        self.asked: list[tuple[int, int]] = []
        self.put_out = False

    def announce_again(self, client: int, clock: int) -> None:
        """Remember that it was asked."""
        self.asked.append((client, clock))

    def replaced(self) -> None:
        """Remember that another socket took its client."""
        self.put_out = True

    def send(self, message: bytes) -> None:
        """Take in an awareness message."""
        body, _ = read_bytes(message, 1)
        for client, _, state in decode(body):
            self.heard[client] = json.loads(state)


def state(clock: int, **members: Any) -> bytes:
    """An awareness update of CLIENT."""
    return encode([(CLIENT, clock, json.dumps(members).encode())])


def room(*sockets: Socket) -> Presence:
    """A room with these people."""

    async def tell(_: bytes) -> None:
        """No other gateway listens."""

    audience = Subscribers[Socket](new_id())
    for tag, socket in enumerate(sockets):
        socket.tag = tag
        audience.add(socket)
    return Presence(audience, tell)


async def settled() -> None:
    """Past one flush."""
    await asyncio.sleep(0.08)


async def test_the_server_says_who_somebody_is() -> None:
    """A colour is the client's to choose, a name is not."""
    ada, ben = Socket("ada"), Socket("ben")
    presence = room(ada, ben)

    presence.said(ada, state(1, user={"name": "Ben", "id": "ben", "color": "#f00"}))
    await settled()

    assert ben.heard[CLIENT]["user"] == {"name": "Ada", "id": "ada", "color": "#f00"}


async def test_somebody_back_on_another_socket_is_seen_at_once() -> None:
    """After a tunnel the old socket is not missed for half a minute; the person is back now."""
    old, new, ben = Socket("ada"), Socket("ada"), Socket("ben")
    presence = room(old, new, ben)
    presence.said(old, state(1, cursor=1))

    presence.said(new, state(2, cursor=2))
    await settled()
    presence.left(old)
    await settled()

    assert ben.heard[CLIENT]["cursor"] == 2
    assert (old.put_out, new.put_out) == (True, False)


async def test_nobody_speaks_for_another() -> None:
    """Providers repeat what they heard, and a rude client might make it up."""
    ada, ben = Socket("ada"), Socket("ben")
    presence = room(ada, ben)
    presence.said(ada, state(1, cursor=1))
    await settled()

    presence.said(ben, state(9, cursor=666))
    presence.said(ben, encode([(CLIENT, 10, NULL)]))
    await settled()

    assert ben.heard[CLIENT]["cursor"] == 1


async def test_who_repeats_what_it_heard_takes_nothing() -> None:
    """A provider without a state of its own still repeats, and may be behind."""
    ada, ben = Socket("ada"), Socket("ben")
    presence = room(ada, ben)
    presence.said(ada, state(5, cursor=1))
    await settled()
    repeated = encode([(CLIENT, 5, json.dumps(ben.heard[CLIENT]).encode())])
    presence.said(ada, state(6, cursor=2))

    presence.said(ben, repeated)
    await settled()

    assert ben.heard[CLIENT]["cursor"] == 2
    assert not (ada.put_out or ben.put_out)


async def test_who_comes_back_announces_itself_above_what_others_saw() -> None:
    """They saw it leave at clock 2, and would ignore what is not above; so would it, of them."""
    ada, again, ben = Socket("ada"), Socket("ada"), Socket("ben")
    presence = room(ada, again, ben)
    presence.said(ben, encode([(8, 4, b"{}")]))
    presence.said(ada, state(1, cursor=1))
    presence.left(ada)
    await settled()
    ben.asked.clear()

    presence.said(again, state(1, cursor=1))
    await asyncio.sleep(RENEWAL_INTERVAL_S + 0.2)

    assert (CLIENT, 2) in again.asked
    assert (8, 4) in ben.asked


async def test_who_leaves_is_gone_at_once() -> None:
    """A closed socket says it for its clients."""
    ada, ben = Socket("ada"), Socket("ben")
    presence = room(ada, ben)
    presence.said(ada, state(1, cursor=1))
    await settled()

    presence.left(ada)
    await settled()

    assert ben.heard[CLIENT] is None


class Desk(Socket):
    """Somebody on /ws, who hears events."""

    def __init__(self, person: str) -> None:
        super().__init__(person)
        self.dialect = JsonEncoder()
        self.events: list[dict[str, Any]] = []

    def send(self, message: bytes) -> None:
        """Take in an event."""
        self.events.append(json.loads(message))


async def test_what_is_only_said_again_is_not_told_on_ws() -> None:
    """Providers say every 15 s that they are there; awareness needs it, an application does not."""
    ada, ben = Socket("ada"), Desk("ben")
    presence = room(ada, ben)
    presence.said(ada, state(1, cursor={"from": 1, "to": 2}))
    await settled()
    told = len(ben.events)

    presence.said(ada, state(2, cursor={"from": 1, "to": 2}))
    await settled()
    again = len(ben.events)
    presence.said(ada, state(3, cursor={"from": 2, "to": 2}))
    await settled()

    assert [event["type"] for event in ben.events[:told]] == ["presence.update", "presence.list"]
    assert again == told
    assert [event["cursor"] for event in ben.events[told:]] == [{"from": 2, "to": 2}]


async def test_ws_hears_of_people_at_other_gateways() -> None:
    """Who comes, moves and leaves there; told in the same words."""
    ben = Desk("ben")
    presence = room(ben)
    there = {"user": {"id": "ada", "name": "Ada"}}

    presence.heard(state(1, **there))
    presence.heard(state(2, **there))
    presence.heard(state(3, **there, cursor={"anchor": 4, "head": 5}))
    presence.heard(encode([(CLIENT, 4, NULL)]))

    kinds = [event["type"] for event in ben.events]
    assert kinds == ["presence.update", "presence.list", "presence.update", "presence.list"]
    assert ben.events[2]["cursor"] == {"from": 4, "to": 5}
    assert [len(ben.events[at]["users"]) for at in (1, 3)] == [1, 0]
