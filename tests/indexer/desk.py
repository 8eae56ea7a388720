"""Somebody with a manuscript who searches it."""

from dataclasses import dataclass

from tests.gateway.support import Json, Manuscript, Person
from tests.support.waiting import until


@dataclass
class Desk:
    """A person, their manuscript, and what they find in it."""

    owner: Person
    manuscript: Manuscript

    @classmethod
    async def begin(cls, owner: Person) -> "Desk":
        return cls(owner, await Manuscript.begin(owner))

    @property
    def project(self) -> str:
        return f"/api/projects/{self.manuscript.project['id']}"

    @property
    def scene(self) -> str:
        return self.manuscript.scene["id"]

    async def write(self, text: str, scene: str | None = None) -> None:
        """Make a scene read *text*."""
        answer = await self.owner.ask(
            "PUT",
            f"/api/scenes/{scene or self.scene}/content",
            json={"format": "text", "content": text},
        )
        assert answer.status_code == 200, answer.text

    async def search(self, q: str, **more: object) -> Json:
        answer = await self.owner.get(f"{self.project}/search", params={"q": q, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def hits(self, q: str, **more: object) -> list[Json]:
        return (await self.search(q, **more))["items"]

    async def snippets(self, q: str, **more: object) -> list[str]:
        return [hit["snippet"] for hit in await self.hits(q, **more)]

    async def until_found(self, q: str, *, says: str | None = None, **more: object) -> Json:
        """Return the first hit, once there is one (that *says* something)."""

        async def look() -> Json | None:
            found = await self.hits(q, **more)
            matching = [hit for hit in found if says is None or says in hit["snippet"]]
            return matching[0] if matching else None

        return await until(look)

    async def index(self) -> Json:
        answer = await self.owner.get(f"{self.project}/index")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def until_indexed(self) -> Json:
        """Return the state of the index once nothing waits and all is embedded."""

        async def look() -> Json | None:
            state = await self.index()
            return state if not state["pending"] and not state["unembedded"] else None

        return await until(look)

    async def chunk_ids(self) -> dict[str, str]:
        """Ids of the chunks of the scene by their text, as far as search shows them."""
        hits = await self.hits("the", limit=50) + await self.hits("sea", limit=50)
        return {hit["snippet"]: hit["chunkId"] for hit in hits}
