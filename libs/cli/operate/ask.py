"""What all groups of operators' commands need: a line for the length of one, and times."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from pydantic import TypeAdapter, ValidationError

from libs.cli.operate.line import Line, line
from libs.contracts.values import Instant

STYLE: dict[str, Any] = {
    "no_args_is_help": True,
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
"""How every group of commands behaves."""

_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


def run(data_dir: Path, nats_url: str | None, ask: Callable[[Line], Awaitable[None]]) -> None:
    """Open a line, ask, and close it."""
    directory = data_dir.expanduser()

    async def opened() -> None:
        async with line(directory, nats_url) as open_line:
            await ask(open_line)

    asyncio.run(opened())


def moment(given: str | None, option: str) -> datetime | None:
    """Return a time that was given as an option.

    Raises:
        typer.BadParameter: It is none.
    """
    if given is None:
        return None
    try:
        found = TypeAdapter(datetime).validate_python(given)
        return _INSTANT.validate_python(found if found.tzinfo else found.replace(tzinfo=UTC))
    except ValidationError:
        raise typer.BadParameter(f"{given!r} is no time in RFC 3339", param_hint=option) from None
