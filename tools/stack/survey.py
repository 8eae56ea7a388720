"""The state of a stack that another process runs."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import psutil

from tools.stack import runfile
from tools.stack.directory import owner_of
from tools.stack.nats import HEALTH_PATH
from tools.stack.observing import PROMETHEUS
from tools.stack.probe import http_ok, postgres_ok


@dataclass(frozen=True, slots=True)
class Report:
    """One part: its process, its memory (with its descendants', shared pages counted once)."""

    part: str
    pid: int
    memory_bytes: int
    restarts: int
    ready: bool


@dataclass(frozen=True, slots=True)
class Survey:
    """One running stack. `pid` is the launcher's; `url` is empty when it has no gateway."""

    pid: int
    url: str
    memory_bytes: int
    parts: tuple[Report, ...]


async def survey(directory: Path) -> Survey | None:
    """Ask every part of the stack that runs on *directory*; None when none does."""
    pid = owner_of(directory)
    if pid is None:
        return None
    url, running = runfile.read(directory)
    ready = await asyncio.gather(*(_is_ready(part) for part in running))
    reports = (
        Report(part.part, part.pid, memory_bytes(part.pid), part.restarts, is_ready)
        for part, is_ready in zip(running, ready, strict=True)
    )
    return Survey(pid, url, memory_bytes(pid, alone=True), tuple(reports))


async def _is_ready(part: runfile.Running) -> bool:
    if part.part == "postgres":
        return await postgres_ok(part.port)
    paths = {"nats": HEALTH_PATH, PROMETHEUS: "/-/ready"}
    return await http_ok(part.port, paths.get(part.part, "/readyz"))


def memory_bytes(pid: int, *, alone: bool = False) -> int:
    """Return the memory of a process with its descendants, or *alone*; 0 when it is gone."""
    total = 0
    try:
        process = psutil.Process(pid)
        for member in [process] if alone else [process, *process.children(recursive=True)]:
            memory = member.memory_full_info()
            # Shared pages are divided among their users where the system can say so.
            total += int(getattr(memory, "pss", memory.rss))
    except psutil.Error:
        return total
    return total
