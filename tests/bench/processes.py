"""What a whole tree of processes costs: CPU seconds and proportional memory."""

import contextlib
from collections.abc import Iterable

import psutil


def family(roots: Iterable[int]) -> list[psutil.Process]:
    """Every living process among *roots* and their descendants, each once."""
    found: dict[int, psutil.Process] = {}
    for pid in roots:
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(pid)
            for process in (root, *root.children(recursive=True)):
                found[process.pid] = process
    return list(found.values())


def cpu_s(processes: Iterable[psutil.Process]) -> float:
    """User and system seconds so far, those of ended and awaited children included."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            spent = process.cpu_times()
            total += spent.user + spent.system + spent.children_user + spent.children_system
    return total


def machine_cpu_s() -> float:
    """Seconds that all cores together were busy so far, whoever kept them so."""
    spent = psutil.cpu_times()
    return sum(spent) - spent.idle - getattr(spent, "iowait", 0.0) - getattr(spent, "guest", 0.0)


def memory_bytes(processes: Iterable[psutil.Process]) -> int:
    """Proportional set size: shared pages are split between those who share them."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            total += int(process.memory_full_info().pss)
    return total


def kill(processes: Iterable[psutil.Process]) -> None:
    """SIGKILL, all at once, as a crash would."""
    victims = list(processes)
    for process in victims:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(victims, timeout=10)
