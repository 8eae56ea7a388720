"""A manuscript of several scenes with canon, and runs over it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.gateway.support import Json, Manuscript, Person
from tests.support.waiting import until

FINAL = ("completed", "failed", "cancelled")


@dataclass
class Desk:
    """A person, their project, and its scenes by title."""

    owner: Person
    manuscript: Manuscript
    scenes: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    async def begin(cls, owner: Person) -> "Desk":
        return cls(owner, await Manuscript.begin(owner))

    @property
    def project(self) -> str:
        return str(self.manuscript.project["id"])

    async def write(self, title: str, text: str) -> str:
        """Write a scene, the first time at the end of the book; returns its id."""
        if title not in self.scenes:
            path = f"/api/chapters/{self.manuscript.chapter['id']}/scenes"
            self.scenes[title] = (await self.owner.made(path, {"title": title}))["id"]
        scene = self.scenes[title]
        body = {"format": "text", "content": text}
        answer = await self.owner.ask("PUT", f"/api/scenes/{scene}/content", json=body)
        assert answer.status_code == 200, answer.text
        return scene

    async def character(self, name: str, **more: Any) -> str:
        body = {"type": "character", "name": name, **more}
        return (await self.owner.made(f"/api/projects/{self.project}/entities", body))["id"]

    async def fact(self, entity: str, fact: str, **more: Any) -> str:
        body = {"entityId": entity, "fact": fact, **more}
        return (await self.owner.made(f"/api/projects/{self.project}/facts", body))["id"]

    async def text(self, scene: str) -> str:
        answer = await self.owner.get(f"/api/scenes/{scene}/content", params={"format": "text"})
        return answer.text

    async def begin_run(self, kind: str, **more: Any) -> Json:
        return await self.owner.made(
            f"/api/projects/{self.project}/ai/runs", {"kind": kind, **more}
        )

    async def read(self, run: str) -> Json:
        answer = await self.owner.get(f"/api/ai/runs/{run}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ended(self, run: str) -> Json:
        """Wait for the end of a run, and read it."""

        async def is_final() -> Json | None:
            found = await self.read(run)
            return found if found["status"] in FINAL else None

        return await until(is_final)

    async def done(self, kind: str, **more: Any) -> Json:
        """Do a run; returns its output."""
        run = await self.ended((await self.begin_run(kind, **more))["id"])
        assert run["status"] == "completed", run
        return run["output"]

    async def stream(self, run: str, after: int | None = None) -> list[Json]:
        """Follow a run to its end, from behind a version of it."""
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        answer = await self.owner.get(f"/api/ai/runs/{run}/stream", headers=headers)
        assert answer.status_code == 200, answer.text
        blocks = answer.text.split("\n\n")
        return [_event(block.splitlines()) for block in blocks if "data: " in block]

    async def stands(self, quote: Json) -> bool:
        """Whether a quote of the text is there, word for word."""
        units = (await self.text(quote["sceneId"])).encode("utf-16-le")
        words = units[2 * quote["from"] : 2 * quote["to"]].decode("utf-16-le")
        return words == quote["quote"]


def _event(lines: Sequence[str]) -> Json:
    told = dict(line.split(": ", 1) for line in lines if ": " in line)
    data = json.loads(told["data"])
    assert str(data["version"]) == told["id"]
    return data
