"""The database goes away: callers are told so, and it works again by itself."""

import asyncio

from libs.contracts.ids import new_id
from libs.errors import Unavailable
from tests.events.support import World
from tools.stack import Stack


async def test_killed_database_is_unavailable_and_comes_back(stack: Stack, world: World) -> None:
    """Every command that was repeated until it was answered is done once, and no other."""
    refusals = 0

    async def insist(number: int) -> None:
        nonlocal refusals
        book_id, command_id = new_id(), new_id()
        await asyncio.sleep(number / 100)
        while True:
            try:
                await world.create(
                    "book",
                    world.project_id,
                    id=book_id,
                    command_id=command_id,
                    title=f"Book {number}",
                )
            except Unavailable:
                refusals += 1
                await asyncio.sleep(0.05)
                continue
            return

    writing = asyncio.gather(*map(insist, range(40)))
    await asyncio.sleep(0.1)
    stack.kill("postgres")
    await stack.wait_ready("postgres")
    await writing

    assert refusals > 0
    books = await world.items("book", world.project_id)
    assert sorted(each["title"] for each in books) == sorted(f"Book {n}" for n in range(40))
    assert [each["index"] for each in books] == list(range(40))
