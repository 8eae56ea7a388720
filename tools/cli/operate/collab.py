"""`scriptorium collab`: inspect, verify, repair, compact and snapshot stored scenes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from libs.contracts.collab import persistence, upkeep
from libs.contracts.ids import new_id
from tools.cli.operate.ask import STYLE, require_known
from tools.cli.operate.line import Line, NatsUrl, Refused, line
from tools.cli.operate.progress import over_scenes
from tools.cli.operate.show import time_of
from tools.cli.options import DATA_DIR_DEFAULT, DataDir
from tools.cli.say import say

PAGE_SCENES = 500

collab = typer.Typer(
    **STYLE, help="The text of scenes: inspect, verify, repair, compact, snapshot."
)

Scenes = Annotated[list[UUID] | None, typer.Argument(metavar="[SCENE]...", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="All scenes that have text.")]

type Found = tuple[
    upkeep.SceneInspection, persistence.DivergenceReport, persistence.SnapshotHistory
]

type Work = Callable[[Line, UUID], Awaitable[str]]
"""Works on one scene; returns what to say about it, or nothing. Raises `Refused`."""


@collab.command()
def inspect(scene: UUID, data_dir: DataDir = DATA_DIR_DEFAULT, nats_url: NatsUrl = None) -> None:
    """Show a stored scene: log, head, compacted rows, snapshots, damage found so far."""

    async def ask() -> Found:
        async with line(data_dir, nats_url) as services:
            await _require_scene(services, scene)
            return (
                await services.ask(upkeep.INSPECT, upkeep.AboutScene(scene_id=scene)),
                await services.ask(
                    persistence.CHECK_DIVERGENCE, persistence.CheckDivergence(scene_id=scene)
                ),
                await services.ask(
                    persistence.SNAPSHOT_HISTORY, persistence.AskSnapshots(scene_id=scene)
                ),
            )

    _show(*asyncio.run(ask()))


@collab.command()
def verify(
    scenes: Scenes = None,
    all_: All = False,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Read everything that is stored of scenes and compare it; exits with 1 if it finds damage.

    Damage is recorded and reported; `repair` repairs it.
    """

    async def check(services: Line, scene: UUID) -> str:
        about = upkeep.AboutScene(scene_id=scene)
        found = await services.ask(upkeep.VERIFY, about)
        wrong = [f"{each.kind} at {each.seq}: {each.reason}" for each in found.damage]
        question = persistence.CheckDivergence(scene_id=scene)
        snapshot = await services.ask(persistence.CHECK_DIVERGENCE, question)
        if snapshot.diverged:
            wrong.append(f"snapshot: {snapshot.severity}, {snapshot.recommended_action}")
        if found.busy:
            wrong.append("not checked: another operation works on it; try again")
        return "; ".join(wrong)

    _each("checking", "sound", scenes, all_, data_dir, nats_url, check)


