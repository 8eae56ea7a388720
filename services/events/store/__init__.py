"""The log and its projections in PostgreSQL."""

from services.events.store.claims import AlreadyRecorded, CommandClaim
from services.events.store.database import RetryTransaction, Store
from services.events.store.lists import ListQuery
from services.events.store.optimistic import SingleChange
from services.events.store.reader import RankGap, Reader
from services.events.store.statements import SQL, events_from_rows
from services.events.store.transaction import Transaction

__all__ = [
    "SQL",
    "AlreadyRecorded",
    "CommandClaim",
    "ListQuery",
    "RankGap",
    "Reader",
    "RetryTransaction",
    "SingleChange",
    "Store",
    "Transaction",
    "events_from_rows",
]
