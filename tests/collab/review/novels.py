# ruff: noqa: RUF001 (texts have typographic apostrophes)
"""A novel with a heroine, and refactors of it, as clients make them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.people import Person
from tests.support.waiting import until

TEXT = "Mara came in. “Mara’s hat!” she said.\nMARA (V.O.)\nA marathon for Mara."
RENAMED = "Nora came in. “Nora’s hat!” she said.\nNORA (V.O.)\nA marathon for Nora."
FOUND_WAIT_S = 60.0
AT_ONCE = 8


@dataclass
class Novel:
    """A project with a book of scenes, and the heroine's entity."""

    person: Person
    project: str
    book: str
    chapter: str
    heroine: str
    scenes: list[str] = field(default_factory=list[str])

    @classmethod
    async def written(
        cls, person: Person, texts: Sequence[str] = (TEXT, TEXT, TEXT), editor: str = "tiptap"
    ) -> "Novel":
        """A novel of some scenes, each with the heroine in its title."""
        project = await person.project("A novel", editor=editor)
        book = await person.ask(
            "POST", f"/api/projects/{project}/books", title="Mara's Book", kind="novel"
        )
        chapter = await person.ask("POST", f"/api/books/{book['id']}/chapters", title="One")
        heroine = await person.ask(
            "POST",
            f"/api/projects/{project}/entities",
            type="character",
            name="Mara Voss",
            aliases=["Mara", "Red"],
            description="Mara is tall.",
        )
        novel = cls(person, project, book["id"], chapter["id"], heroine["id"])
        turn = asyncio.Semaphore(AT_ONCE)

        async def write(number: int, text: str) -> str:
            async with turn:
                scene = await person.ask(
                    "POST", f"/api/chapters/{chapter['id']}/scenes", title=f"Mara {number}"
                )
                await novel.write(scene["id"], text)
                return scene["id"]

        first = [await write(number, text) for number, text in enumerate(texts[:3])]
        rest = [write(number, text) for number, text in enumerate(texts[3:], 3)]
        novel.scenes = first + list(await asyncio.gather(*rest))
        return novel

    async def write(self, scene: str, text: str) -> None:
        body = {"format": "text", "content": text}
        await self.person.ask("PUT", f"/api/scenes/{scene}/content", **body)

    async def texts(self) -> list[str]:
        return [await self.person.text(scene) for scene in self.scenes]

    async def propose(self, **body: Any) -> httpx.Response:
        """Ask for a refactor; a rename of the heroine when nothing is said."""
        rename = {"kind": "rename_entity", "entityId": self.heroine, "to": "Nora Voss"}
        path = f"/api/projects/{self.project}/refactors"
        return await self.person.http.post(path, json=body or rename)

    async def found(self, **body: Any) -> Any:
        """A refactor with all of its hits."""
        answer = await self.propose(**body)
        assert answer.status_code == 201, answer.text
        made = answer.json()

        async def ready() -> bool:
            return (await self.read(made["id"]))["state"] != "FINDING"

        await until(ready, FOUND_WAIT_S)
        return await self.read(made["id"])

    async def read(self, refactor: str, **query: Any) -> Any:
        answer = await self.person.http.get(f"/api/refactors/{refactor}", params=query)
        answer.raise_for_status()
        return answer.json()

    async def does(self, refactor: Any, what: str, status: int = 200, **query: str) -> Any:
        """Apply, revert or restore."""
        path = f"/api/refactors/{refactor['id']}/{what}"
        answer = await self.person.http.post(path, params=query, timeout=90)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def choose(self, refactor: Any, *choices: Any, status: int = 200) -> Any:
        path = f"/api/refactors/{refactor['id']}"
        answer = await self.person.http.patch(path, json={"choices": choices})
        assert answer.status_code == status, answer.text
        return answer.json()

    async def change(self, scene: str, **fields: Any) -> None:
        """Change fields of a scene, whoever changed it before."""
        version = (await self.person.ask("GET", f"/api/scenes/{scene}"))["version"]
        await self.person.ask("PATCH", f"/api/scenes/{scene}", baseVersion=version, **fields)

    async def title(self, scene: str) -> str:
        return (await self.person.ask("GET", f"/api/scenes/{scene}"))["title"]

    async def name(self) -> str:
        return (await self.person.ask("GET", f"/api/entities/{self.heroine}"))["name"]


def hits(refactor: Any) -> list[Any]:
    """All hits of a page."""
    return [hit for scene in refactor["scenes"] for hit in scene["hits"]]
