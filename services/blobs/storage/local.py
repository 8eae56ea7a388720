"""Objects as files of a local directory.

`<project>/<two digits>/<name>`; while it is written `<name>.part`. Opened step by step from the
root, without following symbolic links, so that nothing outside can be reached. The root itself is
opened anew each time, because a folder may have been mounted or unmounted since the last time.
"""

import errno
import os
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import structlog

from libs import errors
from services.blobs.model.keys import KEY, require_key
from services.blobs.storage import MARK, MARK_BYTES_MAX, Missing, Object, Taken

log = structlog.get_logger(__name__)

PART = ".part"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_AGAIN = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)
"""Errors of file systems without hard links."""


class LocalStorage:
    """A directory, which several processes may use at once."""

    def __init__(self, root: str) -> None:
        """Keep objects below *root*, which `put_mark` makes when it is a new one."""
        self._path = root

    def writer(self, key: str) -> "_Writer":
        """Begin an object."""
        with _told(), self._folder(key, make=True) as (folder, name):
            file = os.open(name + PART, _NEW, mode=0o600, dir_fd=folder)
            return _Writer(os.dup(folder), file, name)

    def reader(self, key: str, start: int, length: int) -> "_Reader":
        """Open a part of an object."""
        with _told(), self._folder(key) as (folder, name):
            return _Reader(os.open(name, _READ, dir_fd=folder), start, length)

    def size(self, key: str) -> int | None:
        """Return how many bytes an object has; None when there is none."""
        try:
            with _told(), self._folder(key) as (folder, name):
                return os.stat(name, dir_fd=folder, follow_symlinks=False).st_size
        except Missing:
            return None

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects and the remains of unfinished ones."""
        for key in keys:
            with suppress(Missing), _told(), self._folder(key) as (folder, name):
                for each in (name + PART, name):
                    with suppress(FileNotFoundError):
                        os.unlink(each, dir_fd=folder)

    def list(self, *, prefix: str = "", after: str = "", limit: int = 1000) -> list[Object]:
        """Return objects in the order of their keys."""
        found: list[Object] = []
        for key in self._keys(prefix, after):
            with suppress(Missing), _told(), self._folder(key) as (folder, name):
                about = os.stat(name, dir_fd=folder, follow_symlinks=False)
                changed = datetime.fromtimestamp(about.st_mtime, UTC)
                found.append(Object(key, about.st_size, changed))
            if len(found) >= limit:
                break
        return found

    def check(self) -> None:
        """Accept a directory that can be opened."""
        with self._root():
            pass

    def mark(self) -> str | None:
        """Return the mark; None when there is none, or no directory."""
        if not Path(self._path).is_dir():
            return None
        try:
            with self._root() as root, _told():
                file = os.open(MARK, _READ, dir_fd=root)
                try:
                    return os.read(file, MARK_BYTES_MAX).decode(errors="replace").strip()
                finally:
                    os.close(file)
        except Missing:
            return None

    def put_mark(self, mark: str) -> None:
        """Leave a mark; it is whole or not there."""
        with _told():
            Path(self._path).mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._root() as root, _told():
            part = MARK + PART
            file = os.open(part, _AGAIN, mode=0o600, dir_fd=root)
            try:
                os.write(file, mark.encode())
                os.fsync(file)
            finally:
                os.close(file)
            os.rename(part, MARK, src_dir_fd=root, dst_dir_fd=root)
            os.fsync(root)

    def presign_get(self, key: str, *, ttl_s: int, media_type: str, disposition: str) -> None:
        """Return None: the gateway serves what tickets allow."""

    def presign_put(self, key: str, *, ttl_s: int, size: int | None) -> None:
        """Return None: the gateway takes what tickets allow."""

    @contextmanager
    def _folder(self, key: str, *, make: bool = False) -> Generator[tuple[int, str]]:
        project, shard, name = require_key(key)
        with self._root() as root:
            above = _open_below(root, project, make=make)
        try:
            folder = _open_below(above, shard, make=make)
        finally:
            os.close(above)
        try:
            yield folder, name
        finally:
            os.close(folder)

    @contextmanager
    def _root(self) -> Generator[int]:
        """Open the root.

        Raises:
            errors.Unavailable: It does not exist, which says nothing about its objects.
        """
        try:
            root = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            code = errno.errorcode.get(error.errno or 0)
            log.warning("storage away", folder=self._path, code=code)
            raise errors.Unavailable("The folder of blobs cannot be opened.") from error
        try:
            yield root
        finally:
            os.close(root)

    def _keys(self, prefix: str, after: str) -> Iterator[str]:
        with self._root() as root:
            for project in _sorted(root):
                if not _may_hold(project, prefix, after):
                    continue
                with suppress(OSError):
                    above = os.open(project, _FOLDER, dir_fd=root)
                    try:
                        yield from _keys_of(above, project, prefix, after)
                    finally:
                        os.close(above)


def _keys_of(above: int, project: str, prefix: str, after: str) -> Iterator[str]:
    for shard in _sorted(above):
        start = f"{project}/{shard}"
        if not _may_hold(start, prefix, after):
            continue
        with suppress(OSError):
            folder = os.open(shard, _FOLDER, dir_fd=above)
            try:
                names = _sorted(folder)
            finally:
                os.close(folder)
            for name in names:
                key = f"{start}/{name}"
                if KEY.match(key) and key > after and key.startswith(prefix):
                    yield key


def _may_hold(start: str, prefix: str, after: str) -> bool:
    """Return whether keys that begin with *start* can begin with *prefix* and follow *after*."""
    fits = start.startswith(prefix) or prefix.startswith(start)
    return fits and start >= after[: len(start)]


def _sorted(folder: int) -> list[str]:
    return sorted(os.listdir(folder))


def _open_below(above: int, name: str, *, make: bool) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=above)
    except FileNotFoundError:
        if not make:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=above)
    # The name of the folder must be durable before any file in it is, whichever process made it.
    os.fsync(above)
    return os.open(name, _FOLDER, dir_fd=above)


@contextmanager
def _told() -> Generator[None]:
    """Turn the system's errors into ours."""
    try:
        yield
    except OSError as error:
        if error.errno in _ABSENT:
            raise Missing from error
        if error.errno == errno.EEXIST:
            raise Taken from error
        if error.errno in _FULL:
            raise errors.StorageFull from error
        log.warning("storage refused", code=errno.errorcode.get(error.errno or 0))
        raise errors.Unavailable("The storage of blobs cannot be used.") from error


