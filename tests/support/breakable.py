"""A stack that can be broken in more ways: bridges to NATS, other programs, a slow disk."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from libs.tasks.failpoints import CRASH
from tests.support.bridge import Bridge
from tests.support.stack import TEST_LIMITS
from tools.stack import Stack
from tools.stack.part import Spec
from tools.stack.ports import LOOPBACK

BIRTH_WAIT_S = 30.0
_LONG_TOKENS = {"SCRIPTORIUM_ACCESS_TOKEN_LIFE_S": "86400"}

_SLOW_DISK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static void wait_as_told(void) {
    FILE *file = fopen(getenv("SLOW_DISK_MICROSECONDS"), "r");
    int microseconds = 0;
    if (!file) return;
    if (fscanf(file, "%d", &microseconds) == 1 && microseconds > 0) usleep(microseconds);
    fclose(file);
}
int fdatasync(int fd) {
    wait_as_told();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
int fsync(int fd) {
    wait_as_told();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}
"""


class BreakableStack(Stack):
    """A Stack whose services reach NATS over bridges.

    Args:
        folder: For the data and what else is needed.
        replicas: How many of each service.
        programs: Module to run in the place of a part's own.
        environment: Additional environment of the services.
    """

    def __init__(
        self,
        folder: Path,
        *,
        replicas: Mapping[str, int],
        bridged: Sequence[str] = (),
        programs: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            folder / "data",
            replicas=replicas,
            log_format="json",
            environment={**TEST_LIMITS, **_LONG_TOKENS, **(environment or {})},
        )
        self.bridges = {part: Bridge() for part in bridged}
        self._programs = programs or {}
        self._environments: dict[str, dict[str, str]] = {}
        self._told = folder / "slow-disk-microseconds"
        self._shim = _build_shim(folder)

    async def start(self) -> None:
        for bridge in self.bridges.values():
            await bridge.start()
        await super().start()

    async def stop(self) -> None:
        await super().stop()
        for bridge in self.bridges.values():
            await bridge.stop()

    @property
    def disk_can_be_slow(self) -> bool:
        """Whether `slow_disk` works here: it needs a C compiler."""
        return self._shim is not None

    def slow_disk(self, microseconds: int) -> None:
        """Let each fsync and fdatasync of PostgreSQL take so much longer; 0 ends it."""
        self._told.write_text(str(microseconds))

    async def die_next_at(self, part: str, step: str | None) -> None:
        """Start a part that is down, to die at a failpoint and stay down; None for one that lives.

        Returns when there is a process, which may be dead already.
        """
        told = self._environments[part]
        told.pop(CRASH, None)
        if step:
            told[CRASH] = step
        self.release(part)
        async with asyncio.timeout(BIRTH_WAIT_S):
            while self.pid(part) is None:  # noqa: ASYNC110 (the process says nothing of its birth)
                await asyncio.sleep(0.02)
        if step:
            self.hold(part)

    def _describe(self, service: str, number: int) -> Spec:
        spec = super()._describe(service, number)
        environment = dict(spec.environment)
        if bridge := self.bridges.get(spec.name):
            url = urlsplit(environment["SCRIPTORIUM_NATS_URL"])
            assert url.port
            bridge.target = url.port
            environment["SCRIPTORIUM_NATS_URL"] = (
                f"nats://{url.username}:{url.password}@{LOOPBACK}:{bridge.port}"
            )
        command = spec.command
        if program := self._programs.get(spec.name):
            command = (sys.executable, "-m", program)
        self._environments[spec.name] = environment
        return replace(spec, environment=environment, command=command)

    async def _start_part(self, spec: Spec) -> None:
        if spec.name == "postgres" and self._shim:
            environment = {
                **spec.environment,
                "LD_PRELOAD": str(self._shim),
                "SLOW_DISK_MICROSECONDS": str(self._told),
            }
            spec = replace(spec, environment=environment)
        await super()._start_part(spec)


def _build_shim(folder: Path) -> Path | None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        return None
    folder.mkdir(parents=True, exist_ok=True)
    source, shim = folder / "slow_disk.c", folder / "slow_disk.so"
    source.write_text(_SLOW_DISK)
    command = [compiler, "-shared", "-fPIC", "-o", str(shim), str(source), "-ldl"]
    built = subprocess.run(command, check=False, capture_output=True)
    return shim if built.returncode == 0 else None
