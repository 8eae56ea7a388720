"""The log and its projections in PostgreSQL."""

from services.events.store.claims import Claim, Repeated
from services.events.store.database import Store, TryAgain
from services.events.store.lists import Wanted
from services.events.store.optimistic import SingleChange
from services.events.store.reader import Gap, Reader
from services.events.store.statements import SQL, of_events
from services.events.store.transaction import Transaction

__all__ = [
    "SQL",
    "Claim",
    "Gap",
    "Reader",
    "Repeated",
    "SingleChange",
    "Store",
    "Transaction",
    "TryAgain",
    "Wanted",
    "of_events",
]
