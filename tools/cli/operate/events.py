"""`scriptorium events`: the log of everything but text, for those who run the system."""

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from libs.contracts.events import integrity as c
from libs.contracts.events import lifecycle
from tools.cli.operate.ask import STYLE, moment, run
from tools.cli.operate.line import Line, NatsUrl, Refused
from tools.cli.operate.quarantine import quarantine
from tools.cli.operate.show import due_line, event_line, purge_line, told
from tools.cli.options import DATA_DIR_DEFAULT, DataDir
from tools.cli.say import complain, say
from tools.stack.directory import owner_of, read_state
from tools.stack.ports import LOOPBACK
from tools.stack.services import ROOT

events = typer.Typer(help="The event log: read, verify, repair, export, rebuild from it.", **STYLE)
events.add_typer(quarantine, name="quarantine")

POLL_S = 0.5

Project = Annotated[UUID | None, typer.Option("--project", metavar="ID", help="Only this project.")]
OwnerUrl = Annotated[
    str | None,
    typer.Option(
        "--postgres-url",
        envvar="SCRIPTORIUM_POSTGRES_OWNER_URL",
        metavar="URL",
        help="The events database as its owner, for a system that is not in --data-dir.",
    ),
]


@events.command()
def inspect(
    id: Annotated[UUID, typer.Argument(help="Id of a thing, or of one of its events.")],  # noqa: A002
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Show the history of one thing: its events in order, their flaws, and the resulting state."""

    async def ask(open_line: Line) -> None:
        story = await open_line.ask(c.INSPECT, c.Inspect(id=id))
        say(f"{story.aggregate_type} {story.aggregate_id}, version {story.version}")
        say(f"project {story.project_id}")
        for chapter in story.chapters:
            mark = "  " if chapter.sound and not chapter.state else "! "
            state = f"  [{chapter.state or 'flawed'}]" if mark == "! " else ""
            say(mark + event_line(chapter.event) + state)
        for flaw in story.flawed:
            say(f"! version {flaw.version} is {flaw.flaw}")
        now = json.dumps(story.row, ensure_ascii=False, indent=2) if story.row else "gone"
        say(f"now: {now}")

    run(data_dir, nats_url, ask)


@events.command()
def search(  # noqa: PLR0917 (each is an option with a name of its own)
    text: Annotated[str | None, typer.Argument(help="Words in the data, in any case.")] = None,
    project: Project = None,
    person: Annotated[
        UUID | None, typer.Option(metavar="ID", help="Only changes by this person.")
    ] = None,
    type: Annotated[  # noqa: A002
        str | None, typer.Option(help="Such as scene, or scene.title_changed.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="RFC 3339.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="RFC 3339.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=c.SEARCH_EVENTS_MAX)] = 50,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Find events, the newest first.

    \b
    scriptorium events search "call me" --type scene.title_changed --since 2026-05-01T00:00:00Z
    """  # noqa: D301
    question = c.Search(
        project_id=project,
        user_id=person,
        type=type,
        text=text,
        since=moment(since, "--since"),
        until=moment(until, "--until"),
        limit=limit,
    )

    async def ask(open_line: Line) -> None:
        found = await open_line.ask(c.SEARCH, question)
        for each in found.events:
            say(f"{event_line(each)}  {each.aggregate_id}")
        if not found.events:
            say("no event was found")

    run(data_dir, nats_url, ask, project=project)


@events.command()
def verify(
    project: Project = None, data_dir: DataDir = DATA_DIR_DEFAULT, nats_url: NatsUrl = None
) -> None:
    """Check every event's place in its chain of checksums; exits with 2 when one does not fit."""
    flawed: list[c.Flawed] = []
    lost = 0

    async def ask(open_line: Line) -> None:
        nonlocal lost
        walk, seen = c.Walk(project_id=project), 0
        with Progress(*_columns(), transient=True) as progress:
            task = progress.add_task("verifying", total=None)
            while True:
                step = await open_line.ask(c.VERIFY, walk)
                seen += step.events
                flawed.extend(step.flawed)
                progress.update(task, completed=seen, total=step.events_all or None)
                if step.after is None:
                    lost = step.lost_heads
                    break
                walk = c.Walk(project_id=project, after=step.after)
        say(f"{seen:,} events fit their chains")

    run(data_dir, nats_url, ask, project=project)
    for each in flawed:
        say(f"! {each.flaw}: version {each.version} of {each.aggregate_id} in {each.project_id}")
    if flawed:
        say("these events are in quarantine: scriptorium events quarantine list")
    if lost:
        say(f"! {lost:,} things have events and no end of their chain; make it anew with")
        say("  scriptorium events rebuild --swap")
    if flawed or lost:
        raise typer.Exit(2)


@events.command()
def export(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="New file of JSON.")],
    project: Project = None,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Write the present state of all things from the log, for use when the tables are damaged.

    The file has one JSON object in each line, {"aggregateType", "row"}, without text, files and
    vectors, which other services keep.
    """

    async def ask(open_line: Line) -> None:
        walk, count = c.Walk(project_id=project), 0
        with out.open("x", encoding="utf-8") as file:
            while True:
                step = await open_line.ask(c.EXPORT, walk)
                file.writelines(json.dumps(each, ensure_ascii=False) + "\n" for each in step.items)
                count += len(step.items)
                for each in step.damaged:
                    complain(f"version {each.version} of {each.aggregate_id} is {each.flaw}")
                if step.after is None:
                    break
                walk = c.Walk(project_id=project, after=step.after)
        say(f"{count:,} things written to {out}")

    try:
        run(data_dir, nats_url, ask, project=project)
    except OSError as error:
        raise Refused(f"cannot write {out}: {error.strerror}") from error


@events.command()
def purge(  # noqa: PLR0917 (each is an option with a name of its own)
    older_than: Annotated[
        int,
        typer.Option(
            "--older-than", metavar="DAYS", min=0, help="Only things deleted at least so long ago."
        ),
    ] = 30,
    project: Project = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list the things that would be purged.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before.")] = False,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Purge things that were deleted long ago, with everything below them and all their history.

    The purge runs in the background; `scriptorium events purges` shows its progress.
    """
    plan = lifecycle.PurgeDue(dry_run=True, older_than_days=older_than, project_id=project)

    async def look(open_line: Line) -> None:
        due = await open_line.ask(lifecycle.PURGE_DUE, plan)
        for each in due.items:
            say(due_line(each))
        if not due.items:
            say("no thing is due")
            raise typer.Exit
        more = " in this step, and more after it" if due.more else ""
        say(f"{len(due.items):,} things are due{more}; everything below them is purged, too")

    run(data_dir, nats_url, look, project=project)
    if dry_run:
        return
    if not (yes or typer.confirm("Remove them for ever?")):
        raise typer.Exit(1)

    async def order(open_line: Line) -> None:
        ordered = await open_line.ask(
            lifecycle.PURGE_DUE, plan.model_copy(update={"dry_run": False})
        )
        say(f"{len(ordered.items):,} purges ordered: scriptorium events purges")

    run(data_dir, nats_url, order, project=project)


