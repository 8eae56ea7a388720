"""`services/<name>/schema.sql` is what the migrations lead to."""

from collections.abc import AsyncIterator

import pytest

from tools.schema import SERVICES, path_of, schema_of
from tools.stack import Stack


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """PostgreSQL with the empty databases of all services."""
    async with Stack(tmp_path_factory.mktemp("schema") / "data", replicas={}) as running:
        yield running


@pytest.mark.parametrize("service", SERVICES)
async def test_schema_file_shows_what_migrations_make(stack: Stack, service: str) -> None:
    """A migration without `make schema`, or a file edited by hand, is noticed here."""
    assert await schema_of(stack, service) == path_of(service).read_text()
