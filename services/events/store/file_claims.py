"""Claims on blobs: each is recorded once, as used or as refused."""

from typing import Literal
from uuid import UUID

from libs.postgres import Connection
from services.events.store.statements import SQL

type ClaimOutcome = Literal["used", "refused"]


async def record_file_claim(
    connection: Connection, claim_id: UUID, project_id: UUID, outcome: ClaimOutcome
) -> bool:
    """Record the outcome of a claim unless it has one; return whether it was recorded.

    Waits for a transaction that is recording the same claim.
    """
    return bool(await connection.fetchval(SQL.record_file_claim, claim_id, project_id, outcome))


async def file_claim_outcome(
    connection: Connection, claim_id: UUID, project_id: UUID
) -> ClaimOutcome | None:
    """Return the outcome of a claim of a project; None when it has none there."""
    return await connection.fetchval(SQL.file_claim, claim_id, project_id)
