"""`scriptorium backup` and `scriptorium restore`."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from tools.cli.options import DATA_DIR_DEFAULT, Archive, DataDir, folder
from tools.cli.say import say
from tools.stack.backup import back_up
from tools.stack.restore import restore as bring_back


def backup(
    archive: Archive,
    keep: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Remove all but the newest N back-ups, and the log that none of them needs.",
        ),
    ] = None,
    data_dir: DataDir = DATA_DIR_DEFAULT,
) -> None:
    """Copy all databases of the running stack into an archive, and check the copy.

    Together with `scriptorium up --archive DIR`, which keeps what is written after it, any later
    moment can be restored; of a stack that was started without it, only the back-ups themselves.
    The archive belongs to this one stack and holds its secrets and settings: keep it where they
    may be. The bytes of files are not in it; see docs/runbooks/back-up-and-recovery.md.

    \b
    scriptorium up --archive /backup/novel
    scriptorium backup --archive /backup/novel --keep 7
    """  # noqa: D301
    made = asyncio.run(back_up(_whole(data_dir), _whole(archive), say, keep=keep))
    say(f"backed up to {made}")


def restore(
    archive: Archive,
    data_dir: Annotated[
        Path, typer.Option(metavar="DIR", parser=folder, help="New folder for the restored stack.")
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
    asyncio.run(bring_back(_whole(archive), _whole(data_dir), _moment(at), say))
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
    if moment.tzinfo is None:
        problem = f"{given!r} has no time zone; append Z for UTC, or an offset such as +02:00"
        raise typer.BadParameter(problem, param_hint="--at")
    return moment
