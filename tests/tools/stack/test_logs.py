"""Logs stay small while their programs run."""

import errno
import shutil
from pathlib import Path

import pytest

from tests.support.waiting import until
from tools.stack import Stack, logs


def test_a_large_log_is_put_aside_and_its_writer_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The program keeps its file open; nothing of what it wrote is lost, but for what is old."""
    monkeypatch.setattr(logs, "LOG_BYTES_MAX", 10)
    log = tmp_path / "gateway-1.log"
    with log.open("ab", 0) as writer:
        for number in range(6):
            writer.write(b"line %d of many\n" % number)
            logs.bound_all(tmp_path)
        writer.write(b"short\n")
        logs.bound_all(tmp_path)

    assert log.read_bytes() == b"short\n"
    kept = [(tmp_path / f"gateway-1.log.{age}").read_text() for age in (1, 2, 3)]
    assert kept == [f"line {number} of many\n" for number in (5, 4, 3)]
    assert len(list(tmp_path.iterdir())) == 1 + logs.LOG_FILES_KEPT


def test_a_log_that_cannot_be_copied_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A full disk has no room for a copy, and the log would fill whatever is freed."""
    monkeypatch.setattr(logs, "LOG_BYTES_MAX", 10)
    log = tmp_path / "nats.log"
    log.write_bytes(b"x" * 100)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    logs.bound_all(tmp_path)

    assert log.stat().st_size == 0


async def test_the_launcher_looks_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(logs, "LOG_LOOK_S", 0.1)
    async with Stack(tmp_path / "data", replicas={}) as stack:
        log = stack.logs("nats")
        with log.open("ab") as file:
            file.truncate(logs.LOG_BYTES_MAX + 1)
        await until(lambda: log.stat().st_size < logs.LOG_BYTES_MAX)
        assert log.with_suffix(".log.1").stat().st_size > logs.LOG_BYTES_MAX
