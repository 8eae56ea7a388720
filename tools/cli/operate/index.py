"""`scriptorium index`: the index of search, for those who run the system."""

import asyncio
from typing import Annotated
from uuid import UUID

import typer

from libs.contracts.events.things import LIST_THINGS, THINGS_MAX, ListThings
from libs.contracts.indexer.search import (
    READ_INDEX,
    REBUILD_INDEX,
    IndexState,
    ReadIndex,
    RebuildIndex,
)
from libs.contracts.things import ThingKind
from tools.cli.operate.ask import STYLE, run
from tools.cli.operate.line import Line, NatsUrl
from tools.cli.options import DATA_DIR_DEFAULT, DataDir
from tools.cli.say import say

index = typer.Typer(help="The index of search: how far it is; make it anew.", **STYLE)

POLL_S = 0.5

Project = Annotated[UUID, typer.Option("--project", metavar="ID", help="The project.")]
AnyProject = Annotated[
    UUID | None, typer.Option("--project", metavar="ID", help="Only this project.")
]


@index.command()
def status(
    project: Project, data_dir: DataDir = DATA_DIR_DEFAULT, nats_url: NatsUrl = None
) -> None:
    """Show how much of a project is searchable."""

    async def ask(open_line: Line) -> None:
        say(_shown(await open_line.ask(READ_INDEX, ReadIndex(), project_id=project)))

    run(data_dir, nats_url, ask, project=project)


@index.command()
def rebuild(
    project: AnyProject = None, data_dir: DataDir = DATA_DIR_DEFAULT, nats_url: NatsUrl = None
) -> None:
    """Make the index anew from the texts and things themselves; search goes on meanwhile."""

    async def ask(open_line: Line) -> None:
        projects = [project] if project else await _all_projects(open_line)
        for number, each in enumerate(projects, 1):
            state = await _rebuilt(open_line, each)
            say(f"{number}/{len(projects)} project {each}: {_shown(state)}")
        if not projects:
            say("there is no project")

    run(data_dir, nats_url, ask, project=project)


async def _rebuilt(open_line: Line, project: UUID) -> IndexState:
    state = await open_line.ask(REBUILD_INDEX, RebuildIndex(), project_id=project)
    told = -1
    while state.rebuild is not None:
        percent = int(state.rebuild * 100)
        if percent >= told + 10:
            told = percent
            say(f"project {project}: {percent} %")
        await asyncio.sleep(POLL_S)
        state = await open_line.ask(READ_INDEX, ReadIndex(), project_id=project)
    return state


async def _all_projects(open_line: Line) -> list[UUID]:
    found: dict[UUID, None] = {}
    for kind in ThingKind:
        after = UUID(int=0)
        while True:
            page = await open_line.ask(LIST_THINGS, ListThings(kind=kind, after=after))
            found |= dict.fromkeys(one.project_id for one in page.things)
            if len(page.things) < THINGS_MAX:
                break
            after = page.things[-1].id
    return list(found)


def _shown(state: IndexState) -> str:
    return (
        f"{state.documents} documents, {state.chunks} chunks, {state.vectors} vectors"
        f" by {state.model}; {state.pending} pending, {state.unembedded} to embed"
    )
