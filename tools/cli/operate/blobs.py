"""`scriptorium blobs`: inspect, verify, repair, collect and archive the bytes of files."""

import asyncio
import getpass
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Annotated
from uuid import UUID

import httpx
import typer
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from libs.contracts.blobs import operations as c
from libs.contracts.blobs import transfers as b
from libs.contracts.ids import new_id
from tools.cli.operate.ask import STYLE, run
from tools.cli.operate.ask import sha256 as sha256_
from tools.cli.operate.line import Line, NatsUrl, Refused
from tools.cli.operate.show import time_of
from tools.cli.options import DATA_DIR_DEFAULT, DataDir
from tools.cli.say import say

PART_BYTES = 1 << 20
SEND_WAIT_S = 900.0
"""Until the bytes of a file are stored, after the last of them."""
BYTES_MAX = 2**63 - 1
UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

blobs = typer.Typer(**STYLE, help="Files: inspect, verify, repair, collect, archive.")

Project = Annotated[UUID, typer.Argument(metavar="PROJECT")]
Sha256 = Annotated[
    str, typer.Argument(metavar="SHA256", parser=sha256_, help="64 hexadecimal digits.")
]
OnlyProject = Annotated[
    UUID | None, typer.Option("--project", metavar="ID", help="Only this project.")
]
Reason = Annotated[str, typer.Option(help="Why; it is kept on record with your name.")]
By = Annotated[
    str, typer.Option("--by", default_factory=getpass.getuser, help="Your name on that record.")
]


