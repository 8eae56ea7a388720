"""`scriptorium events quarantine`: corrupt events, and the decisions about them."""

import getpass
import json
from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from pydantic import ValidationError

from libs.contracts.events import integrity as c
from libs.contracts.events.event import Event
from tools.cli.operate.ask import STYLE, run
from tools.cli.operate.line import Line, NatsUrl, Refused
from tools.cli.operate.show import time_of
from tools.cli.options import DATA_DIR_DEFAULT, DataDir
from tools.cli.say import say

quarantine = typer.Typer(help="Corrupt events: list, show, recover or accept them.", **STYLE)

VERSION_MAX = 2**31 - 1

Thing = Annotated[UUID, typer.Argument(help="The aggregate of the event.")]
Version = Annotated[int, typer.Argument(min=1, max=VERSION_MAX, help="The version of the event.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept on record with your name.")]
By = Annotated[
    str, typer.Option("--by", default_factory=getpass.getuser, help="Your name on that record.")
]


@quarantine.command("list")
def list_(
    project: Annotated[
        UUID | None, typer.Option("--project", metavar="ID", help="Only this project.")
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Decided ones too.")] = False,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """List quarantined events, the oldest finding first."""

    async def ask(line: Line) -> None:
        found = await line.ask(c.QUARANTINE, c.ListQuarantine(project_id=project, all=all_))
        for each in found.items:
            say(_summary(each))
        if not found.items:
            say("the quarantine is empty")

    run(data_dir, nats_url, ask, project=project)


@quarantine.command()
def show(
    aggregate: Thing,
    version: Version,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Show an event as it is stored, its replacement, and the decision."""

    async def ask(line: Line) -> None:
        question = c.ShowQuarantined(aggregate_id=aggregate, version=version)
        each = await line.ask(c.SHOW_QUARANTINED, question)
        say(_summary(each))
        for name, value in (("stored", each.stored), ("recovered", each.recovered)):
            if value is not None:
                say(f"{name}: {json.dumps(value, ensure_ascii=False, indent=2)}")
        for noted in each.decisions:
            at = time_of(datetime.fromisoformat(noted["decided_at"]))
            say(f"{at}  {noted['decision']} by {noted['decided_by']}: {noted['reason']}")

    run(data_dir, nats_url, ask)


@quarantine.command()
def recover(  # noqa: PLR0917 (each is an option with a name of its own)
    aggregate: Thing,
    version: Version,
    file: Annotated[
        Path, typer.Argument(help="The original as JSON; several in a row, one in each line.")
    ],
    reason: Reason,
    by: By,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Replace a corrupt event by its original, from a peer's copy or a back-up.

    The original is accepted only if its checksum fits the chain.
    """
    question = c.Decide(
        aggregate_id=aggregate, version=version, originals=_originals(file), by=by, reason=reason
    )
    _decide(question, data_dir, nats_url)


@quarantine.command()
def accept(  # noqa: PLR0917 (each is an option with a name of its own)
    aggregate: Thing,
    version: Version,
    reason: Reason,
    by: By,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Accept a corrupt event as it is stored, because its original is lost."""
    question = c.Decide(aggregate_id=aggregate, version=version, by=by, reason=reason)
    _decide(question, data_dir, nats_url)


def _decide(question: c.Decide, data_dir: Path, nats_url: str | None) -> None:
    async def ask(line: Line) -> None:
        say(_summary(await line.ask(c.DECIDE, question)))

    run(data_dir, nats_url, ask)


def _originals(file: Path) -> list[Event]:
    try:
        text = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Refused(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Refused(f"{file} holds no event: it is not UTF-8 text") from error
    try:
        return [Event.model_validate_json(text)]
    except ValidationError:
        pass
    try:
        return [Event.model_validate_json(line) for line in text.splitlines()]
    except ValidationError as error:
        raise Refused(f"{file} holds no event: {error.errors()[0]['msg']}") from error


def _summary(each: c.Quarantined) -> str:
    return (
        f"{time_of(each.found_at)}  {each.state:9} {each.flaw:8}"
        f" version {each.version} of {each.aggregate_id}  found by {each.found_by}"
    )
