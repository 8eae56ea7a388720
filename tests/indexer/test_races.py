"""What happens between a change and its vector: nothing late wins, nothing deleted returns."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from libs.contracts.indexer.search import SearchMode
from libs.postgres import Pool, connect, migrate
from services.indexer import recall
from services.indexer.vectors import Found, ProjectVectors, VectorQuery
from services.indexer.vectors.edge import EdgeIndex
from tests.indexer.embedding_server import DIMENSION
from tests.indexer.world import Scene, World
from tools.stack import Stack

STORM, BREAD = "the storm broke the mast", "he baked bread in the morning"
SEMANTIC = SearchMode.SEMANTIC
SEEDS = 3
STEPS = 30
VOCABULARY = ("storm", "mast", "bread", "harbour", "lantern", "letter")


@pytest.fixture(scope="module")
async def pool(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pool]:
    """The indexer's database, without the indexer."""
    async with Stack(tmp_path_factory.mktemp("races") / "data", replicas={}) as stack:
        owner = stack.postgres_url("indexer", "indexer_owner")
        await migrate(owner, "services.indexer", role="indexer")
        made = await connect(stack.postgres_url("indexer", "indexer"), application="test")
        yield made
        await made.close()


@pytest.fixture(scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EdgeIndex]:
    index = EdgeIndex(tmp_path_factory.mktemp("races"), DIMENSION)
    await index.open()
    yield index
    await index.close()


@pytest.fixture
async def world(pool: Pool, engine: EdgeIndex) -> World:
    made = World(pool, engine)
    await made.model.load()
    return made


async def until_embedding(world: World) -> asyncio.Task[bool]:
    """Embed, and stop where the model has the text and has not answered yet."""
    world.source.may.clear()
    world.source.reached.clear()
    task = asyncio.create_task(world.embedding.embed_due())
    await asyncio.wait_for(world.source.reached.wait(), 5)
    return task


async def by_words(world: World) -> None:
    while await world.indexing.index_due():
        pass
    while await world.points.write_due():
        pass


async def test_an_edit_while_its_text_is_embedded(world: World) -> None:
    """The vector is of the old text: it is not given to the new one."""
    scene = await world.new(STORM)
    await by_words(world)
    late = await until_embedding(world)
    await world.write(scene, BREAD)
    await by_words(world)
    world.source.may.set()
    await late

    assert await world.texts(scene, STORM, SEMANTIC) == []
    assert await world.texts(scene, "storm") == []
    await world.drain()
    assert await world.texts(scene, BREAD, SEMANTIC) == [BREAD]
    assert await world.texts(scene, STORM, SEMANTIC) == []


async def test_a_deletion_while_its_text_is_embedded(world: World) -> None:
    """The vector makes no point, and the text is not back."""
    scene = await world.new(STORM)
    await by_words(world)
    late = await until_embedding(world)
    await world.show(scene, shown=False)
    await by_words(world)
    world.source.may.set()
    await late
    await world.drain()

    assert await world.points_of(scene.project) == {}
    assert await world.texts(scene, "storm") == []
    await world.show(scene, shown=True)
    await world.drain()
    assert await world.texts(scene, STORM, SEMANTIC) == [STORM]
    assert world.source.embedded == [STORM], "what comes back is not embedded again"


async def test_a_purge_while_its_text_is_read(world: World) -> None:
    """What was read before is not stored after it, whatever is noticed later."""
    scene = await world.new(STORM)
    world.may_read.clear()
    late = asyncio.create_task(world.indexing.index_due())
    await asyncio.wait_for(world.reading.wait(), 5)
    await world.following.purge(scene.id)
    world.may_read.set()
    await late
    await world.notice(scene)
    await world.drain()
    assert await world.texts(scene, "storm") == []
    assert await world.points_of(scene.project) == {}


async def test_a_change_and_a_deletion_right_after_it(world: World) -> None:
    """Points are deleted by their ids: none is stranded under what it was before."""
    scene = await world.new(STORM, BREAD)
    await world.drain()
    await world.write(scene, STORM + " again", BREAD)
    await by_words(world)
    await world.write(scene, "another line")
    await world.show(scene, shown=False)
    await world.drain()
    assert await world.points_of(scene.project) == {}


