"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

DATA_DIR_DEFAULT = Path(".scriptorium")

DataDir = Annotated[
    Path,
    typer.Option("--data-dir", metavar="DIR", help="Folder that keeps all data, logs and secrets."),
]
