"""A disk that was full heals by itself."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.stack.services import ROOT

pytestmark = [pytest.mark.alone, pytest.mark.long]

UNSHARE = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)))


async def test_facts_flow_again_when_there_is_space_again(tmp_path: Path) -> None:
    """Meanwhile nobody is told of a fault of ours, and the stack says that it is not well."""
    possible = (*UNSHARE, "mount", "-t", "tmpfs", "none", str(tmp_path))
    if (
        not shutil.which("unshare")
        or (await asyncio.to_thread(subprocess.run, possible, check=False)).returncode
    ):
        pytest.skip("this machine lets nobody mount a small file system")
    process = await asyncio.create_subprocess_exec(
        *(*UNSHARE, sys.executable, "-m", "tests.system.full_disk", str(tmp_path)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    seen = json.loads(said)

    assert seen["before"] == [201, 200, 201, 201]
    assert set(map(int, seen["full"])) <= {200, 201, 503, 507}
    assert "507" in seen["full"]
    assert seen["sick"]
    assert seen["ages"] == [0, 0]
    assert seen["after"] == [201, 200, 201, 201]
    assert not any(seen["failed"].values())
