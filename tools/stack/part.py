"""One supervised child process: started, asked whether it is ready, brought back when it dies."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tools.stack.child import Identity, signal_tree, spawn
from tools.stack.errors import PartFailed, StackError
from tools.stack.events import Event, Tell, What
from tools.stack.runfile import Running, now

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
RESTART_DELAY_S_MIN = 0.1
RESTART_DELAY_S_MAX = 10.0
STEADY_S = 10.0
"""A part that lived this long earns the shortest delay again."""

SICK_LOOK_S = 5.0
SICK_LOOKS = 3
"""A part that was found sick so often in a row is restarted; the next time it has twice as long."""
SICK_LOOKS_MAX = 48

PROBE_PAUSE_S_MIN = 0.02
PROBE_PAUSE_S_MAX = 0.5
LAST_LINES = 12
LAST_LINES_BYTES = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """The command, environment and probes of one part. `ready` asks it on `port`."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: Path
    log: Path
    port: int
    ready: Callable[[], Awaitable[bool]]
    set_up: Callable[[], Awaitable[None]] | None = None
    """Puts in order what the part holds, each time it has come up and before it counts as ready;
    raises StackError."""

    sick: Callable[[], Awaitable[str]] | None = None
    """Says why a running part must be restarted; empty when it need not, or would not help."""

    identity: Identity = Identity.OWN
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    """The signal that the kernel sends when the launcher dies. A service has nothing left to do
    then: its database and bus go with it."""


