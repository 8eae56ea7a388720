"""The `scriptorium` command, run as a person would."""

import asyncio
import sys

from tools.stack.services import ROOT


async def scriptorium(*words: object) -> tuple[int, str]:
    """Run it; returns its exit code and all that it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tools.cli"),
        *map(str, words),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await process.communicate()
    finally:
        # Whoever stops waiting for it has pressed Ctrl-C.
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, said.decode()
