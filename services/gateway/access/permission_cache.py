"""Permissions of people, cached in NATS KV for all gateways.

A role is cached for the bucket's five minutes under `<project>.<user>` and dropped at once when
membership changes. Writing it back cannot undo a drop: the entry's revision (a drop leaves one
too) is read before events is asked and expected when the answer is written.

A role may be that of a team, so it is cached with the version of the person's teams and counts
while they are at that version. Those are cached alike, under `teams.<user>`: one drop, when
somebody comes into a team or leaves it, undoes what was decided about them in every project.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import nats.errors
import nats.js.errors
import structlog
from nats.aio.client import Client
from nats.js.kv import KeyValue

from libs.contracts.actor import Role
from libs.contracts.streams import PERMISSIONS
from services.gateway.accounts.teams.model import Teams

log = structlog.get_logger(__name__)

KV_WAIT_S = 1.0

_AWAY = (nats.errors.Error, nats.js.errors.Error, TimeoutError)

type Cached[T] = tuple[int | None, T | None]
"""The revision of an entry (None: unknown, do not write), and what it holds."""


@dataclass(frozen=True, slots=True)
class CachedRole:
    """A role, and at which version of the person's teams it was decided."""

    role: Role
    teams_version: int

    @classmethod
    def read(cls, value: bytes) -> "CachedRole":
        """Read what `written` wrote; ValueError when it is something else."""
        role, _, version = value.decode().partition(" ")
        return cls(Role(role), int(version))

    def written(self) -> bytes:
        """Return it as an entry holds it."""
        return f"{self.role} {self.teams_version}".encode()


class PermissionCache:
    """The bucket; who reads or writes goes on without it when it is away."""

    def __init__(self, client: Client) -> None:
        """Reach it over *client*."""
        self._client = client
        self._jetstream = client.jetstream(timeout=KV_WAIT_S)
        self._bucket: KeyValue | None = None

    async def role(self, project_id: UUID, user_id: UUID) -> Cached[CachedRole]:
        """Return a person's role in a project."""
        return await self._read(_key(project_id, user_id), CachedRole.read)

    async def put_role(
        self, project_id: UUID, user_id: UUID, entry: CachedRole, revision: int
    ) -> None:
        """Keep a role, unless its entry is no longer at *revision*."""
        await self._write(_key(project_id, user_id), entry.written(), revision)

    async def drop_role(self, project_id: UUID, user_id: UUID) -> None:
        """Drop a role.

        Raises:
            nats.errors.Error, nats.js.errors.Error: The cache cannot be reached.
        """
        await (await self._open()).delete(_key(project_id, user_id))

    async def teams(self, user_id: UUID) -> Cached[Teams]:
        """Return which teams a person is in."""
        return await self._read(_teams_key(user_id), _read_teams)

    async def put_teams(self, user_id: UUID, teams: Teams, revision: int) -> None:
        """Keep a person's teams, unless their entry is no longer at *revision*."""
        said = {"version": teams.version, "ids": [each.hex for each in teams.ids]}
        await self._write(_teams_key(user_id), json.dumps(said).encode(), revision)

    async def drop_teams(self, user_id: UUID) -> None:
        """Drop which teams a person is in, and so what they were let to do by them.

        Raises:
            nats.errors.Error, nats.js.errors.Error: The cache cannot be reached.
        """
        await (await self._open()).delete(_teams_key(user_id))

    async def _open(self) -> KeyValue:
        if self._bucket is None:
            self._bucket = await self._jetstream.key_value(PERMISSIONS.name)
        return self._bucket

    async def _read[T](self, key: str, reader: Callable[[bytes], T]) -> Cached[T]:
        if not self._client.is_connected:
            return None, None
        try:
            bucket = await self._open()
            entry = await bucket.get(key)
            return entry.revision, reader(entry.value or b"")
        except nats.js.errors.KeyNotFoundError as missing:
            dropped = cast("KeyValue.Entry | None", missing.entry)
            return (dropped.revision or 0) if dropped else 0, None
        except (*_AWAY, ValueError, KeyError) as error:
            log.warning("permission cache unreachable", reason=type(error).__name__)
            return None, None

    async def _write(self, key: str, value: bytes, revision: int) -> None:
        try:
            bucket = await self._open()
            await bucket.update(key, value, last=revision)
        except nats.js.errors.KeyWrongLastSequenceError:
            pass  # it changed meanwhile: the newer word stands
        except _AWAY as error:
            log.warning("permission cache unreachable", reason=type(error).__name__)


def _read_teams(value: bytes) -> Teams:
    said = json.loads(value)
    return Teams(int(said["version"]), tuple(UUID(each) for each in said["ids"]))


def _key(project_id: UUID, user_id: UUID) -> str:
    return f"{project_id.hex}.{user_id.hex}"


def _teams_key(user_id: UUID) -> str:
    return f"teams.{user_id.hex}"
