"""Statements over many rows find each by its index, also when planned on empty tables."""

import re

import pytest

from libs.postgres import Pool
from services.events.model.aggregates import SCENE
from services.events.store.statements import APPEND, SQL, marked_by_id, statement

STATEMENTS = {
    "lock": marked_by_id(SQL.lock_all),
    "read": marked_by_id(statement("read_all", SCENE)),
    "append": marked_by_id(APPEND),
    "update": marked_by_id(statement("update_rows", SCENE, ("title", "version"))),
}


@pytest.mark.parametrize("name", STATEMENTS)
async def test_no_table_is_read_as_a_whole(pool: Pool, name: str) -> None:
    text = STATEMENTS[name]
    places = max(int(place) for place in re.findall(r"\$(\d+)", text))
    async with pool.acquire() as connection:
        change = connection.transaction()
        await change.start()
        await connection.execute(SQL.look_up_by_id)
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE looked_up AS {text}")
        nothing = ", ".join(["NULL"] * places)
        plan = await connection.fetch(f"EXPLAIN EXECUTE looked_up ({nothing})")
        await connection.execute("DEALLOCATE looked_up")
        await change.rollback()
    steps = "\n".join(row[0] for row in plan)

    assert not re.search(r"Seq Scan|Bitmap Heap Scan on (aggregates|scenes)|Hash Join", steps), (
        steps
    )
    if name in {"lock", "append"}:
        assert re.search(r"Index Scan using aggregates_pkey", steps), steps
