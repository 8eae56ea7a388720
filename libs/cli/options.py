"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

DATA_DIR_DEFAULT = Path(".scriptorium")

DataDir = Annotated[
    Path,
    typer.Option("--data-dir", metavar="DIR", help="Folder that keeps all data, logs and secrets."),
]

Archive = Annotated[
    Path,
    typer.Option("--archive", metavar="DIR", help="Folder of back-ups and the log since."),
]
