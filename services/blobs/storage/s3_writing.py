"""An object that is written to a bucket, in parts when it is large."""

import base64
import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from libs import errors
from services.blobs.storage import Missing, Taken
from services.blobs.storage.s3_answers import find, gone_is_away, told
from services.blobs.storage.s3_conditions import Conditions

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

PART_BYTES = 8 << 20
"""A larger object is sent in parts of this size; S3 accepts 10,000 parts."""
MARK = "attempt"
"""Metadata that tells whose object it is."""


class Writer:
    """One object; see `services.blobs.storage.Writer`."""

    def __init__(
        self,
        client: "S3Client",
        where: dict[str, str],
        options: dict[str, Any],
        conditions: Conditions,
    ) -> None:
        """Write to the bucket and key *where*, with *options* of the object."""
        self._client = client
        self._where: Any = where
        self._mark = uuid4().hex
        self._options: Any = {**options, "Metadata": {MARK: self._mark}}
        self._conditions: Any = conditions
        self._pending = bytearray()
        self._upload_id: str | None = None
        self._parts: list[Any] = []
        self._done = False

    def write(self, data: bytes) -> None:
        """Append *data*."""
        self._pending += data
        while len(self._pending) > PART_BYTES:
            part = bytes(memoryview(self._pending)[:PART_BYTES])
            del self._pending[:PART_BYTES]
            self._put_part(part)

    def commit(self) -> None:
        """Make it an object."""
        rest = bytes(self._pending)
        self._pending.clear()
        if self._upload_id is not None:
            self._put_part(rest)
        with gone_is_away():
            try:
                with told():
                    self._make(rest)
            except (Taken, Missing):
                # The library asks again when an answer was lost: then what is in its way is ours.
                if not self._is_there():
                    raise
        self._done = True

    def abort(self) -> None:
        """Forget it."""
        self._pending.clear()
        if self._upload_id is not None and not self._done:
            with suppress(Missing, errors.AppError), told():
                self._client.abort_multipart_upload(**self._where, UploadId=self._upload_id)

    def _make(self, rest: bytes) -> None:
        if self._upload_id is None:
            self._client.put_object(
                **self._where,
                **self._options,
                **self._conditions.put,
                Body=rest,
                ContentMD5=_md5(rest),
            )
        else:
            self._client.complete_multipart_upload(
                **self._where,
                **self._conditions.complete,
                UploadId=self._upload_id,
                MultipartUpload={"Parts": self._parts},
            )

    def _is_there(self) -> bool:
        try:
            about = find(self._client, self._where)
        except Missing:
            return False
        # Servers differ in how they write the name.
        return self._mark in about["Metadata"].values()

    def _put_part(self, part: bytes) -> None:
        number = len(self._parts) + 1
        with gone_is_away(), told():
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


def _md5(data: bytes) -> str:
    digest = hashlib.md5(data, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()
