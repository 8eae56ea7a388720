"""Cursors of the gateway's own lists, which are in the order of ids."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

from libs import errors


def cursor_after(last: UUID) -> str:
    """Return the cursor of what follows *last*."""
    return urlsafe_b64encode(last.bytes).decode()


def id_of(cursor: str | None) -> UUID | None:
    """Return the id that *cursor* continues after; None at the beginning.

    Raises:
        Invalid: It is not one of ours.
    """
    if cursor is None:
        return None
    try:
        return UUID(bytes=urlsafe_b64decode(cursor))
    except ValueError:
        raise errors.Invalid("This cursor was not given out here.") from None
