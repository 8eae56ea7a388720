"""Logins are limited by account too, and that locks nobody out."""

import asyncio
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from services.gateway.access.limits import WINDOW_S
from tests.gateway.support import PASSWORD, Person, gateway_beside, is_problem
from tools.stack import Stack

FAILURES = 5


@pytest.fixture(scope="module")
async def narrow(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway that lets an account few logins fail."""
    async with (
        gateway_beside(
            stack,
            tmp_path_factory.mktemp("narrow"),
            limit_account_per_minute=FAILURES,
            limit_auth_per_minute=1000,
            trusted_proxies="127.0.0.1",
        ) as url,
        httpx.AsyncClient(base_url=url, timeout=30) as http,
    ):
        yield http


@pytest.fixture
async def minute() -> None:
    """Enough of this minute is left for a test that counts within one."""
    left = WINDOW_S - time.time() % WINDOW_S
    if left < 15:
        await asyncio.sleep(left + 0.1)


async def login(http: httpx.AsyncClient, email: str, password: str, address: str) -> httpx.Response:
    body = {"email": email, "password": password}
    headers = {"X-Forwarded-For": address}
    return await http.post("/api/auth/login", json=body, headers=headers)


@pytest.mark.usefixtures("minute")
async def test_guesses_from_everywhere_are_counted_together(
    narrow: httpx.AsyncClient, mary: Person
):
    """However the address is written; the person goes on from where they have been."""
    home = "198.51.100.7"
    assert (await login(narrow, mary.email, PASSWORD, home)).status_code == 200
    spellings = (mary.email, mary.email.upper(), f" {mary.email} ")
    answers = [
        await login(narrow, spellings[n % 3], "wrong", f"192.0.2.{n}") for n in range(FAILURES + 2)
    ]

    assert [each.status_code for each in answers] == [401] * FAILURES + [429] * 2
    assert is_problem(answers[-1], 429, "RATE_LIMITED")
    assert 0 < int(answers[-1].headers["retry-after"]) <= WINDOW_S
    assert (await login(narrow, mary.email, PASSWORD, "192.0.2.99")).status_code == 429
    assert (await login(narrow, mary.email, PASSWORD, home)).status_code == 200
    nobody = await login(narrow, "nobody-at-all@example.org", "wrong", "192.0.2.1")
    assert nobody.status_code == 401


@pytest.mark.usefixtures("minute")
async def test_many_tries_at_once_are_not_one(narrow: httpx.AsyncClient, mary: Person):
    answers = await asyncio.gather(
        *(login(narrow, mary.email, "wrong", f"192.0.2.{n}") for n in range(FAILURES * 2))
    )

    assert sorted(each.status_code for each in answers) == [401] * FAILURES + [429] * FAILURES


@pytest.mark.usefixtures("minute")
async def test_logins_that_succeed_do_not_count(narrow: httpx.AsyncClient, mary: Person):
    answers = [
        await login(narrow, mary.email, PASSWORD, f"192.0.2.{n}") for n in range(FAILURES * 2)
    ]

    assert {each.status_code for each in answers} == {200}