@blobs.command()
def stat(
    project: Annotated[UUID | None, typer.Argument(metavar="[PROJECT]")] = None,
    sha256: Annotated[str | None, typer.Argument(metavar="[SHA256]", parser=sha256_)] = None,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Show figures over all blobs, or one blob with its references and audit trail."""
    if (project is None) != (sha256 is None):
        raise typer.BadParameter("name a project and a SHA-256, or neither")

    async def ask(line: Line) -> None:
        if project is None or sha256 is None:
            _figures(await line.ask(c.STATUS, c.AskStatus()))
        else:
            question = c.Inspect(project_id=project, sha256=sha256)
            _inspected(await line.ask(c.INSPECT, question))

    run(data_dir, nats_url, ask, project=project)


@blobs.command()
def usage(project: Project, data_dir: DataDir = DATA_DIR_DEFAULT, nats_url: NatsUrl = None) -> None:
    """Show the usage and the quota of a project."""

    async def ask(line: Line) -> None:
        _used(await line.ask(b.READ_USAGE, b.ReadUsage(), project_id=project))

    run(data_dir, nats_url, ask, project=project)


@blobs.command()
def quota(
    project: Project,
    size: Annotated[
        str, typer.Argument(help="Bytes, or as in 500M, 20G; `default` for the default quota.")
    ],
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Set the quota of a project."""
    allowed = None if size == "default" else _bytes(size)

    async def ask(line: Line) -> None:
        question = b.SetQuota(project_id=project, quota_bytes=allowed)
        _used(await line.ask(b.SET_QUOTA, question))

    run(data_dir, nats_url, ask, project=project)


@blobs.command()
def collect(
    project: OnlyProject = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List each decision with its reason; change nothing.")
    ] = False,
    items: Annotated[
        int, typer.Option("--items", "-n", min=0, max=c.ITEMS_MAX, help="Blobs to list singly.")
    ] = 20,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Collect unreferenced blobs now; exits with 1 when another collection is under way."""

    async def ask(line: Line) -> None:
        question = c.Collect(project_id=project, dry_run=dry_run, items=items)
        done = await line.ask(c.COLLECT, question)
        if done.busy:
            raise Refused("another collection is under way; nothing was done")
        for each in done.items:
            say(f"{each.fate:8} {each.sha256}  {size_of(each.size):>8}  {each.why}")
        would = "would " if dry_run else ""
        for fate, tally in done.tallies.items():
            say(f"{would}{fate} {tally.blobs:,} blobs, {size_of(tally.bytes_)}")
        say(f"looked at {done.looked_at:,} blobs in {done.seconds:.1f} s")

    run(data_dir, nats_url, ask, project=project)


@blobs.command()
def undelete(  # noqa: PLR0917 (each is an option with a name of its own)
    project: Project,
    sha256: Sha256,
    reason: Reason,
    by: By,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Take a condemned blob back within its grace period."""

    async def ask(line: Line) -> None:
        question = c.Undelete(project_id=project, sha256=sha256, by=by, reason=reason)
        blob = await line.ask(c.UNDELETE, question)
        say(f"{blob.sha256} is {blob.state} again; its retention begins anew")

    run(data_dir, nats_url, ask, project=project)


@blobs.command()
def quarantine(
    project: OnlyProject = None,
    all_: Annotated[bool, typer.Option("--all", help="Repaired ones, too.")] = False,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """List blobs whose bytes are damaged, the oldest finding first."""

    async def ask(line: Line) -> None:
        question = c.ListQuarantined(project_id=project, all=all_, limit=c.ITEMS_MAX)
        found = await line.ask(c.QUARANTINE, question)
        for each in found.items:
            state = f"mended {time_of(each.resolved_at)}" if each.resolved_at else "damaged"
            say(
                f"{time_of(each.found_at)}  {state}  {each.project_id} {each.sha256}"
                f"  {each.reason} at frame {each.frame} ({each.tier}), {size_of(each.size)},"
                f" {each.references} references"
            )
        if not found.items:
            say("the quarantine is empty")

    run(data_dir, nats_url, ask, project=project)


@blobs.command()
def verify(
    project: OnlyProject = None,
    sha256: Annotated[
        str | None, typer.Option("--blob", metavar="SHA256", parser=sha256_, help="Only this one.")
    ] = None,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Read all stored blobs and compare them; exits with 2 when one is damaged.

    Quarantined blobs are read, too: an intact one leaves quarantine, the others are listed.
    """
    flaws: list[c.Flaw] = []

    async def ask(line: Line) -> None:
        question, seen, size, mended = c.Verify(project_id=project, sha256=sha256), 0, 0, 0
        columns = (TextColumn("verifying"), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, transient=True) as progress:
            task = progress.add_task("verifying", total=None)
            while True:
                step = await line.ask(c.VERIFY, question)
                seen, size = seen + step.blobs, size + step.bytes_
                mended += step.mended
                flaws.extend(step.flaws)
                progress.update(task, completed=seen)
                if step.after is None:
                    break
                question = c.Verify(project_id=project, after=step.after)
        say(f"{seen:,} blobs, {size_of(size)} were read")
        if mended:
            say(f"{mended:,} blobs were in quarantine and are sound again")

    run(data_dir, nats_url, ask, project=project)
    _tell_flaws(flaws)


@blobs.command()
def recheck(
    project: OnlyProject = None,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Read only quarantined blobs again; exits with 2 when one is still damaged."""
    flaws: list[c.Flaw] = []

    async def ask(line: Line) -> None:
        mended = 0
        question = c.ListQuarantined(project_id=project, limit=c.ITEMS_MAX)
        for each in (await line.ask(c.QUARANTINE, question)).items:
            one = c.Verify(project_id=each.project_id, sha256=each.sha256)
            read = await line.ask(c.VERIFY, one)
            mended += read.mended
            flaws.extend(read.flaws)
        say(f"{mended:,} blobs are sound again, {len(flaws):,} are not")

    run(data_dir, nats_url, ask, project=project)
    _tell_flaws(flaws)


@blobs.command()
def mend(  # noqa: PLR0917 (each is an option with a name of its own)
    project: Project,
    sha256: Sha256,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="Its bytes.")
    ],
    reason: Reason,
    by: By,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Give a blob that is damaged or collected its bytes again, from a file."""

    async def ask(line: Line) -> None:
        question = c.Mend(project_id=project, sha256=sha256, by=by, reason=reason)
        blob = await line.ask(c.MEND, question)
        begin = b.BeginUpload(
            upload_id=new_id(),
            size=blob.size,
            sha256=sha256,
            media_type=blob.media_type,
            asset_type=blob.asset_type,
        )
        begun = await line.ask(b.BEGIN_UPLOAD, begin, project_id=project)
        if begun.ticket:
            await _send(begun.ticket, file)
        blob = await line.ask(b.STAT_BLOB, b.StatBlob(sha256=sha256), project_id=project)
        say(f"{blob.sha256} is {blob.state}")

    run(data_dir, nats_url, ask, project=project)


@blobs.command()
def archive(
    project: Project,
    sha256: Sha256,
    restore: Annotated[bool, typer.Option("--restore", help="Bring it back.")] = False,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Move a blob to the cold tier, or back."""

    async def ask(line: Line) -> None:
        question = c.Archive(project_id=project, sha256=sha256, restore=restore)
        blob = await line.ask(c.ARCHIVE, question)
        say(f"{blob.sha256} is {blob.state}")

    run(data_dir, nats_url, ask, project=project)


@blobs.command()
def reconcile(
    project: Project,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compare, and set nothing.")] = False,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Correct a project's references from the events service; exits with 2 on missing bytes."""
    missing: list[c.Flaw] = []

    async def ask(line: Line) -> None:
        question = c.Reconcile(project_id=project, dry_run=dry_run)
        done = await line.ask(c.RECONCILE, question)
        missing.extend(done.missing)
        would = "would begin" if dry_run else "began"
        say(f"{done.files:,} files; {would} {done.begun:,} references, ended {done.ended:,}")

    run(data_dir, nats_url, ask, project=project)
    for each in missing:
        say(f"! {each.sha256} is {each.reason}")
    if missing:
        raise typer.Exit(2)


async def _send(ticket: b.Ticket, file: Path) -> None:
    """Send the bytes of a file as a ticket allows.

    Raises:
        Refused: They are not the right ones, or blobs is not to be reached from here.
    """
    headers = {"Authorization": f"Ticket {ticket.ticket}"}
    try:
        async with httpx.AsyncClient(timeout=SEND_WAIT_S, trust_env=False) as http:
            answer = await http.put(ticket.url, content=_parts(file), headers=headers)
    except (httpx.HTTPError, OSError) as error:
        raise Refused(f"{ticket.url} cannot be reached from here ({error})") from error
    if answer.status_code >= 400:
        told = answer.json()
        raise Refused(f"{told.get('detail', 'refused')} ({told.get('code', answer.status_code)})")


async def _parts(file: Path) -> AsyncGenerator[bytes]:
    with file.open("rb") as opened:
        while part := await asyncio.to_thread(opened.read, PART_BYTES):
            yield part


def _tell_flaws(flaws: list[c.Flaw]) -> None:
    """Name damaged blobs, and end with 2 when there are any."""
    for each in flaws:
        say(f"! {each.project_id} {each.sha256}: {each.reason}")
    if flaws:
        say(
            "to repair a blob, upload the same bytes again, run `scriptorium blobs mend` with a"
            " file, or put its object back into storage"
        )
        raise typer.Exit(2)


def size_of(count: int) -> str:
    """Return a number of bytes for a person."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _bytes(text: str) -> int:
    number, unit = text.upper().rstrip("KMGT"), text.upper().lstrip("0123456789")
    if not (number.isascii() and number.isdigit()) or unit not in UNITS:
        raise typer.BadParameter(f"{text!r} is not a size; give bytes, or as in 500M, 20G")
    if (size := int(number) * UNITS[unit]) > BYTES_MAX:
        raise typer.BadParameter(f"{text!r} is more than any storage holds")
    return size


def _figures(found: c.Status) -> None:
    for state, tally in sorted(found.blobs.items()):
        say(f"{state:12} {tally.blobs:>12,} blobs  {size_of(tally.bytes_):>10}")
    kept = sum(tally.bytes_ for state, tally in found.blobs.items() if state != "collected")
    ratio = f", {kept / found.stored_bytes:.2f} : 1" if found.stored_bytes else ""
    say(f"in storage   {size_of(found.stored_bytes)}{ratio}")
    say(f"to delete    {found.doomed:,} keys")
    say(f"open claims  {found.open_claims:,}")
    say(f"quarantined  {found.quarantined:,}")
    for task in found.tasks:
        state = f"ended {time_of(task.ended_at)}" if task.ended_at else "under way"
        report = ", ".join(f"{name} {value}" for name, value in task.report.items())
        say(f"{task.name:12} {state}  {report}")


def _inspected(found: c.Inspection) -> None:
    blob = found.blob
    say(f"{blob.sha256}  {blob.state}, {blob.media_type}, {blob.asset_type}")
    stored = f"{size_of(blob.stored_size)} as {blob.codec} in {found.frames} frames"
    say(f"size      {size_of(blob.size)}, stored {stored}, {found.tier}")
    say(f"created   {time_of(blob.created_at)} by {blob.created_by}")
    say(f"touched   {time_of(found.touched_at)}, read {time_of(found.read_at)},"
        f" verified {time_of(found.verified_at)}")  # fmt: skip
    for each in found.references:
        where = each.path or each.source_id
        say(f"referred  by {each.source} {where} since {time_of(each.since)}")
    for each in found.claims:
        say(f"claimed   for {each.source} {each.source_id} since {time_of(each.claimed_at)}")
    for each in found.deeds:
        told = ", ".join(f"{name} {value}" for name, value in each.data.items())
        say(f"{time_of(each.at)}  {each.action} by {each.user_id or 'the system'}  {told}")


def _used(found: b.Usage) -> None:
    allowed = "no limit" if found.quota_bytes is None else f"of {size_of(found.quota_bytes)}"
    say(f"{found.blobs:,} blobs, {size_of(found.bytes_)} {allowed},"
        f" {size_of(found.stored_bytes)} in storage")  # fmt: skip
