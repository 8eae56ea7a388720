"""Runs the scenarios of this folder: a Node.js process each, one line of JSON for a result."""

import asyncio
import json
import os
import shutil
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TRACES = HERE.parents[1] / "data" / "traces"
SCENARIO_S_MAX = 120.0
LINE_BYTES_MAX = 8 << 20


def require_node() -> None:
    """Fail with what to do when Node.js or the clients are missing."""
    if not (HERE / "node_modules").is_dir() or not shutil.which("node"):
        raise RuntimeError("Node.js or tests/clients/node_modules is missing: run `make install`")


class Failed(AssertionError):
    """A scenario did not come out as it must; the message is what it wrote."""


class Running:
    """A scenario in play."""

    def __init__(self, process: Process, name: str) -> None:
        self._process = process
        self._name = name

    async def news(self) -> dict[str, Any]:
        """Wait for its next line."""
        assert self._process.stdout
        line = await self._process.stdout.readline()
        if not line:
            assert self._process.stderr
            raise Failed(f"{self._name}: {(await self._process.stderr.read()).decode()}")
        return json.loads(line)

    async def result(self) -> dict[str, Any]:
        """Wait for its end; returns its last line."""
        last = await self.news()
        assert self._process.stdout
        while line := await self._process.stdout.readline():
            last = json.loads(line)
        if await self._process.wait():
            assert self._process.stderr
            raise Failed(f"{self._name}: {(await self._process.stderr.read()).decode()}")
        return last


class Scenario:
    """Knows the place and the people; plays scenarios there."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._told = told

    @asynccontextmanager
    async def begin(self, name: str, **more: Any) -> AsyncGenerator[Running]:
        """Start `<name>.mjs` with *more* to tell it; ends it on leaving."""
        process = await asyncio.create_subprocess_exec(
            "node",
            str(HERE / f"{name}.mjs"),
            json.dumps(self._told | more),
            stdout=PIPE,
            stderr=PIPE,
            limit=LINE_BYTES_MAX,
            env={**os.environ, "NODE_NO_WARNINGS": "1"},
        )
        try:
            yield Running(process, name)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def __call__(
        self, name: str, *, timeout_s: float = SCENARIO_S_MAX, **more: Any
    ) -> dict[str, Any]:
        """Play a scenario to its end; returns its result."""
        async with asyncio.timeout(timeout_s), self.begin(name, **more) as running:
            return await running.result()
