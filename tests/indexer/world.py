"""The indexer over a real database and engine; events and collab are played by a plain model."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np

from libs.bus import Caller
from libs.contracts.actor import Actor
from libs.contracts.collab.passages import READ_PASSAGES, Passage, Passages, ReadPassages
from libs.contracts.events.things import DESCRIBE_THINGS, DescribeThings, Thing, Things
from libs.contracts.ids import new_id
from libs.contracts.indexer.search import Hit, SearchMode, SearchProject
from libs.contracts.positions import CharacterId
from libs.contracts.things import ThingKind
from libs.postgres import Pool
from services.indexer.drift import Drift
from services.indexer.embedding import BadVector, Vector, checked
from services.indexer.embedding.loading import Model
from services.indexer.embedding_task import Embedding
from services.indexer.following import Following
from services.indexer.indexing import Indexing
from services.indexer.lexical import Words
from services.indexer.points import PointWriter
from services.indexer.recall import Recall
from services.indexer.searching.handlers import Search
from services.indexer.store import Store
from services.indexer.vectors import VectorIndex
from tests.indexer.embedding_server import DIMENSION, vector_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = Words("english")


@dataclass
class Scene:
    """A scene as events and collab have it: its lines, each with a number of its own."""

    id: UUID
    project: UUID
    lines: list[tuple[int, str]]
    version: int = 1
    seq: int = 1
    shown: bool = True


class Counted:
    """A model that counts what it embeds, and waits where it is told to."""

    name, dimension, texts_max = "counted", DIMENSION, 1
    similarity_min: float | None = 0.6

    def __init__(self) -> None:
        self.embedded: list[str] = []
        self.may = asyncio.Event()
        self.may.set()
        self.reached = asyncio.Event()

    async def load(self) -> None:
        """There is nothing to load."""

    async def close(self) -> None:
        """There is nothing to close."""

    async def embed(self, texts: Sequence[str], *, patient: bool) -> list[Vector | BadVector]:
        if patient:
            self.embedded += texts
            self.reached.set()
            await self.may.wait()
        return [checked(_array(vector_of(text)), DIMENSION) for text in texts]


def _array(numbers: list[float]) -> Vector:
    return np.asarray(numbers, dtype=np.float32)


class World(Caller):
    """What is true, and an indexer that hears of it when it is told."""

    def __init__(self, pool: Pool, index: VectorIndex) -> None:
        self.index = index
        self.source = Counted()
        self.scenes: dict[UUID, Scene] = {}
        self.may_read, self.reading = asyncio.Event(), asyncio.Event()
        self.lines = 0
        self.may_read.set()
        self.store = Store(pool)
        self.model = Model(self.source)
        self.begin()

    def begin(self) -> None:
        """Start the parts of the indexer anew, as after a death."""
        store, index = self.store, self.index
        self.indexing = Indexing(store, self, _nothing)
        self.embedding = Embedding(store, index, self.model, duty=1)
        self.points = PointWriter(
            store, index, WORDS, self.model, name="world", on_written=_nothing
        )
        self.following = Following(store, _nothing, _nothing)
        self.drift = Drift(store, index, _nothing)
        self.recall = Recall(store, index, self.model, _nothing)
        self.finding = Search(store, index, WORDS, self.model, self, recall=self.recall)

    async def ask(self, method: Any, question: Any, actor: Actor, **more: Any) -> Any:
        """Answer as events and collab do."""
        del actor, more
        if method is DESCRIBE_THINGS:
            assert isinstance(question, DescribeThings)
            known = [self.scenes[one.id] for one in question.things if one.id in self.scenes]
            return Things(things=[_thing(scene) for scene in known])
        assert method is READ_PASSAGES
        assert isinstance(question, ReadPassages)
        scene = self.scenes[question.scene_id]
        read = Passages(
            seq=scene.seq,
            passages=[_passage(at, number, text) for at, (number, text) in enumerate(scene.lines)],
        )
        self.reading.set()
        await self.may_read.wait()
        return read

    async def new(self, *texts: str, project: UUID | None = None) -> Scene:
        scene = Scene(new_id(), project or new_id(), [self.line(text) for text in texts])
        self.scenes[scene.id] = scene
        await self.notice(scene)
        return scene

    def line(self, text: str) -> tuple[int, str]:
        self.lines += 1
        return self.lines, text

    async def write(self, scene: Scene, *texts: str) -> None:
        """Change the words of lines, which keep their numbers, or add some, or take some away."""
        numbers = [number for number, _ in scene.lines]
        numbers += [self.line("")[0] for _ in texts[len(numbers) :]]
        scene.lines = list(zip(numbers, texts, strict=False))
        scene.seq += 1
        await self.notice(scene)

    async def show(self, scene: Scene, *, shown: bool) -> None:
        scene.shown, scene.version = shown, scene.version + 1
        await self.notice(scene)

    async def notice(self, scene: Scene) -> None:
        await self.store.note_due([(scene.id, "scene")])

    async def described(self, scene: Scene) -> Thing:
        """Return what events says of a scene now."""
        return _thing(scene)

    async def drain(self) -> None:
        """Do all that is to be done."""
        while await self.indexing.index_due():
            pass
        while await self.points.write_due():
            pass
        while await self.embedding.embed_due():
            pass

    async def search(self, scene: Scene, q: str, mode: SearchMode = SearchMode.TEXT) -> list[Hit]:
        actor = Actor(user_id=new_id(), project_id=scene.project)
        found = await self.finding.search(SearchProject(q=q, mode=mode, limit=50), actor)
        return found.items

    async def texts(self, scene: Scene, q: str, mode: SearchMode = SearchMode.TEXT) -> list[str]:
        return sorted(hit.snippet for hit in await self.search(scene, q, mode))

    async def points_of(self, project: UUID) -> dict[UUID, str]:
        return dict(await self.index.for_project(project).page(None, 1_000))


def _nothing() -> None:
    """Nobody is to be woken."""


def _thing(scene: Scene) -> Thing:
    return Thing(
        kind=ThingKind.SCENE,
        id=scene.id,
        project_id=scene.project,
        version=scene.version,
        shown=scene.shown,
        title=None,
        type=None,
        status=None,
        path=[],
        book_id=scene.project,
        chapter_id=scene.project,
        updated_at=NOW,
    )


def _passage(at: int, number: int, text: str) -> Passage:
    first = CharacterId(client=1, clock=number * 10_000)
    last = CharacterId(client=1, clock=number * 10_000 + len(text))
    place: dict[str, Any] = {"from": at, "to": at + len(text)}
    return Passage(index=at, type="paragraph", text=text, first=first, last=last, **place)
