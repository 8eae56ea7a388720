"""The bench's handle on the load generator's process."""

import asyncio
import json
import sys
from typing import Any

ANSWER_BYTES_MAX = 16 << 20


class GeneratorError(Exception):
    """The load generator could not do what it was told."""


class Generator:
    """Starts the generator, passes it commands, and ends it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, dialect: str) -> "Generator":
        """Start a generator that speaks *dialect*."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.bench.load", dialect),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=ANSWER_BYTES_MAX,
        )
        return cls(process)

    async def do(self, command: str, **values: Any) -> Any:
        """Give one command and return its answer."""
        assert self._process.stdin
        assert self._process.stdout
        order = json.dumps({"do": command, "with": values})
        self._process.stdin.write(order.encode() + b"\n")
        await self._process.stdin.drain()
        line = await self._process.stdout.readline()
        if not line:
            raise GeneratorError(f"the generator died while told to {command}")
        answer = json.loads(line)
        if "error" in answer:
            raise GeneratorError(f"{command}: {answer['error']}")
        return answer

    async def stop(self) -> None:
        """End the process."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
