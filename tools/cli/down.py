"""`scriptorium down`: stop the stack that another process runs."""

import os
import signal
import time
from contextlib import suppress

import typer

from tools.cli.options import DATA_DIR_DEFAULT, DataDir
from tools.cli.say import complain, say
from tools.stack.directory import owner_of

STOP_S_MAX = 60.0
_PAUSE_S = 0.05


def down(data_dir: DataDir = DATA_DIR_DEFAULT) -> None:
    """Stop the running stack in good order, and wait until it is gone.

    \b
    scriptorium down --data-dir ~/novel
    """  # noqa: D301
    directory = data_dir.expanduser()
    pid = owner_of(directory)
    if pid is None:
        complain(f"nothing runs on {data_dir}")
        raise typer.Exit(1)
    if pid == 0:
        complain(f"something runs on {data_dir}, but {directory / 'lock'} does not say what")
        raise typer.Exit(1)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_S_MAX
    while owner_of(directory) == pid:
        if time.monotonic() > deadline:
            complain(f"pid {pid} has not stopped within {STOP_S_MAX:.0f} s")
            raise typer.Exit(1)
        time.sleep(_PAUSE_S)
    say(f"stopped (pid {pid})")
