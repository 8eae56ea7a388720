"""Cursors of lists: where a list goes on, as text that only this service reads."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from uuid import UUID

from libs import errors

_DIGITS_MAX = 6


def cursor_after(at: datetime, thing: UUID) -> str:
    """Return the cursor of the things that are older than this one."""
    return _written(f"{at.isoformat()}|{thing}")


def place_of(cursor: str | None) -> tuple[datetime | None, UUID | None]:
    """Return the time and the id that a list goes on after; nothing at its beginning.

    Raises:
        errors.Invalid: The cursor is none of ours.
    """
    if cursor is None:
        return None, None
    try:
        at, _, thing = _read(cursor).partition("|")
        return datetime.fromisoformat(at).astimezone(UTC), UUID(thing)
    except (ValueError, OverflowError):
        raise _refusal() from None


def cursor_after_number(number: int) -> str:
    """Return the cursor of the comments after the one with this number."""
    return _written(str(number))


def number_of(cursor: str | None) -> int:
    """Return the number that a list of comments goes on after; 0 at its beginning.

    Raises:
        errors.Invalid: The cursor is none of ours.
    """
    if cursor is None:
        return 0
    try:
        return int(_read(cursor)[:_DIGITS_MAX])
    except ValueError:
        raise _refusal() from None


def _written(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode()


def _read(cursor: str) -> str:
    return urlsafe_b64decode(cursor.encode()).decode()


def _refusal() -> errors.Invalid:
    return errors.Invalid("This cursor was not given out here.")
