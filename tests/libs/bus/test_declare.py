"""Streams reserve room; a server that has less is told of in a sentence, and ours have enough."""

import asyncio
import os
import re
import sys
from pathlib import Path

import yaml

from deploy.secrets import Installation
from libs.bus.declare import reserved_bytes
from tools.stack import nats
from tools.stack.ports import LOOPBACK, choose_port
from tools.stack.services import ROOT

UNITS = {"GB": 10**9, "MB": 10**6, "Gi": 1 << 30}


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+)(GB|MB|Gi)", text)
    assert found, text
    return int(found[1]) * UNITS[found[2]]


async def test_a_server_without_room_is_one_sentence(tmp_path: Path) -> None:
    """JetStream answers with a number, which an operator had to look up."""
    port = choose_port(set())
    store = f'jetstream {{ store_dir: "{tmp_path}", max_file_store: 1GB }}'
    (tmp_path / "nats.conf").write_text(f'listen: "{LOOPBACK}:{port}"\n{store}\n')
    server = await asyncio.create_subprocess_exec(
        str(nats.find_binary()),
        *("-c", str(tmp_path / "nats.conf")),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        declaring = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "libs.bus.declare"),
            cwd=ROOT,
            env=os.environ | {"SCRIPTORIUM_NATS_URL": f"nats://{LOOPBACK}:{port}"},
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await declaring.communicate()
    finally:
        server.terminate()
        await server.wait()

    assert declaring.returncode == 1
    assert said.decode().splitlines()[-1].startswith("NATS has less room for files")


def test_every_configuration_of_ours_has_room() -> None:
    """On the laptop, in Compose and in Kubernetes, whose volume has room for it, too."""
    written = [
        Installation(postgres="x", nats="x").nats_configuration(),
        Path(nats.__file__).read_text(),
    ]
    for text in written:
        (size,) = re.findall(r"max_file_store: (\w+)", text)
        assert _bytes(size) > reserved_bytes()

    component = (ROOT / "deploy/kubernetes/components/nats/nats.yaml").read_text()
    (stateful,) = [each for each in yaml.safe_load_all(component) if each["kind"] == "StatefulSet"]
    (claim,) = stateful["spec"]["volumeClaimTemplates"]
    volume = _bytes(claim["spec"]["resources"]["requests"]["storage"])
    assert volume > _bytes(re.findall(r"max_file_store: (\w+)", written[0])[0])
