"""Rebuilding, and what makes it worth while: projections that are wrong in every way."""

from typing import Any

from libs.postgres import Pool
from services.events.rebuild.__main__ import rebuild
from tests.events.support import World


async def run(
    owner: Pool, *, into: str | None = None, do_swap: bool = False, force: bool = False
) -> dict[str, Any]:
    return await rebuild(owner, into=into, do_swap=do_swap, force=force)


async def spoil(owner: Pool, world: World) -> tuple[str, str]:
    """Make projections wrong in every way; returns two scenes that have swapped places."""
    chapter = await world.chapter()
    one, two = [await world.scene(chapter, title=f"S{n}") for n in range(2)]
    lost = await world.scene(title="Lost")
    wrong = await world.book("Right")
    # A whole branch went; a row that never was is there; values and places are wrong.
    await owner.execute("DELETE FROM chapters WHERE id = $1", lost["chapterId"])
    await owner.execute("UPDATE books SET title = 'Wrong' WHERE id = $1", wrong["id"])
    await owner.execute(
        "INSERT INTO books SELECT (jsonb_populate_record(b, jsonb_build_object("
        "'id', uuidv7(), 'rank', 'zExtra'))).* FROM books b WHERE id = $1",
        wrong["id"],
    )
    ranks = [
        await owner.fetchval("SELECT rank FROM scenes WHERE id = $1", each["id"])
        for each in (one, two)
    ]
    for scene, rank in ((one, "zParked"), (two, ranks[0]), (one, ranks[1])):
        await owner.execute("UPDATE scenes SET rank = $2 WHERE id = $1", scene["id"], rank)
    return one["id"], two["id"]
