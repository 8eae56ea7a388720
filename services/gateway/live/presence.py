"""Presence: the clients in a scene and their cursors. It is never stored, and takes its own path.

y-protocols' awareness: for each Yjs client a clock and a JSON state, null when the client left.
The server adds the authenticated user to each state, accepts states only from the session that
first announced a client, gathers changes for FLUSH_INTERVAL_S and encodes them once for all.

A client of /ws has no awareness of its own; `JsonSession` announces one for it.

A receiver ignores a state whose clock is not above the last one that it knows, even if it forgot
the state when a socket broke. A client that is told that it left announces itself again with a
higher clock; so the server has clients announced to receivers that would ignore them.
"""

import asyncio
import json
import secrets
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, cast

from prometheus_client import Counter

from libs.contracts.collab.yprotocol import Malformed, read_bytes, read_varuint, varuint
from services.gateway.live.subscribers import PresenceChange, Subscriber, Subscribers

FLUSH_INTERVAL_S = 0.05
STATE_BYTES_MAX = 8 * 1024
MESSAGE_BYTES_MAX = 256 * 1024
CLIENTS_PER_SESSION_MAX = 4
CLIENTS_PER_ROOM_MAX = 1_000
NUMBER_MAX = (1 << 53) - 1
"""JavaScript clients throw on a larger number, and lose the rest of the message with it."""
REANNOUNCE_INTERVAL_S = 0.5
"""All clients of a room are asked to announce themselves again at most once in this time."""
YOUNG_ROOM_S = 60.0
"""A room younger than this may hold clients that knew each other before a gateway ended."""
SILENT_S_MAX = 35.0
"""Clients repeat themselves every 15 s; y-protocols forgets them after 30."""

_dropped = Counter(
    "scriptorium_presence_dropped_total", "Presence states not accepted, by reason.", ["reason"]
)


class PresenceMember(Protocol):
    """The session that announces clients."""

    presence_user: dict[str, Any]
    """The authenticated user; replaces the `user` that a state names."""
    presence_clients: set[int]
    """The Yjs clients that this session announced."""

    def reannounce_client(self, client: int, clock: int) -> None:
        """Have *client* announced with a clock above *clock*."""
        ...

    def client_taken_over(self) -> None:
        """End the session: another one announced its Yjs client."""
        ...


