"""HTTP itself: problems, headers, documents, and a clean end."""

import asyncio
import json
import re
import signal
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from libs import errors
from libs.contracts.ids import new_id
from services.gateway.http import problems
from tests.gateway.support import Manuscript, Person, gateway_beside, is_problem
from tests.support.waiting import until
from tools.stack import Stack

DOCS = Path(__file__).parents[2] / "docs"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class TestProblems:
    def test_every_code_has_a_status(self):
        assert errors.BY_CODE.keys() <= problems.STATUS.keys()

    def test_the_page_in_the_docs_is_current(self):
        """When this fails: python -m services.gateway.http.problems > docs/errors.md."""
        assert (DOCS / "errors.md").read_text() == problems.document()

    async def test_what_the_framework_refuses_is_a_problem_too(self, http: httpx.AsyncClient):
        assert is_problem(await http.get("/nowhere"), 404, "NOT_FOUND")
        wrong_method = await http.put("/api/me")
        assert is_problem(wrong_method, 405, "METHOD_NOT_ALLOWED")
        assert "GET" in wrong_method.headers["allow"]
        assert is_problem(await http.get("/api/../../etc/passwd"), 404, "NOT_FOUND")

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"[" * 50_000, b'{"name":NaN}']
    )
    async def test_malformed_json_is_400(self, mary: Person, body: bytes):
        answer = await mary.ask(
            "POST", "/api/projects", content=body, headers={"Content-Type": "application/json"}
        )

        assert is_problem(answer, 400, "VALIDATION_FAILED")

    async def test_lone_surrogates_and_other_oddities_are_refused_early(self, mary: Person):
        for name in ('"\\ud800"', '"\\u0000"', '"\\u001b[2J"', "1e999", "{}"):
            answer = await mary.ask(
                "POST",
                "/api/projects",
                content=f'{{"name": {name}}}'.encode(),
                headers={"Content-Type": "application/json"},
            )
            assert is_problem(answer, 400, "VALIDATION_FAILED")

    async def test_other_media_types_are_415(self, mary: Person):
        for kind in ("text/xml", "application/x-www-form-urlencoded"):
            answer = await mary.ask(
                "POST", "/api/projects", content=b"<a/>", headers={"Content-Type": kind}
            )
            assert is_problem(answer, 415, "UNSUPPORTED_FORMAT")

    async def test_a_large_body_is_refused_unread(self, mary: Person):
        """By its declared length, and without one by what arrives."""
        assert is_problem(
            await mary.post("/api/projects", {"name": "x" * 300_000}), 413, "TOO_LARGE"
        )

        async def endless():
            for _ in range(100):
                yield b" " * 10_000

        answer = await mary.ask(
            "POST",
            "/api/projects",
            content=endless(),
            headers={"Content-Type": "application/json"},
        )
        assert is_problem(answer, 413, "TOO_LARGE")

    async def test_the_trace_of_the_caller_goes_on(self, http: httpx.AsyncClient):
        parent = f"00-{TRACE}-00f067aa0ba902b7-01"
        answer = await http.get("/nowhere", headers={"traceparent": parent, "X-Request-Id": "r-1"})

        assert answer.json()["traceId"] == TRACE
        assert answer.headers["traceparent"].split("-")[1] == TRACE
        assert answer.headers["x-request-id"] == "r-1"
        odd = await http.get("/nowhere", headers={"X-Request-Id": "a b\t<>"})
        assert odd.headers["x-request-id"] == odd.json()["traceId"]


