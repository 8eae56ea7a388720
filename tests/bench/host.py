"""Runs one Scriptorium stack in a process of its own, so that supervision is counted too.

Usage: python -m tests.bench.host DATA_DIR. Prints one JSON line when ready; SIGTERM ends it.
"""

import asyncio
import json
import signal
import sys
from pathlib import Path

import uvloop

from tools.stack import Stack


async def host(data_dir: Path) -> None:
    """Start the stack, say where it is, and hold it until told to end."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with Stack(data_dir, port=0) as stack:
        pids = [pid for part in stack.parts if (pid := stack.pid(part))]
        nats = stack.nats_url("gateway")
        print(json.dumps({"url": stack.url, "pids": pids, "nats": nats}), flush=True)
        await ended.wait()


if __name__ == "__main__":
    uvloop.run(host(Path(sys.argv[1])))
