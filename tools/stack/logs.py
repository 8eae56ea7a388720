"""Log files that stay small while their programs run.

A program holds its log open for as long as it lives, so the file is never moved: its content is
copied to `<part>.log.1`, and the file is emptied in place. All programs append to their logs, so
they go on at the beginning of the empty file. A line that is written between the end of the copy
and the emptying, which is microseconds later, is lost.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path

LOG_BYTES_MAX = 16 << 20
"""A log that is larger is put aside within LOG_LOOK_S."""
LOG_FILES_KEPT = 3
"""Older generations of each log: `.log.1` is the youngest."""
LOG_LOOK_S = 5.0
_COPY_BYTES = 1 << 20


def bound(log: Path) -> None:
    """Put a log that is too large aside.

    On a full disk there is no room for a copy: then its lines are given up, because they would
    fill every byte that becomes free.
    """
    with suppress(FileNotFoundError):
        if log.stat().st_size <= LOG_BYTES_MAX:
            return
        for age in range(LOG_FILES_KEPT - 1, 0, -1):
            with suppress(FileNotFoundError):
                _older(log, age).replace(_older(log, age + 1))
        with log.open("rb") as lines, suppress(OSError), _older(log, 1).open("wb") as copy:
            shutil.copyfileobj(lines, copy, _COPY_BYTES)
        os.truncate(log, 0)


def bound_all(folder: Path) -> None:
    """Put every log in *folder* aside that is too large; a failure is tried again later."""
    for log in folder.glob("*.log"):
        with suppress(OSError):
            bound(log)


def _older(log: Path, age: int) -> Path:
    return log.with_suffix(f".log.{age}")