@collab.command()
def repair(
    scenes: Scenes = None,
    all_: All = False,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Repair damage from the log, quarantine the rest, and record both.

    Exits with 1 if damage is left that needs a person.
    """
    left: list[UUID] = []

    async def mend(services: Line, scene: UUID) -> str:
        done = await services.ask(upkeep.REPAIR, upkeep.AboutScene(scene_id=scene))
        told = [
            f"{each.kind}: {each.action}: {each.outcome}" for each in done.records if done.damage
        ]
        question = persistence.CheckDivergence(scene_id=scene, repair=True)
        snapshot = await services.ask(persistence.CHECK_DIVERGENCE, question)
        if snapshot.diverged:
            told.append(f"snapshot: {'renewed' if snapshot.repaired else 'still differs'}")
        if done.busy or (snapshot.diverged and not snapshot.repaired):
            left.append(scene)
        return "; ".join(told)

    _each("mending", "sound", scenes, all_, data_dir, nats_url, mend, told_is_failure=False)
    if left:
        say(f"{len(left)} could not be finished; try again")
        raise typer.Exit(1)


@collab.command()
def compact(
    scenes: Scenes = None,
    all_: All = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also rows that are recent or few.")
    ] = False,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Compact the logs of scenes now, rather than when they are due."""

    async def work(services: Line, scene: UUID) -> str:
        question = upkeep.CompactScene(scene_id=scene, force=force)
        done = await services.ask(upkeep.COMPACT, question)
        if done.outcome != "compacted":
            return "" if done.outcome == "not_due" else done.outcome
        saved = f"{_size(done.bytes_before)} to {_size(done.bytes_after)}"
        return f"{done.updates:,} updates in one, {saved}"

    _each(
        "compacting", "nothing to do", scenes, all_, data_dir, nats_url, work, told_is_failure=False
    )


@collab.command()
def snapshot(
    scenes: Scenes = None,
    all_: All = False,
    force: Annotated[bool, typer.Option("--force", help="Also if there is a recent one.")] = False,
    data_dir: DataDir = DATA_DIR_DEFAULT,
    nats_url: NatsUrl = None,
) -> None:
    """Take snapshots of scenes now, each read back and compared."""

    async def work(services: Line, scene: UUID) -> str:
        question = persistence.TakeSnapshot(
            scene_id=scene, snapshot_id=new_id(), force=force, validate=True
        )
        taken = await services.ask(persistence.TAKE_SNAPSHOT, question)
        good = taken.validation and taken.validation.passed
        return (
            f"at update {taken.yjs_update_count:,}, {_size(taken.snapshot_size_bytes)}"
            f" in {taken.generation_time_ms} ms, {'sound' if good else 'NOT SOUND'}"
        )

    _each(
        "taking snapshots", "taken", scenes, all_, data_dir, nats_url, work, told_is_failure=False
    )


def _each(  # noqa: PLR0917 (one call of it for each command, all alike)
    what: str,
    good: str,
    scenes: list[UUID] | None,
    everything: bool,
    data_dir: Path,
    nats_url: str | None,
    work: Work,
    *,
    told_is_failure: bool = True,
) -> None:
    """Run *work* over scenes and report what it tells; where it tells nothing they are *good*."""
    if everything == bool(scenes):
        raise typer.BadParameter("name scenes, or give --all")
    told: dict[UUID, str] = {}
    refused: dict[UUID, str] = {}

    async def run() -> int:
        async with line(data_dir, nats_url) as services:

            async def one(scene: UUID) -> None:
                try:
                    if not everything:
                        await _require_scene(services, scene)
                    if words := await work(services, scene):
                        told[scene] = words
                except Refused as refusal:
                    refused[scene] = str(refusal)

            names = [name async for name in _all(services)] if everything else list(scenes or ())
            await over_scenes(what, _iterate(names), len(names), one)
            return len(names)

    count = asyncio.run(run())
    for scene, words in (told | refused).items():
        say(f"{scene}  {words}")
    if plain := count - len(told) - len(refused):
        say(f"{plain:,} {good}")
    if refused or (told and told_is_failure):
        raise typer.Exit(1)


async def _require_scene(services: Line, scene: UUID) -> None:
    """See that there is such a scene, or that text of one is left; raises Refused."""
    try:
        await require_known(services, "scene", scene)
    except Refused:
        stored = await services.ask(upkeep.INSPECT, upkeep.AboutScene(scene_id=scene))
        if not (stored.rows or stored.head or stored.compacted):
            raise


async def _iterate(names: list[UUID]) -> AsyncIterator[UUID]:
    for name in names:
        yield name


async def _all(services: Line) -> AsyncIterator[UUID]:
    after = UUID(int=0)
    while True:
        question = upkeep.ListScenes(after=after, limit=PAGE_SCENES)
        page = (await services.ask(upkeep.SCENES, question)).scenes
        for scene in page:
            yield scene
        if len(page) < PAGE_SCENES:
            return
        after = page[-1]


def _show(
    found: upkeep.SceneInspection,
    snapshot: persistence.DivergenceReport,
    history: persistence.SnapshotHistory,
) -> None:
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_row("scene", str(found.scene_id))
    facts.add_row(
        "log",
        f"{found.rows:,} rows, {_size(found.log_bytes)},"
        f" from {found.oldest:,} ({time_of(found.oldest_at)})"
        f" to {found.newest:,} ({time_of(found.newest_at)})",
    )
    head = found.head
    facts.add_row(
        "head",
        f"reaches {head.upto:,}, {_size(head.stored_bytes)}, made {time_of(head.updated_at)}"
        if head
        else "none",
    )
    facts.add_row("compacted", _size(found.compacted_bytes) if found.compacted else "nothing")
    state = "differs: " + str(snapshot.severity) if snapshot.diverged else "says what the log says"
    if history.snapshots:
        last = history.snapshots[0]
        facts.add_row(
            "snapshot",
            f"{history.freshness}, {last.source}, at {last.yjs_update_count:,},"
            f" {state if snapshot.compared else 'nothing to compare'}",
        )
    else:
        facts.add_row("snapshot", "none")
    facts.add_row("state", history.state)
    console = Console(highlight=False)
    console.print(facts)
    if found.compacted:
        console.print(_compactions(found))
    if history.snapshots:
        console.print(_snapshots(history))
    for row in found.quarantined:
        kind = "compacted row" if row.is_compacted else "row"
        say(f"quarantined {kind} {row.seq:,} since {time_of(row.found_at)}: {row.reason}")
    for record in found.findings:
        say(
            f"{time_of(record.found_at)}  {record.kind} {record.severity}: {record.action}:"
            f" {record.outcome}"
        )


def _compactions(found: upkeep.SceneInspection) -> Table:
    table = Table(
        "up to", "updates", "bytes", "ratio", "verified", "originals gone", box=box.SIMPLE
    )
    for row in found.compacted:
        table.add_row(
            f"{row.seq:,}",
            f"{row.updates:,}",
            f"{_size(row.bytes_before)} to {_size(row.bytes_after)}",
            f"{row.bytes_before / row.bytes_after:.1f}",
            time_of(row.verified_at),
            time_of(row.pruned_at),
        )
    return table


def _snapshots(history: persistence.SnapshotHistory) -> Table:
    table = Table("snapshot", "source", "up to", "size", "took", "by", box=box.SIMPLE)
    for row in history.snapshots:
        table.add_row(
            time_of(row.created_at),
            row.source,
            f"{row.yjs_update_count:,}",
            _size(row.snapshot_size_bytes),
            f"{row.generation_time_ms} ms",
            str(row.created_by or "-"),
        )
    return table


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
