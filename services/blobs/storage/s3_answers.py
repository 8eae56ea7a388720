"""What answers of an S3 server mean."""

from collections.abc import Generator
from contextlib import contextmanager

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from libs import errors
from services.blobs.storage import Missing, Taken

log = structlog.get_logger(__name__)

MISSING = {"NoSuchKey", "404", "NotFound", "NoSuchUpload", "NoSuchBucket"}
_BEYOND = {"InvalidRange", "416"}
_FULL = {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "507"}
_TAKEN = {"PreconditionFailed", "412"}


class Beyond(Exception):
    """A range begins at the end of its object, or behind it."""


@contextmanager
def told() -> Generator[None]:
    """Turn the library's errors into ours."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in MISSING:
            raise Missing from error
        if code in _TAKEN:
            raise Taken from error
        if code in _BEYOND:
            raise Beyond from error
        if code in _FULL:
            raise errors.StorageFull from error
        log.warning("storage refused", code=code)
        raise errors.Unavailable("The storage of blobs cannot be used.") from error
    except (BotoCoreError, OSError) as error:
        log.warning("storage away", reason=type(error).__name__)
        raise errors.Unavailable("The storage of blobs cannot be reached.") from error


@contextmanager
def gone_is_away() -> Generator[None]:
    """Say of what should be there, and is not, that it cannot be used.

    Somebody took a writer for dead and cleaned up behind it; or there is no bucket.
    """
    try:
        yield
    except Missing:
        raise errors.Unavailable("Storing this took too long; try again.") from None
