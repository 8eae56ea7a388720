"""Whose presence is whose: a person keeps their place, and nobody takes another's."""

import asyncio
import json
from typing import Any

from libs.contracts.yprotocol import read_bytes
from services.gateway.live.presence import NULL, Presence, decode, encode

CLIENT = 7


class Socket:
    """Somebody in the room, who remembers what they heard."""

    def __init__(self, person: str) -> None:
        self.badge: dict[str, Any] = {"id": person, "name": person.title()}
        self.presences: set[int] = set()
        self.heard: dict[int, Any] = {}

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

    return Presence(dict(enumerate(sockets)), tell)


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


async def test_who_leaves_is_gone_at_once() -> None:
    """A closed socket says it for its clients."""
    ada, ben = Socket("ada"), Socket("ben")
    presence = room(ada, ben)
    presence.said(ada, state(1, cursor=1))
    await settled()

    presence.left(ada)
    await settled()

    assert ben.heard[CLIENT] is None
