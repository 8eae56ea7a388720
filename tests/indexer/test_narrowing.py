"""Filters, phrases, typing errors, suggestions and similar things, through HTTP."""

import asyncio
from datetime import UTC, datetime

import httpx

from services.indexer.searching.spelling import VOCABULARY_AGE_S_MIN
from tests.gateway.support import Person, is_problem, some_id
from tests.indexer.desk import Desk
from tests.support.waiting import until

STORM = "The storm broke the mast of the ship in the night."
BREAD = "He liked to bake bread in the mornings."


async def entity(desk: Desk, name: str, kind: str = "character", **more: object) -> str:
    body = {"type": kind, "name": name, **more}
    return (await desk.owner.made(f"{desk.project}/entities", body))["id"]


async def ids(desk: Desk, q: str, **more: object) -> set[str]:
    return {hit["id"] for hit in await desk.hits(q, mode="text", limit=50, **more)}


async def test_filters_narrow_by_what_a_thing_is(desk: Desk, http: httpx.AsyncClient) -> None:
    """By type, status and tag; those of others give nothing."""
    await desk.write(STORM)
    captain = await entity(desk, "Captain Storm")
    lamp = await entity(desk, "Storm lamp", "item")
    fact = await desk.owner.made(
        f"{desk.project}/facts", {"entityId": captain, "fact": "He fears every storm."}
    )
    tag = (await desk.owner.made(f"{desk.project}/tags", {"name": "sea"}))["id"]
    await desk.owner.made(f"{desk.project}/taggings", {"entityId": captain, "tagId": tag})
    scene = desk.scene
    changed = await desk.owner.ask(
        "PATCH", f"/api/scenes/{scene}", json={"status": "FINAL"}, headers={"If-Match": "*"}
    )
    assert changed.status_code == 200, changed.text
    everything = {scene, captain, lamp, fact["id"]}
    await until(lambda: _has(desk, everything))

    assert await ids(desk, "storm", type="item") == {lamp}
    assert await ids(desk, "storm", type="character") == {captain, fact["id"]}
    assert await ids(desk, "storm", type="novel") == {scene}
    assert await ids(desk, "storm", tagId=tag) == {captain, fact["id"]}
    assert await ids(desk, "storm", tagId=tag, kinds="entity") == {captain}
    await until(lambda: _is(desk, {scene}, status="FINAL"))
    assert await ids(desk, "storm", status="DRAFT") == set()
    assert await ids(desk, "storm", tagId=str(some_id())) == set()
    thief = await Desk.begin(await Person.register(http, "Percy"))
    await thief.write(STORM)
    await thief.until_found("storm")
    for other in (
        {"tagId": tag},
        {"bookId": desk.manuscript.book["id"]},
        {"chapterId": desk.manuscript.chapter["id"]},
    ):
        assert await ids(thief, "storm", **other) == set()
    await desk.owner.ask("DELETE", f"/api/tags/{tag}", headers={"If-Match": "*"})
    assert await ids(desk, "storm", tagId=tag) == set()


async def _has(desk: Desk, wanted: set[str]) -> bool:
    return await ids(desk, "storm") >= wanted


async def _is(desk: Desk, wanted: set[str], **more: object) -> bool:
    return await ids(desk, "storm", **more) == wanted


async def test_a_search_is_narrowed_by_time(desk: Desk) -> None:
    """The time of a scene is that of its text, and is the same after a rebuild."""
    await entity(desk, "Captain Storm")
    await desk.until_found("storm", kinds="entity")
    between = datetime.now(UTC).isoformat()
    await desk.write(STORM)
    await desk.until_found("storm", says="mast")

    assert await ids(desk, "storm", since=between) == {desk.scene}
    assert desk.scene not in await ids(desk, "storm", until=between)
    assert len(await ids(desk, "storm", until=between)) == 1
    assert await ids(desk, "storm", since="2100-01-01T00:00:00Z") == set()
    bad = await desk.owner.get(f"{desk.project}/search", params={"q": "a", "since": "yesterday"})
    assert is_problem(bad, 400, "VALIDATION_FAILED")
    assert (await desk.owner.post(f"{desk.project}/index/rebuild")).status_code == 202

    async def is_rebuilt() -> bool:
        return (await desk.index())["rebuild"] is None

    await until(is_rebuilt)
    assert desk.scene not in await ids(desk, "storm", until=between)


async def test_a_phrase_is_found_as_it_stands(desk: Desk) -> None:
    await desk.write(f"{STORM}\nThe ship had a broken mast.\nTo be or not to be, he said.\n{BREAD}")
    await desk.until_found("bread")

    assert await desk.snippets('"THE MAST of the ship"') == [STORM]
    assert await desk.snippets('"mast ship"') == []
    assert await desk.snippets('"the mast" night') == [STORM]
    # Words that are left out elsewhere count in a phrase.
    for mode in ("hybrid", "text", "semantic"):
        if mode == "semantic":
            await desk.until_indexed()
        found = await desk.snippets('"to be or not"', mode=mode)
        assert found == ["To be or not to be, he said."], mode
    assert await desk.snippets('"%"', mode="text") == []
    assert await desk.snippets('"b_ead"') == []


