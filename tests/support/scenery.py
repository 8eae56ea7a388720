"""A writer with scenes to write in, and where each scene's socket is at each gateway."""

import itertools
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pycrdt import Doc, Text

from tests.support.people import People, Person
from tests.support.yclient import Address
from tools.stack import Stack


@dataclass
class Scenery:
    """One person's project, in which scenes are made as they are needed."""

    stack: Stack
    person: Person
    project: str
    _people: AsyncExitStack = field(default_factory=AsyncExitStack)

    @classmethod
    async def begin(cls, stack: Stack) -> "Scenery":
        """Register somebody and make a project."""
        people = AsyncExitStack()
        person = await (await people.enter_async_context(People(stack.url))).join("Mary")
        return cls(stack, person, await person.project("Frankenstein"), people)

    async def close(self) -> None:
        await self._people.aclose()

    async def scene(self) -> UUID:
        """A new, empty scene."""
        return UUID(await self.person.scene(self.project))

    def address(self, scene: UUID, first: int = 0, *, acks: bool = True) -> Address:
        """Sockets of *scene*: at gateway *first*, then at the next ones in turn."""
        hosts = [url.replace("http", "ws", 1) for url in self.stack.gateways]
        turn = itertools.cycle(hosts[first:] + hosts[:first])
        query = f"token={self.person.token}" + ("&acks=1" if acks else "")
        return lambda: f"{next(turn)}/collab/{scene}?{query}"

    async def text(self, scene: UUID, gateway: int = 0) -> str:
        """The scene as plain text, from one gateway."""
        return (await self._content(scene, "text", gateway)).decode()

    async def state(self, scene: UUID, gateway: int = 0) -> Doc[Any]:
        """A document made of the scene's whole state, from one gateway."""
        doc: Doc[Any] = Doc()
        doc.apply_update(await self._content(scene, "yjs", gateway))
        return doc

    async def _content(self, scene: UUID, form: str, gateway: int) -> bytes:
        url = f"{self.stack.gateways[gateway]}/api/scenes/{scene}/content"
        answer = await self.person.http.get(url, params={"format": form})
        answer.raise_for_status()
        return answer.content


def text_of(doc: Doc[Any]) -> str:
    """What plain clients read in a document."""
    return str(doc.get("content", type=Text))
