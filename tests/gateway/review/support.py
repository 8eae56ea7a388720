"""A scene with words in it, and the people who talk about them."""

from dataclasses import dataclass
from typing import Any

import httpx

from libs.contracts.actor import Role
from tests.gateway.support import Json, Manuscript, Person

WORDS = "You will rejoice to hear that no disaster has accompanied the commencement."


@dataclass(frozen=True, slots=True)
class Talk:
    """A project of Mary's in which Percy writes and Jane reads; Clerval is a stranger."""

    manuscript: Manuscript
    mary: Person
    percy: Person
    jane: Person
    clerval: Person

    @classmethod
    async def begin(cls, http: httpx.AsyncClient) -> "Talk":
        people = [await Person.register(http, name) for name in ("Mary", "Percy", "Jane", "Henry")]
        mary, percy, jane, clerval = people
        manuscript = await Manuscript.begin(mary)
        await manuscript.welcome(percy, Role.WRITER)
        await manuscript.welcome(jane, Role.READER)
        talk = cls(manuscript, mary, percy, jane, clerval)
        await talk.write(WORDS)
        return talk

    @property
    def project(self) -> str:
        return str(self.manuscript.project["id"])

    @property
    def scene(self) -> str:
        return str(self.manuscript.scene["id"])

    @property
    def threads(self) -> str:
        return f"/api/scenes/{self.scene}/threads"

    async def write(self, text: str, scene: str | None = None) -> None:
        """Put text into the scene, or into another one."""
        path = f"/api/scenes/{scene or self.scene}/content"
        answer = await self.mary.ask("PUT", path, json={"format": "text", "content": text})
        assert answer.status_code == 200, answer.text

    async def thread(
        self, by: Person, body: str = "Really?", quote: str = "no disaster", **more: Any
    ) -> Json:
        """Begin a thread on some words."""
        return await by.made(self.threads, {"anchor": {"quote": quote}, "body": body, **more})

    async def reply(self, by: Person, thread: Json, body: str = "Yes.", **more: Any) -> Json:
        """Answer in a thread."""
        return await by.made(f"/api/threads/{thread['id']}/comments", {"body": body, **more})

    async def listed(self, by: Person, **query: Any) -> list[Json]:
        """All threads that a list shows, page by page."""
        found: list[Json] = []
        while True:
            page = await read(by, self.threads, params=query)
            found += page["items"]
            if page["nextCursor"] is None:
                return found
            query["cursor"] = page["nextCursor"]


async def read(by: Person, path: str, **more: Any) -> Json:
    """GET what must be there."""
    answer = await by.get(path, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def done(by: Person, method: str, path: str, body: Any = None, **more: Any) -> Json:
    """Ask for what must be allowed; nothing for 204."""
    answer = await by.ask(method, path, json=body, **more)
    assert answer.status_code in (200, 204), answer.text
    return answer.json() if answer.content else {}