async def test_a_typing_error_is_forgiven_where_it_finds_nothing(desk: Desk) -> None:
    await desk.write(f"{STORM}\n{BREAD}\nFrankenstein came back.")
    await desk.until_found("Frankenstein", mode="text")
    await asyncio.sleep(VOCABULARY_AGE_S_MIN)

    found = await desk.search("Frankenstien", mode="text")
    assert (found["corrected"], len(found["items"])) == ("frankenstein", 1)
    item = found["items"][0]
    first, last = item["highlights"][0]
    assert item["snippet"][first:last] == "Frankenstein"
    assert (await desk.search("strom in the nigth"))["corrected"] == "storm in the night"
    # A phrase is meant as it stands, and what nothing resembles stays.
    assert (await desk.search('"Frankenstien"'))["items"] == []
    assert (await desk.search("kubernetes", mode="text"))["corrected"] is None
    assert (await desk.search("storms", mode="text"))["corrected"] is None


async def test_the_pages_of_a_corrected_search_are_corrected(desk: Desk) -> None:
    await desk.write("\n".join(f"Frankenstein on day {day}." for day in range(9)))
    await desk.until_found("Frankenstein", says="day 8")
    await asyncio.sleep(VOCABULARY_AGE_S_MIN)
    first = await desk.search("Frankenstien", mode="text", limit=5)
    then = await desk.search("Frankenstien", mode="text", limit=5, cursor=first["nextCursor"])
    assert then["corrected"] == "frankenstein"
    seen = [hit["chunkId"] for hit in first["items"] + then["items"]]
    assert len(seen) == len(set(seen)) == 9


async def test_pages_stay_without_a_repeat_while_somebody_writes(desk: Desk) -> None:
    """New matches push old ones down; what was shown is not shown again."""
    lines = [f"The storm of day {day} was bad." for day in range(12)]
    await desk.write("\n".join(lines))
    await desk.until_found("storm", says="day 11")
    first = await desk.search("storm", mode="text", limit=6)
    await desk.write("\n".join(["storm", "Storm, storm.", *lines]))
    await desk.until_found("storm", says="Storm, storm")

    rest = await desk.search("storm", mode="text", limit=50, cursor=first["nextCursor"])

    seen = [hit["chunkId"] for hit in first["items"] + rest["items"]]
    assert len(seen) == len(set(seen)) == 14


async def test_names_are_suggested_by_their_begin(desk: Desk, http: httpx.AsyncClient) -> None:
    """Of a word, an alias or a title; what is deleted is gone at once."""
    walton = await entity(desk, "Robert Walton", aliases=["The Explorer"])
    await entity(desk, "Margaret Saville")
    await desk.owner.ask(
        "PATCH",
        f"/api/scenes/{desk.scene}",
        json={"title": "Walls of ice"},
        headers={"If-Match": "*"},
    )

    async def suggested(q: str, who: Desk = desk) -> list[tuple[str, str]]:
        answer = await desk.owner.get(f"{who.project}/search/suggest", params={"q": q})
        assert answer.status_code == 200, answer.text
        return [(one["name"], one["title"]) for one in answer.json()["items"]]

    async def is_known() -> bool:
        return len(await suggested("wal")) == 2 and bool(await suggested("Marg"))

    await until(is_known)
    assert await suggested("WAL") == [
        ("Walls of ice", "Walls of ice"),
        ("Robert Walton", "Robert Walton"),
    ]
    assert await suggested("expl") == [("The Explorer", "Robert Walton")]
    for nothing in ("alton", "%", "_", "\\", "\0", " "):
        assert await suggested(nothing) == [], nothing
    await desk.owner.ask("DELETE", f"/api/entities/{walton}", headers={"If-Match": "*"})
    assert await suggested("expl") == []
    thief = await Desk.begin(await Person.register(http, "Percy"))
    answer = await thief.owner.get(f"{desk.project}/search/suggest", params={"q": "Marg"})
    assert is_problem(answer, 404, "NOT_FOUND")


async def test_similar_scenes_and_entities_are_found(desk: Desk, http: httpx.AsyncClient) -> None:
    chapter = desk.manuscript.chapter["id"]
    texts = {
        "Sea": "A tempest tore the sails of the vessel.\nWaves washed over the deck.",
        "Kitchen": "She kneaded the dough for the loaves.\nThe oven was hot.",
    }
    await desk.write(f"{STORM}\nThe sailors feared the waves.")
    made: dict[str, str] = {}
    for title, text in texts.items():
        scene = await desk.owner.made(f"/api/chapters/{chapter}/scenes", {"title": title})
        made[title] = scene["id"]
        await desk.write(text, scene["id"])
    sailor = await entity(desk, "Ned", description="A sailor with a wooden leg.")
    await entity(desk, "Tom", description="An old seaman who has lost a leg.")
    await entity(desk, "Ann", description="A baker of fine bread.")
    await desk.until_found("baker", kinds="entity")
    await desk.until_found("oven", says="oven")
    await desk.until_indexed()

    scenes = (await desk.owner.get(f"/api/scenes/{desk.scene}/similar")).json()
    entities = (await desk.owner.get(f"/api/entities/{sailor}/similar")).json()

    assert scenes["mode"] == "semantic"
    assert scenes["items"][0]["id"] == made["Sea"]
    assert desk.scene not in {hit["id"] for hit in scenes["items"]}
    assert entities["items"][0]["title"] == "Tom"
    await desk.owner.ask("DELETE", f"/api/scenes/{made['Sea']}", headers={"If-Match": "*"})
    again = (await desk.owner.get(f"/api/scenes/{desk.scene}/similar")).json()
    assert made["Sea"] not in {hit["id"] for hit in again["items"]}
    thief = await Person.register(http, "Percy")
    for path in (f"/api/scenes/{desk.scene}/similar", f"/api/entities/{sailor}/similar"):
        assert is_problem(await thief.get(path), 404, "NOT_FOUND")
