"""The whole system on one machine: PostgreSQL, NATS and every service as child processes.

    async with Stack(Path(".scriptorium")) as stack:
        print(stack.url)

Everything is kept in one folder: data, logs, generated passwords, and the ports, chosen once.
"""

from tools.stack.errors import (
    ArchiveOfAnother,
    BinaryMissing,
    DirectoryLocked,
    DirectoryUnusable,
    DiskFull,
    NothingToRestore,
    OtherVersion,
    PartFailed,
    PortTaken,
    StackError,
)
from tools.stack.events import Event, What
from tools.stack.stack import Stack

__all__ = [
    "ArchiveOfAnother",
    "BinaryMissing",
    "DirectoryLocked",
    "DirectoryUnusable",
    "DiskFull",
    "Event",
    "NothingToRestore",
    "OtherVersion",
    "PartFailed",
    "PortTaken",
    "Stack",
    "StackError",
    "What",
]
