"""Probes come over the network, as the kubelet's do."""

import asyncio
import os
import socket
import sys

import httpx
import psutil
import pytest

from tests.gateway.support import until
from tools.stack import Stack, runfile
from tools.stack.ports import choose_port
from tools.stack.services import ROOT

WAIT_S = 30.0


def own_address() -> str | None:
    """An address of this machine under which others reach it."""
    addresses = (each for every in psutil.net_if_addrs().values() for each in every)
    known = [each.address for each in addresses if each.family == socket.AF_INET]
    return next((each for each in known if not each.startswith("127.")), None)


@pytest.mark.parametrize(("host", "reached"), [("0.0.0.0", True), (None, False)])
async def test_a_process_is_probed_from_elsewhere_when_it_is_told_to(
    stack: Stack, host: str | None, reached: bool
):
    """SCRIPTORIUM_OPS_HOST as in a pod; without it nobody from elsewhere sees its figures."""
    address = own_address()
    if address is None:
        pytest.skip("this machine has no address but those of the loopback")
    replica = next(each for each in runfile.read(stack.data_dir)[1] if each.part == "events-1")
    port = choose_port(set())
    environment = psutil.Process(replica.pid).environ() | {
        "SCRIPTORIUM_REPLICA": "events-9",
        "SCRIPTORIUM_OPS_PORT": str(port),
        **({"SCRIPTORIUM_OPS_HOST": host} if host else {}),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.events.app"),
        cwd=ROOT,
        env=os.environ | environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(timeout=5, trust_env=False) as http:

            async def status(where: str, path: str) -> int | None:
                try:
                    return (await http.get(f"http://{where}:{port}{path}")).status_code
                except httpx.TransportError:
                    return None

            async def ready() -> bool:
                return await status("127.0.0.1", "/readyz") == 200

            await until(ready, WAIT_S)
            told = [await status(address, path) for path in ("/livez", "/healthz", "/readyz")]
    finally:
        process.terminate()
        await process.wait()

    assert told == [200 if reached else None] * 3
