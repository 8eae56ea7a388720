"""What workspaces ask of the database: the statements of `queries.sql`, and short transactions."""

from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from uuid import UUID

from libs import errors
from libs.postgres import Connection, Pool, load_queries
from libs.postgres.pool import UNREACHABLE
from services.events.model.aggregate import AggregateSpec
from services.events.model.aggregates import AGGREGATES

SQL = load_queries("services.events.workspaces")


def statement(name: str, spec: AggregateSpec, **names: str) -> str:
    """Return a statement for one kind of aggregate; *names* are columns of its own."""
    return _filled(name, spec.kind, tuple(sorted(names.items())))


@cache
def _filled(name: str, kind: str, names: tuple[tuple[str, str], ...]) -> str:
    spec = AGGREGATES[kind]
    text: str = getattr(SQL, name)
    whole = dict.fromkeys((*spec.columns, *spec.fields))
    return text.format(
        table=spec.table,
        view=spec.view,
        whole=", ".join(f"v.{column}" for column in whole),
        **dict(names),
    )


async def run_in_transaction[T](pool: Pool, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Run *work* in a transaction.

    Raises:
        errors.Unavailable: The database is away.
    """
    try:
        async with pool.acquire() as connection, connection.transaction():
            return await work(connection)
    except UNREACHABLE as error:
        raise errors.Unavailable from error


async def add_files(
    connection: Connection,
    package_id: UUID,
    files: Sequence[tuple[int, str, int]],
    *,
    place: UUID,
) -> None:
    """Note which bytes things of a package have: their number, a SHA-256 and its size in bytes."""
    if files:
        numbers, sha256s, sizes = zip(*files, strict=True)
        await connection.execute(SQL.put_files, package_id, place, numbers, sha256s, sizes)
