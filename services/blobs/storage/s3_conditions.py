"""Detection of the conditional writes that an S3 server obeys.

`If-None-Match: *` has a server refuse to overwrite. Some heed it for whole objects and not for
those that are put together from parts, some refuse the header, some ignore it without a word. So
each is tried on an object of ours, which stays, so that a later test needs one request less.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from botocore.exceptions import ClientError

from services.blobs.storage.s3_answers import gone_is_away, told

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

log = structlog.get_logger(__name__)

NAME = "conditional-writes"
"""The name of the test object; because it is not a key, the service never lists or deletes it."""
_REFUSED = {409, 412}
"""412: the object exists. 409: another writer is writing it at this moment."""
_NOT_KNOWN = {400, 405, 501}
_ASKED = {"IfNoneMatch": "*"}


class Conditions(NamedTuple):
    """Return the headers of each request that creates an object, so that it replaces none."""

    put: Mapping[str, Any]
    complete: Mapping[str, Any]


def find_conditions(client: "S3Client", bucket: str, prefix: str) -> Conditions:
    """Ask the server.

    Raises:
        errors.Unavailable: It does not answer, or lets us write nothing.
    """
    where = {"Bucket": bucket, "Key": prefix + NAME}
    with gone_is_away(), told():
        # The first request creates the object; the second must not replace it.
        put = _heeds(_put, client, where) or _heeds(_put, client, where)
        complete = _heeds(_complete, client, where)
    log.info("storage asked for conditional writes", put=put, complete=complete)
    return Conditions(_ASKED if put else {}, _ASKED if complete else {})


def _heeds(make: Callable[..., None], client: "S3Client", where: dict[str, str]) -> bool:
    """Make an object where there is one; returns whether that was refused."""
    try:
        make(client, where, _ASKED)
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if status not in _REFUSED | _NOT_KNOWN:
            raise
        if status in _NOT_KNOWN:
            # Raises when it is more than the condition that displeases.
            make(client, where, {})
        return status in _REFUSED
    return False


def _put(client: "S3Client", where: Any, conditions: Any) -> None:
    client.put_object(**where, **conditions, Body=b"")


def _complete(client: "S3Client", where: Any, conditions: Any) -> None:
    begun = client.create_multipart_upload(**where)
    upload: Any = {**where, "UploadId": begun["UploadId"]}
    try:
        part = client.upload_part(**upload, PartNumber=1, Body=b"-")
        parts: Any = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        client.complete_multipart_upload(**upload, **conditions, MultipartUpload=parts)
    except ClientError:
        with suppress(ClientError):
            client.abort_multipart_upload(**upload)
        raise
