"""`scriptorium backup` and `scriptorium restore`."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from libs.cli.options import DATA_DIR_DEFAULT, Archive, DataDir
from libs.cli.say import say
from libs.stack import backup as archives


def backup(archive: Archive, data_dir: DataDir = DATA_DIR_DEFAULT) -> None:
    """Copy all databases of the running stack into an archive, and check the copy.

    Together with `scriptorium up --archive DIR`, which keeps what is written after it, any later
    moment can be restored. The archive holds the stack's secrets: keep it where they may be.

    \b
    scriptorium up --archive /backup/novel
    scriptorium backup --archive /backup/novel
    """  # noqa: D301
    made = asyncio.run(archives.back_up(_whole(data_dir), _whole(archive), say))
    say(f"backed up to {made}")


def restore(
    archive: Archive,
    data_dir: Annotated[
        Path, typer.Option(metavar="DIR", help="New folder for the restored stack.")
    ],
    at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Moment in RFC 3339, such as 2026-05-01T09:30:00Z."),
    ] = None,
) -> None:
    """Make a new data directory with everything as it was at a moment; by default the latest.

    The archive is only read; the stack that it is of may be running.

    \b
    scriptorium restore --archive /backup/novel --data-dir novel-2 --at 2026-05-01T09:30:00Z
    scriptorium up --data-dir novel-2 --port 8301
    """  # noqa: D301
    asyncio.run(archives.restore(_whole(archive), _whole(data_dir), _moment(at), say))
    say(f"restored; start it with: scriptorium up --data-dir {data_dir}")


def _whole(path: Path) -> Path:
    return path.expanduser().absolute()


def _moment(given: str | None) -> datetime | None:
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise typer.BadParameter(f"{given!r} is no time in RFC 3339", param_hint="--at") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
