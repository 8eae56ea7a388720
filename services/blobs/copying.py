"""Copies between projects: a blob is read, verified, and stored as the other project's own."""

import asyncio
from contextlib import aclosing, suppress

from libs import errors
from libs.contracts.actor import Actor
from libs.contracts.blobs.copies import Copied, CopyBlob
from libs.contracts.blobs.transfers import AssetType, BeginUpload
from libs.contracts.ids import new_id
from services.blobs.reading import Reading
from services.blobs.store import Store, require_bytes
from services.blobs.uploads import Uploads

COPIES_MAX = 4
"""Copies that a replica makes at once; others wait, so that uploads are hardly slowed down."""
UPLOAD_LIFE_S = 86_400.0


class Copying:
    """Copies blobs between projects on request."""

    def __init__(self, store: Store, uploads: Uploads, reading: Reading) -> None:
        """Read by *reading* what *store* knows of, and store it by *uploads*."""
        self._store = store
        self._uploads = uploads
        self._reading = reading
        self._turns = asyncio.Semaphore(COPIES_MAX)

    async def copy(self, wanted: CopyBlob, actor: Actor) -> Copied:
        """Store a blob of another project in the actor's: an upload like any other.

        So it is verified on its way, stored once, and within the quota. From the cold tier it is
        read where it is.

        Raises:
            errors.NotFound: That project never had it.
            errors.BlobUnavailable, errors.BlobDamaged: Its bytes are gone, or set aside.
            errors.QuotaExceeded, errors.StorageFull: There is no room for it.
            errors.Unavailable: Storage or database is away.
        """
        source = require_bytes(await self._store.blob(wanted.source_project_id, wanted.sha256))
        target_id = actor.scope()
        async with self._turns:
            upload_id = new_id()
            begin = BeginUpload(
                upload_id=upload_id,
                size=source["size"],
                sha256=wanted.sha256,
                media_type=source["media_type"],
                asset_type=AssetType(source["asset_type"]),
            )
            _, upload = await self._store.uploads.begin(
                target_id, actor.user_id, begin, life_s=UPLOAD_LIFE_S, direct_key=None
            )
            if upload.blob is None:
                try:
                    async with aclosing(self._reading.frames(source, 0, source["size"])) as frames:
                        upload = await self._uploads.put(target_id, upload_id, frames)
                except BaseException:
                    with suppress(errors.AppError):
                        await self._store.uploads.cancel(target_id, actor.user_id, upload_id)
                    raise
        assert upload.blob is not None
        return Copied(blob=upload.blob)
