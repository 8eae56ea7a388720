"""run.json: which processes run now, so that others can ask and the next start can clean up."""

import json
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tools.stack.directory import write_private

if TYPE_CHECKING:
    import psutil

STARTED_TOLERANCE_S = 5.0
LEFTOVER_STOP_S = 10.0
_PAUSE_S = 0.02


@dataclass(frozen=True, slots=True)
class Running:
    """One running part.

    `port` is where it is asked for its health; `started` is in seconds since the epoch.
    """

    part: str
    pid: int
    started: float
    program: str
    port: int
    restarts: int = 0


def write(directory: Path, url: str, parts: Iterable[Running]) -> None:
    """Replace run.json."""
    text = json.dumps({"url": url, "parts": [asdict(part) for part in parts]}, indent=2)
    write_private(directory / "run.json", text)


def read(directory: Path) -> tuple[str, list[Running]]:
    """Address of the stack and its parts; empty when nothing was left or it cannot be read."""
    try:
        content = cast("dict[str, Any]", json.loads((directory / "run.json").read_text()))
        return content["url"], [Running(**part) for part in content["parts"]]
    except (OSError, ValueError, KeyError, TypeError):
        return "", []


def remove(directory: Path) -> None:
    """Say that nothing runs any more."""
    (directory / "run.json").unlink(missing_ok=True)


def end_leftovers(directory: Path) -> list[str]:
    """End what a killed launcher left behind; returns the parts that were found alive.

    Their parent's death has told them to end already; this waits for them, and helps those who
    could not hear it, such as a frozen process. Blocks for up to LEFTOVER_STOP_S.
    """
    _, parts = read(directory)
    if not parts:
        return []
    import psutil  # noqa: PLC0415 (only after a crash: keep the launcher lean)

    found: dict[str, psutil.Process] = {}
    for part in parts:
        with suppress(psutil.Error):
            process = psutil.Process(part.pid)
            if _is_same(process.create_time(), process.cmdline(), part):
                found[part.part] = process
    for name, process in found.items():
        with suppress(psutil.Error):
            # A killed PostgreSQL would only have to recover; it may still end in good order.
            process.send_signal(signal.SIGINT if name == "postgres" else signal.SIGKILL)
            process.send_signal(signal.SIGCONT)
    deadline = time.monotonic() + LEFTOVER_STOP_S
    while time.monotonic() < deadline and any(map(_is_alive, found.values())):
        time.sleep(_PAUSE_S)
    for process in found.values():
        with suppress(psutil.Error):
            process.kill()
    return sorted(found)


def _is_alive(process: "psutil.Process") -> bool:
    import psutil  # noqa: PLC0415 (see above)

    with suppress(psutil.Error):
        # An orphan that is not reaped yet stays in the table of processes, and holds nothing.
        return process.is_running() and process.status() != "zombie"
    return False


def _is_same(created: float, command: list[str], part: Running) -> bool:
    # The pid may belong to another process by now.
    return abs(created - part.started) < STARTED_TOLERANCE_S and part.program in command


def now() -> float:
    """Seconds since the epoch, as the system counts the birth of a process."""
    return time.time()
