"""What is written is found, and what is deleted is not: through HTTP, by everybody who may."""

import httpx

from libs.contracts.actor import Role
from libs.contracts.ids import new_id
from libs.postgres import Pool
from tests.gateway.support import Person, is_problem
from tests.indexer.desk import Desk
from tests.support.waiting import until
from tools.stack import Stack

STORM = "The storm broke the mast of the ship in the night."
BREAD = "He liked to bake bread in the mornings."


async def test_a_sentence_is_found_by_its_words_and_by_its_meaning(desk: Desk) -> None:
    """A friend finds it and lands on it."""
    friend = await desk.manuscript.welcome(
        await Person.register(desk.owner.http, "Percy"), Role.READER
    )
    await desk.write(f"{BREAD}\n{STORM}")

    by_words = await desk.until_found("storms", mode="text", says="mast")
    await desk.until_indexed()
    answer = await friend.get(
        f"{desk.project}/search", params={"q": "a tempest destroyed the vessel", "mode": "semantic"}
    )

    first, last = by_words["highlights"][0]
    assert by_words["snippet"][first:last] == "storm"
    anchor = by_words["anchor"]
    assert (anchor["from"], anchor["to"], anchor["quote"]) == (
        len(BREAD) + 1,
        len(BREAD) + 1 + len(STORM),
        STORM,
    )
    assert anchor["yjs"]["start"]["item"] != anchor["yjs"]["end"]["item"]
    assert [part["title"] for part in by_words["path"]] == ["Letters", "I"]
    assert answer.json()["items"][0]["snippet"] == STORM


async def test_a_deleted_scene_is_gone_with_the_next_query_and_comes_back(desk: Desk) -> None:
    """Whatever the index holds: events is asked whether the scene shows."""
    await desk.write(STORM)
    await desk.until_found("storm", says="mast")
    version = (await desk.owner.get(f"/api/scenes/{desk.scene}")).headers["etag"]

    deleted = await desk.owner.ask(
        "DELETE", f"/api/scenes/{desk.scene}", headers={"If-Match": version}
    )
    found = await desk.hits("storm")
    restored = await desk.owner.post(f"/api/scenes/{desk.scene}/restore")

    assert deleted.status_code == 204
    assert found == []
    assert restored.status_code == 200
    await desk.until_found("storm", says="mast")


async def test_points_of_what_is_deleted_leave_the_index(desk: Desk, pool: Pool) -> None:
    """Within seconds, not only out of sight."""
    await desk.write(STORM)
    await desk.until_found("storm", says="mast")
    book = desk.manuscript.book["id"]
    await desk.owner.ask("DELETE", f"/api/books/{book}", headers={"If-Match": "*"})

    assert await desk.hits("storm") == []

    async def is_empty() -> bool:
        chunks = "SELECT count(*) FROM text_chunks WHERE document_id = $1"
        left = await pool.fetchval(chunks, desk.manuscript.scene["id"])
        return not left and not await pool.fetchval("SELECT count(*) FROM gone_points")

    await until(is_empty)


async def test_a_deleted_paragraph_is_not_found_any_more(desk: Desk) -> None:
    await desk.write(f"{STORM}\n{BREAD}")
    await desk.until_found("bread")
    await desk.write(STORM)

    async def is_gone() -> bool:
        return "bread" not in str(await desk.snippets("bread", mode="text"))

    await until(is_gone, wait_s=10)


async def test_nobody_finds_anything_of_another_project(
    desk: Desk, http: httpx.AsyncClient
) -> None:
    """Not by words, not by meaning, not by a place of the other one, not by the other one's ids."""
    secret = f"zanzibar{new_id().hex}"
    await desk.write(f"The word is {secret}.")
    await desk.until_found(secret)
    thief = await Desk.begin(await Person.register(http, "Percy"))
    await thief.write("The word is nothing.")
    await thief.until_found("nothing")

    for more in (
        {},
        {"mode": "text"},
        {"mode": "semantic"},
        {"bookId": desk.manuscript.book["id"]},
        {"chapterId": desk.manuscript.chapter["id"]},
        {"mode": "semantic", "bookId": desk.manuscript.book["id"]},
    ):
        assert secret not in str(await thief.search(f"the word is {secret}", **more)), more
    answer = await thief.owner.get(f"{desk.project}/search", params={"q": secret})
    assert is_problem(answer, 404, "NOT_FOUND")


