"""Folding the log into the shadow tables: all of it once, then chains that have grown since."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from libs.postgres import Connection, Pool, snapshot_transaction
from services.events.model.aggregate import Row
from services.events.model.aggregates import AGGREGATES
from services.events.model.chain import AggregateHead, ChainFinding, as_event
from services.events.model.log import fold
from services.events.rebuild.store import ProjectionTable, rebuild_statement
from services.events.rebuild.tables import TABLES
from services.events.store.log import ChainPiece, head_of, read_chains, read_heads

ROWS_PER_COPY = 5000
"""Folded rows that are held in memory before they are written."""
CHANGED_PER_TURN = 1000
FINDINGS_MAX = 1000

type Progress = Callable[[int], None]


@dataclass(slots=True)
class ReplayReport:
    """The numbers and findings of a replay."""

    aggregates: int = 0
    events: int = 0
    findings: list[ChainFinding] = field(default_factory=list[ChainFinding])
    broken: list[tuple[AggregateHead, str]] = field(default_factory=list[tuple[AggregateHead, str]])
    """Aggregates that cannot be folded without their corrupt events, with the reason."""


class ShadowWriter:
    """Writes rows into the tables of a shadow schema."""

    def __init__(self, connection: Connection, schema: str) -> None:
        """Write over *connection*."""
        self._connection = connection
        self._schema = schema
        self._rows: dict[str, list[tuple[Any, ...]]] = {table.name: [] for table in TABLES}
        self._heads: list[tuple[UUID, int]] = []
        self._by_name = {table.name: table for table in TABLES}

    async def put(self, head: AggregateHead, row: Row | None) -> None:
        """Write the row of an aggregate; None when the aggregate no longer exists."""
        self._heads.append((head.aggregate_id, head.version))
        if row is not None:
            for table, values in AGGREGATES[head.aggregate_type].stored(row):
                columns = self._by_name[table].columns
                self._rows[table].append(tuple([values[name] for name in columns]))
        if len(self._heads) >= ROWS_PER_COPY:
            await self.flush()

    async def flush(self) -> None:
        """Write the rows that are still held in memory."""
        for table in TABLES:
            if rows := self._rows[table.name]:
                await self._copy(table.name, rows, table.columns)
                rows.clear()
        if self._heads:
            await self._copy("folded_heads", self._heads, ("aggregate_id", "version"))
            self._heads.clear()

    async def _copy(
        self, table: str, rows: Sequence[tuple[Any, ...]], columns: Sequence[str]
    ) -> None:
        await self._connection.copy_records_to_table(
            table, schema_name=self._schema, records=rows, columns=list(columns)
        )


async def replay(pool: Pool, writer: Connection, schema: str, progress: Progress) -> ReplayReport:
    """Fold a snapshot of the log into empty tables."""
    folded, shadow = ReplayReport(), ShadowWriter(writer, schema)
    async with snapshot_transaction(pool) as connection:
        page = await read_heads(connection, None)
        while page:
            await _fold(read_chains(connection, page), shadow, folded)
            progress(folded.events)
            page = await read_heads(connection, page[-1])
    await shadow.flush()
    return folded


async def catch_up(
    connection: Connection, schema: str, projects: Sequence[UUID] | None = None
) -> tuple[list[AggregateHead], ReplayReport]:
    """Fold every aggregate again that has new events, of some projects or of all; return which.

    It needs a repeatable-read transaction, or one that blocks writers.
    """
    folded, shadow = ReplayReport(), ShadowWriter(connection, schema)
    changed: list[AggregateHead] = []
    while rows := await connection.fetch(
        rebuild_statement("changed", schema), CHANGED_PER_TURN, projects
    ):
        chains = [head_of(row) for row in rows]
        ids = [head.aggregate_id for head in chains]
        for table in (ProjectionTable("folded_heads", "aggregate_id", ()), *TABLES):
            await connection.execute(rebuild_statement("forget", schema, table), ids)
        await _fold(read_chains(connection, chains), shadow, folded)
        await shadow.flush()
        changed += chains
    return changed, folded


async def fold_bundles(connection: Connection, schema: str) -> None:
    """Make the rows of all bundles; needs the same transaction as `catch_up`."""
    await connection.execute(rebuild_statement("fold_bundles", schema))


async def _fold(
    pieces: AsyncIterator[ChainPiece], shadow: ShadowWriter, folded: ReplayReport
) -> None:
    row: Row | None = None
    broken = ""
    async for piece in pieces:
        spec = AGGREGATES[piece.head.aggregate_type]
        if piece.first:
            row, broken = piece.before, ""
        for event in piece.events:
            try:
                row = fold(spec, row, as_event(event))
            except (ValueError, KeyError) as error:
                # Only possible when an earlier event was left out.
                broken = broken or str(error)
        folded.events += len(piece.events)
        if piece.last:
            folded.aggregates += 1
            room = FINDINGS_MAX - len(folded.findings)
            folded.findings.extend(piece.findings[:room])
            if broken:
                folded.broken.append((piece.head, broken))
            await shadow.put(piece.head, row)
