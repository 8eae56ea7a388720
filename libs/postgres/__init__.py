"""PostgreSQL: a pool, named queries, advisory locks, forward-only migrations."""

from libs.postgres.locks import AdvisoryLocks, LockKey, try_lock, wait_for_lock
from libs.postgres.migrations import migrate
from libs.postgres.pool import Connection, Pool, connect, is_full, own_id, snapshot_transaction
from libs.postgres.queries import Queries, load_queries

__all__ = [
    "AdvisoryLocks",
    "Connection",
    "LockKey",
    "Pool",
    "Queries",
    "connect",
    "is_full",
    "load_queries",
    "migrate",
    "own_id",
    "snapshot_transaction",
    "try_lock",
    "wait_for_lock",
]
