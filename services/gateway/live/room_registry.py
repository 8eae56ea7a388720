"""The rooms of this gateway: created on demand, synced at a bounded pace, closed when unused."""

import asyncio
from typing import Any
from uuid import UUID

import nats.errors
import structlog
from nats.aio.client import Client

from libs import errors
from libs.contracts.collab.yprotocol import Malformed
from libs.tasks import PeriodicTask
from services.gateway.live.batcher import TICK_S, EditBatcher
from services.gateway.live.collab_client import CollabClient, StateVectorRefused
from services.gateway.live.replicas import Replicas
from services.gateway.live.room import Room
from services.gateway.live.scene_session import SceneSession
from services.gateway.live.socket import INVALID, TRY_AGAIN

log = structlog.get_logger(__name__)

HEAD_POLL_S = 2.0
"""A commit whose announcement was lost stays unseen for no longer than this."""
HEADS_PER_REQUEST = 1_000
SWEEP_S = 5.0
TICK_PATIENCE_S = 5.0
ROOM_LINGER_S = 10.0
JOIN_ATTEMPTS_MAX = 5
LARGE_SNAPSHOT_BYTES = 64 * 1024
LARGE_BYTES_PER_S = 150e6


class RoomRegistry:
    """The rooms of all scenes that clients of this gateway have open."""

    def __init__(self, client: Client, *, gateway: int) -> None:
        """Keep the rooms of *gateway*; call `start` before use."""
        name = f"{gateway:08x}"
        self._client = client
        self._gateway = gateway
        self._replicas = Replicas()
        self._collab = CollabClient(client, name)
        self._rooms: dict[bytes, Room] = {}
        self._large_snapshots = asyncio.Lock()
        self.batcher = EditBatcher(client, self._replicas, name)

    async def start(self) -> None:
        """Subscribe to the answers, acknowledgements and heartbeats of collab."""
        await self._collab.start()
        await self.batcher.start()

    def room_of(self, scene: bytes) -> Room:
        """Return the room of *scene*, a new one when there is none."""
        room = self._rooms.get(scene)
        if room is None:
            room = self._rooms[scene] = Room(
                scene,
                client=self._client,
                collab=self._collab,
                gateway=self._gateway,
                on_reset=_end_sessions,
            )
        return room

    def publish_scene_event(self, scene: UUID, kind: str, fields: dict[str, Any]) -> None:
        """Send an event to the sessions in a scene; nobody has it open: nothing happens."""
        if room := self._rooms.get(scene.bytes):
            room.subscribers.publish_scene_event(kind, fields)

    async def sync_session(self, session: SceneSession, vector: bytes) -> None:
        """Send *session* what a client with *vector* lacks and subscribe it, or end it."""
        room = session.current_room
        room.pending_joins += 1
        try:
            for _ in range(JOIN_ATTEMPTS_MAX):
                replica = self._replicas.replica_for(room.scene)
                snapshot = await room.fetch_snapshot(vector, replica)
                if len(snapshot.update) > LARGE_SNAPSHOT_BYTES:
                    # One at a time and at a bounded pace, so that many joins at once leave most
                    # of every millisecond to the edits.
                    async with self._large_snapshots:
                        subscribed = room.subscribe_session(session, snapshot)
                        await asyncio.sleep(len(snapshot.update) / LARGE_BYTES_PER_S)
                else:
                    subscribed = room.subscribe_session(session, snapshot)
                if subscribed:
                    session.send_presence()
                    return
            session.end_session(TRY_AGAIN, "try again")
        except (StateVectorRefused, Malformed):
            session.end_session(INVALID, "malformed state vector")
        except errors.AppError:
            session.end_session(TRY_AGAIN, "try again")
        finally:
            room.pending_joins -= 1

    async def check_all_heads(self) -> None:
        """Ask collab now how far the logs of all rooms reach."""
        await self._check_heads(list(self._rooms.values()))

    def tasks(self) -> list[PeriodicTask]:
        """Return the background tasks of rooms and of the batcher."""
        return [
            PeriodicTask(
                "resend_edits",
                self.batcher.tick,
                interval_s=TICK_S,
                patience_s=TICK_PATIENCE_S,
                backoff_s_max=TICK_S,
            ),
            PeriodicTask("poll_heads", self._poll_heads, interval_s=HEAD_POLL_S),
            PeriodicTask("sweep_rooms", self._sweep_rooms, interval_s=SWEEP_S),
        ]

    async def _poll_heads(self) -> None:
        """Ask collab how far the logs of quiet rooms reach."""
        # A room that received a frame since then has not missed an older one: gaps show.
        quiet = asyncio.get_running_loop().time() - HEAD_POLL_S
        await self._check_heads(
            [r for r in self._rooms.values() if r.subscribers.size and r.frame_at < quiet]
        )

    async def _check_heads(self, rooms: list[Room]) -> None:
        for start in range(0, len(rooms), HEADS_PER_REQUEST):
            some = rooms[start : start + HEADS_PER_REQUEST]
            try:
                heads = await self._collab.request_heads([room.scene for room in some])
            except (errors.Unavailable, nats.errors.Error):
                return
            for room, head in zip(some, heads, strict=True):
                room.check_head(head)

    async def _sweep_rooms(self) -> None:
        """Forget silent presences and close unused rooms."""
        for room in list(self._rooms.values()):
            room.presence.expire_silent_clients()
            if room.is_unused_for(ROOM_LINGER_S):
                del self._rooms[room.scene]
                await room.close()


def _end_sessions(room: Room, reason: str) -> None:
    log.warning("clients must sync again", scene_id=str(room.id), reason=reason)
    for session in room.subscribers:
        session.end_session(TRY_AGAIN, reason)
