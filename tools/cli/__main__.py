"""The `scriptorium` command: `python -m tools.cli`, or `bin/scriptorium`.

To add a command: a module here with a function and a line below, or a group in `operate`.
Import what is heavy inside the function: `scriptorium up` is the launcher itself and stays lean.
"""

import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from tools.cli import backup, demo, down, logs, status, up
from tools.cli.operate import add_group
from tools.cli.say import complain
from tools.stack import StackError

app = typer.Typer(
    name="scriptorium",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(up.up)
app.command()(status.status)
app.command()(logs.logs)
app.command()(down.down)
app.command()(backup.backup)
app.command()(backup.restore)
app.command()(demo.demo)
add_group(app, "collab", "The text of scenes: inspect, verify, repair, compact, snapshot.")
add_group(app, "migrate", "Migrate the data of an older system.")
add_group(app, "events", "The event log: read, verify, repair, export, rebuild from it.")
add_group(app, "blobs", "Files: inspect, verify, repair, collect, archive.")
add_group(app, "index", "The index of search: how far it is; make it anew.")
add_group(app, "dlq", "Dead letters: facts that a consumer gave up; replay or drop them.")


def _version(wanted: bool) -> None:
    if wanted:
        project = Path(__file__).parents[2] / "pyproject.toml"
        print(tomllib.loads(project.read_text())["project"]["version"])
        raise typer.Exit


@app.callback()
def scriptorium(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A writing room on this machine: start it, look at it, stop it.

    \b
    scriptorium up                  start everything; prints "ready" when it is
    scriptorium status              show the parts and their state
    scriptorium logs collab-1 -f    follow the log of one part
    scriptorium down                stop the stack in the background
    scriptorium backup, restore     back up; restore any moment

    All data is kept in one folder, ./.scriptorium unless --data-dir names another.
    """  # noqa: D301 (typer's mark for a paragraph that keeps its lines)


def main() -> None:
    """Run one command; a failure is one line on stderr and a non-zero exit."""
    try:
        app(prog_name="scriptorium")
    except StackError as error:
        complain(error)
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except ValueError as error:
        complain(_mistake(error))
    else:
        return
    sys.exit(1)


def _mistake(error: ValueError) -> str:
    """Say what is wrong with a question that could not be put together.

    Raises:
        ValueError: It is no such mistake, but one of our own.
    """
    problems: Any = getattr(error, "errors", None)  # pydantic's, which only some commands load
    if problems is None:
        raise error
    first = problems(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


if __name__ == "__main__":
    main()
