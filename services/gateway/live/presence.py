"""Who is in a scene, and where their cursor is: a cheap path of its own, never stored.

y-protocols' awareness: per Yjs client a clock and a JSON state, null when it left. The server
stamps each state with the identity it knows, accepts states only from the member that first
announced a client, gathers changes for FLUSH_INTERVAL_S and encodes them once for everyone.

A client of /ws has no awareness of its own; its member speaks here for it (`seat`).

Receivers ignore a state whose clock is not above the last one that they know, even if they forgot
the state when a socket broke. A client answers the news that it left by announcing itself again
with a higher clock; that is how the server has it announced to those who would ignore it.
"""

import asyncio
import json
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, cast

from prometheus_client import Counter

from libs.contracts.collab.yprotocol import Malformed, read_bytes, read_varuint, varuint
from services.gateway.live.subscribers import PresenceChange

FLUSH_INTERVAL_S = 0.05
STATE_BYTES_MAX = 8 * 1024
MESSAGE_BYTES_MAX = 256 * 1024
CLIENTS_PER_CONNECTION_MAX = 4
CLIENTS_PER_ROOM_MAX = 1_000
NUMBER_MAX = (1 << 53) - 1
"""Clients that read a larger one throw, and lose the rest of the message with it."""
RENEWAL_INTERVAL_S = 0.5
"""All clients of a room are asked at most once in this time to announce themselves again."""
YOUNG_S = 60.0
"""A room younger than this may hold clients that knew each other before a gateway ended."""
SILENT_S_MAX = 35.0
"""Clients repeat themselves every 15 s; y-protocols forgets them after 30."""

_dropped = Counter(
    "scriptorium_presence_dropped_total", "Presence states not accepted, by reason.", ["reason"]
)


class PresenceMember(Protocol):
    """Who speaks here: a member."""

    badge: dict[str, Any]
    """Who it is, whatever it says about itself."""
    presences: set[int]
    """The Yjs clients it announced."""

    def announce_again(self, client: int, clock: int) -> None:
        """Have *client* announced with a clock above *clock*."""
        ...

    def replaced(self) -> None:
        """Another socket announces the same Yjs client: it cannot be in two places."""
        ...


class Ears(Protocol):
    """Who is spoken to: `services.gateway.live.subscribers.Audience`."""

    def tell(self, news: PresenceChange) -> None:
        """Pass news on to everyone."""
        ...


type Publish = Callable[[bytes], Awaitable[None]]


@dataclass(slots=True)
class _State:
    clock: int
    body: bytes
    owner: PresenceMember | None
    """The member here that announced it; None when it is at another gateway."""
    heard_at: float


def decode(body: bytes) -> list[tuple[int, int, bytes]]:
    """Return client, clock and JSON of each state in an awareness update.

    Raises:
        Malformed: It is not one, or holds more clients than a room may.
    """
    count, at = read_varuint(body, 0)
    if count > CLIENTS_PER_ROOM_MAX:
        raise Malformed("too many clients in one awareness update")
    found: list[tuple[int, int, bytes]] = []
    for _ in range(count):
        client, at = read_varuint(body, at)
        clock, at = read_varuint(body, at)
        state, at = read_bytes(body, at)
        if max(client, clock) >= NUMBER_MAX:
            raise Malformed("a number that JavaScript cannot count on from")
        found.append((client, clock, state))
    return found


def encode(states: list[tuple[int, int, bytes]]) -> bytes:
    """Encode client, clock and JSON of each state as an awareness update."""
    parts = [varuint(len(states))]
    for client, clock, state in states:
        parts += (varuint(client), varuint(clock), varuint(len(state)), state)
    return b"".join(parts)


NULL = b"null"
RENEW = varuint(0)
"""Asks the other gateways to have their clients announced again; older ones see no news in it."""


