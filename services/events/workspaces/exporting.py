"""Exporting a package: the state of a project at one moment, written page by page."""

from collections.abc import AsyncGenerator
from uuid import UUID

import asyncpg
import zstandard

from libs import errors
from libs.contracts.events.workspaces import AGGREGATES_MAX, FORMAT, PAGE_BYTES, Head
from libs.postgres import Connection, Pool
from services.events.common.commands import require_visible
from services.events.model.aggregate import AggregateSpec, Row
from services.events.model.aggregates import PROJECT, SCENE
from services.events.store import Reader
from services.events.workspaces.document import encode_line
from services.events.workspaces.names import KnownNames
from services.events.workspaces.numbering import KINDS
from services.events.workspaces.package_file import PackageFile
from services.events.workspaces.store import SQL, add_files, statement

ROWS_AT_ONCE = 500
"""Rows that are read from the database, and in memory, at a time."""
ZSTD_LEVEL = 3


async def export_package(pool: Pool, package_id: UUID, project_id: UUID, owner_id: UUID) -> Head:
    """Write the state of a project into a package; its texts are added later.

    If the package exists already, it is returned.

    Raises:
        errors.NotFound: The project is deleted, or the package belongs to another person.
        errors.TooLarge: The project has more than AGGREGATES_MAX things.
        errors.Unavailable: Another replica is writing the package right now; try again.
    """
    try:
        return await _take(pool, package_id, project_id, owner_id)
    except asyncpg.SerializationError as error:
        raise errors.Unavailable from error


async def _take(pool: Pool, package_id: UUID, project_id: UUID, owner_id: UUID) -> Head:
    # Repeatable reads, so that all pages are of one moment.
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read"),
    ):
        row = require_visible(await Reader(connection, project_id).row(PROJECT, project_id))
        head = Head(format=FORMAT, name=row["name"], kinds={})
        made = await connection.fetchval(
            SQL.open_package, package_id, owner_id, project_id, head.model_dump(mode="json")
        )
        if made is None:
            known = await connection.fetchrow(SQL.package, package_id, owner_id)
            if known is None or known["project_id"] != project_id:
                raise errors.NotFound
            return Head.model_validate(known["head"])
        taking = _PackageWriter(connection, package_id, project_id)
        counts = {spec.kind: await taking.write(spec) for spec in KINDS}
        await taking.end_page()
        kinds = {kind: n for kind, n in counts.items() if n}
        named = taking.names.known(PROJECT, row)
        head = head.model_copy(update={"kinds": kinds, "editor": named["editor"]})
        await connection.execute(SQL.seal_package, package_id, head.model_dump(mode="json"))
        return head


class _PackageWriter:
    """Writes the pages of one package."""

    def __init__(self, connection: Connection, package_id: UUID, project_id: UUID) -> None:
        self._connection = connection
        self._package_id = package_id
        self._project_id = project_id
        self._numbers: dict[UUID, int] = {}
        self._of_kind: dict[str, list[UUID]] = {PROJECT.kind: [project_id]}
        self._lines: list[bytes] = []
        self._size = 0
        self._pages = 0
        self._scenes: list[UUID] = []
        self._files: list[tuple[int, str, int]] = []
        self.names = KnownNames()

    async def write(self, spec: AggregateSpec) -> int:
        """Write all aggregates of a kind; return their number."""
        own = self._of_kind[spec.kind] = []
        async for row in self._rows(spec):
            number = len(self._numbers) + 1
            self.names.note(spec, row)
            text = encode_line(spec, self.names.known(spec, row), number, self._numbers)
            if text is None:
                continue
            if number > AGGREGATES_MAX:
                raise errors.TooLarge(
                    f"A project can be copied with at most {AGGREGATES_MAX} aggregates."
                )
            self._numbers[row["id"]] = number
            own.append(row["id"])
            if spec is SCENE:
                self._scenes.append(row["id"])
            if file := PackageFile.of(spec, row):
                self._files.append((number, file.sha256, file.size))
            self._lines.append(text)
            self._size += len(text)
            if self._size >= PAGE_BYTES:
                await self.end_page()
        return len(own)

    async def end_page(self) -> None:
        """Store the lines that are not stored yet as a page, with their scenes and files."""
        if not self._lines:
            return
        body = zstandard.compress(b"".join(self._lines), ZSTD_LEVEL)
        count = len(self._lines)
        first = len(self._numbers) - count + 1
        await self._connection.execute(
            SQL.put_page, self._package_id, self._pages, first, count, body
        )
        if self._scenes:
            numbers = [self._numbers[each] for each in self._scenes]
            await self._connection.execute(SQL.put_scenes, self._package_id, numbers, self._scenes)
        await add_files(self._connection, self._package_id, self._files, place=self._project_id)
        self._pages += 1
        self._lines, self._size, self._scenes, self._files = [], 0, [], []

    async def _rows(self, spec: AggregateSpec) -> AsyncGenerator[Row]:
        if spec.ordered:
            above = self._of_kind[str(spec.parent)]
            query = statement("ordered_state", spec)
            cursor = await self._connection.cursor(query, self._project_id, above)
        else:
            query = statement("unordered_state", spec)
            cursor = await self._connection.cursor(query, self._project_id)
        while found := await cursor.fetch(ROWS_AT_ONCE):
            for row in found:
                yield dict(row)
