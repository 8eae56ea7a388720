"""schemathesis against the OpenAPI document: no 5xx, nothing undocumented."""

import asyncio
import sys
from pathlib import Path

from libs.stack import Stack
from tests.gateway.support import ROOT, Manuscript

TIME_S = 28
SEED = 6111
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance,response_headers_conformance,unsupported_method,use_after_free"
)


async def test_the_public_surface_holds_what_its_document_says(
    stack: Stack, manuscript: Manuscript, tmp_path: Path
):
    """Valid, invalid and stateful sequences of requests, by an owner."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "st"),
        "run",
        f"{stack.url}/api/openapi.json",
        f"--header=Authorization: Bearer {manuscript.owner.access_token}",
        f"--checks={CHECKS}",
        f"--max-time={TIME_S}",
        f"--seed={SEED}",
        "--mode=all",
        "--workers=2",
        # A body without an end is never whole, so there is nothing to hold against it.
        "--exclude-path=/api/projects/{id}/events",
        "--max-examples=25",
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
            "SCHEMATHESIS_HOOKS": "tests.gateway.fuzz_media",
        },
    )
    async with asyncio.timeout(TIME_S * 3):
        output, _ = await process.communicate()

    assert process.returncode == 0, output.decode()[-20_000:]
