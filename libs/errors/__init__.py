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
    """Something failed inside; the trace id finds it in the logs."""


class Unauthenticated(AppError):
    """The request carries no valid credentials."""

    code = "UNAUTHENTICATED"


class RefreshReused(Unauthenticated):
    """This refresh token was already spent; every session of its family is now closed."""

    code = "REFRESH_TOKEN_REUSED"


class Forbidden(AppError):
    """Your role does not allow this."""

    code = "FORBIDDEN"


class NotFound(AppError):
    """It does not exist, or you may not see it."""

    code = "NOT_FOUND"


class AnchorNotFound(NotFound):
    """The words that an anchor shall stand on are not in this scene; the closest are given."""

    code = "ANCHOR_NOT_FOUND"


class Gone(AppError):
    """It existed and is no longer available."""

    code = "GONE"


class BlobUnavailable(Gone):
    """The bytes of this blob are gone for ever; what is known of it is given."""

    code = "BLOB_UNAVAILABLE"


class Invalid(AppError):
    """The request does not have the required form."""

    code = "VALIDATION_FAILED"


class Unknown(Invalid):
    """It names an aggregate, a field or a type that is not known here."""

    code = "UNKNOWN_NAME"


class PackageDamaged(Invalid):
    """This is not a whole export of a project."""

    code = "PACKAGE_DAMAGED"


class PeopleUnknown(Invalid):
    """Somebody who is named here is not a member of this project."""

    code = "PEOPLE_UNKNOWN"


class Unsupported(AppError):
    """This format is not known here."""

    code = "UNSUPPORTED_FORMAT"


class IdempotencyKeyReused(AppError):
    """This Idempotency-Key was used before with another request."""

    code = "IDEMPOTENCY_KEY_REUSED"


class RecentSnapshot(AppError):
    """A recent snapshot exists; force=true makes another."""

    code = "RECENT_SNAPSHOT"


class Conflict(AppError):
    """Someone else changed the same thing; both values are given."""

    code = "CONFLICT"


class ConcurrencyConflict(Conflict):
    """The aggregate moved on while this command ran."""

    code = "CONCURRENCY_CONFLICT"


class AnchorAmbiguous(Conflict):
    """Several places of this scene fit; the candidates are given."""

    code = "ANCHOR_AMBIGUOUS"


class SlugTaken(Conflict):
    """Another one already has this slug."""

    code = "SLUG_TAKEN"


class AlreadyExists(Conflict):
    """The project has one like this already."""

    code = "ALREADY_EXISTS"


class RelationCycle(Conflict):
    """Something would contain itself, directly or through others."""

    code = "RELATION_CYCLE"


class EmailTaken(Conflict):
    """This email address already has an account."""

    code = "EMAIL_TAKEN"


class LastOwner(Conflict):
    """A project always has an OWNER; name another one first."""

    code = "LAST_OWNER"


class ProjectArchived(AppError):
    """This project is archived: nothing in it changes until it is unarchived."""

    code = "PROJECT_ARCHIVED"


class SchemaOutdated(Conflict):
    """The scene needs a newer editor schema than this client declared; it may read, not write."""

    code = "SCHEMA_OUTDATED"


class SchemaLowered(Conflict):
    """A schema version of a scene or an editor may be raised, never lowered or cleared."""

    code = "SCHEMA_LOWERED"


class NotJoined(Conflict):
    """Join the scene first."""

    code = "NOT_JOINED"


class NothingWritten(Conflict):
    """Nothing was written in this scene yet."""

    code = "NOTHING_WRITTEN"


class NameTaken(Conflict):
    """This scene has one of that name already."""

    code = "NAME_TAKEN"


class LimitReached(Conflict):
    """There are as many of these as there may be."""

    code = "LIMIT_REACHED"


class BranchConflict(Conflict):
    """The scene and the branch both changed the same blocks; merge with a strategy."""

    code = "BRANCH_CONFLICT"


class BranchClosed(Conflict):
    """This branch is closed: it can be read, and no longer be written or merged."""

    code = "BRANCH_CLOSED"


class PreconditionFailed(AppError):
    """If-Match names an older version."""

    code = "PRECONDITION_FAILED"


class PreconditionRequired(AppError):
    """State the version you mean, by If-Match or baseVersion."""

    code = "PRECONDITION_REQUIRED"


class TooLarge(AppError):
    """It is larger than the limit."""

    code = "TOO_LARGE"


class QuotaExceeded(AppError):
    """The project keeps as many bytes as it may."""

    code = "QUOTA_EXCEEDED"


class ContentMismatch(AppError):
    """The bytes that arrived differ from those that were declared; nothing was stored."""

    code = "CONTENT_MISMATCH"


class RangeNotSatisfiable(AppError):
    """The blob has no bytes in this range."""

    code = "RANGE_NOT_SATISFIABLE"


class BlobDamaged(AppError):
    """The stored bytes of this blob are damaged; uploading them again mends it."""

    code = "BLOB_DAMAGED"


class UploadUnfinished(AppError):
    """All bytes of this upload are here and it is being finished; ask again."""

    code = "UPLOAD_UNFINISHED"


class RateLimited(AppError):
    """Too many requests; try again later."""

    code = "RATE_LIMITED"


class NotOffered(AppError):
    """This is not offered here yet."""

    code = "UNSUPPORTED"


class Unavailable(AppError):
    """A part that this needs is unreachable; nothing was changed, try again."""

    code = "UNAVAILABLE"


class DeadlineExceeded(Unavailable):
    """The answer did not come in time; the command may or may not have happened."""

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
