"""Objects in a bucket, by boto3.

The safe subset that all servers have: no conditional requests (keys are used once), no checksums
but Content-MD5, which all of them verify; types and names are given when a URL is signed.
"""

import base64
import hashlib
from collections.abc import Generator, Iterable
from contextlib import closing, contextmanager, suppress
from itertools import batched
from typing import TYPE_CHECKING, Any

import boto3
import structlog
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from libs import errors
from services.blobs.model.keys import require_key
from services.blobs.storage import Credentials, Missing, Object, Place

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

log = structlog.get_logger(__name__)

PART_BYTES = 8 << 20
"""An object beyond this goes up in parts of it; S3 takes 10,000 parts."""
CONNECTIONS_MAX = 32
CONNECT_WAIT_S = 5
READ_WAIT_S = 60
TRIES_MAX = 4
"""Of one request; boto3 waits longer from one to the next."""
DELETE_KEYS_MAX = 1000
_MISSING = {"NoSuchKey", "404", "NotFound", "NoSuchUpload", "NoSuchBucket"}
_FULL = {"QuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "507"}


class S3Storage:
    """A bucket, or what is below a prefix of one."""

    def __init__(self, place: Place, credentials: Credentials) -> None:
        """Keep objects in *place*. Nothing is asked yet."""
        self._bucket = place.bucket
        prefix = place.path.strip("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._class: dict[str, Any] = (
            {"StorageClass": place.options["class"]} if "class" in place.options else {}
        )
        self._client: S3Client = boto3.client(
            "s3",
            endpoint_url=place.options.get("endpoint"),
            region_name=place.options.get("region", "us-east-1"),
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                connect_timeout=CONNECT_WAIT_S,
                read_timeout=READ_WAIT_S,
                max_pool_connections=CONNECTIONS_MAX,
                retries={"mode": "standard", "total_max_attempts": TRIES_MAX},
            ),
        )
        if place.options.get("create") == "true":
            self._create_bucket()

    def writer(self, key: str) -> "_Writer":
        """Begin an object."""
        return _Writer(self._client, {"Bucket": self._bucket, "Key": self._name(key)}, self._class)

    def reader(self, key: str, start: int, length: int) -> "_Reader":
        """Open a part of an object."""
        if length == 0:
            if self.size(key) is None:
                raise Missing
            return _Reader(None)
        wanted = f"bytes={start}-{start + length - 1}"
        with _told():
            answer = self._client.get_object(Bucket=self._bucket, Key=self._name(key), Range=wanted)
        return _Reader(answer["Body"])

    def size(self, key: str) -> int | None:
        """Return how many bytes an object has; None when there is none."""
        try:
            with _told():
                about = self._client.head_object(Bucket=self._bucket, Key=self._name(key))
        except Missing:
            return None
        return about["ContentLength"]

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects, and the parts of uploads that were not completed."""
        for some in batched([self._name(key) for key in keys], DELETE_KEYS_MAX, strict=False):
            with _told():
                answer = self._client.delete_objects(
                    Bucket=self._bucket,
                    Delete={"Objects": [{"Key": name} for name in some], "Quiet": True},
                )
            if refused := [
                each.get("Code")
                for each in answer.get("Errors", [])
                if each.get("Code") not in _MISSING
            ]:
                log.warning("objects not deleted", count=len(refused), code=refused[0])
                raise errors.Unavailable("The storage of blobs deletes nothing now.")
            for name in some:
                self._abandon(name)

    def list(self, *, prefix: str = "", after: str = "", limit: int = 1000) -> list[Object]:
        """Return objects in the order of their keys."""
        found: list[Object] = []
        more: dict[str, Any] = {"StartAfter": self._prefix + after} if after else {}
        while len(found) < limit:
            with _told():
                page = self._client.list_objects_v2(
                    Bucket=self._bucket,
                    Prefix=self._prefix + prefix,
                    MaxKeys=min(1000, limit - len(found)),
                    **more,
                )
            for each in page.get("Contents", []):
                key = each.get("Key", "").removeprefix(self._prefix)
                with suppress(ValueError):
                    require_key(key)
                    if key > after:
                        found.append(Object(key, each.get("Size", 0), each["LastModified"]))  # pyright: ignore[reportTypedDictNotRequiredAccess]  # always sent
            if not page.get("IsTruncated"):
                break
            more = {"ContinuationToken": page.get("NextContinuationToken")}
        return found

    def check(self) -> None:
        """Raise when the bucket cannot be reached."""
        with _told():
            self._client.head_bucket(Bucket=self._bucket)

    def presign_get(self, key: str, *, ttl_s: int, media_type: str, disposition: str) -> str:
        """Return a URL at which anybody may read the object."""
        return self._client.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self._bucket,
                "Key": self._name(key),
                "ResponseContentType": media_type,
                "ResponseContentDisposition": disposition,
            },
            ExpiresIn=ttl_s,
        )

    def presign_put(self, key: str, *, ttl_s: int, size: int | None) -> str:
        """Return a URL at which anybody may put the object, of *size* bytes when it is known."""
        pinned = {} if size is None else {"ContentLength": size}
        return self._client.generate_presigned_url(
            "put_object",
            Params={"Bucket": self._bucket, "Key": self._name(key), **pinned},
            ExpiresIn=ttl_s,
        )

    def _name(self, key: str) -> str:
        require_key(key)
        return self._prefix + key

    def _create_bucket(self) -> None:
        try:
            self.check()
        except Missing:
            with _told():
                self._client.create_bucket(Bucket=self._bucket)

    def _abandon(self, name: str) -> None:
        try:
            with _told():
                begun = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=name)
        except Missing:
            return  # some servers say so when there are none
        for each in begun.get("Uploads", []):
            with suppress(Missing), _told():
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=name, UploadId=each.get("UploadId", "")
                )


@contextmanager
def _told() -> Generator[None]:
    """Turn the library's errors into ours."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _MISSING:
            raise Missing from error
        if code in _FULL:
            raise errors.StorageFull from error
        log.warning("storage refused", code=code)
        raise errors.Unavailable("The storage of blobs cannot be used.") from error
    except (BotoCoreError, OSError) as error:
        log.warning("storage away", reason=type(error).__name__)
        raise errors.Unavailable("The storage of blobs cannot be reached.") from error


