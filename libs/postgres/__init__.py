"""PostgreSQL: a pool, named queries, forward-only migrations."""

from libs.postgres.migrate import migrate
from libs.postgres.pool import Connection, Pool, connect, is_full, own_id, snapshot_transaction
from libs.postgres.queries import Queries, load_queries

__all__ = [
    "Connection",
    "Pool",
    "Queries",
    "connect",
    "is_full",
    "load_queries",
    "migrate",
    "own_id",
    "snapshot_transaction",
]
