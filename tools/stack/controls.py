"""Queries about, and commands to, the parts of a running stack."""

from pathlib import Path
from signal import Signals

from tools.stack.part import READY_TIMEOUT_S, Part
from tools.stack.ports import LOOPBACK


class Controls:
    """The parts of a stack by name: `postgres`, `nats`, `collab-1`, `gateway-1`...

    Every method raises KeyError for a name that does not exist.
    """

    def __init__(self, *, supervise: bool) -> None:
        """Begin without parts."""
        self._supervise = supervise
        self._parts: dict[str, Part] = {}

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of all parts, in the order in which they started."""
        return tuple(self._parts)

    def ops_url(self, part: str) -> str:
        """Return where *part* answers /readyz and /metrics (for `nats`: its monitoring)."""
        return f"http://{LOOPBACK}:{self._parts[part].spec.port}"

    def pid(self, part: str) -> int | None:
        """Process id of *part*; None while it is down."""
        return self._parts[part].pid

    def restarts(self, part: str) -> int:
        """Return how often *part* was restarted."""
        return self._parts[part].restarts

    def logs(self, part: str) -> Path:
        """File with the output of *part*."""
        return self._parts[part].spec.log

    def kill(self, part: str) -> None:
        """SIGKILL it and its descendants, as when a container is killed."""
        self._parts[part].signal(Signals.SIGKILL)

    def terminate(self, part: str) -> None:
        """Ask it to end in good order."""
        self._parts[part].signal(self._parts[part].spec.stop_signal)

    def freeze(self, part: str) -> None:
        """SIGSTOP it and its descendants: alive, and silent."""
        self._parts[part].signal(Signals.SIGSTOP)

    def thaw(self, part: str) -> None:
        """SIGCONT it and its descendants."""
        self._parts[part].signal(Signals.SIGCONT)

    def hold(self, part: str) -> None:
        """Leave it down when it dies, until `release`."""
        self._parts[part].hold()

    def release(self, part: str) -> None:
        """Bring it back now if it is down, and whenever it dies."""
        self._parts[part].release()

    async def restart(self, part: str, timeout_s: float = READY_TIMEOUT_S) -> None:
        """End it in good order, start it, and wait until it is ready.

        Raises:
            PartFailed: It was not ready within *timeout_s*.
        """
        await self._parts[part].restart(timeout_s)
        if not self._supervise:
            self._parts[part].hold()

    async def wait_ended(self, part: str, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Return when it is down; raises TimeoutError."""
        await self._parts[part].wait_ended(timeout_s)

    async def wait_ready(self, part: str, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Return when it answers that it is ready; after `kill`, only its successor counts.

        Raises:
            PartFailed: It did not within *timeout_s*.
        """
        await self._parts[part].wait_ready(timeout_s)