def _encode_state(members: dict[str, Any]) -> bytes:
    # NaN and Infinity pass Python's parser and would throw in every client's.
    try:
        text = json.dumps(members, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise Malformed("presence state is not JSON") from error
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Half an emoji, which JavaScript strings may end with: it travels escaped, as it came.
        return json.dumps(members, separators=(",", ":")).encode()


class Claim(StrEnum):
    """What a socket means by announcing a client that another one announced before."""

    REPEATS = "repeats"
    """It says what it heard: providers do."""
    TAKES_OVER = "takes over"
    """The same person, on another socket: the newer one counts."""
    INTRUDES = "intrudes"
    """Somebody else's client."""


def _claim(connection: PresenceMember, known: _State, clock: int, state: bytes) -> Claim:
    person = json.loads(known.body)["user"]["id"]
    # What was heard, perhaps a while ago, bears the mark of the server.
    if clock <= known.clock and (connection.presences or _person_in(state) == person):
        return Claim.REPEATS
    if person == connection.badge["id"]:
        return Claim.TAKES_OVER
    return Claim.INTRUDES if not connection.presences else Claim.REPEATS


def _person_in(state: bytes) -> Any:
    try:
        return json.loads(state)["user"]["id"]
    except (ValueError, RecursionError, LookupError, TypeError):
        return None


class Presence:
    """The states of one room's clients, here and at other gateways."""

    def __init__(self, audience: Ears, publish: Publish) -> None:
        """Show changes to *audience*; *publish* tells the other gateways."""
        self._audience = audience
        self._publish = publish
        self._loop = asyncio.get_running_loop()
        self._states: dict[int, _State] = {}
        self._dirty: dict[int, bool] = {}
        """Clients to tell about, and whether there is more to say than that they are there."""
        self._roster_changed = False
        self._timer: asyncio.TimerHandle | None = None
        self._renewal: asyncio.TimerHandle | None = None
        self._opened_at = self._loop.time()
        self._gone: OrderedDict[int, int] = OrderedDict()
        """Clients that left, with the clock at which they did; the oldest are forgotten first."""
        self._flushed_at = float("-inf")
        self._tasks: set[asyncio.Task[None]] = set()

    def said(self, connection: PresenceMember, body: bytes) -> None:
        """Take what a client says about itself.

        Raises:
            Malformed: It is not an awareness update.
        """
        if len(body) > MESSAGE_BYTES_MAX:
            raise Malformed("awareness update too large")
        for client, clock, state in decode(body):
            known = self._states.get(client)
            if known and known.owner is not connection and known.body != NULL:
                if state == NULL:
                    continue
                claim = _claim(connection, known, clock, state)
                if claim is Claim.INTRUDES:
                    connection.replaced()
                    return
                if claim is Claim.REPEATS:
                    # Only the owner is believed.
                    continue
                if clock <= known.clock:
                    clock = known.clock + 1  # noqa: PLW2901
                if known.owner:
                    known.owner.presences.discard(client)
                    known.owner.replaced()
            elif known and (clock < known.clock or (clock == known.clock and state != NULL)):
                continue
            if state == NULL:
                if known:
                    self._leave(client, known, clock)
                continue
            stamped = self._stamped(connection, known, state)
            if stamped is None:
                continue
            if client not in connection.presences:
                self._arrives(connection, client, clock, known)
            self._states[client] = _State(clock, stamped, connection, self._loop.time())
            connection.presences.add(client)
            self._roster_changed |= known is None or known.body == NULL
            self._changed(client, anew=known is None or known.body != stamped)

    def _arrives(
        self, connection: PresenceMember, client: int, clock: int, known: _State | None
    ) -> None:
        """See to it that those who knew *client* before believe that it is back."""
        last = max(known.clock if known else -1, self._gone.pop(client, -1))
        if last >= 0:
            self._ask_for_renewal()
        if last >= 0 or self._loop.time() - self._opened_at < YOUNG_S:
            connection.announce_again(client, max(last, clock))

    def _ask_for_renewal(self) -> None:
        """Have everyone announced again, soon: who came back ignores what it knew before."""
        if self._renewal is None:
            self._renewal = self._loop.call_later(RENEWAL_INTERVAL_S, self._renew, RENEW)

    def _renew(self, told: bytes | None) -> None:
        """Ask the clients here, and those of other gateways by *told*."""
        self._renewal = None
        for client, state in list(self._states.items()):
            if state.owner and state.body != NULL:
                state.owner.announce_again(client, state.clock)
        if told is not None:
            task = asyncio.create_task(self._tell(told))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def new_client(self) -> int:
        """Return a Yjs client id for somebody who has none; 0 is nobody's."""
        while True:
            client = secrets.randbits(32)
            if client and client not in self._states:
                return client

    def _stamped(
        self, connection: PresenceMember, known: _State | None, state: bytes
    ) -> bytes | None:
        if len(state) > STATE_BYTES_MAX:
            _dropped.labels("too_large").inc()
            return None
        if known is None and (
            len(connection.presences) >= CLIENTS_PER_CONNECTION_MAX
            or len(self._states) >= CLIENTS_PER_ROOM_MAX
        ):
            _dropped.labels("too_many").inc()
            return None
        try:
            value = json.loads(state)
        except (ValueError, RecursionError) as error:
            raise Malformed("presence state is not JSON") from error
        if not isinstance(value, dict):
            raise Malformed("presence state is not an object")
        members = cast("dict[str, Any]", value)
        user = members.get("user")
        shown = cast("dict[str, Any]", user) if isinstance(user, dict) else {}
        # Colour is the client's to choose; who it is, is not.
        members["user"] = shown | connection.badge
        return _encode_state(members)

    def _leave(self, client: int, known: _State, clock: int) -> None:
        known.clock, known.body = clock, NULL
        self._remember(client, clock)
        if known.owner:
            known.owner.presences.discard(client)
        self._roster_changed = True
        self._changed(client, anew=True)

    def _remember(self, client: int, clock: int) -> None:
        self._gone[client] = clock
        self._gone.move_to_end(client)
        while len(self._gone) > CLIENTS_PER_ROOM_MAX:
            self._gone.popitem(last=False)

    def left(self, connection: PresenceMember) -> None:
        """A connection is gone: so are the clients it announced, at once."""
        for client in list(connection.presences):
            if known := self._states.get(client):
                self._leave(client, known, known.clock + 1)

    def heard(self, body: bytes) -> None:
        """Take what another gateway tells about its clients, and pass it on as it is."""
        if body == RENEW:
            self._renew(None)
            return
        now = self._loop.time()
        changed: list[tuple[int, bytes]] = []
        roster_changed = False
        for client, clock, state in decode(body):
            known = self._states.get(client)
            if known and known.owner:
                if clock <= known.clock or state == NULL:
                    continue
                known.owner.presences.discard(client)
                known.owner.replaced()
            if state == NULL:
                self._states.pop(client, None)
                self._remember(client, clock)
            else:
                self._states[client] = _State(clock, state, None, now)
            roster_changed |= (known is None) != (state == NULL)
            if known is None or known.body != state:
                changed.append((client, state))
        self._audience.tell(PresenceChange(body, changed, roster_changed, self.here))

    def here(self) -> list[tuple[int, bytes]]:
        """Return client and JSON of everyone's state."""
        return [
            (client, state.body) for client, state in self._states.items() if state.body != NULL
        ]

    def everyone(self, *, own_only: bool = False) -> bytes | None:
        """Encode all states (or those of this gateway's clients); None when there are none."""
        found = [
            (client, state.clock, state.body)
            for client, state in self._states.items()
            if state.body != NULL and (state.owner or not own_only)
        ]
        return encode(found) if found else None

    def sweep(self) -> None:
        """Forget clients that fell silent, such as those of a gateway that died."""
        oldest = self._loop.time() - SILENT_S_MAX
        for client, state in list(self._states.items()):
            if state.heard_at < oldest and state.body != NULL:
                self._leave(client, state, state.clock + 1)

    def _changed(self, client: int, *, anew: bool) -> None:
        self._dirty[client] = anew or self._dirty.get(client, False)
        if self._timer is None:
            wait_s = self._flushed_at + FLUSH_INTERVAL_S - self._loop.time()
            self._timer = self._loop.call_later(max(0.0, wait_s), self._flush)

    def _flush(self) -> None:
        self._timer = None
        self._flushed_at = self._loop.time()
        dirty, self._dirty = self._dirty, {}
        said = [
            (client, state.clock, state.body)
            for client in dirty
            if (state := self._states.get(client))
        ]
        roster_changed, self._roster_changed = self._roster_changed, False
        for client, _, body in said:
            if body == NULL:
                del self._states[client]
        if not said:
            return
        body = encode(said)
        changed = [(client, state) for client, _, state in said if dirty[client]]
        self._audience.tell(PresenceChange(body, changed, roster_changed, self.here))
        task = asyncio.create_task(self._tell(body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, body: bytes) -> None:
        await self._publish(body)
