"""Logical paths: `users/{userId}/{notes|tasks|attachments|exports}/...` or `project/...`."""

from uuid import UUID

from libs import errors
from libs.contracts import names

PATH_BYTES_MAX = 1024
SEGMENT_BYTES_MAX = 255
SEGMENTS_MAX = 32
FOLDERS = frozenset({"notes", "tasks", "attachments", "exports"})


def require_path(path: str) -> UUID | None:
    """Return whose *path* is, None for the project's own. It is in normal form (`names.normal`).

    Raises:
        errors.Invalid: It is no path; `errors` says why.
    """
    segments = path.split("/")
    if len(path.encode(errors="replace")) > PATH_BYTES_MAX or len(segments) > SEGMENTS_MAX:
        raise _refused("is too long")
    for segment in segments:
        _require_segment(segment)
    match segments:
        case ["project", _, *_]:
            return None
        case ["users", user, folder, _, *_] if folder in FOLDERS:
            return _user(user)
        case _:
            raise _refused("must begin with project/ or users/{userId}/ and one of its folders")


def require_prefix(prefix: str) -> None:
    """Accept what may be the beginning of paths.

    Raises:
        errors.Invalid: Nothing can begin so.
    """
    if not names.is_allowed(prefix) or "\\" in prefix:
        raise _refused(f"{names.DETAIL}, or backslashes", field="prefix")


def require_file_name(name: str | None) -> None:
    """Accept a name for a file, without a folder.

    Raises:
        errors.Invalid: It has slashes, or characters that no name may have
            (`libs.contracts.names`).
    """
    if name is not None and (
        name in {".", ".."} or "/" in name or "\\" in name or not names.is_allowed(name)
    ):
        raise _refused(f"{names.DETAIL}, or slashes", field="fileName")


def _require_segment(segment: str) -> None:
    if not segment:
        raise _refused("must not have empty segments")
    if segment in {".", ".."}:
        raise _refused("must not have the segments . or ..")
    if segment != segment.strip():
        raise _refused("must not have segments that begin or end with a space")
    if not names.is_allowed(segment) or "\\" in segment:
        raise _refused(f"{names.DETAIL}, or backslashes")
    if len(segment.encode()) > SEGMENT_BYTES_MAX:
        raise _refused("has a segment that is too long")


def _user(text: str) -> UUID:
    try:
        user = UUID(text)
    except ValueError:
        raise _refused("must name a user by id") from None
    if str(user) != text:
        raise _refused("must name a user by id, in lower case")
    return user


def _refused(why: str, *, field: str = "path") -> errors.Invalid:
    return errors.Invalid(errors=[{"field": field, "detail": why}])
