"""Make all passwords and keys of an installation, once, and write them where it looks for them.

    python -m deploy.secrets kubernetes > secrets.yaml      Secrets, for `kubectl apply -n … -f`
    python -m deploy.secrets compose deploy/compose/secrets  files, for `docker compose`

The image has it, too: `docker run --rm -v $PWD/out:/out scriptorium deploy.secrets compose /out/x`.
"""

import argparse
import json
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from libs.contracts.ids import new_id
from libs.contracts.subjects import (
    NATS_PERMISSIONS,
    OPERATOR,
    OPERATOR_PERMISSIONS,
    SUBSCRIBER,
    Permissions,
    subscriber_permissions,
)

SERVICES = tuple(NATS_PERMISSIONS)
ADMIN = "admin"

_NATS = """\
# Written by `python -m deploy.secrets`: one user for each service, which may do what it needs.
listen: "0.0.0.0:4222"
http: "0.0.0.0:8222"
max_payload: 8MB
max_pending: 256MB
write_deadline: "10s"
lame_duck_grace_period: "5s"
lame_duck_duration: "30s"
{cluster}jetstream {{
  store_dir: "/data"
  max_memory_store: 256MB
  # Streams reserve what they may grow to, 8.3 GiB: with less, declaring them fails (10047).
  max_file_store: 12GB
  # A fact is on the disk before it is acknowledged.
  sync_interval: always
}}
accounts {{
  SYS {{ users: [ {{ user: sys, password: "{sys}" }} ] }}
  APP {{
    jetstream: enabled
    users: [
{users}
    ]
  }}
}}
system_account: SYS
"""
_CLUSTER = """\
cluster {{
  name: scriptorium
  listen: "0.0.0.0:6222"
  authorization {{ user: route, password: "{password}" }}
  routes: [
{routes}
  ]
}}
"""


def password() -> str:
    """Return a new password that needs no quoting anywhere."""
    return secrets.token_hex(20)


@dataclass(frozen=True, slots=True)
class Installation:
    """Names of the servers, and a password for each of their users."""

    postgres: str
    nats: str
    postgres_options: str = ""
    nats_servers: tuple[str, ...] = ()
    passwords: dict[str, str] = field(default_factory=dict[str, str])

    def of(self, user: str) -> str:
        """Return the password of *user*, which is made when it is first asked for."""
        return self.passwords.setdefault(user, password())

    def postgres_url(self, database: str, role: str) -> str:
        """Return the address of a database for a role."""
        secret = self.of(f"postgres:{role}")
        return f"postgresql://{role}:{secret}@{self.postgres}/{database}{self.postgres_options}"

    def nats_url(self, user: str) -> str:
        """Return the address of the bus for a user."""
        return f"nats://{user}:{self.of(f'nats:{user}')}@{self.nats}"

    def nats_configuration(self) -> str:
        """Return the configuration of the server, or of each of the servers."""
        return _NATS.format(
            cluster=self._cluster(),
            sys=self.of("nats:sys"),
            users="\n".join(self._nats_users()),
        )

    def _nats_users(self) -> Iterator[str]:
        yield self._nats_user(ADMIN, None)
        others = {OPERATOR: OPERATOR_PERMISSIONS, SUBSCRIBER: subscriber_permissions(SUBSCRIBER)}
        for name, permissions in {**NATS_PERMISSIONS, **others}.items():
            yield self._nats_user(name, permissions)

    def _nats_user(self, name: str, permissions: Permissions | None) -> str:
        allowed = ""
        if permissions:
            publish, subscribe = (
                json.dumps(permissions.publish),
                json.dumps(permissions.subscribe),
            )
            allowed = f", permissions: {{ publish: {publish}, subscribe: {subscribe} }}"
        return f'      {{ user: {name}, password: "{self.of(f"nats:{name}")}"{allowed} }}'

    def _cluster(self) -> str:
        if not self.nats_servers:
            return ""
        secret = self.of("nats:route")
        routes = "\n".join(
            f'    "nats://route:{secret}@{server}:6222"' for server in self.nats_servers
        )
        return _CLUSTER.format(password=secret, routes=routes)


