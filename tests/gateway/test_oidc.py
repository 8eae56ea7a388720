"""People of an external OpenID provider."""

import base64
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt import algorithms

from tests.gateway.support import Manuscript, Person, gateway_beside, is_problem
from tools.stack import Stack

AUDIENCE = "scriptorium-clients"


class Provider:
    """A small OpenID provider."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, Any]] = {
            "rsa": ("RS256", rsa.generate_private_key(65537, 2048)),
            "ec": ("ES256", ec.generate_private_key(ec.SECP256R1())),
            "ed": ("EdDSA", ed25519.Ed25519PrivateKey.generate()),
            "weak": ("HS256", b"a shared secret of thirty-two bytes"),
        }
        self.hidden: set[str] = set()
        self.fetches = 0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(provider.answer(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}/realm"

    def answer(self, path: str) -> dict[str, Any]:
        if path.endswith("openid-configuration"):
            return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}
        self.fetches += 1
        return {"keys": [self.jwk(name) for name in self.keys if name not in self.hidden]}

    def jwk(self, name: str) -> dict[str, Any]:
        algorithm, key = self.keys[name]
        if algorithm == "HS256":
            return {
                "kty": "oct",
                "kid": name,
                "alg": algorithm,
                "k": base64.b64encode(key).decode(),
            }
        kinds: dict[str, Any] = {
            "RS256": algorithms.RSAAlgorithm,
            "ES256": algorithms.ECAlgorithm,
            "EdDSA": algorithms.OKPAlgorithm,
        }
        jwk = kinds[algorithm].to_jwk(key.public_key(), as_dict=True)
        return {**jwk, "kid": name, "alg": algorithm, "use": "sig"}

    def token(self, name: str, subject: str, **changed: Any) -> str:
        algorithm, key = self.keys[name]
        claims = {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": subject,
            "exp": int(time.time()) + 300,
            "name": "Clara",
            **changed,
        }
        return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": name})


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    provider = Provider()
    provider.hidden.add("ed")
    thread = threading.Thread(target=provider.server.serve_forever, daemon=True)
    thread.start()
    yield provider
    provider.server.shutdown()


@pytest.fixture(scope="module")
async def gateway(
    stack: Stack, provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway that accepts the provider's tokens."""
    folder = tmp_path_factory.mktemp("oidc")
    settings = {"oidc_issuer": provider.issuer, "oidc_audience": AUDIENCE}
    async with (
        gateway_beside(stack, folder, **settings) as url,
        httpx.AsyncClient(base_url=url) as http,
    ):
        yield http


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("name", ["rsa", "ec"])
async def test_a_person_is_known_again(gateway: httpx.AsyncClient, provider: Provider, name: str):
    subject = uuid4().hex
    first = await gateway.get("/api/me", headers=bearer(provider.token(name, subject)))
    again = await gateway.get("/api/me", headers=bearer(provider.token("rsa", subject)))

    assert first.status_code == 200, first.text
    assert first.json() == again.json()
    assert first.json()["displayName"] == "Clara"


async def test_they_own_what_they_create_and_can_be_members(
    gateway: httpx.AsyncClient, provider: Provider, manuscript: Manuscript
):
    token = provider.token("rsa", uuid4().hex)
    user_id = (await gateway.get("/api/me", headers=bearer(token))).json()["id"]
    clara = Person(gateway, user_id, "", token, "")
    await clara.made("/api/projects", {"name": "Mine"})
    await manuscript.welcome(clara, "READER")  # pyright: ignore[reportArgumentType]

    assert (await clara.get(f"/api/projects/{manuscript.project['id']}")).status_code == 200


async def test_a_claimed_address_takes_over_no_account(
    gateway: httpx.AsyncClient, provider: Provider, mary: Person
):
    """Not even a verified one: the local account was not theirs to begin with."""
    claims = {"email": mary.email, "email_verified": True}
    token = provider.token("rsa", uuid4().hex, **claims)
    person = (await gateway.get("/api/me", headers=bearer(token))).json()

    assert person["id"] != mary.id
    assert person["email"] == ""


async def test_many_first_requests_at_once_make_one_person(
    gateway: httpx.AsyncClient, provider: Provider
):
    import asyncio

    token = provider.token("rsa", uuid4().hex)
    answers = await asyncio.gather(
        *(gateway.get("/api/me", headers=bearer(token)) for _ in range(10))
    )

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_a_wrong_token_is_refused(gateway: httpx.AsyncClient, provider: Provider):
    stranger = Provider()
    stranger.server.server_close()
    wrong = [
        provider.token("rsa", "x", exp=1),
        provider.token("rsa", "x", aud="others"),
        provider.token("rsa", "x", iss="https://elsewhere.example"),
        provider.token("rsa", ""),
        provider.token("rsa", "nul\0"),
        provider.token("weak", "x"),
        stranger.token("rsa", "x", iss=provider.issuer),
        provider.token("rsa", "x").rsplit(".", 1)[0] + ".AAAA",
    ]

    for token in wrong:
        answer = await gateway.get("/api/me", headers=bearer(token))
        assert is_problem(answer, 401, "UNAUTHENTICATED")


async def test_invented_keys_do_not_make_us_a_hammer(
    gateway: httpx.AsyncClient, provider: Provider
):
    await gateway.get("/api/me", headers=bearer(provider.token("rsa", "x")))
    before = provider.fetches
    for _ in range(20):
        headers = {"kid": uuid4().hex}
        token = jwt.encode({"iss": provider.issuer}, provider.keys["rsa"][1], "RS256", headers)
        assert (await gateway.get("/api/me", headers=bearer(token))).status_code == 401

    assert provider.fetches - before <= 1


async def test_our_own_tokens_go_on(gateway: httpx.AsyncClient, mary: Person):
    answer = await gateway.get("/api/me", headers=bearer(mary.access_token))

    assert answer.json()["id"] == mary.id