async def test_an_older_state_that_is_read_late_changes_nothing(world: World, pool: Pool) -> None:
    """Two replicas: the slower one read before the edit and stores after it."""
    scene = await world.new(STORM)
    world.may_read.clear()
    late = asyncio.create_task(world.indexing.index_due())
    await asyncio.wait_for(world.reading.wait(), 5)
    await world.write(scene, BREAD)
    fast = World(pool, world.index)
    fast.scenes = world.scenes
    thing = await fast.described(scene)
    await fast.indexing.index(scene.id, thing)
    world.may_read.set()
    await late

    assert await chunk_texts(pool, scene) == [BREAD]
    await world.drain()
    assert await world.texts(scene, "bread") == [BREAD]


async def chunk_texts(pool: Pool, scene: Scene) -> list[str]:
    """Return the chunks of a scene as they are stored."""
    rows = await pool.fetch("SELECT text FROM text_chunks WHERE document_id = $1", scene.id)
    return [row["text"] for row in rows]


async def test_two_projects_with_equal_text(world: World) -> None:
    """Neither has the other's vector, nor loses its own with the other's."""
    one, other = await world.new(STORM), await world.new(STORM)
    await world.drain()
    assert world.source.embedded == [STORM, STORM]
    assert len(await world.points_of(one.project)) == len(await world.points_of(other.project)) == 1
    await world.show(one, shown=False)
    await world.drain()
    assert await world.texts(one, STORM, SEMANTIC) == []
    assert await world.texts(other, STORM, SEMANTIC) == [STORM]


async def test_equal_paragraphs_of_a_scene_are_two_chunks(world: World) -> None:
    """A hash is no identity: 'Yours, etc.' stands in every letter."""
    scene = await world.new(STORM, BREAD, STORM)
    await world.drain()
    assert await world.texts(scene, "storm") == [STORM, STORM]
    assert sorted(world.source.embedded) == sorted({STORM, BREAD})
    await world.write(scene, STORM)
    await world.drain()
    assert await world.texts(scene, "storm") == [STORM]


async def test_what_moves_or_is_undone_is_not_embedded_again(world: World) -> None:
    scene = await world.new(STORM, BREAD)
    await world.drain()
    await world.write(scene, BREAD + " and more", STORM)
    await world.drain()
    scene.lines.reverse()
    await world.write(scene, *(text for _, text in scene.lines))
    await world.drain()
    await world.write(scene, STORM, BREAD)
    await world.drain()
    assert sorted(world.source.embedded) == sorted([STORM, BREAD, BREAD + " and more"])


async def test_an_older_database_of_the_indexer(world: World, pool: Pool) -> None:
    """Rows say less than the engine holds, and more: nothing false is shown, both are mended."""
    kept = await world.new(STORM, BREAD)
    await world.drain()
    async with pool.acquire() as connection:
        await connection.execute("CREATE TEMP TABLE older AS TABLE text_chunks")
        await world.write(kept, BREAD + " every day")
        added = await world.new("a lantern in the fog", project=kept.project)
        await world.drain()
        await connection.execute("DELETE FROM documents WHERE id = $1", added.id)
        await connection.execute("DELETE FROM text_chunks WHERE project_id = $1", kept.project)
        await connection.execute(
            "INSERT INTO text_chunks SELECT * FROM older WHERE project_id = $1", kept.project
        )
        await connection.execute("DROP TABLE older")

    assert await world.texts(kept, "every day lantern") == []
    assert await world.drift.mend(kept.project) == (1, 2)
    assert await world.drift.mend(kept.project) == (0, 0)
    await world.notice(added)
    await world.write(kept, BREAD + " every day")
    await world.drain()
    assert await world.texts(kept, "every day lantern") == [
        "a lantern in the fog",
        BREAD + " every day",
    ]
    assert await world.texts(kept, "storm") == []


