"""Objects in a bucket, by boto3.

The safe subset that all servers have: no checksums but Content-MD5, which all of them verify; types
and names are given when a URL is signed; conditional writes only where the server was found to heed
them.
"""

from collections.abc import Iterable
from contextlib import closing, suppress
from itertools import batched
from threading import Lock
from typing import TYPE_CHECKING, Any

import boto3
import structlog
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from libs import errors
from services.blobs.model.keys import require_key
from services.blobs.storage import MARK, MARK_BYTES_MAX, Credentials, Missing, Object, Place
from services.blobs.storage.s3_answers import (
    MISSING,
    NO_BUCKET,
    UNTOLD,
    Beyond,
    code_of,
    find,
    gone_is_away,
    told,
)
from services.blobs.storage.s3_conditions import Conditions, find_conditions
from services.blobs.storage.s3_writing import Writer

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

log = structlog.get_logger(__name__)

CONNECTIONS_MAX = 32
CONNECT_WAIT_S = 5
READ_WAIT_S = 60
TRIES_MAX = 4
"""Tries of one request; boto3 waits longer before each."""
DELETE_KEYS_MAX = 1000


class S3Storage:
    """A bucket, or the objects below a prefix."""

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
        self._asking = Lock()
        self._conditions: Conditions | None = None
        if place.options.get("create") == "true":
            self._create_bucket()

    def writer(self, key: str) -> Writer:
        """Begin an object."""
        where = {"Bucket": self._bucket, "Key": self._name(key)}
        return Writer(self._client, where, self._class, self._known_conditions())

    def reader(self, key: str, start: int, length: int) -> "_Reader":
        """Open a part of an object."""
        if length == 0:
            if self.size(key) is None:
                raise Missing
            return _Reader(None)
        wanted = f"bytes={start}-{start + length - 1}"
        name = self._name(key)
        try:
            with told():
                answer = self._client.get_object(Bucket=self._bucket, Key=name, Range=wanted)
        except Beyond:
            # As with any other storage: it can be opened there, and has no bytes.
            return _Reader(None)
        return _Reader(answer["Body"])

    def size(self, key: str) -> int | None:
        """Return how many bytes an object has; None when there is none."""
        where = {"Bucket": self._bucket, "Key": self._name(key)}
        try:
            return find(self._client, where)["ContentLength"]
        except Missing:
            return None

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects, and the parts of uploads that were not completed."""
        for some in batched([self._name(key) for key in keys], DELETE_KEYS_MAX, strict=False):
            with told():
                answer = self._client.delete_objects(
                    Bucket=self._bucket,
                    Delete={"Objects": [{"Key": name} for name in some], "Quiet": True},
                )
            if refused := [
                each.get("Code")
                for each in answer.get("Errors", [])
                if each.get("Code") not in MISSING
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
            with told():
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
        """Accept a bucket that can be reached."""
        with told():
            self._client.head_bucket(Bucket=self._bucket)

    def mark(self) -> str | None:
        """Return the mark; None when the bucket is there and has none."""
        name = self._prefix + MARK
        try:
            with told():
                answer = self._client.get_object(Bucket=self._bucket, Key=name)
            with closing(answer["Body"]) as body, told():
                return body.read(MARK_BYTES_MAX).decode(errors="replace").strip()
        except Missing:
            return None

    def put_mark(self, mark: str) -> None:
        """Leave a mark."""
        with gone_is_away(), told():
            self._client.put_object(
                Bucket=self._bucket, Key=self._prefix + MARK, Body=mark.encode()
            )

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

    def _known_conditions(self) -> Conditions:
        """Return the conditions that the server respects; the first write tests them."""
        with self._asking:
            if self._conditions is None:
                self._conditions = find_conditions(self._client, self._bucket, self._prefix)
            return self._conditions

    def _create_bucket(self) -> None:
        try:
            self._client.head_bucket(Bucket=self._bucket)
        except ClientError as error:
            if code_of(error) not in MISSING | NO_BUCKET | UNTOLD:
                raise errors.Unavailable("The storage of blobs cannot be used.") from error
            with told():
                self._client.create_bucket(Bucket=self._bucket)
        except (BotoCoreError, OSError) as error:
            raise errors.Unavailable("The storage of blobs cannot be reached.") from error

    def _abandon(self, name: str) -> None:
        try:
            with told():
                begun = self._client.list_multipart_uploads(Bucket=self._bucket, Prefix=name)
        except Missing:
            return  # some servers say so when there are none
        for each in begun.get("Uploads", []):
            with suppress(Missing), told():
                self._client.abort_multipart_upload(
                    Bucket=self._bucket, Key=name, UploadId=each.get("UploadId", "")
                )


class _Reader:
    def __init__(self, body: Any) -> None:
        self._body = body

    def read(self, length: int) -> bytes:
        with told():
            return b"" if self._body is None else self._body.read(length)

    def close(self) -> None:
        if self._body is not None:
            with closing(self._body):
                self._body = None
