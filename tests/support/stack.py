"""The whole system, real, for tests that go through its public door.

A room's conftest makes it a fixture in four lines, so that each decides how long its stack lives
and what may be done to it:

    @pytest.fixture(scope="session")
    async def stack(tmp_path_factory):
        async with real_stack(tmp_path_factory.mktemp("stack")) as running:
            yield running
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from tools.stack import Stack
from tools.stack.part import Spec

TEST_LIMITS = {
    f"SCRIPTORIUM_LIMIT_{kind}_PER_MINUTE": "1000000"
    for kind in ("AUTH", "READ", "WRITE", "CONTENT")
}
"""All tests come from one address within a minute; limits are the matter of tests/gateway."""

NO_SEARCH = {"gateway": 1, "collab": 1, "events": 1, "blobs": 1}
"""Every service except the indexer and ai, which few tests need."""


@asynccontextmanager
async def real_stack(
    folder: Path,
    *,
    replicas: Mapping[str, int] | None = None,
    supervise: bool = True,
    environment: Mapping[str, str] | None = None,
    observe: bool = False,
) -> AsyncGenerator[Stack]:
    """Start PostgreSQL, NATS and services in *folder*, and stop them at the end.

    Args:
        folder: An empty folder of the test's own.
        replicas: How many of each service; one of each without the indexer and ai when omitted.
        supervise: Whether parts that are killed come back by themselves.
        environment: Settings of the services beyond those that tests need.
        observe: Whether the page of figures is served.
    """
    async with Stack(
        folder / "data",
        replicas=NO_SEARCH if replicas is None else replicas,
        supervise=supervise,
        environment={**TEST_LIMITS, **(environment or {})},
        observe=observe,
    ) as running:
        yield running


class TwoCollabs(Stack):
    """A stack whose parts can be given another environment for their next start."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], *, supervise: bool = True
    ) -> None:
        """*environment* is that of all services; see `environments` for that of one part."""
        self.environments: dict[str, dict[str, str]] = {}
        super().__init__(
            folder / "data",
            replicas={"events": 1, "collab": 2, "gateway": 1},
            environment={**TEST_LIMITS, **environment},
            supervise=supervise,
            log_format="json",
        )

    def _describe(self, service: str, number: int) -> Spec:
        spec = super()._describe(service, number)
        self.environments[spec.name] = dict(spec.environment)
        return replace(spec, environment=self.environments[spec.name])


async def kill_everything(stack: Stack) -> None:
    """SIGKILL all parts in one go and return when their successors are ready."""
    parts = stack.parts
    for part in parts:
        stack.kill(part)
    for part in parts:
        await stack.wait_ready(part)