async def test_a_damaged_engine_is_written_again_from_the_rows(pool: Pool, tmp_path: Path) -> None:
    """Nothing is embedded twice, and nothing is missing."""
    index = EdgeIndex(tmp_path, DIMENSION)
    await index.open()
    world = World(pool, index)
    await world.model.load()
    scene = await world.new(STORM, BREAD)
    await world.drain()
    await index.close()
    for file in (tmp_path / "points").rglob("*"):
        if file.is_file():
            file.write_bytes(b"damaged")
    await index.open()
    world.begin()
    assert await world.texts(scene, "storm") == []
    embedded = len(world.source.embedded)
    await world.drain()
    assert await world.texts(scene, STORM, SEMANTIC) == [STORM]
    assert await world.texts(scene, "bread") == [BREAD]
    assert len(world.source.embedded) == embedded
    await index.close()


class Forgetful(EdgeIndex):
    """An engine whose graph loses every other vector."""

    has_graph = True
    loses = True

    def for_project(self, project: UUID) -> ProjectVectors:
        whole = super().for_project(project)
        find = whole.search

        async def search(query: VectorQuery) -> Found:
            found = await find(query)
            return found if query.exact or not self.loses else Found(meaning=found.meaning[::2])

        whole.search = search
        return whole


async def test_a_graph_that_forgets_is_not_used_and_made_again(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a day; a good one is used where comparing every vector takes too long."""
    index = Forgetful(tmp_path, DIMENSION)
    await index.open()
    world = World(pool, index)
    await world.model.load()
    monkeypatch.setattr(recall, "EXACT_MS_MAX", 0.0)
    scene = await world.new(*(f"{STORM} {word}" for word in VOCABULARY))
    await world.drain()
    unwritten = "SELECT count(*) FROM text_chunks WHERE project_id = $1 AND point_hash IS NULL"

    assert await world.recall.measure(scene.project) < 0.9
    assert world.recall.is_exact(scene.project)
    assert await pool.fetchval(unwritten, scene.project) == len(VOCABULARY)
    assert len(await world.texts(scene, STORM)) == len(VOCABULARY), "it is found all along"
    await world.drain()
    await world.recall.measure(scene.project)
    assert await pool.fetchval(unwritten, scene.project) == 0
    index.loses = False
    assert await world.recall.measure(scene.project) == 1.0
    assert not world.recall.is_exact(scene.project)
    assert len(await world.texts(scene, STORM, SEMANTIC)) == len(VOCABULARY)
    await index.close()


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_whatever_happens_in_whatever_order(world: World, seed: int) -> None:
    """At each moment only what is true is found, and in the end all of it."""
    chance = random.Random(seed)
    project = (await world.new("a first line")).project
    for _ in range(STEPS):
        scene = chance.choice([one for one in world.scenes.values() if one.project == project])
        match chance.randrange(8):
            case 0:
                await world.new(said(chance), project=project)
            case 1 | 2:
                lines = [text for _, text in scene.lines]
                lines.insert(chance.randint(0, len(lines)), said(chance))
                await world.write(scene, *lines[: chance.randint(1, 5)])
            case 3:
                chance.shuffle(scene.lines)
                await world.write(scene, *(text for _, text in scene.lines))
            case 4:
                await world.show(scene, shown=not scene.shown)
            case 5:
                # Repeated, and of somebody else's: late or early makes no difference.
                for other in chance.sample(list(world.scenes.values()), 1):
                    await world.notice(other)
            case 6:
                await world.indexing.index_due()
            case _:
                await world.points.write_due()
                await world.embedding.embed_due()
        await only_what_is_true(world, project)
    await world.drain()
    for word in VOCABULARY:
        found = await world.texts(scene_of(world, project), word)
        assert found == sorted(text for text in true_texts(world, project) if word in text)


def said(chance: random.Random) -> str:
    """Return a line of some words."""
    return " ".join(chance.choices(VOCABULARY, k=3))


def scene_of(world: World, project: UUID) -> Scene:
    return next(one for one in world.scenes.values() if one.project == project)


def true_texts(world: World, project: UUID) -> list[str]:
    return [
        text
        for scene in world.scenes.values()
        if scene.project == project and scene.shown
        for _, text in scene.lines
    ]


async def only_what_is_true(world: World, project: UUID) -> None:
    """Nothing hidden is found; a text may be an older one of a scene that shows."""
    for hit in await world.search(scene_of(world, project), "storm bread"):
        assert world.scenes[hit.id].shown
