"""The statements of workspaces, and short transactions."""

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
        errors.Unavailable: The database is not available.
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
    """Add the files of a package: number of the thing, SHA-256 and size in bytes of each."""
    if files:
        numbers, sha256s, sizes = zip(*files, strict=True)
        await connection.execute(SQL.put_files, package_id, place, numbers, sha256s, sizes)