def _md5(data: bytes) -> str:
    digest = hashlib.md5(data, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


class _Writer:
    def __init__(self, client: "S3Client", where: dict[str, str], options: dict[str, Any]) -> None:
        self._client = client
        self._where: Any = where
        self._options = options
        self._pending = bytearray()
        self._upload_id: str | None = None
        self._parts: list[Any] = []
        self._done = False

    def write(self, data: bytes) -> None:
        self._pending += data
        while len(self._pending) > PART_BYTES:
            part = bytes(memoryview(self._pending)[:PART_BYTES])
            del self._pending[:PART_BYTES]
            self._put_part(part)

    def commit(self) -> None:
        rest = bytes(self._pending)
        self._pending.clear()
        with _gone_is_away():
            if self._upload_id is None:
                with _told():
                    self._client.put_object(
                        **self._where, **self._options, Body=rest, ContentMD5=_md5(rest)
                    )
            else:
                self._put_part(rest)
                with _told():
                    self._client.complete_multipart_upload(
                        **self._where,
                        UploadId=self._upload_id,
                        MultipartUpload={"Parts": self._parts},
                    )
        self._done = True

    def abort(self) -> None:
        self._pending.clear()
        if self._upload_id is not None and not self._done:
            with suppress(Missing, errors.AppError), _told():
                self._client.abort_multipart_upload(**self._where, UploadId=self._upload_id)

    def _put_part(self, part: bytes) -> None:
        number = len(self._parts) + 1
        with _gone_is_away(), _told():
            if self._upload_id is None:
                begun = self._client.create_multipart_upload(**self._where, **self._options)
                self._upload_id = begun["UploadId"]
            done = self._client.upload_part(
                **self._where,
                UploadId=self._upload_id,
                PartNumber=number,
                Body=part,
                ContentMD5=_md5(part),
            )
        self._parts.append({"PartNumber": number, "ETag": done["ETag"]})


@contextmanager
def _gone_is_away() -> Generator[None]:
    """Somebody took us for dead and cleaned up; or there is no bucket."""
    try:
        yield
    except Missing:
        raise errors.Unavailable("Storing this took too long; try again.") from None


class _Reader:
    def __init__(self, body: Any) -> None:
        self._body = body

    def read(self, length: int) -> bytes:
        with _told():
            return b"" if self._body is None else self._body.read(length)

    def close(self) -> None:
        if self._body is not None:
            with closing(self._body):
                self._body = None
