"""Migrate the database of one service, or wait until it was: `python -m libs.postgres.migrate`."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

import asyncpg

from libs.postgres.migrations import MigrationError, migrate, wait_until_migrated


def main(arguments: Sequence[str] | None = None) -> None:
    """Migrate the database of one service, or wait until it was migrated."""
    parser = argparse.ArgumentParser(
        prog="python -m libs.postgres.migrate",
        description="Apply the migrations of a service as the owner of its database, whose address"
        " is SCRIPTORIUM_POSTGRES_OWNER_URL.",
    )
    parser.add_argument("service", help="such as events")
    parser.add_argument("--role", help="the run-time role that gets rights; the service's name")
    parser.add_argument(
        "--wait",
        action="store_true",
        help="change nothing; return when the database of SCRIPTORIUM_POSTGRES_URL is migrated",
    )
    given = parser.parse_args(arguments)
    package = f"services.{given.service}"
    variable = f"SCRIPTORIUM_POSTGRES_{'' if given.wait else 'OWNER_'}URL"
    url = os.environ.get(variable)
    if not url:
        sys.exit(f"{variable} is not set")
    try:
        if given.wait:
            asyncio.run(wait_until_migrated(url, package))
        else:
            count = asyncio.run(migrate(url, package, role=given.role or given.service))
            sys.stdout.write(f"{given.service}: {count} migrations applied\n")
    except ModuleNotFoundError:
        sys.exit(f"there is no service {given.service}")
    except (MigrationError, asyncpg.PostgresError, OSError) as error:
        sys.exit(f"{given.service}: {error}")


if __name__ == "__main__":
    main()
