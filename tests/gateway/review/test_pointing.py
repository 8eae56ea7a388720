"""Anchors by themselves: appearances and facts of the story bible point at words."""

from typing import Any

from tests.gateway.review.support import Talk, read
from tests.gateway.support import Json, is_problem


async def pointed(talk: Talk, quote: str = "no disaster") -> Json:
    """Make an anchor on some words."""
    path = f"/api/scenes/{talk.scene}/anchors"
    return await talk.percy.made(path, {"anchor": {"quote": quote}})


async def victor(talk: Talk) -> str:
    entity = {"type": "character", "name": "Victor"}
    return (await talk.percy.made(f"/api/projects/{talk.project}/entities", entity))["id"]


async def test_an_appearance_stays_with_its_words(talk: Talk) -> None:
    """Its anchor is resolved as the text is now, by everybody who may read it."""
    anchor = await pointed(talk)
    seen = await talk.percy.made(
        f"/api/projects/{talk.project}/appearances",
        {
            "sceneId": talk.scene,
            "entityId": await victor(talk),
            "role": "MENTIONED",
            "anchorId": anchor["id"],
        },
    )
    await talk.write("Rejoice: no disaster has accompanied the commencement.")
    found = await read(talk.jane, f"/api/anchors/{seen['anchorId']}")
    await talk.write("Rejoice.")
    gone = await read(talk.jane, f"/api/anchors/{seen['anchorId']}")

    assert (anchor["status"], anchor["from"]) == ("exact", 30)
    assert (found["from"], found["to"], found["quote"]) == (9, 20, "no disaster")
    assert (gone["status"], gone["deleted"]["by"]) == ("orphaned", talk.mary.id)


async def test_a_fact_shows_its_source(talk: Talk) -> None:
    anchor = await pointed(talk)
    project = f"/api/projects/{talk.project}"
    fact: Json = {"entityId": await victor(talk), "fact": "All is well."}
    source = {"sceneId": talk.scene, "anchorId": anchor["id"], "confidence": 0.9}

    made = await talk.percy.made(f"{project}/facts", fact | {"provenance": source})
    alone = await talk.percy.made(
        f"{project}/facts", fact | {"provenance": {"anchorId": anchor["id"]}}
    )

    assert made["provenance"]["anchorId"] == alone["provenance"]["anchorId"] == anchor["id"]


async def test_nothing_points_into_another_scene(talk: Talk) -> None:
    """Neither an appearance nor a fact takes an anchor that its scene does not have."""
    anchor, entity = await pointed(talk), await victor(talk)
    chapter, project = talk.manuscript.chapter["id"], f"/api/projects/{talk.project}"
    other = (await talk.mary.made(f"/api/chapters/{chapter}/scenes", {"title": "Two"}))["id"]
    seen: Json = {"sceneId": other, "entityId": entity, "role": "MENTIONED"}
    fact: Json = {"entityId": entity, "fact": "All is well."}
    source = {"sceneId": other, "anchorId": anchor["id"]}
    refused: list[tuple[str, str, Any]] = [
        ("POST", f"{project}/appearances", seen | {"anchorId": anchor["id"]}),
        ("POST", f"{project}/facts", fact | {"provenance": source}),
        ("POST", f"{project}/facts", fact | {"provenance": {"anchorId": other}}),
    ]
    made = await talk.percy.made(f"{project}/appearances", seen)
    patch = {"anchorId": anchor["id"], "baseVersion": made["version"]}
    refused.append(("PATCH", f"/api/appearances/{made['id']}", patch))

    for method, path, body in refused:
        answer = await talk.percy.ask(method, path, json=body)
        assert is_problem(answer, 404, "ANCHOR_NOT_FOUND"), f"{method} {path}"


async def test_strangers_see_no_anchor(talk: Talk) -> None:
    anchor = await pointed(talk)

    assert is_problem(await talk.clerval.get(f"/api/anchors/{anchor['id']}"), 404, "NOT_FOUND")


async def test_the_same_request_makes_one(talk: Talk) -> None:
    key = {"Idempotency-Key": "an-anchor"}
    path, body = f"/api/scenes/{talk.scene}/anchors", {"anchor": {"quote": "no disaster"}}

    first = await talk.percy.post(path, body, headers=key)
    again = await talk.percy.post(path, body, headers=key)

    assert first.status_code == again.status_code == 201
    assert first.json()["id"] == again.json()["id"]


async def test_words_that_are_not_there(talk: Talk) -> None:
    path = f"/api/scenes/{talk.scene}/anchors"

    absent = await talk.percy.post(path, {"anchor": {"quote": "no whale"}})
    twice = await talk.percy.post(path, {"anchor": {"quote": "e"}})

    assert is_problem(absent, 404, "ANCHOR_NOT_FOUND")
    assert is_problem(twice, 409, "ANCHOR_AMBIGUOUS")
