"""Failures as few exceptions, each with a stable code.

An `AppError` travels over the bus as data and reaches a client as
`application/problem+json`; its `code` never changes once published. The table from code
to HTTP status is `services.gateway.http.problems`, because only the gateway speaks HTTP.

    AppError
    ├── Unauthenticated ─ RefreshReused
    ├── Forbidden
    ├── NotFound
    ├── Gone ─ BlobUnavailable
    ├── Invalid ─ Unknown, Unsupported, IdempotencyKeyReused, PackageDamaged, PeopleUnknown
    ├── RecentSnapshot
    ├── Conflict ─ ConcurrencyConflict, SlugTaken, AlreadyExists, RelationCycle,
    │             EmailTaken, LastOwner, SchemaOutdated, SchemaLowered,
    │             NotJoined, NothingWritten, NameTaken, LimitReached, BranchConflict,
    │             BranchClosed
    ├── ProjectArchived
    ├── PreconditionFailed
    ├── PreconditionRequired
    ├── TooLarge
    ├── QuotaExceeded
    ├── ContentMismatch
    ├── RangeNotSatisfiable
    ├── BlobDamaged
    ├── UploadUnfinished
    ├── RateLimited
    ├── NotOffered
    ├── Unavailable ─ DeadlineExceeded, StorageFull
    └── Internal
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class AppError(Exception):
    """A failure with a place: a stable code, a sentence for a person, data for a program.

    Args:
        detail: One sentence for the person who will read it; the class's docstring when omitted.
        data: Members to add to the problem document, JSON-compatible.
    """

    code: ClassVar[str] = "INTERNAL"

    def __init__(self, detail: str | None = None, **data: Any) -> None:
        """Keep the sentence and the data."""
        self.detail = detail or (type(self).__doc__ or self.code).strip().splitlines()[0]
        self.data: dict[str, Any] = data
        super().__init__(self.detail)


class Internal(AppError):
    """The server failed; search its logs for the trace id."""


class Unauthenticated(AppError):
    """The request carries no valid credentials."""

    code = "UNAUTHENTICATED"


class RefreshReused(Unauthenticated):
    """This refresh token was already used, so all its sessions are closed. Log in again."""

    code = "REFRESH_TOKEN_REUSED"


class Forbidden(AppError):
    """Your role does not allow this."""

    code = "FORBIDDEN"


class NotFound(AppError):
    """The requested thing does not exist, or you may not see it."""

    code = "NOT_FOUND"


class AnchorNotFound(NotFound):
    """The words that an anchor shall stand on are not in this scene; the closest are given."""

    code = "ANCHOR_NOT_FOUND"


class Gone(AppError):
    """The requested thing existed and is no longer available."""

    code = "GONE"


class BlobUnavailable(Gone):
    """The bytes of this blob were deleted; the answer has its metadata."""

    code = "BLOB_UNAVAILABLE"


class Invalid(AppError):
    """The request does not have the required form."""

    code = "VALIDATION_FAILED"


class Unknown(Invalid):
    """The request names an aggregate, a field or a type that this server does not know."""

    code = "UNKNOWN_NAME"


class PackageDamaged(Invalid):
    """The file is not a complete export of a project."""

    code = "PACKAGE_DAMAGED"


class PeopleUnknown(Invalid):
    """A person who is named here is not a member of this project."""

    code = "PEOPLE_UNKNOWN"


class Unsupported(AppError):
    """This server does not support the format."""

    code = "UNSUPPORTED_FORMAT"


class IdempotencyKeyReused(AppError):
    """This Idempotency-Key was used before with another request."""

    code = "IDEMPOTENCY_KEY_REUSED"


class RecentSnapshot(AppError):
    """A recent snapshot exists; send force=true to take another."""

    code = "RECENT_SNAPSHOT"


class Conflict(AppError):
    """Another person changed the same thing; the answer has both values."""

    code = "CONFLICT"


class ConcurrencyConflict(Conflict):
    """The aggregate was changed while this command ran; read it again and retry."""

    code = "CONCURRENCY_CONFLICT"


class AnchorAmbiguous(Conflict):
    """Several places of this scene fit; the candidates are given."""

    code = "ANCHOR_AMBIGUOUS"


class SlugTaken(Conflict):
    """Another thing of this kind already has the slug; choose another slug."""

    code = "SLUG_TAKEN"


class AlreadyExists(Conflict):
    """The project already has such a thing."""

    code = "ALREADY_EXISTS"


class RelationCycle(Conflict):
    """A thing would contain itself, directly or through others."""

    code = "RELATION_CYCLE"


class EmailTaken(Conflict):
    """An account with this email address already exists."""

    code = "EMAIL_TAKEN"


class LastOwner(Conflict):
    """A project always has an OWNER; name another one first."""

    code = "LAST_OWNER"


class ProjectArchived(AppError):
    """This project is archived: nothing in it changes until it is unarchived."""

    code = "PROJECT_ARCHIVED"


class SchemaOutdated(Conflict):
    """The scene needs a newer editor schema than this client declared, which may only read."""

    code = "SCHEMA_OUTDATED"


class SchemaLowered(Conflict):
    """A schema version of a scene or an editor may be raised, never lowered or cleared."""

    code = "SCHEMA_LOWERED"


class NotJoined(Conflict):
    """This socket has not joined the scene; join it first."""

    code = "NOT_JOINED"


class NothingWritten(Conflict):
    """This scene has no text yet."""

    code = "NOTHING_WRITTEN"


class NameTaken(Conflict):
    """The name is taken in this scene; choose another one."""

    code = "NAME_TAKEN"


class LimitReached(Conflict):
    """The number of such things has reached its limit; delete or end one first."""

    code = "LIMIT_REACHED"


class BranchConflict(Conflict):
    """The scene and the branch both changed the same blocks; merge with a strategy."""

    code = "BRANCH_CONFLICT"


class BranchClosed(Conflict):
    """This branch is closed: it can be read, but no longer written or merged."""

    code = "BRANCH_CLOSED"


class PreconditionFailed(AppError):
    """If-Match names an older version."""

    code = "PRECONDITION_FAILED"


class PreconditionRequired(AppError):
    """The request needs the version that it changes, in If-Match or baseVersion."""

    code = "PRECONDITION_REQUIRED"


class TooLarge(AppError):
    """The content is larger than the limit."""

    code = "TOO_LARGE"


class QuotaExceeded(AppError):
    """The quota of the project is used up."""

    code = "QUOTA_EXCEEDED"


class ContentMismatch(AppError):
    """The bytes that arrived differ from those that were declared; nothing was stored."""

    code = "CONTENT_MISMATCH"


class RangeNotSatisfiable(AppError):
    """The blob has no bytes in this range."""

    code = "RANGE_NOT_SATISFIABLE"


class BlobDamaged(AppError):
    """The stored bytes of this blob are damaged; upload them again to repair it."""

    code = "BLOB_DAMAGED"


class UploadUnfinished(AppError):
    """All bytes of this upload have arrived and it is being finished; ask again."""

    code = "UPLOAD_UNFINISHED"


class RateLimited(AppError):
    """Too many requests; try again later."""

    code = "RATE_LIMITED"


class NotOffered(AppError):
    """This server does not offer this feature yet."""

    code = "UNSUPPORTED"


class Unavailable(AppError):
    """A part of the server cannot be reached; nothing was changed. Try again."""

    code = "UNAVAILABLE"


class DeadlineExceeded(Unavailable):
    """The answer did not come in time; the command may or may not have been executed."""

    code = "DEADLINE_EXCEEDED"


class StorageFull(Unavailable):
    """There is no space left to store this; nothing was stored."""

    code = "STORAGE_FULL"


def _family(root: type[AppError]) -> dict[str, type[AppError]]:
    known = {root.code: root}
    for child in root.__subclasses__():
        known |= _family(child)
    return known


BY_CODE: Mapping[str, type[AppError]] = _family(AppError) | {Internal.code: Internal}
"""Every error by its code, to rebuild one that came over the bus."""


def from_code(code: str, detail: str, data: Mapping[str, Any]) -> AppError:
    """Rebuild an error that another service raised; an unknown code becomes `Internal`."""
    return BY_CODE.get(code, Internal)(detail, **dict(data))
