"""Rate limits: shared by all gateways, told in headers, kinder to those who own the place."""

import asyncio
import time
from collections.abc import AsyncIterator
from ipaddress import ip_network

import httpx
import nats
import pytest

from libs.bus import Client
from libs.contracts.actor import Role
from services.gateway.access.limits import WINDOW_S, LimitClass, Limits, caller_of, client_address
from tests.gateway.support import Manuscript, Person, gateway_beside, is_problem, some_id
from tools.stack import Stack

SMALL = {
    "limit_auth_per_minute": 8,
    "limit_read_per_minute": 10,
    "limit_write_per_minute": 4,
    "trusted_proxies": "127.0.0.1",
}


@pytest.fixture(scope="module")
async def narrow(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Two gateways with small limits."""
    folder = tmp_path_factory.mktemp("narrow")
    async with (
        gateway_beside(stack, folder, **SMALL) as one,
        gateway_beside(stack, folder, **SMALL) as two,
        httpx.AsyncClient(base_url=one) as first,
        httpx.AsyncClient(base_url=two) as second,
    ):
        yield [first, second]


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    client = await nats.connect(stack.nats_url("gateway"), inbox_prefix=b"_INBOX_gateway")
    yield client
    await client.close()


@pytest.fixture
async def minute() -> None:
    """Enough of this minute is left for a test that counts within one."""
    left = WINDOW_S - time.time() % WINDOW_S
    if left < 6:
        await asyncio.sleep(left + 0.1)


def in_both(person: Person, gateways: list[httpx.AsyncClient]) -> list[Person]:
    return [Person(each, person.id, person.email, person.access_token, "") for each in gateways]


async def calls(people: list[Person], path: str, number: int) -> list[httpx.Response]:
    return [await people[n % len(people)].get(path) for n in range(number)]


@pytest.mark.usefixtures("minute")
async def test_gateways_count_together(narrow: list[httpx.AsyncClient], mary: Person):
    """Ten in a minute are ten, whichever gateways they went through."""
    answers = await calls(in_both(mary, narrow), "/api/me", 12)

    assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
    assert [a.headers["ratelimit-remaining"] for a in answers][:3] == ["9", "8", "7"]
    assert is_problem(answers[-1], 429, "RATE_LIMITED")
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60
    assert answers[-1].headers["ratelimit-limit"] == "10"


async def test_owners_and_writers_have_more(
    narrow: list[httpx.AsyncClient], manuscript: Manuscript, percy: Person
):
    await manuscript.welcome(percy, Role.WRITER)
    path = f"/api/scenes/{manuscript.scene['id']}"

    owner = (await in_both(manuscript.owner, narrow)[0].get(path)).headers
    writer = (await in_both(percy, narrow)[1].get(path)).headers

    assert owner["ratelimit-limit"] == "30"
    assert writer["ratelimit-limit"] == "15"


@pytest.mark.usefixtures("minute")
async def test_classes_have_allowances_of_their_own(narrow: list[httpx.AsyncClient], mary: Person):
    person = in_both(mary, narrow)[0]
    answers = [await person.post("/api/projects", {"name": "P"}) for _ in range(6)]

    assert [answer.status_code for answer in answers].count(429) == 2
    assert (await person.get("/api/me")).status_code == 200


@pytest.mark.usefixtures("minute")
async def test_logins_are_counted_by_address(narrow: list[httpx.AsyncClient]):
    """Whom one tries to be does not matter; where one comes from does."""
    address = {"X-Forwarded-For": "203.0.113.7"}

    async def attempt(number: int, headers: dict[str, str]) -> int:
        body = {"email": f"{number}@example.org", "password": "wrong"}
        return (
            await narrow[number % 2].post("/api/auth/login", json=body, headers=headers)
        ).status_code

    assert [await attempt(n, address) for n in range(10)] == [401] * 8 + [429] * 2
    assert await attempt(1, {"X-Forwarded-For": "203.0.113.8"}) == 401


@pytest.mark.usefixtures("minute")
async def test_guessing_tokens_is_limited_too(narrow: list[httpx.AsyncClient]):
    headers = {"Authorization": "Bearer scp_guess", "X-Forwarded-For": "203.0.113.9"}
    answers = [(await narrow[0].get("/api/me", headers=headers)).status_code for _ in range(12)]

    assert answers == [401] * 10 + [429] * 2


async def test_without_the_bus_each_gateway_counts_alone(client: Client):
    limits = Limits(client, {LimitClass.READ: 5}, clock=lambda: 1000.0)
    caller = caller_of(some_id(), "")
    together = [(await limits.count(LimitClass.READ, caller)).count for _ in range(2)]
    await client.close()
    alone = [(await limits.count(LimitClass.READ, caller)).count for _ in range(3)]

    assert together == [1, 2]
    assert alone == [1, 2, 3]


class TestAddresses:
    TRUSTED = (ip_network("10.0.0.0/8"), ip_network("127.0.0.1/32"))

    @pytest.mark.parametrize(
        ("peer", "chain", "expected"),
        [
            ("203.0.113.1", [], "203.0.113.1"),
            ("203.0.113.1", ["198.51.100.1"], "203.0.113.1"),
            ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", ["6.6.6.6", "198.51.100.1", " 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", ["nonsense"], "nonsense"),
        ],
    )
    def test_only_our_own_proxies_are_believed(self, peer: str, chain: list[str], expected: str):
        assert client_address(peer, chain, self.TRUSTED) == expected

    def test_an_ipv6_network_counts_as_one(self):
        one, two = caller_of(None, "2001:db8:1:2::1"), caller_of(None, "2001:db8:1:2:ffff::9")

        assert one == two != caller_of(None, "2001:db8:1:3::1")
        assert caller_of(None, "::ffff:192.0.2.1") == caller_of(None, "192.0.2.1")
        assert caller_of(None, "nonsense.*>") == "unknown"
