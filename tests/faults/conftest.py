"""One stack for all faults, and the table of what each cost."""

from collections.abc import AsyncIterator, Callable

import pytest

from tests.faults.scenario import Figures
from tests.support.breakable import BreakableStack
from tests.support.scenery import Scenery

REPLICAS = {"gateway": 2, "collab": 2, "events": 1}
BRIDGED = ("gateway-1", "gateway-2", "collab-1", "collab-2")

type Note = Callable[[Figures], Figures]

_figures: dict[str, dict[str, object]] = {}


@pytest.fixture(scope="package")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BreakableStack]:
    folder = tmp_path_factory.mktemp("faults")
    async with BreakableStack(folder, replicas=REPLICAS, bridged=BRIDGED) as running:
        yield running


@pytest.fixture
async def scenery(stack: BreakableStack) -> AsyncIterator[Scenery]:
    """Somebody with scenes, on a stack of which every part is up."""
    for part in stack.parts:
        await stack.wait_ready(part)
    made = await Scenery.begin(stack)
    yield made
    await made.close()


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Note:
    """Keep a fault's figures for the report."""

    def keep(figures: Figures) -> Figures:
        _figures[request.node.name] = figures.as_dict()
        return figures

    return keep


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table; the same as JSON is in .pytest_cache/v/faults/figures."""
    if not _figures:
        return
    if cache := getattr(config, "cache", None):
        cache.set("faults/figures", _figures)
    terminalreporter.section("what each fault cost")
    terminalreporter.write_line(
        f"{'fault':52} {'edits':>6} {'seen, lost':>10} {'acked, lost':>11} {'gap ms':>7}"
    )
    for name, row in _figures.items():
        terminalreporter.write_line(
            f"{name.removeprefix('test_'):52.52} {row['edits']:>6} {row['seen_then_lost']:>10} "
            f"{row['acked_then_lost']:>11} {row['gap_ms']:>7}"
        )
