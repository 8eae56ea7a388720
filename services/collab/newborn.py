"""How a worker process begins: it must not outlive a killed service."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1


def begin(niceness: int) -> None:
    """Have this process killed when its parent ends (Linux), and leave Ctrl-C to the parent.

    It gives way to other processes by *niceness*.
    """
    os.nice(niceness)
    if os.uname().sysname == "Linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def nothing() -> None:
    """Do nothing, in a process that has imported everything it will need."""
    from services.collab import heavy  # noqa: F401, PLC0415  # pyright: ignore[reportUnusedImport]
