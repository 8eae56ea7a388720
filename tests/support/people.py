"""People of a running system and what they own, made as any client makes it: over HTTP."""

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx

REQUEST_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account, and their connection."""

    id: str
    name: str
    email: str
    password: str
    token: str
    http: httpx.AsyncClient

    async def ask(self, method: str, path: str, **body: Any) -> Any:
        """Send JSON and return the JSON of the answer; raises HTTPStatusError when refused."""
        answer = await self.http.request(method, path, json=body or None)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def project(self, name: str = "A project", editor: str | None = None) -> str:
        """Create a project; returns its id.

        Without an editor the first text that is put into a scene decides about its layout.
        """
        return str((await self.ask("POST", "/api/projects", name=name, editor=editor))["id"])

    async def scene(self, project_id: str, title: str = "A scene") -> str:
        """Create a book, a chapter and a scene in a project; returns the scene's id."""
        books = f"/api/projects/{project_id}/books"
        book = await self.ask("POST", books, title="A book", kind="novel")
        chapters = f"/api/books/{book['id']}/chapters"
        chapter = await self.ask("POST", chapters, title="A chapter")
        scenes = f"/api/chapters/{chapter['id']}/scenes"
        return str((await self.ask("POST", scenes, title=title))["id"])

    async def let_in(self, project_id: str, guest: Self, role: str) -> None:
        """Give *guest* a role in a project of one's own."""
        await self.ask("PUT", f"/api/projects/{project_id}/members/{guest.id}", role=role)

    async def text(self, scene_id: str) -> str:
        """Read a scene as plain text."""
        return (await self._content(scene_id, "text")).text

    async def state(self, scene_id: str) -> bytes:
        """Read a scene as one Yjs update."""
        return (await self._content(scene_id, "yjs")).content

    async def seq(self, scene_id: str) -> int:
        """Read where a scene's log stands."""
        return int((await self._content(scene_id, "text")).headers["Scriptorium-Seq"])

    async def _content(self, scene_id: str, form: str) -> httpx.Response:
        answer = await self.http.get(f"/api/scenes/{scene_id}/content", params={"format": form})
        answer.raise_for_status()
        return answer


class People:
    """Makes people at one system, and closes their connections at the end.

    async with People(stack.url) as people:
        ada = await people.join("Ada")
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._joined: list[Person] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for person in self._joined:
            await person.http.aclose()

    async def join(self, name: str) -> Person:
        """Register somebody new."""
        email, password = f"{uuid4().hex}@example.org", uuid4().hex
        http = httpx.AsyncClient(base_url=self._url, timeout=REQUEST_TIMEOUT_S)
        answer = await http.post(
            "/api/auth/register",
            json={"email": email, "password": password, "displayName": name},
        )
        answer.raise_for_status()
        told = answer.json()
        http.headers["Authorization"] = f"Bearer {told['accessToken']}"
        person = Person(told["user"]["id"], name, email, password, told["accessToken"], http)
        self._joined.append(person)
        return person
