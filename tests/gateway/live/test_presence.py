"""Presence: a user keeps a client across sockets, and no user changes another's client."""

import asyncio
import json
from typing import Any

from libs.contracts.collab.yprotocol import read_bytes
from libs.contracts.ids import new_id
from services.gateway.live.json_session import JsonEncoder
from services.gateway.live.presence import (
    NULL,
    REANNOUNCE_INTERVAL_S,
    Presence,
    decode_awareness,
    encode_awareness,
)
from services.gateway.live.subscribers import Encoder, Subscribers
from services.gateway.live.yjs_session import YjsEncoder

CLIENT = 7
YJS = YjsEncoder()


class Member:
    """A session of /collab that remembers the states it was sent."""

    def __init__(self, person: str) -> None:
        self.tag = 0
        self.encoder: Encoder = YJS
        self.presence_user: dict[str, Any] = {"id": person, "name": person.title()}
        self.presence_clients: set[int] = set()
        self.received: dict[int, Any] = {}
        self.reannounced: list[tuple[int, int]] = []
        self.taken_over = False

    def reannounce_client(self, client: int, clock: int) -> None:
        """Remember the request."""
        self.reannounced.append((client, clock))

    def client_taken_over(self) -> None:
        """Remember that another session announced its client."""
        self.taken_over = True

    def send(self, message: bytes) -> None:
        """Remember the states of an awareness message."""
        body, _ = read_bytes(message, 1)
        for client, _, state in decode_awareness(body):
            self.received[client] = json.loads(state)


def state(clock: int, **members: Any) -> bytes:
    """An awareness update of CLIENT."""
    return encode_awareness([(CLIENT, clock, json.dumps(members).encode())])


def room(*members: Member) -> Presence:
    """The presence of a room with these members."""

    async def publish(_: bytes) -> None:
        """There is no other gateway."""

    subscribers = Subscribers[Member](new_id())
    for tag, member in enumerate(members):
        member.tag = tag
        subscribers.add(member)
    return Presence(subscribers, publish)


async def settled() -> None:
    """Wait for the next flush."""
    await asyncio.sleep(0.08)


async def test_the_server_names_the_user() -> None:
    """The client chooses the colour, the server the name."""
    ada, ben = Member("ada"), Member("ben")
    presence = room(ada, ben)

    presence.update_states(ada, state(1, user={"name": "Ben", "id": "ben", "color": "#f00"}))
    await settled()

    assert ben.received[CLIENT]["user"] == {"name": "Ada", "id": "ada", "color": "#f00"}


async def test_a_user_who_reconnects_is_seen_at_once() -> None:
    """After a tunnel the old socket may live for half a minute; the user is back now."""
    old, new, ben = Member("ada"), Member("ada"), Member("ben")
    presence = room(old, new, ben)
    presence.update_states(old, state(1, cursor=1))

    presence.update_states(new, state(2, cursor=2))
    await settled()
    presence.remove_member(old)
    await settled()

    assert ben.received[CLIENT]["cursor"] == 2
    assert (old.taken_over, new.taken_over) == (True, False)


async def test_no_user_changes_the_client_of_another() -> None:
    """Providers repeat what they received, and a hostile client might invent it."""
    ada, ben = Member("ada"), Member("ben")
    presence = room(ada, ben)
    presence.update_states(ada, state(1, cursor=1))
    await settled()

    presence.update_states(ben, state(9, cursor=666))
    presence.update_states(ben, encode_awareness([(CLIENT, 10, NULL)]))
    await settled()

    assert ben.received[CLIENT]["cursor"] == 1


async def test_an_echo_does_not_take_a_client_over() -> None:
    """A provider without a state of its own still repeats others, and may be behind."""
    ada, ben = Member("ada"), Member("ben")
    presence = room(ada, ben)
    presence.update_states(ada, state(5, cursor=1))
    await settled()
    repeated = encode_awareness([(CLIENT, 5, json.dumps(ben.received[CLIENT]).encode())])
    presence.update_states(ada, state(6, cursor=2))

    presence.update_states(ben, repeated)
    await settled()

    assert ben.received[CLIENT]["cursor"] == 2
    assert not (ada.taken_over or ben.taken_over)


async def test_a_client_that_returns_is_announced_with_a_higher_clock() -> None:
    """Receivers saw it leave at clock 2 and ignore lower clocks; so does the client, of them."""
    ada, again, ben = Member("ada"), Member("ada"), Member("ben")
    presence = room(ada, again, ben)
    presence.update_states(ben, encode_awareness([(8, 4, b"{}")]))
    presence.update_states(ada, state(1, cursor=1))
    presence.remove_member(ada)
    await settled()
    ben.reannounced.clear()

    presence.update_states(again, state(1, cursor=1))
    await asyncio.sleep(REANNOUNCE_INTERVAL_S + 0.2)

    assert (CLIENT, 2) in again.reannounced
    assert (8, 4) in ben.reannounced


async def test_the_clients_of_a_closed_socket_leave_at_once() -> None:
    """The server announces it for them."""
    ada, ben = Member("ada"), Member("ben")
    presence = room(ada, ben)
    presence.update_states(ada, state(1, cursor=1))
    await settled()

    presence.remove_member(ada)
    await settled()

    assert ben.received[CLIENT] is None


class JsonMember(Member):
    """A session of /ws that remembers the events it was sent."""

    def __init__(self, person: str) -> None:
        super().__init__(person)
        self.encoder = JsonEncoder()
        self.events: list[dict[str, Any]] = []

    def send(self, message: bytes) -> None:
        """Remember an event."""
        self.events.append(json.loads(message))


async def test_a_repeated_state_is_not_an_event_on_ws() -> None:
    """Providers repeat their state every 15 s; awareness needs that, an application does not."""
    ada, ben = Member("ada"), JsonMember("ben")
    presence = room(ada, ben)
    presence.update_states(ada, state(1, cursor={"from": 1, "to": 2}))
    await settled()
    before = len(ben.events)

    presence.update_states(ada, state(2, cursor={"from": 1, "to": 2}))
    await settled()
    again = len(ben.events)
    presence.update_states(ada, state(3, cursor={"from": 2, "to": 2}))
    await settled()

    assert [event["type"] for event in ben.events[:before]] == ["presence.update", "presence.list"]
    assert again == before
    assert [event["cursor"] for event in ben.events[before:]] == [{"from": 2, "to": 2}]


async def test_clients_of_other_gateways_are_events_on_ws() -> None:
    """They come, move and leave in the same events as clients here."""
    ben = JsonMember("ben")
    presence = room(ben)
    there = {"user": {"id": "ada", "name": "Ada"}}

    presence.apply_remote(state(1, **there))
    presence.apply_remote(state(2, **there))
    presence.apply_remote(state(3, **there, cursor={"anchor": 4, "head": 5}))
    presence.apply_remote(encode_awareness([(CLIENT, 4, NULL)]))

    kinds = [event["type"] for event in ben.events]
    assert kinds == ["presence.update", "presence.list", "presence.update", "presence.list"]
    assert ben.events[2]["cursor"] == {"from": 4, "to": 5}
    assert [len(ben.events[at]["users"]) for at in (1, 3)] == [1, 0]
