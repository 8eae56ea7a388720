"""Shared by all groups of operators' commands: the connection of one command, and its arguments."""

import asyncio
import os
import string
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import typer
from pydantic import TypeAdapter, ValidationError

from libs import errors
from libs.contracts.events.lifecycle import LIST_PURGES, ListPurges
from libs.contracts.events.manuscript import AUTHORIZE, Authorize
from libs.contracts.events.resources import Kind
from libs.contracts.values import Instant
from tools.cli.operate.line import NOBODY, Line, Refused, line

SHA256_DIGITS = 64

STYLE: dict[str, Any] = {
    "no_args_is_help": True,
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
"""Settings of every group of commands."""

_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


def run(
    data_dir: Path,
    nats_url: str | None,
    ask: Callable[[Line], Awaitable[None]],
    *,
    project: UUID | None = None,
) -> None:
    """Open a line, ask, and close it; a question about one *project* needs one that existed.

    Raises:
        Refused: There never was such a project, or a service refused.
    """
    directory = data_dir.expanduser()

    async def opened() -> None:
        async with line(directory, nats_url) as open_line:
            if project:
                await require_known(open_line, "project", project)
            await ask(open_line)

    asyncio.run(opened())


async def require_known(open_line: Line, kind: Kind, thing: UUID) -> None:
    """Return if such a thing exists or existed, or if no service can tell.

    Raises:
        Refused: There never was.
    """
    try:
        question = Authorize(user_id=NOBODY.user_id, kind=kind, id=thing)
        known = (await open_line.ask(AUTHORIZE, question)).project_id is not None
        if not known and kind == "project":
            purged = ListPurges(project_id=thing, limit=1)
            known = bool((await open_line.ask(LIST_PURGES, purged)).items)
    except Refused as refusal:
        if isinstance(refusal.__cause__, errors.Unavailable | errors.Internal):
            return
        raise
    if not known:
        raise Refused(f"there is no {kind} {thing}")


def sha256(given: str) -> str:
    """Return a SHA-256 in the form in which it is kept; other programs print it in capitals.

    Raises:
        typer.BadParameter: It is none.
    """
    digest = given.strip().lower()
    if len(digest) != SHA256_DIGITS:
        raise typer.BadParameter(
            f"{given!r} has {len(digest)} characters; a SHA-256 has {SHA256_DIGITS}"
            " hexadecimal digits"
        )
    if set(digest) - set(string.hexdigits):
        raise typer.BadParameter(f"{given!r} is no SHA-256: it needs 64 hexadecimal digits")
    return digest


def new_file(given: Path | None) -> Path | None:
    """Return where a report is to be written, before the work that it is about.

    Raises:
        typer.BadParameter: It could not be written there.
    """
    if given is None:
        return None
    path = given.expanduser()
    if not path.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {path.parent}")
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a folder")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise typer.BadParameter(f"{path} cannot be written")
    return path


def moment(given: str | None, option: str) -> datetime | None:
    """Return a time that was given as an option.

    Raises:
        typer.BadParameter: It is none.
    """
    if given is None:
        return None
    try:
        found = TypeAdapter(datetime).validate_python(given)
    except ValidationError:
        raise typer.BadParameter(f"{given!r} is no time in RFC 3339", param_hint=option) from None
    if found.tzinfo is None:
        problem = f"{given!r} has no time zone; append Z for UTC, or an offset such as +02:00"
        raise typer.BadParameter(problem, param_hint=option)
    try:
        return _INSTANT.validate_python(found)
    except ValidationError:
        raise typer.BadParameter(f"{given!r} is no time in RFC 3339", param_hint=option) from None
