"""`scriptorium status`: the parts and their state."""

import asyncio

import typer

from tools.cli.options import DATA_DIR_DEFAULT, DataDir
from tools.cli.say import complain, say

_COLUMNS = ("part", "pid", "memory", "restarts", "health")


def status(data_dir: DataDir = DATA_DIR_DEFAULT) -> None:
    """Ask every part of the running stack how it is, and print a table.

    Exits with 1 when nothing runs, with 2 when a part is down or not ready.

    \b
    scriptorium status --data-dir ~/novel
    """  # noqa: D301
    # Both are heavy, and only wanted here.
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from tools.stack.survey import survey  # noqa: PLC0415

    found = asyncio.run(survey(data_dir.expanduser()))
    if found is None:
        complain(f"nothing runs on {data_dir}; start it with: scriptorium up")
        raise typer.Exit(1)
    table = Table(box=None, pad_edge=False)
    for column in _COLUMNS:
        table.add_column(column, justify="right" if column in _COLUMNS[1:4] else "left")
    table.add_row("launcher", str(found.pid), _megabytes(found.memory_bytes), "", "")
    for part in found.parts:
        table.add_row(
            part.part,
            str(part.pid),
            _megabytes(part.memory_bytes),
            str(part.restarts),
            "[green]ready[/]" if part.ready else "[red]not ready[/]",
        )
    total = found.memory_bytes + sum(part.memory_bytes for part in found.parts)
    table.add_row("all", "", _megabytes(total), "", "")
    Console().print(table)
    if found.url:
        say(found.url)
    if not all(part.ready for part in found.parts):
        raise typer.Exit(2)


def _megabytes(count: int) -> str:
    return f"{count / (1 << 20):.0f} MB"
