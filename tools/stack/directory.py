"""The data directory: one owner at a time, one version, enough space.

    DIR/lock         flock of the running launcher, and its pid
    DIR/stack.json   version, ports, passwords; 0600
    DIR/settings.env what an operator sets, if they do; see settings
    DIR/run.json     what runs now, for `scriptorium status` and the next start; see runfile
    DIR/postgres DIR/nats DIR/blobs DIR/keys DIR/logs

Nothing of a stack is kept anywhere else.
"""

import errno
import fcntl
import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any, Self, cast

from tools.stack.errors import DirectoryLocked, DirectoryUnusable, DiskFull, OtherVersion
from tools.stack.ports import choose_port

VERSION = 1
"""Raised when a release can no longer read what an older one wrote here."""

DISK_FREE_BYTES_MIN = 512 << 20
PASSWORD_BYTES = 24

_BEFORE_STATE = {"lock", "stack.json.new", "settings.env"}


class Directory:
    """The data directory of one running stack, held by a lock until `close`."""

    def __init__(
        self, path: Path, lock: int, ports: dict[str, int], passwords: dict[str, str]
    ) -> None:
        """Use `open`."""
        self.path = path
        self._lock = lock
        self._ports = ports
        self._passwords = passwords

    @classmethod
    def open(cls, path: Path) -> Self:
        """Create or open the directory and take its lock.

        Raises:
            DirectoryLocked: Another launcher runs here.
            OtherVersion: Another release wrote it.
            DiskFull: Less than DISK_FREE_BYTES_MIN is free.
            DirectoryUnusable: It cannot be written, or holds other files.
        """
        if any(character < " " for character in str(path)):
            raise DirectoryUnusable(f"{str(path)!r} has a line break in it; choose another name")
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = _take_lock(path)
        except OSError as error:
            raise unusable(path, error) from error
        try:
            state = read_state(path)
            _require_space(path)
            ours = cls(path, lock, state["ports"], state["passwords"])
            ours.save()
            for folder in (path / "logs", path / "keys"):
                folder.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            os.close(lock)
            raise unusable(path, error) from error
        except BaseException:
            os.close(lock)
            raise
        return ours

    def close(self) -> None:
        """Give the directory up. The lock file stays: deleting it would let two own it."""
        os.close(self._lock)

    def port(self, name: str) -> int:
        """Port kept under *name*, chosen now when it is new."""
        if name not in self._ports:
            self._ports[name] = choose_port(set(self._ports.values()))
            self.save()
        return self._ports[name]

    def password(self, user: str) -> str:
        """Password kept for *user*, made now when it is new."""
        if user not in self._passwords:
            # A leading letter: a bare number would be read as one by NATS.
            self._passwords[user] = "p" + secrets.token_hex(PASSWORD_BYTES)
            self.save()
        return self._passwords[user]

    def log(self, part: str) -> Path:
        """Log file of *part*."""
        return self.path / "logs" / f"{part}.log"

    def save(self) -> None:
        """Write stack.json so that a crash leaves the old or the new file, never a part."""
        state = {"version": VERSION, "ports": self._ports, "passwords": self._passwords}
        write_private(self.path / "stack.json", json.dumps(state, indent=2))


def write_private(path: Path, text: str) -> None:
    """Replace *path* by *text*, durable and readable by its owner only."""
    new = path.with_name(path.name + ".new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def owner_of(path: Path) -> int | None:
    """Pid of the launcher that runs on *path*; None when none does. 0 means: unreadable."""
    try:
        with (path / "lock").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                said = file.read().strip()
                return int(said) if said.isdigit() else 0
    except (FileNotFoundError, NotADirectoryError):
        return None
    return None


def unusable(path: Path, error: OSError) -> DirectoryUnusable:
    """Put an error of the file system into one sentence."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"no space left on the device of {path}")
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        above = (each for each in (*reversed(path.parents), path) if not each.is_dir())
        in_the_way = next(above, path)
        if in_the_way == path:
            return DirectoryUnusable(f"{path} is not a directory")
        return DirectoryUnusable(f"cannot make {path}: {in_the_way} is not a directory")
    if error.errno == errno.ENAMETOOLONG:
        return DirectoryUnusable(f"the name is too long for the file system: {path}")
    return DirectoryUnusable(f"cannot write to {path}: {error.strerror}")


def _take_lock(path: Path) -> int:
    lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        said = os.read(lock, 20).strip()
        os.close(lock)
        raise DirectoryLocked(path, int(said) if said.isdigit() else None) from None
    os.ftruncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    return lock


def read_state(path: Path) -> dict[str, dict[str, Any]]:
    """Ports and passwords kept in *path*; none when it is new.

    Raises:
        DirectoryUnusable: It holds something else.
        OtherVersion: Another release wrote it.
    """
    try:
        text = (path / "stack.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        strangers = sorted({entry.name for entry in path.iterdir()} - _BEFORE_STATE)
        if strangers:
            raise DirectoryUnusable(
                f"{path} holds other files ({strangers[0]}, ...) and no stack.json; "
                "choose an empty directory"
            ) from None
        return {"ports": {}, "passwords": {}}
    try:
        state = cast("dict[str, Any]", json.loads(text))
        version = state["version"]
        if version == VERSION:
            return {"ports": dict(state["ports"]), "passwords": dict(state["passwords"])}
    except (ValueError, KeyError, TypeError):
        raise DirectoryUnusable(f"{path / 'stack.json'} is damaged") from None
    raise OtherVersion(f"{path} has data version {version}; this release reads version {VERSION}")


def _require_space(path: Path) -> None:
    free = shutil.disk_usage(path).free
    if free < DISK_FREE_BYTES_MIN:
        raise DiskFull(
            f"{path} has {free >> 20} MB of free space; {DISK_FREE_BYTES_MIN >> 20} MB are needed"
        )
