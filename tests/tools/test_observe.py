"""The page of figures: what it makes of counters, and what it shows of a real system."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.support.people import People
from tests.support.stack import real_stack
from tests.support.waiting import until
from tests.support.yclient import YClient
from tools.observe.figures import Window, figures, samples
from tools.stack import Stack

BEFORE = """\
# HELP scriptorium_live_ack_seconds time
scriptorium_live_ack_seconds_bucket{le="0.01"} 10.0
scriptorium_live_ack_seconds_bucket{le="0.1"} 10.0
scriptorium_live_ack_seconds_bucket{le="+Inf"} 10.0
scriptorium_http_seconds_count{method="GET",route="/",status="200"} 5.0
scriptorium_live_connections 3.0
"""
NOW = """\
scriptorium_live_ack_seconds_bucket{le="0.01"} 20.0
scriptorium_live_ack_seconds_bucket{le="0.1"} 110.0
scriptorium_live_ack_seconds_bucket{le="+Inf"} 110.0
scriptorium_http_seconds_count{method="GET",route="/",status="200"} 25.0
scriptorium_http_seconds_count{method="GET",route="/",status="503"} 20.0
scriptorium_live_connections 4.0
"""


def shown(window: Window) -> dict[str, tuple[str, bool]]:
    """The figures by title: as they are shown, and whether they are bad."""
    return {each.title: (each.shown, each.is_bad) for each in figures(window)}


def test_counters_are_compared_and_gauges_are_as_they_are() -> None:
    """Of ten seconds: a hundred edits, most of them slow, and twenty answers that failed."""
    window = Window({"gateway-1": samples(BEFORE)}, {"gateway-1": samples(NOW)}, 10)

    found = shown(window)

    assert found["Time to saved"] == ("100.0 ms", True)
    assert found["Requests that failed"] == ("2 a second", True)
    assert found["Open sockets"] == ("4", False)


def test_a_process_that_was_restarted_begins_at_nought() -> None:
    """Its counters are smaller than before; that is no negative rate."""
    window = Window({"gateway-1": samples(NOW)}, {"gateway-1": samples(BEFORE)}, 10)

    assert window.per_s("scriptorium_http_seconds_count") == 0.5
    assert window.quantile("scriptorium_live_ack_seconds", 0.95) == 0.01


def test_where_nothing_happened_nothing_is_bad() -> None:
    """A fresh system is well."""
    found = shown(Window({}, {}, 10))

    assert found["Time to saved"] == ("nothing yet", False)
    assert not any(bad for _, bad in found.values())


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with real_stack(tmp_path_factory.mktemp("observe"), observe=True) as running:
        yield running


async def test_the_page_shows_edits_and_a_part_that_is_away(stack: Stack) -> None:
    """`scriptorium up --observe` on a laptop: no Grafana, and yet an answer."""
    page = stack.observers["figures"]

    async with httpx.AsyncClient() as http, People(stack.url) as people:

        async def shows(words: str) -> bool:
            return words in (await http.get(page)).text

        ada = await people.join("Ada")
        scene = await ada.scene(await ada.project(editor="plain"))
        socket = f"ws{stack.url.removeprefix('http')}/collab/{scene}?token={ada.token}&acks=1"
        async with YClient(lambda: socket) as client:
            for _ in range(10):
                client.type("word ")
                await asyncio.sleep(0.02)
            await until(lambda: shows("Nobody is hurt"), 15)
            await until(lambda: _is_measured(http, page), 15)
        stack.hold("blobs-1")
        stack.kill("blobs-1")
        await until(lambda: shows("does not answer"), 20)
        assert await shows("Somebody may be hurt")


async def _is_measured(http: httpx.AsyncClient, page: str) -> bool:
    text = (await http.get(page)).text
    return "Time to saved" in text and "nothing yet" not in text
