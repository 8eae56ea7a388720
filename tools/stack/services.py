"""Our own services as parts: which there are, and the environment each is given."""

import sys
from collections.abc import Mapping
from pathlib import Path

from libs.contracts.subjects import NATS_PERMISSIONS
from tools.stack.directory import Directory
from tools.stack.errors import BinaryMissing
from tools.stack.part import Spec
from tools.stack.ports import LOOPBACK
from tools.stack.probe import http_ok

GATEWAY = "gateway"
BLOBS = "blobs"
INDEXER = "indexer"
SERVICES = tuple(NATS_PERMISSIONS)
"""Each has a database and a user on the bus, whether it runs or not."""

ROOT = Path(__file__).parents[2]
"""The root of the checkout, which holds `libs` and `services`."""


def present() -> tuple[str, ...]:
    """Services that are part of this release."""
    return tuple(name for name in SERVICES if (ROOT / "services" / name / "app.py").is_file())


def postgres_url(directory: Directory, database: str, role: str) -> str:
    """Address of *database* for *role*, with its password."""
    password = directory.password(f"postgres:{role}" if role != "postgres" else role)
    return f"postgresql://{role}:{password}@{LOOPBACK}:{directory.port('postgres')}/{database}"


def nats_url(directory: Directory, user: str) -> str:
    """Address of the bus for *user*, with its password."""
    password = directory.password(f"nats:{user}")
    return f"nats://{user}:{password}@{LOOPBACK}:{directory.port('nats')}"


def bytes_port(directory: Directory, number: int) -> int:
    """Port of the listener for bytes of one blobs replica."""
    return directory.port(f"{BLOBS}-{number}:bytes")


def prepare(
    directory: Directory,
    service: str,
    number: int,
    *,
    environment: Mapping[str, str],
    log_format: str,
    public: tuple[str, int] | None,
) -> Spec:
    """Describe one replica; *public* is where a gateway listens.

    Raises:
        BinaryMissing: This release has no such service.
    """
    if service not in present():
        raise BinaryMissing(f"there is no service {service!r} in this release")
    name = f"{service}-{number}"
    ops = directory.port(name)
    ours = {
        "SCRIPTORIUM_REPLICA": name,
        "SCRIPTORIUM_POSTGRES_URL": postgres_url(directory, service, service),
        "SCRIPTORIUM_POSTGRES_OWNER_URL": postgres_url(directory, service, f"{service}_owner"),
        "SCRIPTORIUM_NATS_URL": nats_url(directory, service),
        "SCRIPTORIUM_OPS_PORT": str(ops),
        "SCRIPTORIUM_LOG_FORMAT": log_format,
    }
    if public:
        ours |= {
            "SCRIPTORIUM_HOST": public[0],
            "SCRIPTORIUM_PORT": str(public[1]),
            "SCRIPTORIUM_KEYS_DIR": str(directory.path / "keys"),
        }
        if BLOBS in present():
            ours["SCRIPTORIUM_BLOBS_URL"] = f"http://{LOOPBACK}:{bytes_port(directory, 1)}/bytes"
        if public[0] == LOOPBACK:
            # On one's own machine the user is the operator; an open port needs named operators.
            environment = {"SCRIPTORIUM_OPERATORS": "*", **environment}
    if service == BLOBS:
        port = bytes_port(directory, number)
        ours |= {
            "SCRIPTORIUM_BYTES_PORT": str(port),
            "SCRIPTORIUM_BYTES_URL": f"http://{LOOPBACK}:{port}",
        }
        # A folder here unless the person who starts it has a bucket.
        folder = (directory.path / "blobs").as_uri()
        if not environment.get("SCRIPTORIUM_STORAGE_URL"):
            environment = {**environment, "SCRIPTORIUM_STORAGE_URL": folder}
    if service == INDEXER and not environment.get("SCRIPTORIUM_VECTORS_URL"):
        folder = (directory.path / "vectors" / name).as_uri()
        environment = {**environment, "SCRIPTORIUM_VECTORS_URL": folder}
    return Spec(
        name=name,
        command=(sys.executable, "-m", f"services.{service}.app"),
        environment={**environment, **ours},
        cwd=ROOT,
        log=directory.log(name),
        port=ops,
        ready=lambda: http_ok(ops, "/readyz"),
    )