@events.command()
def purges(
    project: Project = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=lifecycle.DUE_ITEMS_MAX)] = 50,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """List the purges and their progress, the newest first."""
    question = lifecycle.ListPurges(project_id=project, limit=limit)

    async def ask(open_line: Line) -> None:
        found = await open_line.ask(lifecycle.LIST_PURGES, question)
        for each in found.items:
            say(purge_line(each))
        if not found.items:
            say("there are no purges")

    run(data_dir, nats_url, ask, project=project)


@events.command()
def republish(
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="RFC 3339; everything when omitted.")
    ] = None,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Announce all events since a time once more, to refill an emptied stream.

    Every consumer receives them again and tolerates repetitions.
    """

    async def ask(open_line: Line) -> None:
        queued = await open_line.ask(c.REPUBLISH, c.Republish(since=moment(since, "--since")))
        with Progress(*_columns(), transient=True) as progress:
            task = progress.add_task("announcing", total=queued.queued)
            left = queued.queued
            while left:
                await asyncio.sleep(POLL_S)
                left = (await open_line.ask(c.REFILL_LEFT, c.RefillLeft())).queued
                progress.update(task, completed=queued.queued - left)
        say(f"{queued.queued:,} facts announced once more")

    run(data_dir, nats_url, ask)


@events.command()
def rebuild(
    into: Annotated[
        str | None,
        typer.Option(metavar="SCHEMA", help="Keep the new tables in this schema for inspection."),
    ] = None,
    swap: Annotated[
        bool, typer.Option("--swap", help="Replace the live tables with the new ones.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Swap although events are flawed and left out.")
    ] = False,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    postgres_url: OwnerUrl = None,
) -> None:
    """Replay the log into new tables and compare the live ones; exits with 3 if they differ.

    Writing continues meanwhile; --swap interrupts it for a moment.
    """
    order = json.dumps({"into": into, "swap": swap, "force": force})
    url = postgres_url or _own_postgres(data_dir)
    code = asyncio.run(_rebuild(order, url))
    if code:
        raise typer.Exit(code)


async def _rebuild(order: str, url: str) -> int:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "services.events.rebuild", order),
        env={**os.environ, "PYTHONPATH": str(ROOT), "SCRIPTORIUM_POSTGRES_OWNER_URL": url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout
    last: dict[str, Any] = {}
    try:
        with Progress(*_columns(), transient=True) as progress:
            task = progress.add_task("replaying", total=None)
            async for each in process.stdout:
                with suppress(ValueError):
                    last = json.loads(each)
                if last.get("step") == "prove":
                    progress.update(task, description="comparing")
                elif step := last.get("step"):
                    says = {"replay": "replaying", "swap": "swapping"}[step]
                    progress.update(
                        task, description=says, completed=last["done"], total=last["all"]
                    )
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
        code = await process.wait()
    if "result" not in last:
        raise Refused(last.get("error", f"the rebuild ended with exit code {code}"))
    for sentence in told(last["result"]):
        say(sentence)
    return code


def _own_postgres(data_dir: Path) -> str:
    directory = data_dir.expanduser()
    if owner_of(directory) is None:
        raise Refused(f"no scriptorium runs on {data_dir}; start it, or give --postgres-url")
    state = read_state(directory)
    password, port = state["passwords"]["postgres:events_owner"], state["ports"]["postgres"]
    return f"postgresql://events_owner:{password}@{LOOPBACK}:{port}/events"


def _columns() -> tuple[Any, ...]:
    return (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn())
