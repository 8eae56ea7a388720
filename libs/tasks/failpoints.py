"""Named steps at which this process can be told to die or to wait, to prove it harmless."""

import os
import signal

CRASH = "SCRIPTORIUM_CRASH_AT"
"""Name of a step, such as `collection.settled`. Unset, as always but in tests, nothing dies."""
STOP = "SCRIPTORIUM_STOP_AT"
"""Name of a step at which to freeze until SIGCONT is sent."""


def passed(step: str) -> None:
    """Die or freeze here without a word, if that was asked for."""
    if os.environ.get(CRASH) == step:
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ.get(STOP) == step:
        os.kill(os.getpid(), signal.SIGSTOP)