def signing_key() -> tuple[str, str]:
    """Return the file name and the text of a new key that signs access tokens."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return f"{new_id()}.pem", pem.decode()


def kubernetes(nats_servers: int) -> str:
    """Return all Secrets that `deploy/kubernetes` refers to, as YAML."""
    # A single server has nobody to agree with, and would wait for the others for ever.
    numbers = range(nats_servers if nats_servers > 1 else 0)
    here = Installation(
        postgres="postgres-rw:5432",
        postgres_options="?sslmode=require",
        nats="nats:4222",
        nats_servers=tuple(f"nats-{number}.nats-headless" for number in numbers),
    )
    name, pem = signing_key()
    storage = "set this to the credentials of the object storage"
    found: dict[str, dict[str, str]] = {
        "scriptorium-nats-admin": {"nats-url": here.nats_url(ADMIN)},
        "scriptorium-nats-config": {"nats.conf": here.nats_configuration()},
        "scriptorium-vectors": {"api-key": password()},
        "scriptorium-signing-keys": {name: pem},
        "scriptorium-storage": {"access-key": storage, "secret-key": storage},
        "scriptorium-backup": {"access-key": storage, "secret-key": storage},
    }
    for service in SERVICES:
        owner = f"{service}_owner"
        found[f"scriptorium-{service}"] = {
            "username": service,
            "password": here.of(f"postgres:{service}"),
            "postgres-url": here.postgres_url(service, service),
            "nats-url": here.nats_url(service),
        }
        found[f"scriptorium-{service}-owner"] = {
            "username": owner,
            "password": here.of(f"postgres:{owner}"),
            "postgres-url": here.postgres_url(service, owner),
        }
    return "---\n".join(_secret(name, data) for name, data in sorted(found.items()))


def _secret(name: str, data: dict[str, str]) -> str:
    kind = "kubernetes.io/basic-auth" if "username" in data else "Opaque"
    # JSON is YAML, and quotes everything.
    document = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": kind,
        "stringData": data,
    }
    return json.dumps(document, indent=1) + "\n"


def compose(folder: Path) -> None:
    """Write the files that `deploy/compose` refers to into *folder*, which must be new or empty.

    Raises:
        FileExistsError: There are secrets already; new ones would not fit the databases.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; its secrets belong to the data")
    here = Installation(postgres="postgres:5432", nats="nats:4222")
    keys = folder / "keys"
    keys.mkdir()
    name, pem = signing_key()
    access, secret = secrets.token_hex(10), password()
    superuser = here.of("postgres")
    files = {
        "nats.conf": here.nats_configuration(),
        "postgres.sql": _roles(here),
        "postgres.env": f"POSTGRES_PASSWORD={superuser}\nPGPASSWORD={superuser}\n",
        "nats-admin.env": f"SCRIPTORIUM_NATS_URL={here.nats_url(ADMIN)}\n",
        "operator.env": f"SCRIPTORIUM_NATS_URL={here.nats_url(OPERATOR)}\n",
        "storage.env": f"SCRIPTORIUM_S3_ACCESS_KEY={access}\nSCRIPTORIUM_S3_SECRET_KEY={secret}\n",
        "storage.json": _storage(access, secret),
        "vectors.env": f"SCRIPTORIUM_VECTORS_API_KEY={(key := password())}\n"
        f"QDRANT__SERVICE__API_KEY={key}\n",
    }
    for service in SERVICES:
        url = here.postgres_url(service, service)
        files[f"{service}.env"] = (
            f"SCRIPTORIUM_POSTGRES_URL={url}\nSCRIPTORIUM_NATS_URL={here.nats_url(service)}\n"
        )
        owner = here.postgres_url(service, f"{service}_owner")
        files[f"{service}-owner.env"] = f"SCRIPTORIUM_POSTGRES_OWNER_URL={owner}\n"
    files[f"keys/{name}"] = pem
    for file, text in files.items():
        (folder / file).write_text(text)
        (folder / file).chmod(0o644)
    # Containers read them as users of their own; the folder itself is closed to others.
    keys.chmod(0o755)
    folder.chmod(0o700)


def _storage(access: str, secret: str) -> str:
    identity = {
        "name": "scriptorium",
        "credentials": [{"accessKey": access, "secretKey": secret}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    return json.dumps({"identities": [identity]}, indent=1) + "\n"


def _roles(here: Installation) -> str:
    """Return SQL for a new server: an owner, a run-time role and a database for each service."""
    lines = [
        # Back-ups read the log of the server as its superuser.
        r"""\! echo 'host replication postgres all scram-sha-256' >> "$PGDATA/pg_hba.conf" """,
        "REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC;",
    ]
    for service in SERVICES:
        for role in (f"{service}_owner", service):
            secret = here.of(f"postgres:{role}")
            lines.append(f"CREATE ROLE {role} LOGIN PASSWORD '{secret}' NOSUPERUSER NOINHERIT;")
        lines += [
            f"CREATE DATABASE {service} OWNER {service}_owner;",
            f"REVOKE CONNECT, TEMPORARY ON DATABASE {service} FROM PUBLIC;",
            f"GRANT CONNECT, TEMPORARY ON DATABASE {service} TO {service};",
            f"\\connect {service}",
            f"ALTER SCHEMA public OWNER TO {service}_owner;",
            "REVOKE ALL ON SCHEMA public FROM PUBLIC;",
            f"GRANT USAGE ON SCHEMA public TO {service};",
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m deploy.secrets", description=__doc__)
    parser.add_argument("form", choices=("kubernetes", "compose"))
    parser.add_argument("folder", type=Path, nargs="?", help="for compose, where files go")
    parser.add_argument("--nats-servers", type=int, default=3, help="for kubernetes; default 3")
    given = parser.parse_args()
    if given.form == "kubernetes":
        sys.stdout.write(kubernetes(given.nats_servers))
        return
    try:
        compose(given.folder or Path("secrets"))
    except FileExistsError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
