"""One database, one owner role and one run-time role per service; made anew only when missing.

A process of its own, so that the launcher need not carry a
database driver. It reads one JSON object from `SCRIPTORIUM_PROVISION`: `{"url": superuser's URL
without database, "services": {name: {"owner": password, "role": password}}}`.
"""

import asyncio
import json
import os
from typing import Any

import asyncpg

_ROLE = "CREATE ROLE {name} LOGIN PASSWORD '{password}' NOSUPERUSER NOINHERIT"
_EVERY_START = (
    "ALTER SCHEMA public OWNER TO {owner}",
    "REVOKE ALL ON SCHEMA public FROM PUBLIC",
    # The rest is granted, table by table, by the service's migrations.
    "GRANT USAGE ON SCHEMA public TO {role}",
)


async def provision(url: str, services: dict[str, dict[str, str]]) -> None:
    """Create what is missing.

    Raises:
        asyncpg.PostgresError: The server refused a statement.
        OSError: The server is not reachable.
    """
    connection = await asyncpg.connect(f"{url}/postgres")
    try:
        roles = {row[0] for row in await connection.fetch("SELECT rolname FROM pg_roles")}
        databases = {row[0] for row in await connection.fetch("SELECT datname FROM pg_database")}
        await connection.execute("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC")
        for name, passwords in services.items():
            for role, password in (
                (f"{name}_owner", passwords["owner"]),
                (name, passwords["role"]),
            ):
                if role not in roles:
                    # Our own hexadecimal password: nothing in it needs quoting.
                    await connection.execute(_ROLE.format(name=f'"{role}"', password=password))
            if name not in databases:
                await connection.execute(f'CREATE DATABASE "{name}" OWNER "{name}_owner"')
            await connection.execute(f'REVOKE CONNECT, TEMPORARY ON DATABASE "{name}" FROM PUBLIC')
            await connection.execute(f'GRANT CONNECT, TEMPORARY ON DATABASE "{name}" TO "{name}"')
        # The checkpointer began while the server was recovering, when archive_timeout does not
        # count, and sleeps for minutes. This wakes it: the first minutes are archived, too.
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()
    await asyncio.gather(*(_within(f"{url}/{name}", name) for name in services))


async def _within(url: str, name: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in _EVERY_START:
            await connection.execute(statement.format(owner=f'"{name}_owner"', role=f'"{name}"'))
    finally:
        await connection.close()


if __name__ == "__main__":
    wanted: dict[str, Any] = json.loads(os.environ["SCRIPTORIUM_PROVISION"])
    asyncio.run(provision(wanted["url"], wanted["services"]))
