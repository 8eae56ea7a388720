"""The stack of the gateway's tests, with people who comment."""

import httpx
import pytest

from tests.gateway.review.support import Talk


@pytest.fixture
async def talk(http: httpx.AsyncClient) -> Talk:
    """A scene with words, and four people."""
    return await Talk.begin(http)
