"""The handlers of all requests that the blobs service answers on the bus."""

import time
from collections.abc import Awaitable, Callable
from uuid import UUID

from faststream.nats import NatsBroker

from libs import errors
from libs.bus import serve
from libs.contracts.actor import Actor
from libs.contracts.blobs import transfers as blobs
from libs.contracts.blobs.transfers import BlobState, Codec
from services.blobs.finishing import Finishing
from services.blobs.model.keys import new_key
from services.blobs.model.media import content_type, disposition, is_inline
from services.blobs.model.paths import require_file_name, require_path, require_prefix
from services.blobs.model.tickets import Grant, Op
from services.blobs.reading import RETURN_S, Storages
from services.blobs.store import Row, Store, blob_of, require_bytes
from services.blobs.threads import blocking
from services.blobs.tickets import Tickets

CLAIM_AGE_S_MAX = 86_400
CLAIM_AHEAD_S_MAX = 300
"""The age of a claim's id: it is drawn now, give or take what clocks differ."""


def subscribe(broker: NatsBroker, handlers: "Handlers") -> None:
    """Answer every method of `libs.contracts.blobs`."""
    serve(broker, blobs.BEGIN_UPLOAD, handlers.begin_upload)
    serve(broker, blobs.FIND_UPLOAD, handlers.find_upload)
    serve(broker, blobs.CANCEL_UPLOAD, handlers.cancel_upload)
    serve(broker, blobs.COMPLETE_UPLOAD, handlers.complete_upload)
    serve(broker, blobs.STAT_BLOB, handlers.stat_blob)
    serve(broker, blobs.OPEN_BLOB, handlers.open_blob)
    serve(broker, blobs.CLAIM_BLOB, handlers.claim_blob)
    serve(broker, blobs.READ_USAGE, handlers.read_usage)
    serve(broker, blobs.SET_QUOTA, handlers.set_quota)
    serve(broker, blobs.PUT_PATH, handlers.put_path)
    serve(broker, blobs.DELETE_PATH, handlers.delete_path)
    serve(broker, blobs.READ_PATH, handlers.read_path)
    serve(broker, blobs.LIST_PATHS, handlers.list_paths)
    serve(broker, blobs.PATH_HISTORY, handlers.path_history)