class TestHeaders:
    async def test_every_answer_is_safe(self, http: httpx.AsyncClient):
        for path in ("/healthz", "/api/docs", "/nowhere", "/api/me", "/api/openapi.json"):
            headers = (await http.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert "server" not in headers

    async def test_pages_of_strangers_get_no_permission(self, http: httpx.AsyncClient):
        answer = await http.get("/healthz", headers={"Origin": "https://evil.example"})

        assert "access-control-allow-origin" not in answer.headers

    async def test_allowed_origins_may_call(self, stack: Stack, tmp_path: Path):
        origin = "https://editor.example"
        async with (
            gateway_beside(stack, tmp_path, allowed_origins=f"{origin},https://b.example") as url,
            httpx.AsyncClient(base_url=url) as http,
        ):
            preflight = await http.options(
                "/api/projects",
                headers={
                    "Origin": origin,
                    "Access-Control-Request-Method": "POST",
                    "Access-Control-Request-Headers": "authorization,idempotency-key",
                },
            )
            uploads = f"/api/projects/{new_id()}/uploads"
            tus = await http.options(uploads, headers={"Origin": origin})
            patch = await http.options(
                f"{uploads}/{new_id()}",
                headers={
                    "Origin": origin,
                    "Access-Control-Request-Method": "PATCH",
                    "Access-Control-Request-Headers": "tus-resumable, x-http-method-override",
                },
            )
            refused = await http.get("/api/me", headers={"Origin": origin})
            stranger = await http.get("/api/me", headers={"Origin": "https://evil.example"})

        assert preflight.status_code in (200, 204)
        assert preflight.headers["access-control-allow-origin"] == origin
        assert "idempotency-key" in preflight.headers["access-control-allow-headers"].lower()
        assert is_problem(refused, 401, "UNAUTHENTICATED")
        assert refused.headers["access-control-allow-origin"] == origin
        assert "etag" in refused.headers["access-control-expose-headers"].lower()
        assert tus.headers["tus-version"] == "1.0.0"
        assert "creation-defer-length" in tus.headers["tus-extension"]
        exposed = tus.headers["access-control-expose-headers"].lower()
        assert {"tus-version", "upload-metadata", "upload-offset"} <= set(exposed.split(", "))
        assert "upload-metadata" in refused.headers["access-control-expose-headers"].lower()
        assert "x-http-method-override" in patch.headers["access-control-allow-headers"]
        assert "access-control-allow-origin" not in stranger.headers


class TestDocuments:
    async def test_the_page_needs_no_other_server(self, http: httpx.AsyncClient):
        page = await http.get("/api/docs")

        assert page.headers["content-type"].startswith("text/html")
        for path in re.findall(r'(?:src|href)="([^"]+)"', page.text):
            assert path.startswith("/")
            assert (await http.get(path)).status_code == 200
        script = (await http.get("/api/docs/script.js")).text
        style = (await http.get("/api/docs/style.css")).text
        assert "//" not in re.sub(r"^//.*|^\s+//.*", "", page.text + style, flags=re.MULTILINE)
        assert "http" not in script
        assert "innerHTML" not in script

    async def test_every_route_is_documented_with_examples(self, http: httpx.AsyncClient):
        document = (await http.get("/api/openapi.json")).json()

        assert document["openapi"] == "3.1.0"
        operations = sum(map(len, document["paths"].values()))
        assert len(json.dumps(document)) < 4_000 * operations
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                assert operation["summary"], (method, path)
                assert operation["responses"]
                body = operation.get("requestBody", {}).get("content", {}).get("application/json")
                assert body is None or body["example"]
                if path.startswith("/api/") and operation["security"]:
                    assert {"401", "403", "429", "500", "503"} <= operation["responses"].keys()

    async def test_operation_ids_are_unique(self, http: httpx.AsyncClient):
        paths = (await http.get("/api/openapi.json")).json()["paths"]
        ids = [operation["operationId"] for each in paths.values() for operation in each.values()]

        assert len(ids) == len(set(ids))


class TestOperation:
    async def test_metrics_are_not_public_and_know_templates_only(
        self, stack: Stack, http: httpx.AsyncClient, manuscript: Manuscript, mary: Person
    ):
        await mary.get(f"/api/scenes/{manuscript.scene['id']}")
        assert is_problem(await http.get("/metrics"), 404, "NOT_FOUND")
        async with httpx.AsyncClient() as client:
            metrics = (await client.get(f"{stack.ops_url('gateway-1')}/metrics")).text

        assert 'route="/api/scenes/{id}",status="200"' in metrics
        assert manuscript.scene["id"] not in metrics

    async def test_logs_hold_no_secret(self, stack: Stack, http: httpx.AsyncClient, mary: Person):
        await http.get("/api/me?token=seesaw-secret", headers={"Authorization": "Bearer gossip"})
        await mary.get("/api/me")
        log = stack.logs("gateway-1").read_text()

        assert '"route": "/api/me"' in log
        for secret in ("seesaw-secret", "gossip", mary.access_token, mary.refresh_token):
            assert secret not in log

    @pytest.mark.long
    async def test_a_stop_lets_requests_in_flight_end(self, stack: Stack, tmp_path: Path):
        """A login takes its time; a gateway told to stop still answers it."""
        async with (
            gateway_beside(stack, tmp_path) as url,
            httpx.AsyncClient(base_url=url) as http,
        ):
            body = {"email": "x@example.org", "password": "whatever it is"}
            logins = [
                asyncio.create_task(http.post("/api/auth/login", json=body)) for _ in range(8)
            ]
            await asyncio.sleep(0.1)
            _terminate_children_listening(url)
            answers = await asyncio.gather(*logins)
            await until(lambda: _is_silent(http), 5)

        assert {answer.status_code for answer in answers} == {401}


def _terminate_children_listening(url: str) -> None:
    import psutil

    port = int(url.rsplit(":", 1)[1])
    for child in psutil.Process().children():
        if any(c.laddr.port == port for c in child.net_connections() if c.status == "LISTEN"):
            child.send_signal(signal.SIGTERM)


async def _is_silent(http: httpx.AsyncClient) -> bool:
    try:
        await http.get("/healthz")
    except httpx.TransportError:
        return True
    return False


async def test_sockets_open_only_for_pages_that_may_call(stack: Stack, tmp_path: Path):
    """A strange page that got hold of a token is stopped before the upgrade."""
    origin = "https://editor.example"
    async with gateway_beside(stack, tmp_path, allowed_origins=origin) as url:
        address = f"{url.replace('http', 'ws', 1)}/collab/{uuid4()}"

        with pytest.raises(InvalidStatus) as refused:
            async with connect(address, origin=Origin("https://evil.example")):
                pass
        with pytest.raises(ConnectionClosed) as closed:
            async with connect(address, origin=Origin(origin)) as socket:
                await socket.recv()

    assert refused.value.response.status_code == 403
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401
