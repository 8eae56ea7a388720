"""A client's checksum of the bytes of one request of a resumable upload."""

import binascii
import hashlib
import hmac
from base64 import b64decode
from collections.abc import Callable

from libs import errors
from libs.contracts.blobs.transfers import CHECKED_BYTES_MAX, CHECKSUM_ALGORITHMS


class Checksum:
    """A checksum that is compared with the received bytes."""

    def __init__(self, header: str) -> None:
        """Read `Upload-Checksum`: an algorithm and base64.

        Raises:
            errors.Invalid: It is none.
        """
        self._algorithm, _, text = header.partition(" ")
        try:
            self._said = b64decode(text, validate=True)
        except binascii.Error:
            self._said = b""
        if self._algorithm not in CHECKSUM_ALGORITHMS or not self._said:
            raise errors.Invalid(errors=[{"field": "Upload-Checksum", "detail": "cannot be read"}])
        self._found = hashlib.new(self._algorithm, usedforsecurity=False)

    @property
    def update(self) -> Callable[[bytes], None]:
        """Takes the bytes as they come."""
        return self._found.update

    def require(self, *, is_all: bool = True) -> None:
        """Compare what was taken, which is all that came or as much as may come.

        Raises:
            errors.TooLarge: More came.
            errors.ContentMismatch: Other bytes came.
        """
        if not is_all:
            raise errors.TooLarge(limitBytes=CHECKED_BYTES_MAX)
        if not hmac.compare_digest(self._found.digest(), self._said):
            raise errors.ContentMismatch(
                "The bytes do not have the checksum that was sent with them.",
                checksum=self._algorithm,
            )
