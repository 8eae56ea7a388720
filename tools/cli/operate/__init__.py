"""Commands for those who run the system; they ask the services over the bus.

A group is a module here with a `typer.Typer` of the same name, and a line in `tools.cli.__main__`.
It is loaded only when it is called: the bus would make every other command slower.
"""

from importlib import import_module
from typing import Any

import typer

_PASSED_ON: dict[str, Any] = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}


def add_group(app: typer.Typer, name: str, help: str) -> None:  # noqa: A002 (as typer calls it)
    """Make the group *name* of this package known to *app*."""

    def group(context: typer.Context) -> None:
        commands = getattr(import_module(f"{__name__}.{name}"), name)
        commands(context.args, prog_name=f"scriptorium {name}")

    app.command(name, help=help, context_settings=_PASSED_ON, add_help_option=False)(group)
