"""The rooms of this gateway: joins at a bounded pace, edits on their way, heads watched."""

import asyncio

import nats.errors
import structlog
from nats.aio.client import Client

from libs import errors
from libs.contracts.collab.yprotocol import Malformed
from services.gateway.live.batcher import EditBatcher
from services.gateway.live.collab_client import CollabClient, Refused
from services.gateway.live.replicas import Replicas
from services.gateway.live.room import Room
from services.gateway.live.scene_session import SceneSession
from services.gateway.live.socket import INVALID, TRY_AGAIN

log = structlog.get_logger(__name__)

HEAD_POLL_S = 2.0
"""How long a commit that nobody announced stays unseen at most."""
HEADS_PER_QUESTION = 1_000
SWEEP_S = 5.0
ROOM_LINGER_S = 10.0
JOIN_ATTEMPTS_MAX = 5
LARGE_ANSWER_BYTES = 64 * 1024
LARGE_BYTES_PER_S = 150e6


class RoomRegistry:
    """Every scene that somebody has open here."""

    def __init__(self, client: Client, *, gateway: int) -> None:
        """Host rooms as *gateway*; call `start` inside the running loop before use."""
        name = f"{gateway:08x}"
        self._client = client
        self._gateway = gateway
        self._replicas = Replicas()
        self._asks = CollabClient(client, name)
        self._rooms: dict[bytes, Room] = {}
        self._large = asyncio.Lock()
        self.uplinks = EditBatcher(client, self._replicas, name)

    async def start(self) -> None:
        """Listen to collab."""
        await self._asks.start()
        await self.uplinks.start()

    def room(self, scene: bytes) -> Room:
        """Return the room of *scene*, made if need be."""
        room = self._rooms.get(scene)
        if room is None:
            room = self._rooms[scene] = Room(
                scene,
                client=self._client,
                asks=self._asks,
                gateway=self._gateway,
                on_out_of_step=_out_of_step,
            )
        return room

    async def join(self, member: SceneSession, vector: bytes) -> None:
        """Bring *member* up to date from *vector*, or send them away with the reason."""
        room = member.here
        room.joining += 1
        try:
            for _ in range(JOIN_ATTEMPTS_MAX):
                joined = await room.join(vector, self._replicas.choose(room.scene))
                if len(joined.update) > LARGE_ANSWER_BYTES:
                    # One at a time and at a bounded pace, so that a storm of newcomers leaves
                    # most of every millisecond to those who write.
                    async with self._large:
                        done = room.admit(member, joined)
                        await asyncio.sleep(len(joined.update) / LARGE_BYTES_PER_S)
                else:
                    done = room.admit(member, joined)
                if done:
                    member.show_presence()
                    return
            member.put_out(TRY_AGAIN, "try again")
        except (Refused, Malformed):
            member.put_out(INVALID, "malformed state vector")
        except errors.AppError:
            member.put_out(TRY_AGAIN, "try again")
        finally:
            room.joining -= 1

    def edit(self, member: SceneSession, update: bytes) -> int:
        """Take one edit; returns the bytes it weighs until it is acknowledged."""
        room = member.here
        return self.uplinks.submit(room.lane, member, update, deliveries=room.audience.size)

    async def look_at_heads(self) -> None:
        """Ask now whether anything was missed."""
        await self._look_at(list(self._rooms.values()))

    async def poll_heads(self) -> None:
        """Ask now and then, until cancelled."""
        while True:
            await asyncio.sleep(HEAD_POLL_S)
            # A room that heard a frame since cannot have missed an older one: gaps show.
            quiet = asyncio.get_running_loop().time() - HEAD_POLL_S
            await self._look_at(
                [r for r in self._rooms.values() if r.audience.size and r.heard_at < quiet]
            )

    async def _look_at(self, rooms: list[Room]) -> None:
        for start in range(0, len(rooms), HEADS_PER_QUESTION):
            some = rooms[start : start + HEADS_PER_QUESTION]
            try:
                heads = await self._asks.heads([room.scene for room in some])
            except (errors.Unavailable, nats.errors.Error):
                return
            for room, head in zip(some, heads, strict=True):
                room.head_seen(head)

    async def sweep(self) -> None:
        """Forget silent presences and empty rooms, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            for room in list(self._rooms.values()):
                room.presence.sweep()
                if room.abandoned(ROOM_LINGER_S):
                    del self._rooms[room.scene]
                    await room.close()


def _out_of_step(room: Room, why: str) -> None:
    log.warning("clients must sync again", scene_id=str(room.id), reason=why)
    for member in room.audience:
        member.put_out(TRY_AGAIN, why)