async def test_a_search_can_be_narrowed(desk: Desk) -> None:
    await desk.write(STORM)
    other = await desk.owner.made(f"{desk.project}/books", {"title": "Others"})
    chapter = await desk.owner.made(f"/api/books/{other['id']}/chapters", {"title": "I"})
    scene = await desk.owner.made(f"/api/chapters/{chapter['id']}/scenes", {"title": "Sea"})
    await desk.write("Another storm.", scene["id"])
    await desk.owner.made(
        f"{desk.project}/entities", {"type": "character", "name": "Captain Storm"}
    )
    await desk.until_found("storm", says="Another")
    await desk.until_found("storm", says="Captain")
    await desk.until_found("storm", says="mast")

    in_book = await desk.snippets("storm", mode="text", bookId=other["id"])
    in_chapter = await desk.snippets("storm", mode="text", chapterId=desk.manuscript.chapter["id"])
    entities = await desk.hits("storm", kinds="entity")

    assert in_book == ["Another storm."]
    assert in_chapter == [STORM]
    assert {hit["kind"] for hit in entities} == {"entity"}
    refused = await desk.owner.get(f"{desk.project}/search", params={"q": "a", "kinds": "dream"})
    assert is_problem(refused, 400, "VALIDATION_FAILED")


async def test_a_moved_scene_is_found_in_its_new_place(desk: Desk) -> None:
    await desk.write(STORM)
    other = await desk.owner.made(f"{desk.project}/books", {"title": "Others"})
    chapter = await desk.owner.made(f"/api/books/{other['id']}/chapters", {"title": "II"})
    before = await desk.until_found("storm", says="mast")
    moved = await desk.owner.post(
        f"/api/scenes/{desk.scene}/move",
        {"parentId": chapter["id"], "index": 0},
        headers={"If-Match": "*"},
    )

    assert moved.status_code == 200, moved.text
    after = await desk.until_found("storm", says="mast", bookId=other["id"])
    assert after["chunkId"] == before["chunkId"]
    assert [part["title"] for part in after["path"]] == ["Others", "II"]


async def test_an_entity_and_a_fact_are_found(desk: Desk) -> None:
    made = await desk.owner.made(
        f"{desk.project}/entities",
        {
            "type": "character",
            "name": "Walton",
            "aliases": ["the explorer"],
            "description": "Writes letters to his sister.",
        },
    )
    fact = await desk.owner.made(
        f"{desk.project}/facts", {"entityId": made["id"], "fact": "He fears the polar ice."}
    )

    entity = await desk.until_found("explorers", kinds="entity", mode="text")
    told = await desk.until_found("polar ice", kinds="fact", mode="text")

    assert (entity["id"], entity["title"]) == (made["id"], "Walton")
    assert (told["id"], told["path"][0]["title"]) == (fact["id"], "Walton")
    await desk.owner.ask("DELETE", f"/api/entities/{made['id']}", headers={"If-Match": "*"})
    assert await desk.hits("polar ice", kinds="fact,entity") == []


