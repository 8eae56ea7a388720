"""`scriptorium up`: everything, in the foreground."""

import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tools.cli.options import DATA_DIR_DEFAULT, DataDir, folder
from tools.stack.services import ROOT, present

PORT_DEFAULT = 8300
REPLICAS_MAX = 64


class LogFormat(StrEnum):
    """Formats in which services write their logs."""

    CONSOLE = "console"
    JSON = "json"


def up(  # noqa: PLR0917 (each is an option with a name of its own)
    port: Annotated[
        int, typer.Option(min=1, max=65_535, help="Public port, of the first gateway.")
    ] = PORT_DEFAULT,
    host: Annotated[
        str, typer.Option(help="Public address; 0.0.0.0 to be reached by others.")
    ] = "127.0.0.1",
    data_dir: DataDir = DATA_DIR_DEFAULT,
    collab: Annotated[
        int, typer.Option(min=0, max=REPLICAS_MAX, help="How many collab replicas.")
    ] = 1,
    gateways: Annotated[
        int,
        typer.Option(min=0, max=REPLICAS_MAX, help="How many gateways, each with its own port."),
    ] = 1,
    archive: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            parser=folder,
            help="Keep PostgreSQL's log here; see scriptorium backup.",
        ),
    ] = None,
    observe: Annotated[
        bool,
        typer.Option(help="Serve a page of figures, and start Prometheus where it is installed."),
    ] = False,
    log_format: Annotated[LogFormat, typer.Option(help="Form of the log files.")] = (
        LogFormat.CONSOLE
    ),
) -> None:
    """Start PostgreSQL, NATS and all services, and keep them running until Ctrl-C.

    \b
    scriptorium up
    scriptorium up --port 8400 --data-dir ~/novel
    scriptorium up --collab 3 --gateways 2

    Settings of the services (docs/settings.md) come from the environment, and from settings.env in
    the data directory.
    """  # noqa: D301
    counts = dict.fromkeys(present(), 1) | {
        name: count
        for name, count in (("collab", collab), ("gateway", gateways))
        if name in present()
    }
    order = {
        "data_dir": str(data_dir.expanduser()),
        "port": port,
        "replicas": counts,
        "host": host,
        "log_format": log_format,
        "observe": observe,
        "archive": str(archive.expanduser()) if archive else None,
    }
    # The launcher lives as long as the stack: a fresh process, of the same pid, is rid of the
    # 15 MB that reading a command line has loaded.
    sys.stdout.flush()
    command = (sys.executable, "-P", "-m", "tools.cli.foreground", json.dumps(order))
    os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": str(ROOT)})  # noqa: S606
