"""What a process holds at most, as the kernel counts it: nothing is missed between two looks."""

from pathlib import Path


def peak_bytes(pid: int | None) -> int:
    """Return the most that a process held since it began, or since `forget_peak`."""
    assert pid is not None
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def forget_peak(pid: int | None) -> None:
    """Let the peak be what the process holds now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
