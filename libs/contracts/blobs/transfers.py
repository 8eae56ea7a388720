"""Requests to blobs: uploads, downloads, claims. Bytes are sent over HTTP, with tickets.

Every request acts in the actor's project; a SHA-256 is 64 hexadecimal digits in lower case, sizes
are bytes of the plain content.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field

from libs.contracts import names
from libs.contracts.rpc import Method
from libs.contracts.values import Sha256, Size
from libs.contracts.wire import Wire

FILE_NAME_CHARS_MAX = 255
MEDIA_TYPE_CHARS_MAX = 127
URL_TTL_S_DEFAULT = 3_600
URL_TTL_S_MIN = 10
URL_TTL_S_MAX = 7 * 86_400
"""How long a presigned URL is good for."""

METADATA_CHARS_MAX = 8_192
"""Length of the metadata with which an upload is created."""

CHECKSUM_ALGORITHMS = ("sha256", "sha1", "md5")
"""Algorithms for single requests of a resumable upload; the checksum of a blob is SHA-256."""
CHECKED_BYTES_MAX = 8 << 20
"""Size of a request with a checksum, which is kept as a whole or not at all."""

CLAIM_LIFE_S_MAX = 7 * 86_400
"""A claim older than this, by the time in its id, is refused without a record."""

FileName = Annotated[str, Field(min_length=1, max_length=FILE_NAME_CHARS_MAX)]
MediaType = Annotated[str, Field(min_length=1, max_length=MEDIA_TYPE_CHARS_MAX)]
UrlTtl = Annotated[int, Field(ge=URL_TTL_S_MIN, le=URL_TTL_S_MAX)]


class AssetType(StrEnum):
    """The purpose of a blob; each has its own retention."""

    LOGO = "logo"
    SCRIPT = "script"
    EXPORT = "export"
    ATTACHMENT = "attachment"


class BlobState(StrEnum):
    """The state of a blob in its life cycle."""

    LIVE = "live"
    CONDEMNED = "condemned"
    """It has no reference, and is deleted after the grace period unless it gets a new one."""
    ARCHIVED = "archived"
    """Its bytes are in the cold tier; a read starts their return."""
    RESTORING = "restoring"
    """Its bytes are on their way back from the cold tier."""
    COLLECTED = "collected"
    """Its bytes are deleted; the metadata remains."""
    QUARANTINED = "quarantined"
    """Its bytes are damaged; it is repaired when they are uploaded again or read back intact."""


class Codec(StrEnum):
    """How frames are stored."""

    IDENTITY = "identity"
    ZSTD = "zstd"


class Blob(Wire):
    """The metadata of a blob, whether its bytes are stored or not."""

    sha256: Sha256
    size: Size
    stored_size: int
    codec: Codec
    level: int | None
    media_type: str
    """The type that the first bytes prove, or else the declared one."""
    asset_type: AssetType
    state: BlobState
    created_at: datetime
    created_by: UUID
    condemned_at: datetime | None = None
    collected_at: datetime | None = None
    archived_at: datetime | None = None


class Upload(Wire):
    """An upload and how far it is; `blob` when it is done.

    All bytes may be here and no blob yet: the offset alone is no success.
    """

    id: UUID
    size: Size | None
    offset: int
    expires_at: datetime
    blob: Blob | None = None
    deduplicated: bool = False
    """The project had these bytes already."""
    resumable: bool = True
    """Whether its bytes come in pieces, rather than all at once to an address."""
    metadata: str | None = None
    """The `Upload-Metadata` of the creation, unchanged."""

    @property
    def is_received(self) -> bool:
        """Whether all of its pieces are here."""
        return self.resumable and self.offset == self.size


class Ticket(Wire):
    """Leave to move bytes: over blobs' listener at `url` with `Authorization: Ticket <ticket>`.

    `direct_url` is the storage's own presigned URL, when a client may use it instead.
    """

    ticket: str
    url: str
    expires_at: datetime
    direct_url: str | None = None


class BeginUpload(Wire):
    """Begin an upload; beginning it again under the same id answers the same one.

    With `size` and `sha256` what arrives must be that. With `resumable` bytes come in pieces at
    growing offsets (tus), else all at once. `ttl_s` is how long the ticket is good for.
    """

    upload_id: UUID
    size: Size | None = None
    sha256: Sha256 | None = None
    file_name: FileName | None = None
    media_type: MediaType | None = None
    asset_type: AssetType = AssetType.ATTACHMENT
    resumable: bool = False
    metadata: Annotated[str, Field(min_length=1, max_length=METADATA_CHARS_MAX)] | None = None
    ttl_s: UrlTtl = URL_TTL_S_DEFAULT


class Begun(Wire):
    """The upload, and leave to send its bytes; no ticket when it is done already."""

    upload: Upload
    ticket: Ticket | None


class FindUpload(Wire):
    """How far an upload of the actor is, and leave to go on with it."""

    upload_id: UUID


class CancelUpload(Wire):
    """Forget an upload; one that is done stays a blob."""

    upload_id: UUID


class Cancelled(Wire):
    """It is forgotten."""


class CompleteUpload(Wire):
    """Verify what was sent, at once or in pieces, and make it a blob; or wait for that."""

    upload_id: UUID


class StatBlob(Wire):
    """Return the metadata of a blob of the project."""

    sha256: Sha256


class OpenBlob(Wire):
    """Leave to read a blob; `presign` for a client's own use.

    Asking for an archived blob asks for its return.
    """

    sha256: Sha256
    file_name: FileName | None = None
    inline: bool = False
    """Shown by browsers rather than saved; heeded for harmless types only."""
    presign: bool = False
    ttl_s: UrlTtl = URL_TTL_S_DEFAULT


class Opened(Wire):
    """The blob, and leave to read it; no ticket while it is on its way from the cold tier."""

    blob: Blob
    ticket: Ticket | None
    retry_after_s: int | None = None


class ClaimBlob(Wire):
    """Say that something will soon refer to a blob; it stays until that is settled.

    `claim_id` is a uuidv7 drawn now; the same again is the same claim. Refused with
    BLOB_UNAVAILABLE (410) when the bytes are gone.
    """

    claim_id: UUID
    sha256: Sha256
    source: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]
    source_id: UUID


class Claimed(Wire):
    """The claim holds."""

    blob: Blob


class ReadUsage(Wire):
    """How much the project keeps."""


class Usage(Wire):
    """Bytes and blobs of a project. `bytes_` counts plain content once per blob."""

    bytes_: int
    stored_bytes: int
    blobs: int
    quota_bytes: int | None


class BlobPath(Wire):
    """A logical path and the blob at which it points now; `sha256` is None after a deletion."""

    path: str
    version: int
    sha256: Sha256 | None
    size: int | None
    media_type: str | None
    file_name: str | None
    asset_type: AssetType | None
    updated_at: datetime
    updated_by: UUID


Path = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(names.normal)]
"""A path in normal form (NFC), because some file systems write accents as separate characters."""


class PutPath(Wire):
    """Point a path at a blob; `base_version` 0 demands a new path, None accepts any version."""

    path: Path
    sha256: Sha256
    file_name: FileName | None = None
    asset_type: AssetType = AssetType.ATTACHMENT
    base_version: int | None = None


class DeletePath(Wire):
    """Delete a path; its history and, for the time of retention, its bytes stay."""

    path: Path
    reason: Annotated[str, Field(max_length=500)] = ""
    base_version: int | None = None


class ReadPath(Wire):
    """Return the blob at which a path points, or pointed in `version`."""

    path: Path
    version: int | None = None


class ListPaths(Wire):
    """Paths below a prefix, in order, after `after`."""

    prefix: Annotated[str, Field(max_length=1024), AfterValidator(names.normal)] = ""
    after: Annotated[str, AfterValidator(names.normal)] = ""
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    include_deleted: bool = False


class Paths(Wire):
    """A page; `more` tells that there are others."""

    paths: list[BlobPath]
    more: bool


class PathHistory(Wire):
    """All versions of a path before `before`, the newest first."""

    path: Path
    before: int | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class SetQuota(Wire):
    """Set the quota of a project; None for the default. Only operators may send it."""

    project_id: UUID
    quota_bytes: Annotated[int, Field(ge=0)] | None


class BlobEvent(Wire):
    """A fact about a blob or a path, as subscribers of the stream BLOBS receive it.

    Types are `blob.{uploaded,rescued,condemned,collected,damaged,mended,archived,restored}`, whose
    `aggregate_id` is the SHA-256, and `path.{put,deleted}`, whose is the path. `user_id` None: done
    by the system.
    """

    id: UUID
    aggregate_type: str
    aggregate_id: str
    event_type: str
    project_id: UUID
    user_id: UUID | None
    data: dict[str, Any]
    timestamp: datetime


class BlobAnnouncement(Wire):
    """A fact on the bus and its place in the commit order of blobs."""

    position: int
    event: BlobEvent


BEGIN_UPLOAD = Method("blobs", "begin_upload", BeginUpload, Begun)
FIND_UPLOAD = Method("blobs", "find_upload", FindUpload, Begun)
CANCEL_UPLOAD = Method("blobs", "cancel_upload", CancelUpload, Cancelled)
COMPLETE_UPLOAD = Method("blobs", "complete_upload", CompleteUpload, Upload)
STAT_BLOB = Method("blobs", "stat_blob", StatBlob, Blob)
OPEN_BLOB = Method("blobs", "open_blob", OpenBlob, Opened)
CLAIM_BLOB = Method("blobs", "claim_blob", ClaimBlob, Claimed)
READ_USAGE = Method("blobs", "read_usage", ReadUsage, Usage)
SET_QUOTA = Method("blobs", "set_quota", SetQuota, Usage)
PUT_PATH = Method("blobs", "put_path", PutPath, BlobPath)
DELETE_PATH = Method("blobs", "delete_path", DeletePath, BlobPath)
READ_PATH = Method("blobs", "read_path", ReadPath, BlobPath)
LIST_PATHS = Method("blobs", "list_paths", ListPaths, Paths)
PATH_HISTORY = Method("blobs", "path_history", PathHistory, Paths)


class SettleClaim(Wire):
    """Asked of events by blobs: was this claim used? If not, it never can be from now on."""

    claim_id: UUID
    project_id: UUID


class Settled(Wire):
    """Whether a committed event carries the claim."""

    used: bool


SETTLE_CLAIM = Method("events", "settle_claim", SettleClaim, Settled)


FILES_PAGE_MAX = 1_000


class ListFiles(Wire):
    """Asked of events by blobs: which entities of a project have files, after `after`.

    With `sha256s` only those whose bytes are among them. Deleted entities count: they may be
    restored.
    """

    project_id: UUID
    sha256s: Annotated[list[Sha256], Field(max_length=FILES_PAGE_MAX)] | None = None
    after: UUID = UUID(int=0)
    limit: Annotated[int, Field(ge=1, le=FILES_PAGE_MAX)] = FILES_PAGE_MAX


class EntityFile(Wire):
    """An entity that has a file, and as of which of its versions that is said."""

    entity_id: UUID
    sha256: Sha256
    version: int
    path: str | None = None
    """The file's name among its owner's, if it has one."""


class Files(Wire):
    """A page by entity; fewer than asked for: there are no more."""

    files: list[EntityFile]


LIST_FILES = Method("events", "list_files", ListFiles, Files)
