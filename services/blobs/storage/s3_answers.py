"""The meaning of the answers of an S3 server.

An object counts as missing only when the server says so in the words of S3: a proxy in front of the
server, or a server without the bucket, answers 404, too, and knows nothing of our objects.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from libs import errors
from services.blobs.storage import Missing, Taken

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

log = structlog.get_logger(__name__)

MISSING = frozenset({"NoSuchKey", "NoSuchUpload"})
NO_BUCKET = frozenset({"NoSuchBucket"})
UNTOLD = frozenset({"404", "NotFound"})
"""The library's error for a 404 without a code of S3: an answer to a HEAD, or a proxy's page."""
_BEYOND = {"InvalidRange", "416"}
_FULL = {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "507"}
_TAKEN = {"PreconditionFailed", "412"}


class Beyond(Exception):
    """A range begins at the end of its object, or behind it."""


class Untold(Exception):
    """A 404 that does not say what is missing."""


@contextmanager
def told() -> Generator[None]:
    """Turn the library's errors into ours."""
    try:
        yield
    except ClientError as error:
        code = code_of(error)
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


def code_of(error: ClientError) -> str:
    """Return the code that a server gave, or its status where it gave none."""
    return error.response.get("Error", {}).get("Code", "")


def find(client: "S3Client", where: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a HEAD tells of an object.

    An answer to HEAD has no body in which a server could say what is missing: asked for the first
    byte, it says so.

    Raises:
        Missing: There is no such object.
        errors.Unavailable: The storage cannot be reached, or has no such bucket.
    """
    try:
        with told(), _noticing_untold():
            return client.head_object(**where)
    except Untold:
        pass
    try:
        with told():
            client.get_object(**where, Range="bytes=0-0")["Body"].close()
    except Beyond:
        pass  # it is there, and empty
    log.warning("storage contradicts itself: an object is there, and is not")
    raise errors.Unavailable("The storage of blobs cannot be used.")


@contextmanager
def _noticing_untold() -> Generator[None]:
    try:
        yield
    except ClientError as error:
        if code_of(error) in UNTOLD:
            raise Untold from error
        raise


@contextmanager
def gone_is_away() -> Generator[None]:
    """Raise Unavailable for an upload that should exist and is missing.

    Another process considered this writer dead and deleted its upload.
    """
    try:
        yield
    except Missing:
        raise errors.Unavailable("Storing this took too long; try again.") from None
