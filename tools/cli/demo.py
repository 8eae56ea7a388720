"""`scriptorium demo`: a guided tour of a running system."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tools.cli.say import complain, say

if TYPE_CHECKING:
    from rich.table import Table

    from tools.cli.tour.api import Guest
    from tools.cli.tour.session import Session

DATA = Path(__file__).parents[2] / "data"
MANUSCRIPT = DATA / "manuscripts" / "frankenstein.json"
TRACE = DATA / "traces" / "friendsforever.concurrent.json.gz"
PAGE_CHARS = 160
REFRESH_HZ = 8


def demo(
    url: Annotated[str, typer.Option(help="Where the gateway listens.")] = "http://127.0.0.1:8300",
    speed: Annotated[
        float, typer.Option(min=0, help="Edits a second by both friends; 0: as fast as they can.")
    ] = 1000.0,
) -> None:
    """Import a novel, watch two people write together, find things in it, and see where to look.

    Makes two accounts with random passwords, imports Frankenstein as a project, then lets two
    live clients type a recorded session of 26,078 edits into one scene, and checks that both
    and the server agree. Finds a scene by its meaning, and the people and places of the novel.

    \b
    scriptorium demo --speed 0
    """  # noqa: D301
    # These modules are heavy, and needed only here.
    from tools.cli.tour.api import TourEnded  # noqa: PLC0415

    try:
        _tour(url.rstrip("/"), speed)
    except TourEnded as end:
        complain(end)
        raise typer.Exit(1) from None


def _tour(url: str, speed: float) -> None:
    from tools.cli.tour import finding, session  # noqa: PLC0415
    from tools.cli.tour.api import Guest, TourEnded  # noqa: PLC0415

    ada, ben = Guest.register(url, "Ada"), Guest.register(url, "Ben")
    say(f"{ada.name}: {ada.email}, password {ada.password}")
    say(f"{ben.name}: {ben.email}, password {ben.password}")
    project, book = _import(ada)
    ada.let_in(project, ben, "WRITER")
    chapter = ada.create(f"/api/books/{book}/chapters", title="Live")
    scene = ada.create(f"/api/chapters/{chapter}/scenes", title="Two friends writing")

    trace = session.load(TRACE)
    play = session.begin(url, scene, trace, (ada.name, ben.name), speed)
    asyncio.run(_watch(play, (ada.token, ben.token)))
    stored = ada.read(scene)
    texts = [str(friend.live.text) for friend in play.friends if friend.live]
    if not texts[0] == texts[1] == stored == trace.end:
        raise TourEnded(
            "the texts differ: this must never happen, please report it with the logs"
            f" ({', '.join(f'{len(text):,}' for text in (*texts, stored))} characters)"
        )
    late = [second for friend in play.friends for second in friend.latencies]
    p50_ms, p95_ms = session.percentiles(late)
    say(
        f"{play.pace.steps:,} edits at {play.pace.steps / play.took_s:,.0f}/s; from one friend to"
        f" the other, durable on the way: median {p50_ms:.1f} ms, 95th percentile {p95_ms:.1f} ms"
    )
    say(f"both replicas and the server agree: {len(stored):,} characters")
    for line in finding.found(ada, project, patient=speed > 0):
        say(line)
    say(_where_to_look(url, ada, project, scene))


def _import(owner: "Guest") -> tuple[str, str]:
    """Import the manuscript; returns the project and the book."""
    from rich.progress import MofNCompleteColumn, Progress  # noqa: PLC0415

    from tools.cli.tour import manuscript  # noqa: PLC0415

    novel = manuscript.load(MANUSCRIPT)
    project = owner.create("/api/projects", name=f"{novel.title}, a demonstration", editor="plain")
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn())
    with Progress(*columns, transient=True) as progress:
        scenes = progress.add_task(f"{novel.title}: scenes", total=novel.scenes)
        book = manuscript.upload(owner, project, novel, lambda _: progress.advance(scenes))
    say(
        f"{novel.title} by {novel.author} ({novel.license}): {len(novel.chapters)} chapters,"
        f" {novel.scenes} scenes, {novel.words:,} words"
    )
    return project, book


async def _watch(play: "Session", tokens: tuple[str, str]) -> None:
    """Show the session while it is played."""
    from rich.live import Live  # noqa: PLC0415

    # The view is drawn on the event loop: pycrdt does not let another thread read a text in which
    # somebody types.
    with Live(get_renderable=lambda: _view(play), auto_refresh=False, transient=True) as live:
        playing = asyncio.ensure_future(play.play(tokens))
        while not playing.done():
            await asyncio.wait([playing], timeout=1 / REFRESH_HZ)
            live.refresh()
        await playing


def _view(play: "Session") -> "Table":
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from tools.cli.tour.session import LATENCIES_SHOWN, percentiles  # noqa: PLC0415

    table = Table(
        title=f"{play.pace.steps:,} of {play.trace.count:,} edits, {play.pace.rate:,.0f}/s",
        expand=True,
    )
    pages: list[Text] = []
    for friend in play.friends:
        p50_ms, p95_ms = percentiles(friend.latencies[-LATENCIES_SHOWN:])
        table.add_column(
            f"{friend.name}: {len(friend.sent):,} typed; hears after {p50_ms:.0f} ms,"
            f" 95 % within {p95_ms:.0f} ms",
            ratio=1,
        )
        pages.append(Text(friend.last_words(PAGE_CHARS)))
    table.add_row(*pages)
    return table


def _where_to_look(url: str, owner: "Guest", project: str, scene: str) -> str:
    live = url.replace("http", "ws", 1)
    return f"""
Where to look
  API, to read and try   {url}/api/docs
  project                {project}
  scene                  {scene}  "Two friends writing"

On the command line (the token lasts for 15 minutes)
  export TOKEN={owner.token}
  curl -H "Authorization: Bearer $TOKEN" {url}/api/projects/{project}/books
  curl -H "Authorization: Bearer $TOKEN" {url}/api/scenes/{scene}/content?format=text
  curl {url}/api/auth/login -H "Content-Type: application/json" \\
    -d '{{"email": "{owner.email}", "password": "{owner.password}"}}'

In a page, or in Node.js 22 (npm install yjs y-websocket)
  import * as Y from 'yjs'
  import {{ WebsocketProvider }} from 'y-websocket'
  const doc = new Y.Doc()
  const provider = new WebsocketProvider('{live}/collab', '{scene}', doc, {{
    params: {{ token: '{owner.token}' }}
  }})
  provider.once('sync', () => doc.getText('content').insert(0, 'Hello from here. '))
"""
