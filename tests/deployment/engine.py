"""A Docker Engine for tests: the one that answers, or Debian's `docker.io` started for them.

It needs `docker` with its plugin Compose; `docs/operations/testing.md` tells where they come from.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.tools import tool

START_WAIT_S = 30.0


def _answers(host: str) -> bool:
    asked = subprocess.run(
        ["docker", "version"],
        env={**os.environ, "DOCKER_HOST": host},
        capture_output=True,
        check=False,
    )
    return asked.returncode == 0


@contextmanager
def engine(folder: Path) -> Generator[dict[str, str]]:
    """Yield the environment in which `docker` and `docker compose` work."""
    tool("docker")
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if _answers(host):
        yield {"DOCKER_HOST": host}
        return
    if os.geteuid() != 0 or not shutil.which("dockerd"):
        pytest.skip("no Docker Engine answers, and none can be started here")
    host = f"unix://{folder}/docker.sock"
    with (folder / "dockerd.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *("dockerd", "--data-root", folder / "root", "--exec-root", folder / "exec"),
                *("-H", host, "-p", folder / "docker.pid", "--oom-score-adjust", "0"),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + START_WAIT_S
        while not _answers(host):
            assert process.poll() is None, (folder / "dockerd.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.5)
        yield {"DOCKER_HOST": host}
    finally:
        process.terminate()
        process.wait()
