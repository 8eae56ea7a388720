"""The launcher: all parts of one stack, started in parallel, ended in order."""

import asyncio
import json
import os
import sys
import threading
from collections.abc import Coroutine, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tools.stack import logs, nats, observing, postgres, runfile, services
from tools.stack.child import spawn
from tools.stack.controls import Controls
from tools.stack.directory import Directory, unusable
from tools.stack.errors import PartFailed
from tools.stack.events import Event, Tell, What, nobody_listens
from tools.stack.part import Part, Spec, last_lines
from tools.stack.ports import FREE_WAIT_S_MAX, LOOPBACK, require_free
from tools.stack.services import BLOBS, GATEWAY, SERVICES

ERRAND_S_MAX = 30.0
_ANY_ADDRESS = ("0.0.0.0", "::", "")  # noqa: S104 (compared with, never bound)


class Stack(Controls):
    """PostgreSQL, NATS and services as supervised child processes, kept in *data_dir*.

    Start it from the main thread.

    Args:
        data_dir: Folder for everything; created if missing, held by a lock while started.
        port: Where the first gateway listens; 0 for one chosen at the first start and kept.
        replicas: How many of each service; one of each that this release has when omitted.
        host: Address the gateways listen on; everything else listens on loopback only.
        log_format: `console` or `json`.
        supervise: Whether a part that dies is brought back; otherwise each stays down until
            `release` or `restart`.
        tell: Receives what happens to the parts.
        environment: Additional environment of the services.
        archive: Folder that receives every finished WAL segment of PostgreSQL; see `backup`.
        observe: Whether a page of figures is served, and Prometheus runs where it is installed.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int = 0,
        replicas: Mapping[str, int] | None = None,
        *,
        host: str = LOOPBACK,
        log_format: str = "console",
        supervise: bool = True,
        tell: Tell = nobody_listens,
        environment: Mapping[str, str] | None = None,
        archive: Path | None = None,
        observe: bool = False,
    ) -> None:
        """Describe the stack; nothing happens before `start`."""
        super().__init__(supervise=supervise)
        self.data_dir = Path(os.path.abspath(data_dir))  # noqa: PTH100 (keeps symbolic links)
        self._port = port
        self._replicas = dict.fromkeys(services.present(), 1) if replicas is None else replicas
        self._host = host
        self._log_format = log_format
        self._tell = tell
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("SCRIPTORIUM_")}
        self._environment = {
            **inherited,
            "PYTHONPATH": str(services.ROOT),
            # The last lines of a part must reach its log in the order in which it printed them.
            "PYTHONUNBUFFERED": "1",
            **(environment or {}),
        }
        self._archive = archive and Path(os.path.abspath(archive))  # noqa: PTH100
        self._observe = observe
        self._open_directory: Directory | None = None
        self._bounding_logs: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start it."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Stop it."""
        await self.stop()

    async def start(self) -> None:
        """Start every part; returns when all are ready. A failure leaves nothing running.

        Raises:
            StackError: It cannot run; the subclass and the message say why.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("start a Stack from the main thread: its children end with theirs")
        directory = self._open_directory = Directory.open(self.data_dir)
        self._bounding_logs = asyncio.create_task(self._bound_logs(), name="bound logs")
        try:
            await asyncio.to_thread(runfile.end_leftovers, self.data_dir)
            specs = [
                self._describe(service, number)
                for service, count in self._replicas.items()
                for number in range(1, count + 1)
            ]
            await self._require_ports(directory, specs)
            await together(self._start_postgres(directory), self._start_nats(directory))
            await together(*(self._start_part(spec) for spec in specs))
            if self._observe:
                ports = {spec.name: spec.port for spec in specs}
                found = observing.parts(directory, ports, self._environment)
                await together(*(self._start_part(spec) for spec in found))
        except OSError as error:
            await self.stop()
            raise unusable(self.data_dir, error) from error
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End all parts in order: gateways, other services, NATS, PostgreSQL; then unlock.

        Each has STOP_TIMEOUT_S before it is killed. Stopping twice does nothing.
        """
        last = ("nats", "postgres")
        gateways = [part for name, part in self._parts.items() if name.startswith(f"{GATEWAY}-")]
        others = [p for p in self._parts.values() if p not in gateways and p.name not in last]
        for group in (gateways, others, *([self._parts[n]] for n in last if n in self._parts)):
            await together(*(part.stop() for part in group))
        self._parts.clear()
        if self._bounding_logs:
            self._bounding_logs.cancel()
            self._bounding_logs = None
        if directory := self._open_directory:
            self._open_directory = None
            runfile.remove(directory.path)
            directory.close()

    async def add(self, service: str) -> str:
        """Start one more replica of *service*; returns its name when it is ready.

        Raises:
            StackError: It did not start.
        """
        number = 1
        while f"{service}-{number}" in self._parts:
            number += 1
        spec = self._describe(service, number)
        await self._require_ports(self._directory, [spec])
        try:
            await self._start_part(spec)
        except BaseException:
            await self.remove(spec.name)
            raise
        return spec.name

    async def remove(self, part: str) -> None:
        """End one replica in good order, for good."""
        await self._parts[part].stop()
        del self._parts[part]
        self._note()

    @property
    def url(self) -> str:
        """The address of the first gateway, such as `http://127.0.0.1:8300`."""
        return self._address(1)

    @property
    def observers(self) -> dict[str, str]:
        """The addresses of what observes the services, by name; none without `observe`."""
        names = (observing.FIGURES, observing.PROMETHEUS)
        return {name: self.ops_url(name) for name in names if name in self._parts}

    @property
    def gateways(self) -> list[str]:
        """The addresses of all gateways, the public one first."""
        numbers = sorted(
            int(name.removeprefix(f"{GATEWAY}-"))
            for name in self._parts
            if name.startswith(f"{GATEWAY}-")
        )
        return [self._address(number) for number in numbers]

    def postgres_url(self, database: str, role: str) -> str:
        """Address of a database for a role: `collab`, `collab_owner`, or `postgres`."""
        return services.postgres_url(self._directory, database, role)

    def nats_url(self, user: str) -> str:
        """Address of the bus for a service's user, or `admin`."""
        return services.nats_url(self._directory, user)

    @property
    def _directory(self) -> Directory:
        if self._open_directory is None:
            raise RuntimeError("the stack is not started")
        return self._open_directory

    def _public_port(self, number: int) -> int:
        if number == 1 and self._port:
            return self._port
        return self._directory.port(f"{GATEWAY}-{number}:public")

    def _address(self, number: int) -> str:
        host = LOOPBACK if self._host in _ANY_ADDRESS else self._host
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self._public_port(number)}"

    def _describe(self, service: str, number: int) -> Spec:
        return services.prepare(
            self._directory,
            service,
            number,
            environment=self._environment,
            log_format=self._log_format,
            public=(self._host, self._public_port(number)) if service == GATEWAY else None,
        )

    async def _require_ports(self, directory: Directory, specs: Iterable[Spec]) -> None:
        """Fail with one clear sentence now, rather than with a part's own words later."""
        for spec in specs:
            await require_free(spec.name, LOOPBACK, spec.port, wait_s=FREE_WAIT_S_MAX)
            if spec.name.startswith(f"{GATEWAY}-"):
                port = self._public_port(int(spec.name.removeprefix(f"{GATEWAY}-")))
                await require_free(spec.name, self._host, port)
            if spec.name.startswith(f"{BLOBS}-"):
                port = services.bytes_port(directory, int(spec.name.removeprefix(f"{BLOBS}-")))
                await require_free(spec.name, LOOPBACK, port, wait_s=FREE_WAIT_S_MAX)
        if not self._parts:
            for name in ("postgres", "nats", "nats-monitor"):
                await require_free(name, LOOPBACK, directory.port(name), wait_s=FREE_WAIT_S_MAX)

    async def _start_postgres(self, directory: Directory) -> None:
        async def set_up() -> None:
            wanted = {
                name: {
                    "owner": directory.password(f"postgres:{name}_owner"),
                    "role": directory.password(f"postgres:{name}"),
                }
                for name in SERVICES
            }
            url = self.postgres_url("", "postgres").rstrip("/")
            order = json.dumps({"url": url, "services": wanted})
            await self._errand("tools/stack/provision.py", {"SCRIPTORIUM_PROVISION": order})

        spec = await postgres.prepare(directory, self._environment, set_up, self._archive)
        await self._start_part(spec)

    async def _start_nats(self, directory: Directory) -> None:
        async def set_up() -> None:
            for sentence in await nats.put_damaged_aside(directory):
                self._tell(Event("nats", What.MENDED, detail=sentence))
            # Each time, not only the first: streams kept in memory end with the server.
            url = {"SCRIPTORIUM_NATS_URL": self.nats_url(nats.ADMIN)}
            await self._errand("libs/bus/declare.py", url)

        await self._start_part(nats.prepare(directory, self._environment, set_up))

    async def _start_part(self, spec: Spec) -> None:
        part = self._parts[spec.name] = Part(spec, self._tell, self._note)
        await part.start()
        if not self._supervise:
            part.hold()

    async def _errand(self, script: str, environment: Mapping[str, str]) -> None:
        """Run a script to its end; raises PartFailed with its output.

        By path, not by `-m`: that would import its package first, which may take longer than
        the errand.
        """
        name = Path(script).stem
        log = self._directory.log(name)
        log.unlink(missing_ok=True)
        process = await spawn(
            (sys.executable, "-P", str(services.ROOT / script)),
            environment={**self._environment, **environment},
            cwd=services.ROOT,
            log=log,
        )
        try:
            async with asyncio.timeout(ERRAND_S_MAX):
                code = await process.wait()
        except TimeoutError:
            raise PartFailed(name, "took too long", log, last_lines(log)) from None
        finally:
            if process.returncode is None:
                process.kill()
        if code != 0:
            raise PartFailed(name, f"ended with exit code {code}", log, last_lines(log))

    async def _bound_logs(self) -> None:
        while True:
            await asyncio.to_thread(logs.bound_all, self.data_dir / "logs")
            await asyncio.sleep(logs.LOG_LOOK_S)

    def _note(self) -> None:
        if self._open_directory:
            running = (part.running for part in self._parts.values())
            url = self.url if self.gateways else ""
            # On a full disk the parts still need their supervisor; this file can be old.
            with suppress(OSError):
                runfile.write(self.data_dir, url, [part for part in running if part])


async def together(*work: Coroutine[Any, Any, None]) -> None:
    """Run all at once; the first failure cancels the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for one in work:
                tasks.create_task(one)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
