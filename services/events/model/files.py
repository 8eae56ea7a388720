"""The file of an entity: its events, and the validity of claims on its bytes."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from libs import errors
from libs.contracts.blobs.transfers import CLAIM_LIFE_S_MAX
from libs.contracts.events.files import StoredFile
from services.events.model.aggregate import Row
from services.events.model.aggregates.entity import ENTITY, FILE_FIELDS
from services.events.model.log import PendingEvent
from services.events.model.refusal import field_refusal

NO_FILE: Row = {"file_path": None}
"""The columns of an entity that never had a file."""
CLOCKS_APART_S_MAX = 3600
"""The difference that is allowed between this clock and the clock that dated a claim."""


def file_uploaded(entity_id: UUID, row: Row, file: StoredFile, claim_id: UUID) -> PendingEvent:
    """Return the event by which the entity in *row* gets a file."""
    said = file.model_dump(mode="json", by_alias=True)
    data = said | {"claimId": str(claim_id), "from": current_file(row)}
    return PendingEvent(ENTITY, entity_id, "file_uploaded", data)


def file_deleted(entity_id: UUID, row: Row) -> PendingEvent:
    """Return the event by which the entity in *row* loses its file."""
    was = current_file(row)
    return PendingEvent(ENTITY, entity_id, "file_deleted", {**(was or {}), "from": was})


def current_file(row: Row) -> dict[str, Any] | None:
    """Return the file of an entity as its events hold it; None when it has none."""
    if row["file_path"] is None:
        return None
    return {name: row[f"file_{name}"] for name in FILE_FIELDS} | {"preview": row["preview"]}


def require_current(claim_id: UUID, *, at: datetime) -> None:
    """Return when a claim is young enough at the time *at* for its outcome to be still recorded.

    Raises:
        errors.BlobUnavailable: The claim is too old; its outcome may be deleted by now.
        errors.Invalid: The id of the claim has no time, or a time in the future.
    """
    if claim_id.version != 7:
        raise field_refusal("claimId", "is not a UUIDv7")
    drawn = datetime.fromtimestamp((claim_id.int >> 80) / 1000, UTC)
    if drawn > at + timedelta(seconds=CLOCKS_APART_S_MAX):
        raise field_refusal("claimId", "has a time in the future")
    if drawn < at - timedelta(seconds=CLAIM_LIFE_S_MAX):
        raise errors.BlobUnavailable("This claim on the blob is too old; claim the blob again.")
