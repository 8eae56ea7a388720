"""A storage that is used only while it carries the mark that the database knows.

A folder that is not mounted is an empty folder, and a bucket of another installation has none of
our objects. Without the mark neither could be told from a storage that lost everything: every blob
that is read would count as damaged, and new objects would be lost when the right storage is back.
"""

import time
from collections.abc import Iterable

import structlog

from libs import errors
from services.blobs import metrics
from services.blobs.storage import Missing, Object, Reader, Storage, Writer

log = structlog.get_logger(__name__)

TRUST_S = 5.0
"""Time for which a mark that was seen allows writes, where looking costs a request."""


class Marked:
    """One tier, which can be used after its expected mark was set."""

    def __init__(self, tier: str, storage: Storage, *, trust_s: float = 0.0) -> None:
        """Use *storage*; before writing its mark is looked at, at most every *trust_s*."""
        self.storage = storage
        self.tier = tier
        self.expected: str | None = None
        self.was_right = False
        """Whether the right mark was seen at least once."""
        self._trust_s = trust_s
        self._trusted_until = float("-inf")
        self._said: str | None = ""
        metrics.storage_usable.labels(tier).set(0)

    def check(self) -> None:
        """Accept the storage when it can be reached and has the mark that is expected.

        Raises:
            errors.Unavailable: It is away, or is not the one that this database knows.
        """
        try:
            wrong = self._wrong()
        except errors.AppError:
            metrics.storage_usable.labels(self.tier).set(0)
            raise
        metrics.storage_usable.labels(self.tier).set(0 if wrong else 1)
        if wrong != self._said:
            self._said = wrong
            if wrong:
                log.error(
                    "storage is not the one", tier=self.tier, expected=self.expected, why=wrong
                )
            else:
                log.info("storage is the one", tier=self.tier)
        if wrong:
            self._trusted_until = float("-inf")
            raise errors.Unavailable(f"The {self.tier} storage of files {wrong}.")
        self.was_right = True
        self._trusted_until = time.monotonic() + self._trust_s

    def writer(self, key: str) -> Writer:
        """Begin an object; raises as `check`, too."""
        if time.monotonic() >= self._trusted_until:
            self.check()
        return self.storage.writer(key)

    def reader(self, key: str, start: int, length: int) -> Reader:
        """Open a part of an object. `Missing` is raised only when the storage is surely the one."""
        try:
            return self.storage.reader(key, start, length)
        except Missing:
            self.check()
        # It may have come back between the two.
        try:
            return self.storage.reader(key, start, length)
        except Missing:
            self.check()
            raise

    def size(self, key: str) -> int | None:
        """Return how many bytes an object has; None when there surely is none."""
        size = self.storage.size(key)
        if size is None:
            self.check()
            size = self.storage.size(key)
            if size is None:
                self.check()
        return size

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects: where they are, and not where nothing is."""
        self.check()
        self.storage.delete(keys)

    def list(self, *, prefix: str = "", after: str = "", limit: int = 1000) -> list[Object]:
        """Return objects in the order of their keys."""
        self.check()
        return self.storage.list(prefix=prefix, after=after, limit=limit)

    def mark(self) -> str | None:
        """Return the mark that is there."""
        return self.storage.mark()

    def put_mark(self, mark: str) -> None:
        """Leave a mark."""
        self.storage.put_mark(mark)

    def presign_get(self, key: str, *, ttl_s: int, media_type: str, disposition: str) -> str | None:
        """Return a URL at which anybody may read the object."""
        return self.storage.presign_get(
            key, ttl_s=ttl_s, media_type=media_type, disposition=disposition
        )

    def presign_put(self, key: str, *, ttl_s: int, size: int | None) -> str | None:
        """Return a URL at which anybody may put the object."""
        return self.storage.presign_put(key, ttl_s=ttl_s, size=size)

    def _wrong(self) -> str | None:
        """Return what is wrong with the storage, None when it is the one."""
        if self.expected is None:
            return "has not been looked at yet"
        found = self.storage.mark()
        if found == self.expected:
            return None
        if found is None:
            return "does not have the mark that it had: it may not be mounted"
        return "has the mark of another installation"