type Publish = Callable[[bytes], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class _ClientState:
    clock: int
    body: bytes
    owner: PresenceMember | None
    """The session that announced it; None for a client of another gateway."""
    updated_at: float


def decode_awareness(body: bytes) -> list[tuple[int, int, bytes]]:
    """Return the client, clock and JSON of each state in an awareness update.

    Raises:
        Malformed: The bytes are no awareness update, or hold more clients than a room may.
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


def encode_awareness(states: list[tuple[int, int, bytes]]) -> bytes:
    """Encode the client, clock and JSON of each state as an awareness update."""
    parts = [varuint(len(states))]
    for client, clock, state in states:
        parts += (varuint(client), varuint(clock), varuint(len(state)), state)
    return b"".join(parts)


NULL = b"null"
REANNOUNCE = varuint(0)
"""Asks other gateways to have their clients announced again; older versions see no change in it."""


def _encode_state(members: dict[str, Any]) -> bytes:
    # Python parses NaN and Infinity, which every client's parser rejects.
    try:
        text = json.dumps(members, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise Malformed("presence state is not JSON") from error
    try:
        return text.encode()
    except UnicodeEncodeError:
        # Half a surrogate pair, which JavaScript strings may end with, is sent escaped, as it came.
        return json.dumps(members, separators=(",", ":")).encode()


class ClientConflict(StrEnum):
    """The judgement on a session that announces a client which another session announced before."""

    ECHO = "echo"
    """A provider repeats what it received."""
    TAKEOVER = "takeover"
    """The same user came back on another socket; the newer one counts."""
    INTRUSION = "intrusion"
    """The client is another user's."""


def _conflict(
    member: PresenceMember, known: _ClientState, clock: int, state: bytes
) -> ClientConflict:
    user_id = json.loads(known.body)["user"]["id"]
    # An echo, perhaps of some time ago, names the user whom the server put in.
    if clock <= known.clock and (member.presence_clients or _user_id_in(state) == user_id):
        return ClientConflict.ECHO
    if user_id == member.presence_user["id"]:
        return ClientConflict.TAKEOVER
    return ClientConflict.INTRUSION if not member.presence_clients else ClientConflict.ECHO


def _user_id_in(state: bytes) -> Any:
    try:
        return json.loads(state)["user"]["id"]
    except (ValueError, RecursionError, LookupError, TypeError):
        return None


class Presence:
    """The presence states of one room, of clients here and at other gateways."""

    def __init__[S: Subscriber](self, subscribers: Subscribers[S], publish: Publish) -> None:
        """Send changes to *subscribers*, and to the other gateways with *publish*."""
        self._publish_locally = subscribers.publish_presence
        self._publish = publish
        self._loop = asyncio.get_running_loop()
        self._states: dict[int, _ClientState] = {}
        self._dirty: dict[int, bool] = {}
        """Clients to publish, and whether their state changed or was only repeated."""
        self._roster_changed = False
        self._flush_timer: asyncio.TimerHandle | None = None
        self._reannounce_timer: asyncio.TimerHandle | None = None
        self._opened_at = self._loop.time()
        self._left: OrderedDict[int, int] = OrderedDict()
        """Clients that left, with the clock at which they did; the oldest are forgotten first."""
        self._flushed_at = float("-inf")
        self._tasks: set[asyncio.Task[None]] = set()

    def update_states(self, member: PresenceMember, body: bytes) -> None:
        """Apply an awareness update of *member*.

        Raises:
            Malformed: The bytes are not an awareness update.
        """
        if len(body) > MESSAGE_BYTES_MAX:
            raise Malformed("awareness update too large")
        for client, clock, state in decode_awareness(body):
            known = self._states.get(client)
            if known and known.owner is not member and known.body != NULL:
                if state == NULL:
                    continue
                conflict = _conflict(member, known, clock, state)
                if conflict is ClientConflict.INTRUSION:
                    member.client_taken_over()
                    return
                if conflict is ClientConflict.ECHO:
                    # Only the owner changes a client's state.
                    continue
                if clock <= known.clock:
                    clock = known.clock + 1  # noqa: PLW2901
                if known.owner:
                    known.owner.presence_clients.discard(client)
                    known.owner.client_taken_over()
            elif known and (clock < known.clock or (clock == known.clock and state != NULL)):
                continue
            if state == NULL:
                if known:
                    self._mark_left(client, known, clock)
                continue
            stamped = self._stamp_user(member, known, state)
            if stamped is None:
                continue
            if client not in member.presence_clients:
                self._announce_return(member, client, clock, known)
            self._states[client] = _ClientState(clock, stamped, member, self._loop.time())
            member.presence_clients.add(client)
            self._roster_changed |= known is None or known.body == NULL
            self._mark_changed(client, anew=known is None or known.body != stamped)

    def _announce_return(
        self, member: PresenceMember, client: int, clock: int, known: _ClientState | None
    ) -> None:
        """Make receivers that knew *client* before believe that it is back."""
        last = max(known.clock if known else -1, self._left.pop(client, -1))
        if last >= 0 and self._reannounce_timer is None:
            # A client that came back ignores the states of others that it knew before.
            self._reannounce_timer = self._loop.call_later(
                REANNOUNCE_INTERVAL_S, self._reannounce_everywhere
            )
        if last >= 0 or self._loop.time() - self._opened_at < YOUNG_ROOM_S:
            member.reannounce_client(client, max(last, clock))

    def _reannounce_everywhere(self) -> None:
        """Have all clients announced again, here and at other gateways."""
        self._reannounce_timer = None
        self._reannounce_own()
        self._publish_to_gateways(REANNOUNCE)

    def _reannounce_own(self) -> None:
        for client, state in list(self._states.items()):
            if state.owner and state.body != NULL:
                state.owner.reannounce_client(client, state.clock)

    def new_client_id(self) -> int:
        """Return an unused Yjs client id; never 0, which stands for no client."""
        while True:
            client = secrets.randbits(32)
            if client and client not in self._states:
                return client

    def _stamp_user(
        self, member: PresenceMember, known: _ClientState | None, state: bytes
    ) -> bytes | None:
        """Return *state* with the authenticated user; None when it is too large or one too many."""
        if len(state) > STATE_BYTES_MAX:
            _dropped.labels("too_large").inc()
            return None
        if known is None and (
            len(member.presence_clients) >= CLIENTS_PER_SESSION_MAX
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
        fields = cast("dict[str, Any]", value)
        user = fields.get("user")
        chosen = cast("dict[str, Any]", user) if isinstance(user, dict) else {}
        # The client chooses the colour, the server the name.
        fields["user"] = chosen | member.presence_user
        return _encode_state(fields)

    def _mark_left(self, client: int, known: _ClientState, clock: int) -> None:
        known.clock, known.body = clock, NULL
        self._remember_left(client, clock)
        if known.owner:
            known.owner.presence_clients.discard(client)
        self._roster_changed = True
        self._mark_changed(client, anew=True)

    def _remember_left(self, client: int, clock: int) -> None:
        self._left[client] = clock
        self._left.move_to_end(client)
        while len(self._left) > CLIENTS_PER_ROOM_MAX:
            self._left.popitem(last=False)

    def remove_member(self, member: PresenceMember) -> None:
        """Mark the clients of a session that has ended as left, at once."""
        for client in list(member.presence_clients):
            if known := self._states.get(client):
                self._mark_left(client, known, known.clock + 1)

    def apply_remote(self, body: bytes) -> None:
        """Apply an awareness update of another gateway, and pass it on as it is."""
        if body == REANNOUNCE:
            self._reannounce_own()
            return
        now = self._loop.time()
        changed: list[tuple[int, bytes]] = []
        roster_changed = False
        for client, clock, state in decode_awareness(body):
            known = self._states.get(client)
            if known and known.owner:
                if clock <= known.clock or state == NULL:
                    continue
                known.owner.presence_clients.discard(client)
                known.owner.client_taken_over()
            if state == NULL:
                self._states.pop(client, None)
                self._remember_left(client, clock)
            else:
                self._states[client] = _ClientState(clock, state, None, now)
            roster_changed |= (known is None) != (state == NULL)
            if known is None or known.body != state:
                changed.append((client, state))
        self._publish_locally(PresenceChange(body, changed, roster_changed, self.states))

    def states(self) -> list[tuple[int, bytes]]:
        """Return the client and the JSON state of each client that is present."""
        return [
            (client, state.body) for client, state in self._states.items() if state.body != NULL
        ]

    def encode_states(self, *, own_only: bool = False) -> bytes | None:
        """Encode all states (or those of this gateway's clients); None when there are none."""
        present = [
            (client, state.clock, state.body)
            for client, state in self._states.items()
            if state.body != NULL and (state.owner or not own_only)
        ]
        return encode_awareness(present) if present else None

    def expire_silent_clients(self) -> None:
        """Mark clients as left that fell silent, such as those of a gateway that died."""
        oldest = self._loop.time() - SILENT_S_MAX
        for client, state in list(self._states.items()):
            if state.updated_at < oldest and state.body != NULL:
                self._mark_left(client, state, state.clock + 1)

    def _mark_changed(self, client: int, *, anew: bool) -> None:
        self._dirty[client] = anew or self._dirty.get(client, False)
        if self._flush_timer is None:
            wait_s = self._flushed_at + FLUSH_INTERVAL_S - self._loop.time()
            self._flush_timer = self._loop.call_later(max(0.0, wait_s), self._publish_changes)

    def _publish_changes(self) -> None:
        self._flush_timer = None
        self._flushed_at = self._loop.time()
        dirty, self._dirty = self._dirty, {}
        updates = [
            (client, state.clock, state.body)
            for client in dirty
            if (state := self._states.get(client))
        ]
        roster_changed, self._roster_changed = self._roster_changed, False
        for client, _, body in updates:
            if body == NULL:
                del self._states[client]
        if not updates:
            return
        body = encode_awareness(updates)
        changed = [(client, state) for client, _, state in updates if dirty[client]]
        self._publish_locally(PresenceChange(body, changed, roster_changed, self.states))
        self._publish_to_gateways(body)

    def _publish_to_gateways(self, body: bytes) -> None:
        task = asyncio.create_task(self._publish(body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
