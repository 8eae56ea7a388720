"""TCP ports: chosen once, outside the range from which the kernel gives ports to clients."""

import asyncio
import errno
import os
import random
import socket
from pathlib import Path

from tools.stack.errors import PortTaken, StackError

LOOPBACK = "127.0.0.1"
CHOICE_FIRST = 20_000
CHOICE_LAST = 32_767
PORT_LAST = 65_535
RANGE_VARIABLE = "SCRIPTORIUM_PORTS"
"""`first-last`: the range to choose from. Give several systems on one machine a range each."""
CHOICE_TRIES_MAX = 1_000
FREE_WAIT_S_MAX = 5.0
_FREE_PAUSE_S = 0.05
_CLIENT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def choose_port(taken: set[int]) -> int:
    """Choose a port that is free now and not in *taken*.

    A port from the kernel's own range (as for bind 0) may, while its server restarts, become
    the local end of a client that keeps reconnecting to it, which then talks to itself and keeps
    the server out. So choose below that range.

    Raises:
        StackError: None was found, or `SCRIPTORIUM_PORTS` is no range.
    """
    first, last = _range()
    last = min(last, _client_ports_first() - 1)
    for attempt in range(CHOICE_TRIES_MAX):
        below = last > first and attempt < CHOICE_TRIES_MAX // 2
        port = random.randint(first, last) if below else _port_of_kernel()
        if port not in taken and not why_not_free(LOOPBACK, port):
            return port
    raise StackError("no free TCP port was found on 127.0.0.1")


def why_not_free(host: str, port: int) -> OSError | None:
    """Try to listen; returns what the system said against it, or None."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
            trial.listen(1)
    except OSError as error:
        return error
    return None


async def require_free(part: str, host: str, port: int, *, wait_s: float = 0.0) -> None:
    """Return when *part* may listen on *port*; parts of a killed launcher need a moment to end.

    Raises:
        PortTaken: Another program still listens after *wait_s*.
        StackError: The address is not ours to listen on.
    """
    deadline = asyncio.get_running_loop().time() + wait_s
    while error := why_not_free(host, port):
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise StackError(f"{host} is not an address of this machine")
        if error.errno == errno.EACCES:
            raise StackError(f"not permitted to listen on port {port}; choose one above 1023")
        if error.errno != errno.EADDRINUSE:
            raise StackError(f"cannot listen on {host} port {port}: {error.strerror}")
        if asyncio.get_running_loop().time() >= deadline:
            raise PortTaken(f"port {port} ({part}) is in use by another program")
        await asyncio.sleep(_FREE_PAUSE_S)


def _range() -> tuple[int, int]:
    given = os.environ.get(RANGE_VARIABLE)
    if not given:
        return CHOICE_FIRST, CHOICE_LAST
    first, _, last = given.partition("-")
    if not (first.isdecimal() and last.isdecimal() and int(first) < int(last) <= PORT_LAST):
        raise StackError(f"{RANGE_VARIABLE} should be like 20000-24999, not {given!r}")
    return int(first), int(last)


def _client_ports_first() -> int:
    try:
        return int(_CLIENT_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return CHOICE_LAST + 1


def _port_of_kernel() -> int:
    with socket.socket() as any_port:
        any_port.bind((LOOPBACK, 0))
        return any_port.getsockname()[1]