class Part:
    """A process that is meant to run, and the task that keeps it running."""

    def __init__(self, spec: Spec, tell: Tell, changed: Callable[[], None]) -> None:
        """Describe the part; `changed` is called whenever its pid changes."""
        self.spec = spec
        self.restarts = 0
        self._tell = tell
        self._changed = changed
        self._process: asyncio.subprocess.Process | None = None
        self._doomed: asyncio.subprocess.Process | None = None
        self._frozen = False
        self._patience = SICK_LOOKS
        self._started = 0.0
        self._ready = asyncio.Event()
        self._ended = asyncio.Event()
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._tending: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """`postgres`, `nats`, or service and number: `collab-1`."""
        return self.spec.name

    @property
    def pid(self) -> int | None:
        """Process id; None while it is down."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    @property
    def running(self) -> Running | None:
        """The entry of this part in run.json."""
        if self.pid is None:
            return None
        program = (
            self.spec.command[-1]
            if self.name not in ("postgres", "nats")
            else (self.spec.command[0])
        )
        return Running(self.name, self.pid, self._started, program, self.spec.port, self.restarts)

    async def start(self) -> None:
        """Start it, wait until it is ready, and keep it running from then on.

        Raises:
            PartFailed: It ended, or was not ready within READY_TIMEOUT_S.
            OSError: It could not be started at all.
        """
        began = time.monotonic()
        process = await self._spawn()
        ended = asyncio.create_task(process.wait())
        ready = asyncio.create_task(self._watch(process))
        try:
            await asyncio.wait(
                (ended, ready), timeout=READY_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED
            )
            if process.returncode is not None:
                raise self._failed(_how(process.returncode))
            if ready.done():
                ready.result()
            if not self._ready.is_set():
                raise self._failed(f"was not ready within {READY_TIMEOUT_S:.0f} s")
        finally:
            ended.cancel()
            ready.cancel()
        self._tell(Event(self.name, What.READY, time.monotonic() - began))
        self._tending = asyncio.create_task(self._tend(process), name=f"tend {self.name}")

    async def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """End it for good: its own signal first, SIGKILL after *timeout_s*."""
        self._wanted.clear()
        if self._tending:
            self._tending.cancel()
            with suppress(asyncio.CancelledError):
                await self._tending
            self._tending = None
        process = self._process
        if process is None or self.pid is None:
            return
        began = time.monotonic()
        await self._end(process, timeout_s)
        self._tell(Event(self.name, What.STOPPED, time.monotonic() - began))

    async def restart(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """End it in good order and start it again, as a rolling update does.

        Raises:
            PartFailed: It was not ready within *timeout_s*.
        """
        self.hold()
        if (process := self._process) and self.pid is not None:
            self._doom()
            await self._end(process, STOP_TIMEOUT_S)
            await self._ended.wait()
        self.release()
        await self.wait_ready(timeout_s)

    def signal(self, number: signal.Signals) -> None:
        """Send *number* to it and its descendants; nothing happens while it is down."""
        if self.pid is None:
            return
        if number in (signal.SIGKILL, self.spec.stop_signal):
            self._doom()
        if number in (signal.SIGSTOP, signal.SIGCONT):
            self._frozen = number == signal.SIGSTOP
        if number == self.spec.stop_signal:
            os.kill(self.pid, number)  # its descendants are its own to end
        else:
            signal_tree(self.pid, number)

    def hold(self) -> None:
        """Leave it down once it dies."""
        self._wanted.clear()

    def release(self) -> None:
        """Bring it back at once if it is down, and from now on."""
        self._wanted.set()

    async def wait_ended(self, timeout_s: float) -> None:
        """Return when the process is gone.

        Raises:
            TimeoutError: It still runs after *timeout_s*.
        """
        async with asyncio.timeout(timeout_s):
            await self._ended.wait()

    async def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Return when the process answers that it is ready; one doomed by a signal never counts.

        Raises:
            PartFailed: It did not within *timeout_s*.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    await self._ready.wait()
                    if await self.spec.ready() and self._ready.is_set():
                        return
                    await asyncio.sleep(PROBE_PAUSE_S_MIN)
        except TimeoutError:
            raise self._failed(f"was not ready within {timeout_s:g} s") from None

    async def _spawn(self) -> asyncio.subprocess.Process:
        spec = self.spec
        self._process = await spawn(
            spec.command,
            environment=spec.environment,
            cwd=spec.cwd,
            log=spec.log,
            identity=spec.identity,
            death_signal=spec.death_signal,
        )
        self._frozen = False
        self._started = now()
        self._ended.clear()
        self._changed()
        return self._process

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        pause = PROBE_PAUSE_S_MIN
        while not await self.spec.ready():
            await asyncio.sleep(pause)
            pause = min(pause * 1.2, PROBE_PAUSE_S_MAX)
        if self.spec.set_up:
            await self.spec.set_up()
        if self._doomed is not process:
            self._ready.set()

    async def _watch_patiently(self, process: asyncio.subprocess.Process) -> None:
        while True:
            try:
                return await self._watch(process)
            except (StackError, OSError) as error:
                self._tell(Event(self.name, What.UNREADY, detail=str(error)))
                await asyncio.sleep(RESTART_DELAY_S_MAX)

    async def _tend(self, process: asyncio.subprocess.Process) -> None:
        delay = 0.0
        while True:
            looking = asyncio.create_task(self._end_when_sick(process))
            try:
                code = await process.wait()
            finally:
                looking.cancel()
            self._clear_away(process)
            lived = now() - self._started
            delay = RESTART_DELAY_S_MIN if lived > STEADY_S or not delay else delay * 2
            delay = min(delay, RESTART_DELAY_S_MAX)
            wanted = self._wanted.is_set()
            self._tell(Event(self.name, What.DIED, delay if wanted else None, _how(code)))
            if wanted:
                await asyncio.sleep(delay)
            process = await self._spawn_again()
            self.restarts += 1
            await self._tell_when_ready(process)

    async def _end_when_sick(self, process: asyncio.subprocess.Process) -> None:
        """End a part that stays sick; its supervisor starts it again."""
        if self.spec.sick is None:
            return
        times, why = 0, ""
        while times < self._patience:
            await asyncio.sleep(SICK_LOOK_S)
            looked = self._ready.is_set() and self._wanted.is_set()
            why = await self.spec.sick() if looked else ""
            times = times + 1 if why else 0
            if not why and now() - self._started > STEADY_S * SICK_LOOKS_MAX:
                self._patience = SICK_LOOKS
        self._patience = min(self._patience * 2, SICK_LOOKS_MAX)
        self._tell(Event(self.name, What.SICK, detail=why))
        self._doom()
        await self._end(process, STOP_TIMEOUT_S)

    async def _spawn_again(self) -> asyncio.subprocess.Process:
        while True:
            await self._wanted.wait()
            try:
                return await self._spawn()
            except OSError as error:
                delay, problem = RESTART_DELAY_S_MAX, f"could not be started ({error.strerror})"
                self._tell(Event(self.name, What.DIED, delay, problem))
                await asyncio.sleep(delay)

    async def _tell_when_ready(self, process: asyncio.subprocess.Process) -> None:
        began = time.monotonic()
        ended = asyncio.create_task(process.wait())
        ready = asyncio.create_task(self._watch_patiently(process))
        late = READY_TIMEOUT_S
        try:
            while not ended.done() and not ready.done():
                await asyncio.wait((ended, ready), timeout=late, return_when="FIRST_COMPLETED")
                passed = time.monotonic() - began
                if ready.done() and not ended.done():
                    self._changed()
                    self._tell(Event(self.name, What.RESTARTED, passed))
                elif not ended.done():
                    self._tell(Event(self.name, What.UNREADY, passed))
                    late *= 2
        finally:
            ended.cancel()
            ready.cancel()

    async def _end(self, process: asyncio.subprocess.Process, timeout_s: float) -> None:
        with suppress(ProcessLookupError):
            process.send_signal(self.spec.stop_signal)
        if self._frozen:
            signal_tree(process.pid, signal.SIGCONT)  # it must wake to hear that
        try:
            async with asyncio.timeout(timeout_s):
                await process.wait()
        except TimeoutError:
            signal_tree(process.pid, signal.SIGKILL)
            await process.wait()
        self._clear_away(process)

    def _doom(self) -> None:
        self._doomed = self._process
        self._ready.clear()

    def _clear_away(self, process: asyncio.subprocess.Process) -> None:
        """Forget a dead process, and end what it started and left behind."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        self._ready.clear()
        self._ended.set()
        self._changed()

    def _failed(self, reason: str) -> PartFailed:
        return PartFailed(self.name, reason, self.spec.log, last_lines(self.spec.log))


def last_lines(log: Path, count: int = LAST_LINES) -> tuple[str, ...]:
    """Return the end of a log file; nothing when it is missing."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LAST_LINES_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ()
    return tuple(text.splitlines()[-count:])


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
