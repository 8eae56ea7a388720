"""Keys of objects that are being written: in the database before the first byte (decision 71)."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import structlog

from libs import errors
from services.blobs.model.keys import new_key
from services.blobs.storage import Taken
from services.blobs.store import Store
from services.blobs.store.uploads import LEASE_S

log = structlog.get_logger(__name__)

RENEW_INTERVAL_S = LEASE_S / 4


@asynccontextmanager
async def leased(
    store: Store, project_id: UUID, reason: str, *, tier: str = "hot"
) -> AsyncGenerator[str]:
    """Lease a new key and renew the lease; without a commit the object under it is deleted.

    Raises:
        errors.Unavailable: Another writer has the key, or the database cannot be reached.
    """
    uploads, key = store.uploads, new_key(project_id)
    await uploads.lease(project_id, key, reason, tier)
    renewing = asyncio.create_task(_keep_renewing(store, project_id, key))
    try:
        yield key
    except errors.DeadlineExceeded:
        # It may have been committed: the lease tells, when it is over.
        raise
    except Taken:
        # The object under this key belongs to another writer: forget the key, delete nothing.
        log.error("key of an object is taken", key=key)  # noqa: TRY400 (that says it all)
        await uploads.let_be(project_id, key)
        raise errors.Unavailable("Storing this failed; try again.") from None
    except BaseException:
        with suppress(errors.AppError):
            await uploads.give_up(project_id, key, tier)
        raise
    finally:
        renewing.cancel()


async def _keep_renewing(store: Store, project_id: UUID, key: str) -> None:
    while True:
        await asyncio.sleep(RENEW_INTERVAL_S)
        try:
            await store.uploads.renew(project_id, key)
        except errors.AppError as error:
            log.warning("lease not renewed", code=error.code)
