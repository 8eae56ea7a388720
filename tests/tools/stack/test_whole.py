"""The real services under the launcher."""

import asyncio
import urllib.request
from pathlib import Path

from tools.stack import Stack
from tools.stack.services import present


async def test_whole_stack_survives_the_death_of_every_part_at_once(tmp_path: Path):
    """As after an out-of-memory kill: whatever comes up first waits for the others."""
    async with Stack(tmp_path / "data") as stack:
        started = set(stack.parts)
        before = {part: stack.pid(part) for part in stack.parts}
        for part in stack.parts:
            stack.kill(part)
        await asyncio.gather(*(stack.wait_ready(part, timeout_s=60) for part in stack.parts))
        after = {part: stack.pid(part) for part in stack.parts}
        status = await asyncio.to_thread(_status, f"{stack.ops_url('gateway-1')}/readyz")

    assert started == {"postgres", "nats", *(f"{service}-1" for service in present())}
    assert not set(before.values()) & set(after.values())
    assert status == 200


def _status(url: str) -> int:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.status