async def test_pages_follow_each_other_without_a_gap_or_a_repeat(desk: Desk) -> None:
    await desk.write("\n".join(f"The storm of day {day} was worse." for day in range(30)))
    await desk.until_found("storm", says="day 29")
    await desk.until_indexed()

    whole = [hit["chunkId"] for hit in await desk.hits("storm", limit=50)]
    paged, cursor = list[str](), None
    while True:
        page = await desk.search("storm", limit=7, **({"cursor": cursor} if cursor else {}))
        paged += [hit["chunkId"] for hit in page["items"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break

    assert paged == whole
    assert len(set(whole)) == len(whole) > 29
    one = await desk.search("storm", limit=7)
    other = await desk.owner.get(
        f"{desk.project}/search", params={"q": "snow", "cursor": one["nextCursor"]}
    )
    assert is_problem(other, 400, "VALIDATION_FAILED")


async def test_a_grouped_search_shows_each_scene_once(desk: Desk) -> None:
    await desk.write(f"{STORM}\nThe storm went on.\nNo storm was like that storm.")
    await desk.until_found("storm", says="like that")
    found = await desk.hits("storm", grouped=True)
    assert [hit["id"] for hit in found] == [desk.scene]


async def test_hostile_queries_are_answered(desk: Desk) -> None:
    """Operators, patterns, control characters, other languages: words, or nothing."""
    await desk.write("\u0428\u0442\u043e\u0440\u043c \u0438 \u0441\u043d\u0435\u0433.")
    await desk.until_found("\u0448\u0442\u043e\u0440\u043c", mode="text")
    for q in (
        "\x00\x01\x1f",
        "(a|b)*c+?[",
        '" OR 1=1 --',
        "project:*",
        "\U0001f4a9" * 50,
        "  ",
        "\u202e",
    ):
        for mode in ("hybrid", "text", "semantic"):
            answer = await desk.owner.get(f"{desk.project}/search", params={"q": q, "mode": mode})
            assert answer.status_code == 200, (q, mode, answer.text)
    for q in ("", "x" * 60_000):
        answer = await desk.owner.get(f"{desk.project}/search", params={"q": q})
        assert answer.status_code in (400, 414), (len(q), answer.status_code)


async def test_only_the_paragraph_that_changed_is_embedded_again(desk: Desk, pool: Pool) -> None:
    """Ids live through edits, and so do vectors."""
    lines = [f"Paragraph {number} is about the sea." for number in range(20)]
    await desk.write("\n".join(lines))
    await desk.until_found("sea", says="Paragraph 19")
    await desk.until_indexed()
    query = "SELECT id, text, vector_hash FROM text_chunks WHERE document_id = $1"
    made = "SELECT count(*) FROM embeddings WHERE project_id = $1"
    before = {row["id"]: row for row in await pool.fetch(query, desk.manuscript.scene["id"])}
    vectors = await pool.fetchval(made, desk.manuscript.project["id"])

    lines[7] = "Paragraph 7 is about the deep sea."
    await desk.write("\n".join(lines))
    await desk.until_found("deep sea", says="deep")
    await desk.until_indexed()
    after = {row["id"]: row for row in await pool.fetch(query, desk.manuscript.scene["id"])}

    assert after.keys() == before.keys()
    changed = [row["text"] for key, row in after.items() if row["text"] != before[key]["text"]]
    assert changed == [lines[7]]
    assert await pool.fetchval(made, desk.manuscript.project["id"]) == vectors + 1


async def test_a_rebuilt_index_finds_the_same(desk: Desk, pool: Pool) -> None:
    """Thrown away, it is made again from events and collab alone."""
    await desk.write(f"{STORM}\n{BREAD}")
    await desk.owner.made(f"{desk.project}/entities", {"type": "item", "name": "Storm lamp"})
    await desk.until_found("storm", says="lamp")
    await desk.until_found("storm", says="mast")
    await desk.until_indexed()
    before = sorted(await desk.snippets("storm at sea"))
    await pool.execute("DELETE FROM documents WHERE project_id = $1", desk.manuscript.project["id"])
    assert await desk.snippets("storm at sea") == []

    answer = await desk.owner.post(f"{desk.project}/index/rebuild")

    assert answer.status_code == 202
    assert answer.json()["rebuild"] is not None
    await until(lambda: _is_rebuilt(desk))
    await desk.until_indexed()
    # What matches equally well is in the order of ids, which are new.
    assert sorted(await desk.snippets("storm at sea")) == before


async def _is_rebuilt(desk: Desk) -> bool:
    return (await desk.index())["rebuild"] is None


async def test_a_purged_project_leaves_nothing(desk: Desk, pool: Pool) -> None:
    await desk.write(STORM)
    await desk.until_found("storm", says="mast")
    await desk.until_indexed()
    deleted = await desk.owner.ask("DELETE", desk.project, headers={"If-Match": "*"})
    assert deleted.status_code == 204
    row = await desk.owner.get(f"{desk.project}?includeDeleted=true")
    purged = await desk.owner.post(
        f"{desk.project}/purge", headers={"If-Match": row.headers["etag"]}
    )
    assert purged.status_code == 202, purged.text
    project = desk.manuscript.project["id"]

    async def is_empty() -> bool:
        counts = [
            await pool.fetchval(f"SELECT count(*) FROM {table} WHERE project_id = $1", project)
            for table in ("documents", "text_chunks", "embeddings", "gone_points")
        ]
        return not any(counts) and bool(
            await pool.fetchval(
                "SELECT count(*) FROM purged_projects WHERE project_id = $1", project
            )
        )

    await until(is_empty)


async def test_the_death_of_the_indexer_loses_nothing(desk: Desk, stack: Stack) -> None:
    """What happened while it was away is indexed when it is back."""
    await desk.write(STORM)
    await desk.until_found("storm", says="mast")
    stack.kill("indexer-1")
    await desk.write(f"{STORM}\n{BREAD}")
    await stack.wait_ready("indexer-1", timeout_s=60)

    await desk.until_found("bread", says="bake")
    assert STORM in await desk.snippets("storm", mode="text")
