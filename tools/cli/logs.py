"""`scriptorium logs`: the log of one part."""

import sys
import time
from collections import deque
from pathlib import Path
from typing import Annotated, TextIO

import typer

from tools.cli.options import DATA_DIR_DEFAULT, DataDir
from tools.cli.say import complain

LINES_DEFAULT = 100
_PAUSE_S = 0.2


def logs(
    part: Annotated[str, typer.Argument(help="Such as postgres, nats, collab-1.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")
    ] = LINES_DEFAULT,
    data_dir: DataDir = DATA_DIR_DEFAULT,
) -> None:
    """Print the end of a part's log, also after it has stopped.

    \b
    scriptorium logs gateway-1
    scriptorium logs collab-1 -f
    """  # noqa: D301
    folder = data_dir.expanduser() / "logs"
    known = sorted(file.stem for file in folder.glob("*.log"))
    if part not in known:
        complain(f"no log of {part!r} in {folder}; there are: {', '.join(known) or 'none'}")
        raise typer.Exit(1)
    log = folder / f"{part}.log"
    try:
        with log.open(encoding="utf-8", errors="replace") as file:
            sys.stdout.writelines(deque(file, maxlen=lines))
            sys.stdout.flush()
            if follow:
                _follow(log, file)
    except (KeyboardInterrupt, BrokenPipeError):
        sys.stderr.close()  # or the interpreter complains about the pipe while it ends


def _follow(log: Path, file: TextIO) -> None:
    inode = log.stat().st_ino
    while True:
        if text := file.read():
            sys.stdout.write(text)
            sys.stdout.flush()
            continue
        time.sleep(_PAUSE_S)
        if log.exists() and log.stat().st_size < file.tell():
            file.seek(0)  # it was put aside and begins again
        if log.exists() and log.stat().st_ino != inode:
            with log.open(encoding="utf-8", errors="replace") as newer:
                return _follow(log, newer)
