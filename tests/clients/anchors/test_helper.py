"""The helper for editors of /clients/anchors in the real editors."""

import asyncio
import base64
import json
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest

from tests.clients.anchors.recorded import CharacterId, Session, Span, Tally, Verdict, sessions
from tests.clients.scenarios import LINE_BYTES_MAX, require_node

HERE = Path(__file__).parent
EDITORS = ("prosemirror", "tiptap", "slate", "codemirror", "plain")


async def run(program: str, *told: str, lines: list[dict[str, Any]] | None = None) -> list[Any]:
    """Run a program of this folder; returns its lines."""
    require_node()
    process = await asyncio.create_subprocess_exec(
        *("node", str(HERE / program), *told),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        limit=LINE_BYTES_MAX,
    )
    fed = "".join(json.dumps(line) + "\n" for line in lines or [])
    found, complaints = await process.communicate(fed.encode())
    assert process.returncode == 0, complaints.decode()[-3000:]
    return [json.loads(line) for line in found.splitlines()]


def told(session: Session) -> dict[str, Any]:
    """A session as `helper.mjs` is told of it."""
    return {
        "editor": session.editor,
        "base": base64.b64encode(session.base).decode(),
        "log": [base64.b64encode(update).decode() for update in session.log],
        "spans": [anchor.span for anchor in session.anchors],
    }


def character(position: dict[str, Any]) -> CharacterId:
    """Return the id of the character that a position is bound to."""
    return position["item"]["client"], position["item"]["clock"]


@pytest.mark.parametrize("editor", EDITORS)
async def test_anchors_name_characters_and_are_never_resolved_wrongly(editor: str) -> None:
    """Of every selection the first and last character; later their place, or None, but no other."""
    recorded = list(sessions(editor))
    counted = Tally()
    places = 0
    for session, found in zip(
        recorded, await run("helper.mjs", lines=[told(one) for one in recorded]), strict=True
    ):
        for at, anchor in enumerate(session.anchors):
            yjs = found["anchors"][at]["yjs"]
            assert (character(yjs["start"]), yjs["start"]["assoc"]) == (anchor.first, 0)
            assert (character(yjs["end"]), yjs["end"]["assoc"]) == (anchor.last, -1)
            assert tuple(found["back"][at]) == anchor.span
            span: Span | None = found["final"][at] and tuple(found["final"][at])
            places += span is not None
            counted.add(anchor, span, "exact")
    assert counted.of(Verdict.WRONG) == 0, str(counted)
    assert places > len(recorded)


@pytest.mark.parametrize("editor", EDITORS)
async def test_ranges_follow_typing(editor: str) -> None:
    """Typing at the edges stays outside; without its first or last character there is no range."""
    await run("behaviour.mjs", "follows", editor)


@pytest.mark.parametrize("editor", ["prosemirror", "tiptap"])
async def test_prosemirror_draws_threads(editor: str) -> None:
    """Decorations stay with their words, also where the editor here ends their ids."""
    await run("behaviour.mjs", "draws", editor)


async def test_slate_decorates_threads() -> None:
    """Every leaf gets its part of a range, with the thread it belongs to."""
    await run("behaviour.mjs", "decorates", "slate")