class Handlers:
    """Answers that decide; bytes go over the listener."""

    def __init__(
        self,
        store: Store,
        storages: Storages,
        finishing: Finishing,
        tickets: Tickets,
        *,
        life_s: float,
        direct_s: float,
        on_read: Callable[[UUID, str], None],
        recheck: Callable[[Row], Awaitable[Row]],
    ) -> None:
        """Answer from *store*; an upload may take *life_s*; *on_read* hears what is read.

        *recheck* verifies a quarantined blob again when a client wants to read it.

        An address of storage itself is valid for at most *direct_s*, because an object outlives its
        blob, or a move to another tier, by that time.
        """
        self._store = store
        self._storages = storages
        self._finishing = finishing
        self._tickets = tickets
        self._life_s = life_s
        self._direct_s = direct_s
        self._on_read = on_read
        self._recheck = recheck

    async def begin_upload(self, wanted: blobs.BeginUpload, actor: Actor) -> blobs.Begun:
        """Begin an upload."""
        project_id = actor.scope()
        require_file_name(wanted.file_name)
        direct_key = direct_url = None
        if not wanted.resumable:
            key = new_key(project_id)
            direct_url = await self._presigned_put(key, wanted.size, wanted.ttl_s)
            direct_key = key if direct_url else None
        life_s = max(self._life_s, wanted.ttl_s)
        row, upload = await self._store.uploads.begin(
            project_id, actor.user_id, wanted, life_s=life_s, direct_key=direct_key
        )
        if row["direct_key"] not in {None, direct_key}:
            # Begun before: the same place, and not for longer than it is kept.
            left_s = int(upload.expires_at.timestamp() - time.time())
            ttl_s = max(1, min(wanted.ttl_s, left_s))
            direct_url = await self._presigned_put(row["direct_key"], wanted.size, ttl_s)
        return await self._begun(row, upload, wanted.ttl_s, direct_url)

    async def find_upload(self, wanted: blobs.FindUpload, actor: Actor) -> blobs.Begun:
        """Tell how far an upload of the actor is."""
        row, upload = await self._store.uploads.find(actor.scope(), wanted.upload_id)
        _require_own(row, actor)
        return await self._begun(row, upload, blobs.URL_TTL_S_DEFAULT, None)

    async def cancel_upload(self, wanted: blobs.CancelUpload, actor: Actor) -> blobs.Cancelled:
        """Forget an upload of the actor."""
        await self._store.uploads.cancel(actor.scope(), actor.user_id, wanted.upload_id)
        return blobs.Cancelled()

    async def complete_upload(self, wanted: blobs.CompleteUpload, actor: Actor) -> blobs.Upload:
        """Verify what was sent, and make it a blob."""
        row, _ = await self._store.uploads.find(actor.scope(), wanted.upload_id)
        _require_own(row, actor)
        return await self._finishing.finish(actor.scope(), wanted.upload_id)

    async def stat_blob(self, wanted: blobs.StatBlob, actor: Actor) -> blobs.Blob:
        """Tell what is known of a blob."""
        return blob_of(await self._store.blob(actor.scope(), wanted.sha256))

    async def open_blob(self, wanted: blobs.OpenBlob, actor: Actor) -> blobs.Opened:
        """Give leave to read a blob, or have it brought back."""
        require_file_name(wanted.file_name)
        row = await self._recheck(await self._store.blob(actor.scope(), wanted.sha256))
        row = require_bytes(row)
        blob = blob_of(row)
        if blob.state in {BlobState.ARCHIVED, BlobState.RESTORING}:
            await self._store.ask_return(actor.scope(), wanted.sha256)
            return blobs.Opened(blob=blob, ticket=None, retry_after_s=RETURN_S)
        self._on_read(actor.scope(), blob.sha256)
        inline = wanted.inline and is_inline(blob.media_type)
        grant = Grant(
            op=Op.GET,
            project_id=actor.scope(),
            user_id=actor.user_id,
            subject=blob.sha256,
            expires_at=int(time.time()) + wanted.ttl_s,
            file_name=wanted.file_name,
            inline=inline,
        )
        direct_url = None
        if wanted.presign and blob.codec is Codec.IDENTITY and wanted.ttl_s <= self._direct_s:
            direct_url = await blocking(
                self._storages[row["tier"]].presign_get,
                row["key"],
                ttl_s=wanted.ttl_s,
                media_type=content_type(blob.media_type, row["charset"]),
                disposition=disposition(wanted.file_name, inline=inline),
            )
        return blobs.Opened(
            blob=blob, ticket=await self._tickets.give(grant, direct_url=direct_url)
        )

    async def claim_blob(self, wanted: blobs.ClaimBlob, actor: Actor) -> blobs.Claimed:
        """Keep a blob for something that will refer to it."""
        _require_fresh(wanted.claim_id)
        row = await self._store.claim(actor.scope(), actor.user_id, wanted)
        return blobs.Claimed(blob=blob_of(row))

    async def read_usage(self, wanted: blobs.ReadUsage, actor: Actor) -> blobs.Usage:
        """Tell what the project keeps."""
        del wanted
        return await self._store.usage(actor.scope())

    async def set_quota(self, wanted: blobs.SetQuota, actor: Actor) -> blobs.Usage:
        """Set the quota of a project. The gateway does not forward this request."""
        if actor.project_id is not None:
            raise errors.Forbidden
        await self._store.set_quota(wanted.project_id, wanted.quota_bytes)
        return await self._store.usage(wanted.project_id)

    async def put_path(self, wanted: blobs.PutPath, actor: Actor) -> blobs.BlobPath:
        """Point a path at a blob."""
        _require_reach(wanted.path, actor)
        require_file_name(wanted.file_name)
        return await self._store.paths.put(actor.scope(), actor.user_id, wanted)

    async def delete_path(self, wanted: blobs.DeletePath, actor: Actor) -> blobs.BlobPath:
        """Let a path point at nothing."""
        _require_reach(wanted.path, actor)
        return await self._store.paths.delete(actor.scope(), actor.user_id, wanted)

    async def read_path(self, wanted: blobs.ReadPath, actor: Actor) -> blobs.BlobPath:
        """Tell what a path points at."""
        _require_reach(wanted.path, actor)
        return await self._store.paths.read(actor.scope(), wanted.path, wanted.version)

    async def list_paths(self, wanted: blobs.ListPaths, actor: Actor) -> blobs.Paths:
        """List the project's paths and the actor's own."""
        require_prefix(wanted.prefix)
        require_prefix(wanted.after)
        return await self._store.paths.list(actor.scope(), actor.user_id, wanted)

    async def path_history(self, wanted: blobs.PathHistory, actor: Actor) -> blobs.Paths:
        """List the versions of a path."""
        _require_reach(wanted.path, actor)
        return await self._store.paths.history(actor.scope(), wanted)

    async def _presigned_put(self, key: str, size: int | None, ttl_s: int) -> str | None:
        return await blocking(self._storages["hot"].presign_put, key, ttl_s=ttl_s, size=size)

    async def _begun(
        self, row: Row, upload: blobs.Upload, ttl_s: int, direct_url: str | None
    ) -> blobs.Begun:
        if upload.blob is not None:
            return blobs.Begun(upload=upload, ticket=None)
        grant = Grant(
            op=Op.PATCH if row["resumable"] else Op.PUT,
            project_id=row["project_id"],
            user_id=row["user_id"],
            subject=str(row["id"]),
            expires_at=int(min(time.time() + ttl_s, upload.expires_at.timestamp())),
        )
        ticket = await self._tickets.give(grant, direct_url=direct_url)
        return blobs.Begun(upload=upload, ticket=ticket)


def _require_own(row: Row, actor: Actor) -> None:
    if row["user_id"] != actor.user_id:
        raise errors.NotFound("There is no such upload, or it has expired.")


def _require_reach(path: str, actor: Actor) -> None:
    """A user's paths are theirs alone; to others they are not there."""
    owner = require_path(path)
    if owner not in {None, actor.user_id}:
        raise errors.NotFound


def _require_fresh(claim_id: UUID) -> None:
    age_s = time.time() - (claim_id.int >> 80) / 1000 if claim_id.version == 7 else None
    if age_s is None or not -CLAIM_AHEAD_S_MAX <= age_s <= CLAIM_AGE_S_MAX:
        raise errors.Invalid(
            errors=[{"field": "claimId", "detail": "must be a UUIDv7 that was drawn now"}]
        )
