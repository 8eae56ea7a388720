"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

DATA_DIR_DEFAULT = Path(".scriptorium")


def folder(given: str | Path) -> Path:
    """Return a folder that was named; an empty name, as of a variable that is not set, is a slip.

    Raises:
        typer.BadParameter: It is empty.
    """
    if not str(given).strip():
        raise typer.BadParameter("the name of the folder is empty")
    return Path(given)


DataDir = Annotated[
    Path,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        parser=folder,
        help="Folder that keeps all data, logs and secrets.",
    ),
]

Archive = Annotated[
    Path,
    typer.Option(
        "--archive", metavar="DIR", parser=folder, help="Folder of back-ups and the log since."
    ),
]
