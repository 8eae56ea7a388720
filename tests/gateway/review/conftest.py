"""The stack of the gateway's tests, with people who comment."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.gateway.review.support import Talk
from tools.stack import Stack

PATIENCE_S = 60
"""The first anchor after a start waits for the process that reads documents."""


@pytest.fixture(scope="package")
async def http(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """The first gateway."""
    async with httpx.AsyncClient(base_url=stack.gateways[0], timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture
async def talk(http: httpx.AsyncClient) -> Talk:
    """A scene with words, and four people."""
    return await Talk.begin(http)