class _Writer:
    def __init__(self, folder: int, file: int, name: str) -> None:
        self._folder = folder
        self._file = file
        self._name = name

    def write(self, data: bytes) -> None:
        with _told():
            view = memoryview(data)
            while view:
                view = view[os.write(self._file, view) :]

    def commit(self) -> None:
        try:
            with _told():
                os.fsync(self._file)
                self._make_visible()
                os.fsync(self._folder)
        except Missing:
            # Another process considered this writer dead and deleted its file.
            raise errors.Unavailable("Storing this took too long; try again.") from None
        self._close()

    def abort(self) -> None:
        if self._file >= 0:
            with suppress(OSError):
                os.unlink(self._name + PART, dir_fd=self._folder)
        self._close()

    def _make_visible(self) -> None:
        """Make the object visible by a link, which replaces no file, unlike a rename."""
        part, name, here = self._name + PART, self._name, self._folder
        try:
            os.link(part, name, src_dir_fd=here, dst_dir_fd=here, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            os.rename(part, name, src_dir_fd=here, dst_dir_fd=here)
        else:
            os.unlink(part, dir_fd=here)

    def _close(self) -> None:
        for handle in (self._file, self._folder):
            if handle >= 0:
                with suppress(OSError):
                    os.close(handle)
        self._file = self._folder = -1


class _Reader:
    def __init__(self, file: int, start: int, length: int) -> None:
        self._file = file
        self._at = start
        self._end = start + length

    def read(self, length: int) -> bytes:
        """Return the next bytes; a short read of the system is no end."""
        parts: list[bytes] = []
        wanted = min(length, self._end - self._at)
        with _told():
            while wanted > 0 and (part := os.pread(self._file, wanted, self._at)):
                parts.append(part)
                self._at += len(part)
                wanted -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = -1
