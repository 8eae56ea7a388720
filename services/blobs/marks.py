"""The mark that each storage must bear, recorded in the database at its first use."""

from collections.abc import Mapping
from uuid import uuid4

import structlog

from libs import errors
from libs.postgres import Connection
from libs.tasks import PeriodicTask, passed
from services.blobs.storage import Storage
from services.blobs.storage.marked import Marked
from services.blobs.store.database import SQL, Database
from services.blobs.threads import blocking

log = structlog.get_logger(__name__)

LOOK_INTERVAL_S = 5.0
SAMPLE_KEYS = 20
"""Objects that are looked for in a storage that has no mark yet; one of them must be there."""


class Marks:
    """Looks after the marks of all tiers; any number of replicas may do so at once."""

    def __init__(self, database: Database, storages: Mapping[str, Marked]) -> None:
        """Tell *storages* what *database* knows of them."""
        self._database = database
        self._storages = storages
        self.task = PeriodicTask("marks", self.look_at_all, interval_s=LOOK_INTERVAL_S)

    async def look_at_all(self) -> None:
        """Look at each storage, so that logs and metrics tell; one that is away is no failure."""
        for storage in self._storages.values():
            try:
                await self.look(storage)
            except errors.AppError as error:
                log.debug("storage not usable", tier=storage.tier, detail=error.detail)

    async def look(self, storage: Marked) -> None:
        """Accept a storage that is the one; the first of its tier becomes that.

        Raises:
            errors.Unavailable: It is away, or another one.
        """
        if not storage.was_right:
            storage.expected = await self._expected(storage)
        await blocking(storage.check)

    async def _expected(self, storage: Marked) -> str:
        """Return the mark that the storage must have, and leave it there when it is new."""

        async def work(connection: Connection) -> str:
            await connection.execute(SQL.put_storage, storage.tier, str(uuid4()))
            known = await connection.fetchrow(SQL.lock_storage, storage.tier)
            assert known is not None
            mark: str = known["mark"]
            was_used = known["adopted_at"] is not None
            found = await blocking(storage.mark)
            if found == mark and was_used:
                return mark
            keys = [
                row["key"]
                for row in await connection.fetch(SQL.sample_keys, storage.tier, SAMPLE_KEYS)
            ]
            if found != mark:
                if was_used and (keys or found is not None):
                    return mark
                if not await self._fits(connection, storage.storage, found, keys):
                    return mark
                if found is None:
                    await blocking(storage.put_mark, mark)
                    passed("mark.put")
                else:
                    mark = found
            await connection.execute(SQL.adopt_storage, storage.tier, mark)
            log.info("storage adopted", tier=storage.tier, mark=mark)
            return mark

        return await self._database.transact(work)

    async def _fits(
        self, connection: Connection, storage: Storage, found: str | None, keys: list[str]
    ) -> bool:
        """Return whether a storage with another mark, or without one, is ours.

        It is when it has one of the objects *keys*, which we keep; a new one when we keep none. A
        database that was recovered to a time before the mark, and one that is older than marks,
        find it so.
        """
        if found is not None and await connection.fetchval(SQL.is_mark_known, found):
            return True  # two tiers in one bucket
        if not keys:
            return found is None
        for key in keys:
            if await blocking(storage.size, key) is not None:
                return True
        return False
