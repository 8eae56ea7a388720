"""Storage of bytes: objects under keys that are used once.

Every method of a storage blocks: call it in a worker thread (`services.blobs.threads`). A storage
must support put, get, head, list and delete; it need not overwrite, rename or compare. Where it
supports conditional writes, an existing object is never overwritten. Only the database decides
which objects belong to a blob.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, Protocol, Self
from urllib.parse import parse_qs, unquote, urlsplit

MARK = "scriptorium-mark"
"""Name of the object that tells whose storage this is. It is no key: nothing ever deletes it."""
MARK_BYTES_MAX = 200


class Missing(Exception):
    """There is no object under this key, and the storage itself said so."""


class Taken(Exception):
    """Another writer has this key: an object under it stays as it is.

    Keys are random and used once, so that this should never happen; if it does, nothing is lost.
    S3 servers without conditional writes cannot detect it, and overwrite.
    """


class Writer(Protocol):
    """An object that is being written; invisible before `commit`, gone after `abort`."""

    def write(self, data: bytes) -> None:
        """Append *data*.

        Raises:
            errors.StorageFull: There is no space.
            errors.Unavailable: The storage cannot be reached.
        """
        ...

    def commit(self) -> None:
        """Make it durable, then visible.

        Raises:
            Taken: There is another object under its key.
            errors.AppError: As `write`, and then it is not there.
        """
        ...

    def abort(self) -> None:
        """Forget it; never raises, and does nothing when it was committed."""
        ...


class Reader(Protocol):
    """A part of an object that is being read."""

    def read(self, length: int) -> bytes:
        """Return the next *length* bytes, fewer only at the end.

        Raises:
            errors.Unavailable: The storage cannot be reached.
        """
        ...

    def close(self) -> None:
        """Close the storage."""
        ...


class Object(NamedTuple):
    """An object as it is listed."""

    key: str
    size: int
    modified_at: datetime


class Storage(Protocol):
    """A place for objects; safe to use from many threads."""

    def writer(self, key: str) -> Writer:
        """Begin an object. Raises as `Writer.write`, or `Taken` when that is known by now."""
        ...

    def reader(self, key: str, start: int, length: int) -> Reader:
        """Open *length* bytes from *start*; behind the end of the object there are none.

        Raises:
            Missing: There is no such object.
            errors.Unavailable: The storage cannot be reached.
        """
        ...

    def size(self, key: str) -> int | None:
        """Return how many bytes an object has; None when there is none."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects and remains of dead writers; a missing object is no error.

        Raises:
            errors.Unavailable: Some may be there still.
        """
        ...

    def list(self, *, prefix: str = "", after: str = "", limit: int = 1000) -> list[Object]:
        """Return objects in the order of their keys."""
        ...

    def check(self) -> None:
        """Accept a storage that can be used now.

        Raises:
            errors.Unavailable: It cannot be reached, or is not the one that is expected.
        """
        ...

    def mark(self) -> str | None:
        """Return the mark that a database left here; None when there is none.

        Raises:
            errors.Unavailable: The storage cannot be reached.
        """
        ...

    def put_mark(self, mark: str) -> None:
        """Leave a mark, in place of the one that was here; makes the folder of a new storage.

        Raises:
            errors.Unavailable: The storage cannot be reached, or is read-only.
        """
        ...

    def presign_get(self, key: str, *, ttl_s: int, media_type: str, disposition: str) -> str | None:
        """Return a URL at which anybody may read the object; None when there is no such thing."""
        ...

    def presign_put(self, key: str, *, ttl_s: int, size: int | None) -> str | None:
        """Return a URL at which anybody may put the object; None when there is no such thing."""
        ...


class Credentials(NamedTuple):
    """The credentials of an S3 account; None for both lets boto3 find them."""

    access_key: str | None
    secret_key: str | None


class Place(NamedTuple):
    """The address of a storage, taken apart.

    `file:///folder` or `s3://bucket/prefix?endpoint=https://...&region=...&class=...`.
    """

    scheme: str
    bucket: str
    path: str
    options: dict[str, str]

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read an address.

        Raises:
            ValueError: It is none.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"file", "s3"}:
            raise ValueError("a storage is file:///folder or s3://bucket/prefix?endpoint=...")
        if (parts.scheme == "s3") != bool(parts.netloc) or (
            parts.scheme == "file" and not parts.path.startswith("/")
        ):
            raise ValueError("a file: storage has an absolute folder, an s3: storage a bucket")
        options = {name: values[0] for name, values in parse_qs(parts.query).items()}
        return cls(parts.scheme, parts.netloc, unquote(parts.path), options)


def open_storage(url: str, credentials: Credentials) -> Storage:
    """Open the storage at *url*; see `Place`.

    Raises:
        ValueError: It is no address.
    """
    place = Place.parse(url)
    if place.scheme == "file":
        from services.blobs.storage.local import LocalStorage  # noqa: PLC0415

        return LocalStorage(place.path)
    # Imported here because boto3 costs memory that a laptop need not spend.
    from services.blobs.storage.s3 import S3Storage  # noqa: PLC0415

    return S3Storage(place, credentials)
