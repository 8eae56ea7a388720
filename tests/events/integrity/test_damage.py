"""Damage to any column of an event, wherever it lies: found, set aside, not applied, mended."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from libs.postgres import Pool
from tests.events.integrity.damage import Operator, event
from tests.events.integrity.test_archive import age, archive
from tests.events.integrity.test_quarantine import titled
from tests.events.support import World

COLUMNS = {
    "id": "uuidv7()",
    "event_type": "'book.kind_changed'",
    "user_id": "uuidv7()",
    "data": """'{"from": "A", "to": "Lie"}'""",
    "metadata": """'{"by": "nobody"}'""",
    "timestamp": "{} + interval '1 ms'",
    "causation_id": "uuidv7()",
    "correlation_id": "'0'",
    "source": "'migration'",
    "bundle_id": "uuidv7()",
    "checksum": "repeat('0', 64)",
}
"""What each is changed to; `{}` is what it was."""
ARRAYS = {"data": "data", "metadata": "metadata"}
"""Columns of an archived chunk that have no name in the plural."""


type PutAway = Callable[[World], Awaitable[bool]]


@pytest.fixture(params=["hot", "archived"])
def put_away(request: pytest.FixtureRequest, owner: Pool, pool: Pool) -> PutAway:
    """Where a project's events are to lie; says whether they are hot."""

    async def act(world: World) -> bool:
        if request.param == "hot":
            return True
        await age(owner, world, 10)
        await archive(pool)
        return False

    return act


async def change(owner: Pool, key: UUID, column: str, value: str, *given: object) -> None:
    """Change one column of an event to an expression, in the log or in a chunk of the archive."""
    name = f'"{column}"'
    query = f"UPDATE events SET {name} = {value.replace('{}', name)} WHERE id = $1"
    if await owner.execute(query, key, *given) == "UPDATE 1":
        return
    place = f"{ARRAYS.get(column, f'{column}s')}[array_position(ids, $1)]"
    if column == "checksum":
        value = f"decode({value}, 'hex')"
    query = f"UPDATE event_archive SET {place} = {value.replace('{}', place)} WHERE $1 = ANY (ids)"
    assert await owner.execute(query, key, *given) == "UPDATE 1"


@pytest.mark.parametrize("column", COLUMNS)
async def test_any_column_is_covered(
    column: str, put_away: PutAway, world: World, owner: Pool, operator: Operator
) -> None:
    book = await titled(world, "A", "B", "C")
    hot = await put_away(world)
    original = await event(owner, book["id"], 2)
    await change(owner, original.id, column, COLUMNS[column])

    found = await operator.verify(world.project_id)
    exported = await operator.export(world.project_id)
    (listed,) = await operator.quarantine(world.project_id)
    story = await operator.inspect(book["id"])

    count = "SELECT count(*) FROM events WHERE project_id = $1"
    assert (await owner.fetchval(count, world.project_id) > 0) is hot
    assert [(each.version, each.flaw) for each in found] == [(2, "altered")]
    assert [each.version for each in exported.damaged] == [2]
    assert (str(listed.aggregate_id), listed.version, listed.state) == (book["id"], 2, "open")
    assert [each.sound for each in story.chapters] == [True, False, True]
    await operator.decide(book["id"], 2, original)
    assert await operator.verify(world.project_id) == []
    (row,) = [
        each["row"]
        for each in (await operator.export(world.project_id)).items
        if each["aggregateType"] == "book"
    ]
    assert (row["title"], row["version"]) == ("C", 3)
    # Other tests look at the whole log.
    key = (await event(owner, book["id"], 2)).id
    await change(owner, key, column, "$2", getattr(original, column))
    assert await event(owner, book["id"], 2) == original


async def test_another_version_leaves_a_gap_and_a_stray(
    put_away: PutAway, world: World, owner: Pool, operator: Operator
) -> None:
    """The gap is filled from a copy; what stands where none should is never applied.

    Nor is what comes after it held up: the next event of that version is told from it.
    """
    book = await titled(world, "A", "B", "C")
    await put_away(world)
    original = await event(owner, book["id"], 3)
    await change(owner, original.id, "version", "{} + 1")

    found = await operator.verify(world.project_id)

    assert {(each.version, each.flaw) for each in found} == {(3, "missing"), (4, "altered")}
    assert {each.version for each in await operator.quarantine(world.project_id)} == {3, 4}
    story = await operator.inspect(book["id"])
    assert story.row is not None
    assert story.row["title"] == "B"
    await operator.decide(book["id"], 3, original)
    (stray,) = await operator.quarantine(world.project_id)
    assert (stray.version, stray.state) == (4, "open")
    story = await operator.inspect(book["id"])
    assert story.row is not None
    assert story.row["title"] == "C"

    await world.change("book", book["id"], title="D")

    assert [(each.version, each.flaw) for each in await operator.verify(world.project_id)] == [
        (4, "forked")
    ]
    story = await operator.inspect(book["id"])
    assert story.row is not None
    assert (story.row["title"], story.row["version"]) == ("D", 4)
    # By hand, because nobody can decide that a row is to go.
    await change(owner, original.id, "version", "{} - 1")
    assert await operator.verify(world.project_id) == []
    # Other tests look at the whole log, in which nothing is missing any more.
    for table in ("quarantine_decisions", "quarantined_events"):
        await owner.execute(f"DELETE FROM {table} WHERE aggregate_id = $1", original.aggregate_id)
