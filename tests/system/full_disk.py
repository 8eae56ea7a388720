"""`python -m tests.system.full_disk FOLDER`: a stack on a disk of its own that is full, then free.

In a mount namespace of its own (`unshare --mount`). Prints what it saw as JSON; see test_full_disk.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from tests.support.people import People, Person
from tests.support.stack import real_stack
from tools.stack.survey import survey

DISK = "900m"
TRIES = 12
HEALED_S_MAX = 60
LOOK_S = 1.0


def fill(ballast: Path) -> None:
    """Leave no byte."""
    with ballast.open("wb", 0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue


async def write(person: Person, project: str, scene: str) -> list[int]:
    """Statuses of a command, of an edit, of a file and of the gateway's own database."""
    draft = {"format": "text", "content": os.urandom(9).hex()}
    asked: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("POST", f"/api/projects/{project}/books", {"json": {"title": "A", "kind": "novel"}}),
        ("PUT", f"/api/scenes/{scene}/content", {"json": draft}),
        ("POST", f"/api/projects/{project}/blobs", {"content": os.urandom(9)}),
        ("POST", "/api/tokens", {"json": {"name": os.urandom(4).hex(), "scopes": ["read"]}}),
    )  # fmt: skip
    return [(await person.http.request(m, p, **body)).status_code for m, p, body in asked]


async def main(folder: Path) -> dict[str, Any]:
    """Fill the disk while somebody writes, free it, and wait until facts flow again."""
    mount = ("mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder))
    await asyncio.to_thread(subprocess.run, mount, check=True)
    async with real_stack(folder) as stack, People(stack.url) as people:
        mary = await people.join("Mary")
        project = await mary.project()
        scene = await mary.scene(project)
        before = await write(mary, project, scene)
        ballast = folder / "ballast"
        await asyncio.to_thread(fill, ballast)
        full: Counter[int] = Counter()
        sick = False
        for _ in range(TRIES):
            full.update(await write(mary, project, scene))
            found = await survey(stack.data_dir)
            sick = sick or (found is not None and not all(part.ready for part in found.parts))
            await asyncio.sleep(LOOK_S)
        ballast.unlink()
        waited = 0
        ages: list[float] = []
        async with httpx.AsyncClient() as http:
            while waited < HEALED_S_MAX:
                await asyncio.sleep(LOOK_S)
                waited += 1
                ages = [await age(http, stack.ops_url(part)) for part in ("events-1", "blobs-1")]
                if not any(ages):
                    break
        after = await write(mary, project, scene)
        logs = {
            part: stack.logs(part).read_text(errors="replace").count("request failed")
            for part in ("events-1", "collab-1", "blobs-1", "gateway-1")
        }
    return {
        "before": before, "full": dict(full), "sick": sick, "healed_s": waited, "ages": ages,
        "after": after, "failed": logs,
    }  # fmt: skip


async def age(http: httpx.AsyncClient, url: str) -> float:
    """Age of the oldest fact that is not announced."""
    text = (await http.get(f"{url}/metrics")).text
    name = "scriptorium_outbox_age_seconds{"
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(Path(sys.argv[1])))))
