"""The database of blobs: the only place that speaks SQL."""

from services.blobs.store.committing import Stored, doom, rescue
from services.blobs.store.database import (
    SQL,
    Database,
    Row,
    blob_of,
    fact,
    record,
    require_bytes,
)
from services.blobs.store.store import Store

__all__ = [
    "SQL",
    "Database",
    "Row",
    "Store",
    "Stored",
    "blob_of",
    "doom",
    "fact",
    "record",
    "require_bytes",
    "rescue",
]
