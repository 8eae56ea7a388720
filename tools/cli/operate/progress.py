"""Long work over many scenes: a bar while it runs, a report when it ends."""

from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


async def over_scenes(
    what: str,
    scenes: AsyncIterator[UUID],
    total: int | None,
    work: Callable[[UUID], Awaitable[None]],
) -> None:
    """Do *work* on one scene after the other; the bar goes to stderr, apart from any report."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    quiet = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=quiet) as progress:
        task = progress.add_task(what, total=total)
        async for scene in scenes:
            await work(scene)
            progress.advance(task)
