"""A person with an account, over the public HTTP API."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode
from uuid import uuid4

import httpx

REQUEST_TIMEOUT_S = 30.0
RETRIES_MAX = 60
_TOO_MANY = 429
_SERVER_ERRORS = 500


class TourEnded(Exception):
    """The tour cannot go on; the message is a sentence for the person who takes it."""


@dataclass(frozen=True, slots=True)
class Guest:
    """An account made for the tour, and its connection."""

    id: str
    name: str
    email: str
    password: str
    token: str
    http: httpx.Client

    @classmethod
    def register(cls, url: str, name: str) -> Self:
        """Make an account with a random address and password.

        Raises:
            TourEnded: No server answers at *url*, or it is not a gateway.
        """
        email, password = f"{name.lower()}.{uuid4().hex[:8]}@example.org", uuid4().hex
        try:
            http = httpx.Client(base_url=url, timeout=REQUEST_TIMEOUT_S)
        except httpx.InvalidURL as error:
            raise TourEnded(f"{url} is no address: {error}") from error
        account = {"email": email, "password": password, "displayName": name}
        told = _ask(http, "POST", "/api/auth/register", json=account)
        try:
            user_id, token = str(told["user"]["id"]), str(told["accessToken"])
        except (KeyError, TypeError):
            raise TourEnded(f"the server at {url} is not Scriptorium") from None
        http.headers["Authorization"] = f"Bearer {token}"
        return cls(user_id, name, email, password, token, http)

    def create(self, path: str, **fields: str) -> str:
        """Create something; returns its id."""
        return str(_ask(self.http, "POST", path, json=fields)["id"])

    def ask(self, path: str, **query: str) -> Any:
        """Return the JSON that a path answers."""
        address = f"{path}?{urlencode(query)}" if query else path
        return _send(self.http, "GET", address).json()

    def let_in(self, project_id: str, friend: Self, role: str) -> None:
        """Give *friend* a role in a project of this person."""
        path = f"/api/projects/{project_id}/members/{friend.id}"
        _ask(self.http, "PUT", path, json={"role": role})

    def write(self, scene_id: str, text: str) -> None:
        """Make a scene read *text*."""
        content = {"format": "text", "content": text}
        _ask(self.http, "PUT", f"/api/scenes/{scene_id}/content", json=content)

    def read(self, scene_id: str) -> str:
        """Return the text of a scene."""
        return _send(self.http, "GET", f"/api/scenes/{scene_id}/content?format=text").text


def _ask(http: httpx.Client, method: str, path: str, *, json: dict[str, str]) -> Any:
    answer = _send(http, method, path, json=json)
    try:
        return answer.json()
    except ValueError:
        raise TourEnded(f"the server at {_base(http)} is not Scriptorium") from None


def _send(
    http: httpx.Client,
    method: str,
    path: str,
    *,
    json: dict[str, str] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> httpx.Response:
    # The same key each time, so that a request that was done already is not done twice.
    headers = {"Idempotency-Key": str(uuid4())} if method == "POST" else {}
    for _ in range(RETRIES_MAX):
        try:
            answer = http.request(method, path, json=json, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise TourEnded(
                f"nothing answers at {_base(http)}; start it with: scriptorium up"
            ) from None
        except httpx.HTTPError as error:
            raise TourEnded(f"{method} {_base(http)}{path} failed: {error}") from error
        if answer.status_code != _TOO_MANY:
            break
        sleep(_seconds(answer.headers.get("Retry-After", "")))
    else:
        raise TourEnded(f"{method} {path} stays rate-limited; try again later")
    if answer.is_success:
        return answer
    if answer.status_code < _SERVER_ERRORS and "problem" not in _media_type(answer):
        raise TourEnded(f"the server at {_base(http)} is not Scriptorium")
    raise TourEnded(f"{method} {path} was answered with {answer.status_code}: {_detail(answer)}")


def _base(http: httpx.Client) -> str:
    return str(http.base_url).rstrip("/")


def _media_type(answer: httpx.Response) -> str:
    return answer.headers.get("Content-Type", "").partition(";")[0]


def _detail(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
        return str(problem.get("detail") or problem.get("title"))
    except (ValueError, AttributeError):
        return answer.reason_phrase


def _seconds(text: str) -> float:
    return float(text) if text.isdecimal() else 1.0
