"""`scriptorium up` as a person meets it: a subprocess, its two streams, its exit code."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.tools.stack.releases import FAKE_SERVICE, make_release
from tools.stack import runfile
from tools.stack.directory import owner_of
from tools.stack.ports import choose_port
from tools.stack.services import ROOT

WAIT_S = 30.0
IDLE_S = 1.0
CPU_SHARE_MAX = 0.005
LAUNCHER_BYTES_MAX = 24 << 20


def command(*words: str | Path) -> list[str]:
    """Any command, of the release that PYTHONPATH names."""
    return [sys.executable, "-P", "-m", "tools.cli", *map(str, words)]


def run(root: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command(*words),
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


@contextmanager
def running(root: Path, data: Path, *words: str) -> Generator[subprocess.Popen[str]]:
    """`scriptorium up`, from its line "ready" on."""
    up = subprocess.Popen(
        command("up", "--data-dir", data, *words),
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert up.stdout
        for line in up.stdout:
            print(line, end="")  # shown when the test fails
            if line.startswith(("ready", "scriptorium:")):
                break
        yield up
    finally:
        up.kill()
        up.communicate()


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release of one fake gateway."""
    return make_release(tmp_path / "release", gateway=FAKE_SERVICE)


@pytest.fixture
def port() -> str:
    """A public port that is free now."""
    return str(choose_port(set()))


def is_gone(pid: int) -> bool:
    """Whether a process has ended, or does so within WAIT_S."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        # Orphans are buried by the system, at its leisure.
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_the_readme_pulls_the_plug_of_one_stack_alone(release: Path, tmp_path: Path):
    """Everything of it dies at once; another stack of the same machine goes on."""
    told = re.search(r"Pull the plug.*?`([^`]+)`", (ROOT / "README.md").read_text())
    assert told
    mine, other = tmp_path / ".scriptorium", tmp_path / "other"
    with (
        running(release, mine, "--port", str(choose_port(set()))) as up,
        running(release, other, "--port", str(choose_port(set()))) as bystander,
    ):
        pids = {each.pid for each in runfile.read(mine)[1]}
        others = {each.pid for each in runfile.read(other)[1]}
        assert len(pids) == len(others) == 3
        subprocess.run(["sh", "-euc", told[1]], cwd=tmp_path, check=True, timeout=WAIT_S)

        assert up.wait(WAIT_S) == -signal.SIGKILL
        assert all(is_gone(each) for each in pids)
        assert bystander.poll() is None
        assert all(psutil.pid_exists(each) for each in others)


def test_what_an_operator_sets_reaches_the_services(
    release: Path, tmp_path: Path, port: str, monkeypatch: pytest.MonkeyPatch
):
    """From the first start on; nothing of it is an argument that everybody can list."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "settings.env").write_text(
        "SCRIPTORIUM_TRACE_RATIO=0.5\nSCRIPTORIUM_LOG_LEVEL=error\nSCRIPTORIUM_OIDC_ISSUER=secret\n"
    )
    monkeypatch.setenv("SCRIPTORIUM_LOG_LEVEL", "debug")
    monkeypatch.setenv("SCRIPTORIUM_NATS_URL", "nats://elsewhere")

    with running(release, data, "--port", port) as up:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=WAIT_S) as answer:
            told = json.load(answer)
        words = " ".join(psutil.Process(up.pid).cmdline())

    assert told["SCRIPTORIUM_TRACE_RATIO"] == "0.5"
    assert told["SCRIPTORIUM_LOG_LEVEL"] == "debug"
    assert "elsewhere" not in told["SCRIPTORIUM_NATS_URL"]
    assert told["SCRIPTORIUM_OIDC_ISSUER"] == "secret"
    assert "secret" not in words


def test_up_tells_its_progress_and_ends_cleanly(release: Path, tmp_path: Path, port: str):
    """One line per part, then the address; Ctrl-C ends all of it with exit code 0."""
    up = subprocess.Popen(
        command("up", "--port", port, "--data-dir", tmp_path / "my data"),
        env={**os.environ, "PYTHONPATH": str(release)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert up.stdout
    told: list[str] = []
    for line in up.stdout:
        told.append(line.rstrip())
        if line.startswith("ready"):
            break
    up.send_signal(signal.SIGINT)
    rest, errors = up.communicate(timeout=WAIT_S)

    assert {line.split()[0] for line in told[:-1]} == {"postgres", "nats", "gateway-1"}
    assert all(re.search(r"ready +\d+\.\d\d s$", line) for line in told[:-1])
    assert told[-1] == f"ready http://127.0.0.1:{port}"
    assert [line.split()[0] for line in rest.splitlines()] == [
        "stopping", "gateway-1", "nats", "postgres",
    ]  # fmt: skip
    assert errors == ""
    assert up.returncode == 0


def cost(pid: int) -> tuple[float, int]:
    """Share of a core that a process uses during IDLE_S, and its memory in bytes."""
    process = psutil.Process(pid)
    before = process.cpu_times()
    time.sleep(IDLE_S)
    after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    return used / IDLE_S, process.memory_full_info().uss


def test_status_logs_and_down(release: Path, tmp_path: Path, port: str):
    """The other commands find what runs by its folder alone; the launcher costs next to nothing."""
    data = tmp_path / "data"
    with running(release, data, "--port", port) as up:
        cpu_share, memory_bytes = cost(up.pid)
        status = run(release, "status", "--data-dir", data)
        again = run(release, "up", "--data-dir", data)
        log = run(release, "logs", "gateway-1", "--data-dir", data)
        down = run(release, "down", "--data-dir", data)
        code = up.wait(WAIT_S)
    after = run(release, "status", "--data-dir", data)

    assert cpu_share < CPU_SHARE_MAX
    assert memory_bytes < LAUNCHER_BYTES_MAX
    assert status.returncode == 0
    assert re.search(r"gateway-1 +\d+ +\d+ MB +0 +ready", status.stdout)
    assert f"http://127.0.0.1:{port}" in status.stdout
    assert (
        again.stderr == f"scriptorium: {data} is in use by a running scriptorium (pid {up.pid})\n"
    )
    assert again.returncode == 1
    assert log.stdout == "serving\n"
    assert (down.stdout, down.returncode) == (f"stopped (pid {up.pid})\n", 0)
    assert code == 0
    assert after.stderr.startswith(f"scriptorium: nothing runs on {data}")
    assert after.returncode == 1


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start ends what was left")
def test_killed_launcher_takes_everything_down(release: Path, tmp_path: Path, port: str):
    """`kill -9` leaves no process behind, and the next start recovers."""
    data = tmp_path / "data"
    with running(release, data, "--port", port) as up:
        pids = {part.part: part.pid for part in runfile.read(data)[1]}
        up.kill()
        left = [part for part, pid in pids.items() if not is_gone(pid)]
    with running(release, data, "--port", port):
        ready = owner_of(data)

    assert set(pids) == {"postgres", "nats", "gateway-1"}
    assert left == []
    assert ready


def test_wrapper_works_from_any_folder(tmp_path: Path):
    """Also where a file is named like a module of ours."""
    (tmp_path / "libs.py").write_text("raise SystemExit('wrong module')")
    answer = subprocess.run(
        [ROOT / "bin" / "scriptorium", "--version"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert re.fullmatch(r"\d+\.\d+\.\d+\n", answer.stdout)
