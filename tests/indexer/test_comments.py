"""Comments are found where they stand, and gone when they are."""

from libs.postgres import Pool
from tests.gateway.support import Json, is_problem
from tests.indexer.desk import Desk
from tests.support.waiting import until

STORM = "The storm broke the mast of the ship in the night."
WORDS = "Could a zeppelin save them?"


async def commented(desk: Desk, body: str = WORDS) -> Json:
    """Begin a thread on words of the scene."""
    await desk.write(STORM)
    path = f"/api/scenes/{desk.scene}/threads"
    return await desk.owner.made(path, {"anchor": {"quote": "the mast"}, "body": body})


async def test_a_comment_is_found_at_its_words(desk: Desk) -> None:
    """By its own words, with its thread and the place in the text that it is about."""
    thread = await commented(desk)
    hit = await desk.until_found("zeppelin", kinds="comment")
    await desk.write(f"At last. {STORM}")
    moved = (await desk.hits("zeppelin"))[0]

    assert (hit["kind"], hit["id"]) == ("comment", thread["comments"][0]["id"])
    assert (hit["sceneId"], hit["threadId"]) == (desk.scene, thread["id"])
    assert hit["snippet"] == WORDS
    assert hit["anchor"]["quote"] == moved["anchor"]["quote"] == "the mast"
    assert moved["anchor"]["from"] == hit["anchor"]["from"] + len("At last. ")
    assert [part["title"] for part in hit["path"]] == ["Letters", "I"]
    book = desk.manuscript.book["id"]
    assert [one["id"] for one in await desk.hits("zeppelin", bookId=book)] == [hit["id"]]
    assert await desk.hits("zeppelin", kinds="scene,entity,fact") == []


async def test_a_changed_comment_reads_as_it_does_now(desk: Desk) -> None:
    thread = await commented(desk)
    comment = thread["comments"][0]
    await desk.until_found("zeppelin")
    changed = await desk.owner.ask(
        "PATCH", f"/api/comments/{comment['id']}", json={"body": "Could a submarine?"}
    )
    assert changed.status_code == 200, changed.text

    await desk.until_found("submarine")
    assert await desk.hits("zeppelin", mode="text") == []


async def test_what_is_deleted_is_gone_with_the_next_query(desk: Desk) -> None:
    """A comment, a thread with its comments, and a scene; a scene brings them back."""
    thread = await commented(desk)
    reply = await desk.owner.made(
        f"/api/threads/{thread['id']}/comments", {"body": "Or a dirigible"}
    )
    await desk.until_found("dirigible")
    await desk.until_found("zeppelin")

    assert (await desk.owner.ask("DELETE", f"/api/comments/{reply['id']}")).status_code == 204
    assert await desk.hits("dirigible", mode="text") == []
    version = (await desk.owner.get(f"/api/scenes/{desk.scene}")).headers["etag"]
    scene = f"/api/scenes/{desk.scene}"
    assert (await desk.owner.ask("DELETE", scene, headers={"If-Match": version})).status_code == 204
    assert await desk.hits("zeppelin", mode="text") == []
    assert (await desk.owner.post(f"{scene}/restore")).status_code == 200
    await desk.until_found("zeppelin")
    assert (await desk.owner.ask("DELETE", f"/api/threads/{thread['id']}")).status_code == 204
    assert await desk.hits("zeppelin", mode="text") == []


async def test_purged_words_are_in_no_row(desk: Desk, pool: Pool) -> None:
    thread = await commented(desk)
    await desk.until_found("zeppelin")
    scene = f"/api/scenes/{desk.scene}"
    version = (await desk.owner.get(scene)).headers["etag"]
    assert (await desk.owner.ask("DELETE", scene, headers={"If-Match": version})).status_code == 204
    deleted = await desk.owner.get(scene, params={"includeDeleted": "true"})
    tag = {"If-Match": deleted.headers["etag"]}
    assert (await desk.owner.post(f"{scene}/purge", headers=tag)).status_code == 202

    async def forgotten() -> bool:
        query = "SELECT NOT EXISTS (SELECT FROM documents WHERE thread_id = $1)"
        return await pool.fetchval(query, thread["id"])

    await until(forgotten)


async def test_a_rebuild_finds_them_again(desk: Desk, pool: Pool) -> None:
    await commented(desk)
    hit = await desk.until_found("zeppelin")
    await pool.execute("DELETE FROM documents WHERE id = $1", hit["id"])
    assert await desk.hits("zeppelin", mode="text") == []

    answer = await desk.owner.post(f"{desk.project}/index/rebuild")
    assert answer.status_code == 202, answer.text
    await desk.until_found("zeppelin")


async def test_other_kinds_are_refused_by_name(desk: Desk) -> None:
    answer = await desk.owner.get(f"{desk.project}/search", params={"q": "a", "kinds": "whale"})
    assert is_problem(answer, 400, "VALIDATION_FAILED")
    assert "comment" in answer.text
