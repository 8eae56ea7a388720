"""schemathesis against the OpenAPI document: no 5xx, nothing undocumented, nothing left out."""

import asyncio
import sys
from pathlib import Path

import httpx
import pytest

from tests.gateway.fuzz_hooks import REACHED
from tests.gateway.support import ROOT, Manuscript
from tools.stack import Stack

WAIT_S = 240
"""For what takes some 20 s on a machine that has nothing else to do."""
LONG_S = 7200
SEED = 6111
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance,response_headers_conformance,unsupported_method,use_after_free,"
    "ignored_auth,missing_required_header,negative_data_rejection"
)
DOCUMENT = "/api/openapi.json"
"""Read to begin with, and not asked for again."""
ENDLESS = "/api/projects/{id}/events"
"""A body without an end is never whole, so there is nothing to hold against it."""


SHORT = ("--phases=fuzzing", "--max-examples=1")
"""A request or two to each operation: without a limit of time, which would leave out the last."""
LONG = ("--phases=examples,coverage,fuzzing,stateful", "--max-examples=100")


@pytest.mark.usefixtures("every_service")
@pytest.mark.parametrize(
    ("how", "wait_s"),
    [
        pytest.param(SHORT, WAIT_S, id="short"),
        pytest.param(
            LONG, LONG_S, id="long", marks=[pytest.mark.long, pytest.mark.timeout(2 * LONG_S)]
        ),
    ],
)
async def test_the_public_surface_holds_what_its_document_says(  # noqa: PLR0917
    how: tuple[str, ...],
    wait_s: float,
    stack: Stack,
    http: httpx.AsyncClient,
    manuscript: Manuscript,
    tmp_path: Path,
):
    """Valid, invalid and stateful requests by an owner; every operation is reached."""
    reached = tmp_path / "reached"
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "st"),
        "run",
        f"{stack.url}{DOCUMENT}",
        f"--header=Authorization: Bearer {manuscript.owner.access_token}",
        f"--checks={CHECKS}",
        f"--seed={SEED}",
        "--mode=all",
        *how,
        "--workers=2",
        f"--exclude-path={ENDLESS}",
        "--continue-on-failure",
        "--generation-database=none",
        "--no-color",
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "HOME": str(tmp_path),
            "SCHEMATHESIS_HOOKS": "tests.gateway.fuzz_hooks",
            REACHED: str(reached),
        },
    )
    async with asyncio.timeout(wait_s):
        output, _ = await process.communicate()

    paths = (await http.get(DOCUMENT)).json()["paths"]
    expected = {
        f"{method.upper()} {path}"
        for path, methods in paths.items()
        for method in methods
        if path not in (ENDLESS, DOCUMENT)
    }
    assert process.returncode == 0, output.decode()[-20_000:]
    assert set(reached.read_text().splitlines()) >= expected
