"""Claims of commands: a command is carried out once, and its retry gets the first answer."""

from dataclasses import dataclass
from uuid import UUID

from libs import errors
from libs.postgres import Connection
from services.events.store.statements import SQL


@dataclass(frozen=True, slots=True)
class CommandClaim:
    """The identity of a command: its id, a digest of its request, and its aggregate."""

    command_id: UUID
    digest: str
    target_id: UUID


class AlreadyRecorded(Exception):
    """The command was recorded before; nothing of this attempt may be kept."""


async def make_claim(connection: Connection, claim: CommandClaim, user_id: UUID) -> UUID | None:
    """Claim a command for a user; return None when it is new, else the target of its first time.

    Raises:
        errors.IdempotencyKeyReused: The id belongs to another command.
    """
    made = await connection.fetchval(
        SQL.claim, claim.command_id, user_id, claim.digest, claim.target_id
    )
    return None if made else await find_claim(connection, claim, user_id)


async def find_claim(connection: Connection, claim: CommandClaim, user_id: UUID) -> UUID | None:
    """Return the target of a command's first time; None when there was none.

    Raises:
        errors.IdempotencyKeyReused: The id belongs to another command.
    """
    known = await connection.fetchrow(SQL.claimed, claim.command_id)
    if known and (known["user_id"], known["digest"]) != (user_id, claim.digest):
        raise errors.IdempotencyKeyReused
    return known["target_id"] if known else None
