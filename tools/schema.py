"""`python -m tools.schema`: write `services/<name>/schema.sql`, the schema that migrations lead to.

The files are for readers and for review: a change of a migration shows as a change of the schema.
No service reads them. A test compares each with a freshly migrated database.
"""

import asyncio
import os
import re
import sys
import tempfile
from pathlib import Path

from libs.postgres import migrate
from libs.postgres.migrations import migrations_of
from tools.stack import Stack
from tools.stack.postgres import find_binaries

ROOT = Path(__file__).parents[1]
SERVICES = tuple(sorted(each.parent.name for each in ROOT.glob("services/*/migrations")))

_HEADER = """\
-- The schema of the {service} database after migration {newest}.
-- Written by `python -m tools.schema`; do not edit. Change the schema by a new migration.
"""
_VOLATILE = re.compile(r"^(--|SET |SELECT pg_catalog\.set_config|\\(un)?restrict )")
"""Lines of pg_dump that are comments, settings of the session, or different in every run."""


def path_of(service: str) -> Path:
    """Return the file that shows the schema of a service."""
    return ROOT / "services" / service / "schema.sql"


async def schema_of(stack: Stack, service: str) -> str:
    """Migrate the empty database of a service and return its schema as SQL.

    Args:
        stack: A running PostgreSQL whose database of the service is empty.
        service: The name of the service.

    Raises:
        RuntimeError: pg_dump failed; the message has its reason.
    """
    package, owner_url = f"services.{service}", stack.postgres_url(service, f"{service}_owner")
    await migrate(owner_url, package, role=service)
    process = await asyncio.create_subprocess_exec(
        str(find_binaries() / "pg_dump"),
        *("--schema-only", "--no-owner", "--schema=public", owner_url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(os.environ) | {"LC_ALL": "C"},
    )
    dumped, reason = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"pg_dump failed: {reason.decode().strip()}")
    newest = migrations_of(package)[-1].name.removesuffix(".sql")
    return _HEADER.format(service=service, newest=newest) + _readable(dumped.decode())


def _readable(dumped: str) -> str:
    """Return what pg_dump wrote without lines that say nothing about the schema."""
    kept = "\n".join(line for line in dumped.splitlines() if not _VOLATILE.match(line))
    return re.sub(r"\n{3,}", "\n\n", f"\n{kept.strip()}\n")


async def main() -> int:
    """Write all schema files, and say which of them changed."""
    with tempfile.TemporaryDirectory() as folder:
        async with Stack(Path(folder) / "data", replicas={}) as stack:
            for service in SERVICES:
                text, path = await schema_of(stack, service), path_of(service)
                changed = not path.exists() or path.read_text() != text
                path.write_text(text)
                sys.stdout.write(f"{path.relative_to(ROOT)}: {'written' if changed else 'same'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
