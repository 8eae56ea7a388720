"""Order of siblings: any sequence of moves equals the same moves of a list."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs import errors
from libs.bus import Caller
from libs.postgres import Pool
from services.events.model.rank import RANK_CHARS_MAX, after, between
from tests.events.support import World


@given(st.lists(st.tuples(st.integers(0, 1000), st.booleans()), max_size=200))
def test_there_is_always_room_between(steps: list[tuple[int, bool]]) -> None:
    ranks: list[str] = []
    for place, _ in steps:
        at = place % (len(ranks) + 1)
        low = ranks[at - 1] if at else None
        high = ranks[at] if at < len(ranks) else None
        ranks.insert(at, between(low, high))

    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len(ranks)
    assert not any(rank[2:].endswith("0") and rank[0] == "a" for rank in ranks)


def test_ends_stay_short() -> None:
    """Adding at either end costs next to nothing."""
    ranks = after(None, 20_000)
    first: str | None = ranks[0]
    lower: list[str] = []
    for _ in range(20_000):
        first = between(None, first)
        lower.append(first)

    assert ranks == sorted(ranks)
    assert lower[::-1] == sorted(lower)
    assert max(map(len, [*ranks, *lower])) <= 4


@pytest.mark.parametrize("low", ["a0", "Zz", "az", "z" * 27, "A" + "0" * 25 + "1", "a0V"])
def test_narrowest_gap_is_never_closed(low: str) -> None:
    high = between(low, None)
    for turn in range(500):
        middle = between(low, high)
        assert low < middle < high
        low, high = (middle, high) if turn % 2 else (low, middle)


def test_wrong_way_round_is_refused() -> None:
    with pytest.raises(ValueError, match="not below"):
        between("a1", "a1")


STEP = st.tuples(
    st.sampled_from(["create", "move", "move", "move", "remove", "restore"]),
    st.integers(0, 20),
    st.integers(0, 20),
)


@given(steps=st.lists(STEP, min_size=5, max_size=30))
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)
async def test_siblings_equal_a_list(caller: Caller, steps: list[tuple[str, int, int]]) -> None:
    """Two chapters, their scenes created, moved within and between, deleted and restored."""
    world = await World.begin(caller)
    book = await world.book()
    chapters = [await world.chapter(book) for _ in range(2)]
    lists: list[list[str]] = [[], []]
    gone: list[str] = []
    for action, one, two in steps:
        here = lists[one % 2]
        match action:
            case "create":
                scene = await world.scene(chapters[one % 2])
                assert scene["index"] == len(here)
                here.append(scene["id"])
            case "move" if here:
                scene_id = here.pop(two % len(here))
                there = lists[(one // 2) % 2]
                there.insert(one, scene_id)
                moved = await world.move(
                    "scene", scene_id, one, parent_id=chapters[(one // 2) % 2]["id"]
                )
                assert moved["index"] == there.index(scene_id)
            case "remove" if here:
                scene_id = here.pop(two % len(here))
                await world.remove("scene", scene_id)
                gone.append(scene_id)
            case "restore" if gone:
                scene_id = gone.pop(two % len(gone))
                back = await world.restore("scene", scene_id)
                home = lists[[each["id"] for each in chapters].index(back["chapterId"])]
                home.insert(back["index"], scene_id)
            case _:
                pass
    for chapter, expected in zip(chapters, lists, strict=True):
        items = await world.items("scene", chapter["id"])
        assert [each["id"] for each in items] == expected
        assert [each["index"] for each in items] == list(range(len(expected)))


async def test_move_is_one_event_of_the_moved(world: World, owner: Pool) -> None:
    """Siblings keep their versions; the event says from where to where."""
    chapter = await world.chapter()
    scenes = [await world.scene(chapter) for _ in range(4)]

    moved = await world.move("scene", scenes[3]["id"], 1)

    items = await world.items("scene", chapter["id"])
    assert [each["id"] for each in items] == [scenes[n]["id"] for n in (0, 3, 1, 2)]
    assert [each["version"] for each in items] == [1, 2, 1, 1]
    data = await owner.fetchval(
        "SELECT data FROM events WHERE aggregate_id = $1 AND version = 2", moved["id"]
    )
    parent = {"parentId": chapter["id"]}
    assert {k: v for k, v in data["from"].items() if k != "rank"} == parent | {"index": 3}
    assert {k: v for k, v in data["to"].items() if k != "rank"} == parent | {"index": 1}


async def test_concurrent_creates_and_moves_stay_dense(world: World) -> None:
    chapter = await world.chapter()
    other = await world.chapter({"id": chapter["bookId"]})
    scenes = [await world.scene(chapter) for _ in range(8)]

    await asyncio.gather(
        *(world.move("scene", each["id"], 0) for each in scenes),
        *(world.scene(chapter) for _ in range(8)),
        *(world.move("scene", each["id"], 3, parent_id=other["id"]) for each in scenes[:4]),
    )

    items = await world.items("scene", chapter["id"]) + await world.items("scene", other["id"])
    assert len({each["id"] for each in items}) == 16
    for parent in (chapter, other):
        indexes = [each["index"] for each in await world.items("scene", parent["id"])]
        assert indexes == list(range(len(indexes)))


async def test_worn_ranks_are_made_anew(world: World, owner: Pool) -> None:
    """Swapping into one gap for ever never fails and never makes ranks long."""
    chapter = await world.chapter()
    low, one, two = [await world.scene(chapter) for _ in range(3)]
    # A gap as narrow as a thousand such moves leave behind.
    await owner.execute(
        "UPDATE scenes SET rank = 'a0' || repeat('0', $2) || 'V' WHERE id = $1",
        one["id"],
        RANK_CHARS_MAX,
    )

    await world.move("scene", two["id"], 1)

    items = await world.items("scene", chapter["id"])
    assert [each["id"] for each in items] == [low["id"], two["id"], one["id"]]
    ranks = await owner.fetch("SELECT rank FROM scenes WHERE chapter_id = $1", chapter["id"])
    assert all(len(row["rank"]) < 10 for row in ranks)


async def test_books_and_chapters_move_too(world: World) -> None:
    one, two = await world.book("One"), await world.book("Two")
    chapter = await world.chapter(one)
    scene = await world.scene(chapter)
    await world.move("book", two["id"], 0)
    await world.move("chapter", chapter["id"], 0, parent_id=two["id"])

    books = await world.items("book", world.project_id)
    assert [each["id"] for each in books] == [two["id"], one["id"]]
    assert (await world.read("scene", scene["id"]))["bookId"] == two["id"]
    with pytest.raises(errors.Invalid):
        await world.move("project", world.project_id, 0)


async def test_pages_follow_the_order(world: World) -> None:
    chapter = await world.chapter()
    for _ in range(5):
        await world.scene(chapter)
    await world.remove("scene", (await world.items("scene", chapter["id"]))[1]["id"])
    for include_deleted in (False, True):
        whole = await world.items("scene", chapter["id"], include_deleted=include_deleted)
        read: list[dict[str, object]] = []
        cursor = None
        while True:
            page = await world.page(
                "scene", chapter["id"], limit=2, cursor=cursor, include_deleted=include_deleted
            )
            read += page.items
            if (cursor := page.next_cursor) is None:
                break
        assert read == whole
    assert [each["index"] for each in whole] == [0, 1, 1, 2, 3]


async def test_pages_of_projects(caller: Caller) -> None:
    world = await World.begin(caller)
    outside = World(caller, world.actor.model_copy(update={"project_id": None}))
    made = [await outside.create("project", None, name=f"P{n}") for n in range(4)]
    first = await outside.page("project", limit=3)
    rest = await outside.page("project", limit=3, cursor=first.next_cursor)

    assert [each["id"] for each in [*first.items, *rest.items]] == sorted(
        [str(world.project_id), *(each["id"] for each in made)]
    )
    assert rest.next_cursor is None
    assert {each["role"] for each in first.items} == {"OWNER"}


@pytest.mark.parametrize("cursor", ["", "x", "é", "W10", "W" * 2000, "WyJ2MSIsICJcdTAwMDAiXQ"])
async def test_bad_cursor_is_refused(world: World, cursor: str) -> None:
    with pytest.raises(errors.Invalid):
        await world.page("book", world.project_id, cursor=cursor)
    with pytest.raises(errors.Invalid):
        await world.page("project", cursor=cursor)
