"""What the tour finds in the novel: a scene by its meaning, and its people and places by rules."""

import time
from collections.abc import Iterator
from typing import Any

from tools.cli.tour.api import Guest, TourEnded

QUESTION = "someone drives a dog team over the frozen ocean"
EMBED_WAIT_S_MAX = 120.0
"""Embedding a novel takes a minute or two of one core."""
RUN_WAIT_S_MAX = 60.0
LOOK_INTERVAL_S = 0.5
SHOWN = 6


def found(owner: Guest, project: str, *, patient: bool) -> Iterator[str]:
    """Yield lines about a search and a run; only what the services that run here can tell.

    A *patient* tour waits until the novel is found by its meaning, another one takes words.
    """
    try:
        yield _by_meaning(owner, project, patient=patient)
        yield _by_rules(owner, project)
    except TourEnded:
        # Search or runs are not part of this system.
        return


def _by_meaning(owner: Guest, project: str, *, patient: bool) -> str:
    path = f"/api/projects/{project}"
    deadline = time.monotonic() + EMBED_WAIT_S_MAX
    while patient and time.monotonic() < deadline:
        state = owner.ask(f"{path}/index")
        if not state["pending"] and not state["unembedded"]:
            break
        time.sleep(LOOK_INTERVAL_S)
    hits = owner.ask(f"{path}/search", q=QUESTION, kinds="scene", limit="1")
    if not hits["items"]:
        return f"search for “{QUESTION}”: nothing is indexed yet"
    hit = hits["items"][0]
    how = "by meaning and words" if hits["mode"] == "hybrid" else "by words"
    snippet = " ".join(hit["snippet"].split())
    return (
        f"search for “{QUESTION}”, {how}, {hits['tookMs']:.0f} ms:"
        f" {hit['title'] or hit['path'][-1]['title']}, “{snippet}”"
    )


def _by_rules(owner: Guest, project: str) -> str:
    run = owner.create(f"/api/projects/{project}/ai/runs", kind="enrich")
    began = time.monotonic()
    told: Any = {}
    while time.monotonic() - began < RUN_WAIT_S_MAX:
        told = owner.ask(f"/api/ai/runs/{run}")
        if told["endedAt"]:
            break
        time.sleep(LOOK_INTERVAL_S)
    if told["status"] != "completed":
        return f"a run over the novel is {told['status']}: {owner.http.base_url}/api/ai/runs/{run}"
    names = told["output"]["enrichment"]["names"]
    return "; ".join(
        f"{of}: {', '.join(_most(names, kind))}"
        for of, kind in (("people, by rules", "person"), ("places", "place"))
    )


def _most(names: list[dict[str, Any]], kind: str) -> list[str]:
    chosen = [one for one in names if one["kind"] == kind][:SHOWN]
    return [f"{one['name']} {one['mentions']}" for one in chosen]
