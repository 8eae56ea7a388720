"""`/ws` beside `/collab`: one room, whatever its people speak; two gateways, two collabs."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.clients.conftest import Friends, shown
from tests.clients.scenarios import Scenario, require_node
from tests.support.people import People
from tests.support.stack import real_stack
from tools.stack import Stack

SOON_MS = 1000
REPLICAS = {"gateway": 2, "collab": 2, "events": 1}
RESTARTING = 1012
LARGE_CHARS = 20_000


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Two of what clients meet."""
    require_node()
    async with real_stack(tmp_path_factory.mktemp("ws"), replicas=REPLICAS) as running:
        yield running


@pytest.fixture(scope="module")
async def people(stack: Stack) -> AsyncIterator[People]:
    """Where people register."""
    async with People(stack.url) as joined:
        yield joined


@pytest.fixture
def play(stack: Stack, friends: Friends) -> Scenario:
    """Play a scenario in the friends' scene."""
    return Scenario(
        {
            "url": stack.url,
            "gateways": list(stack.gateways),
            "project": friends.project,
            "scene": friends.scene,
            "people": {"ada": shown(friends.ada), "ben": shown(friends.ben)},
        }
    )


async def test_one_room(play: Scenario):
    """What one writes the other reads, both ways, and only who asks for it hears of the disk."""
    result = await play("ws", part="together")

    assert result["ready"] == ["presence", "crdt", "schema", "comments", "acks"]
    assert result["readyUnasked"] == ["presence", "crdt", "schema", "comments"]
    assert not result["firstSync"]["isIncremental"]
    assert result["firstSync"]["update"] == "AAA="
    assert result["firstSync"]["stateVector"] == "AA=="
    assert result["wholeSync"]["mayWrite"]
    assert result["last"]["count"] == result["sent"] == 202
    assert 0 < result["last"]["seq"] <= result["sent"] + 201
    assert result["rising"]
    assert result["toOthers"] == 0
    assert result["heardSome"]
    assert result["length"] == len("From JSON. From Yjs. ") + 400 + 1
    assert result["sameStored"]


async def test_presence_is_shared(play: Scenario, friends: Friends):
    """Names are the server's on both sides; cursors arrive as numbers or as they move with text.

    A cursor in numbers, which no Yjs editor can place, resolves to nowhere there.
    """
    result = await play("ws", part="presence")

    ada, ben = friends.ada.id, friends.ben.id
    assert [user["name"] for user in result["list"]["users"] if user["userId"] == ben] == ["Ben"]
    assert {user["userId"] for user in result["list"]["users"]} == {ada, ben}
    seen = next(user for user in result["list"]["users"] if user["userId"] == ben)
    assert (seen["color"], seen["cursor"]) == ("#30bced", {"from": 1, "to": 4})
    assert result["shown"]["user"] == {"id": ada, "name": "Ada", "color": "#ff8800"}
    assert (result["shown"]["cursor"]["from"], result["shown"]["cursor"]["to"]) == (2, 5)
    assert result["nowhere"] is None
    assert result["seen"]["cursor"] == {"from": 7, "to": 9}
    assert result["relativeCursor"] is None
    assert result["index"] == result["resolved"] == 3
    assert result["otherList"] == ["Ada", "Ben", "Ben"]
    assert max(result["measured"].values()) < SOON_MS, result["measured"]


async def test_back_from_offline(play: Scenario):
    """The server sends the difference, the client brings its own, and both are said to be saved."""
    result = await play("ws", part="offline")

    assert not result["full"]["isIncremental"]
    assert result["full"]["bytes"] > LARGE_CHARS
    assert result["sync"]["isIncremental"]
    assert result["sync"]["bytes"] < 500
    assert result["grew"] == 0
    assert result["same"] < 100
    assert sorted(result["text"].split()) == ["ada", "ben", "offline", "x"]
    assert result["length"] == LARGE_CHARS - 5 + len("ada ben offline ")
    assert result["sameStored"]


async def test_roles_hold_on_open_sockets(play: Scenario, friends: Friends):
    """A reader is told why; changes are felt within a second; the socket outlives them all."""
    await friends.ada.let_in(friends.project, friends.ben, "READER")
    result = await play("ws", part="roles")

    assert result["mayWrite"] is False
    assert result["refused"] == {
        "type": "error",
        "code": "FORBIDDEN",
        "detail": "read-only: your role does not allow writing here",
        "ref": result["refused"]["ref"],
        "sceneId": friends.scene,
        "left": False,
    }
    assert result["asReader"] == "Once"
    assert result["upgradedMs"] < SOON_MS
    assert result["downgrade"]["code"] == "FORBIDDEN"
    assert result["downgradedMs"] < SOON_MS
    assert result["kept"]
    assert (result["removal"]["code"], result["removal"]["left"]) == ("FORBIDDEN", True)
    assert result["removedMs"] < SOON_MS
    assert result["late"]["code"] == "NOT_JOINED"
    assert result["closes"] == []
    assert result["clean"]


async def test_several_scenes_on_one_socket(play: Scenario, friends: Friends):
    """Each event names its scene; what was left is not heard of any more."""
    other = await friends.ada.scene(friends.project, "Another")
    result = await play("ws", part="scenes", other=other)

    assert result == {"errors": [], "stillHere": True, "stray": 0, "closes": []}


async def test_drain(play: Scenario, stack: Stack):
    """A stopping gateway sends its people elsewhere; what it had said to be saved is there."""
    async with play.begin("ws", part="drain") as typist:
        assert await typist.news() == {"typing": True}
        await stack.restart("gateway-1")
        result = await typist.result()
    await asyncio.wait_for(stack.wait_ready("gateway-1"), 30)

    assert result["closes"] == [RESTARTING]
    assert result["durable"] >= result["acked"] >= 20
    assert result["stored"] == result["typed"]


BAD: list[tuple[Any, str]] = [
    ("{", "VALIDATION_FAILED"),
    ("", "VALIDATION_FAILED"),
    ("[]", "VALIDATION_FAILED"),
    ("null", "VALIDATION_FAILED"),
    (["", "[", 100_000, ""], "TOO_LARGE"),
    (["", "[", 10_000, ""], "VALIDATION_FAILED"),
    (['{"type":', "9", 9_000, "}"], "VALIDATION_FAILED"),
    (["[", "1,", 400_000, "1]"], "TOO_LARGE"),
    ({"what": 1}, "VALIDATION_FAILED"),
    ({"type": 7}, "VALIDATION_FAILED"),
    ({"type": {"a": 1}}, "VALIDATION_FAILED"),
    ({"type": "editor.explode"}, "VALIDATION_FAILED"),
    ({"type": "x" * 10_000}, "VALIDATION_FAILED"),
    ({"type": "comment.new", "id": "1", "text": "nice"}, "UNSUPPORTED"),
    ({"type": "suggestion.new"}, "UNSUPPORTED"),
    ({"type": "cost.update", "runId": "1"}, "UNSUPPORTED"),
    ({"type": "client.hello", "userId": "SELF", "e2ee": False}, "VALIDATION_FAILED"),
    ({"type": "join.scene"}, "VALIDATION_FAILED"),
    ({"type": "join.scene", "sceneId": "nowhere"}, "VALIDATION_FAILED"),
    ({"type": "join.scene", "sceneId": "00000000-0000-7000-8000-000000000000"}, "NOT_FOUND"),
    ({"type": "join.scene", "sceneId": "SCENE", "stateVector": "?"}, "VALIDATION_FAILED"),
    ({"type": "join.scene", "sceneId": "SCENE", "user": {"id": "OTHER"}}, "FORBIDDEN"),
    ({"type": "leave.scene", "sceneId": "OTHER"}, "NOT_JOINED"),
    ({"type": "presence.update", "cursor": {"from": -1, "to": 0}}, "VALIDATION_FAILED"),
    ({"type": "presence.update", "cursor": {"from": "1", "to": 2}}, "VALIDATION_FAILED"),
    ({"type": "presence.update", "cursor": 5}, "VALIDATION_FAILED"),
    ({"type": "presence.update", "color": "red;background:url(x)"}, "VALIDATION_FAILED"),
    ({"type": "presence.update", "userId": "OTHER"}, "FORBIDDEN"),
    (
        {"type": "presence.update", "relative": {"anchor": {"a": "x" * 9_000}, "head": {}}},
        "TOO_LARGE",
    ),
    (
        '{"type":"presence.update","relative":{"anchor":{"a":NaN},"head":{}}}',
        "VALIDATION_FAILED",
    ),
    ({"type": "editor.update", "sceneId": "OTHER", "ydocUpdateBase64": "AAA="}, "NOT_JOINED"),
    ({"type": "editor.update", "sceneId": "SCENE"}, "VALIDATION_FAILED"),
    ({"type": "editor.update", "sceneId": "SCENE", "ydocUpdateBase64": 5}, "VALIDATION_FAILED"),
    ({"type": "editor.update", "sceneId": "SCENE", "ydocUpdateBase64": ""}, "VALIDATION_FAILED"),
    (
        {"type": "editor.update", "sceneId": "SCENE", "ydocUpdateBase64": "not base64!"},
        "VALIDATION_FAILED",
    ),
    (
        ['{"type":"editor.update","sceneId":"SCENE","ydocUpdateBase64":"', "A", 1_398_108, '"}'],
        "TOO_LARGE",
    ),
]
"""What a client says (a list: a piece that is repeated so often), and the code it hears."""


async def test_nothing_malformed_ends_the_connection(play: Scenario):
    """Each is answered with its code and its ref, and the next edit is taken as ever."""
    result = await play("hostile-ws", part="each", messages=[message for message, _ in BAD])

    assert [(answer["code"]) for answer in result["answers"]] == [code for _, code in BAD]
    assert all(answer["detail"] for answer in result["answers"])
    assert result["refs"] == [
        f"ref {at}" for at, (message, _) in enumerate(BAD) if isinstance(message, dict)
    ]
    assert result["binary"]["code"] == "VALIDATION_FAILED"
    assert result["closes"] == []
    assert result["text"] == "still here" * len(BAD)


async def test_a_bad_update_costs_its_scene_and_no_more(play: Scenario):
    """What follows it may build on it: the client is put out of that scene, and may join again."""
    result = await play("hostile-ws", part="poison")

    assert (result["error"]["code"], result["error"]["left"]) == ("VALIDATION_FAILED", True)
    assert result["after"]["code"] == "NOT_JOINED"
    assert result["vector"]["code"] == "VALIDATION_FAILED"
    assert result["closes"] == []
    assert result["text"] == "good again"


async def test_who_causes_errors_without_end_is_closed(play: Scenario):
    """A flood ends with 1008, beside somebody whose edits go on."""
    result = await play("hostile-ws", part="flood")

    assert result["closes"] == [1008]
    assert 10 < result["errors"] <= 60
    assert result["bystander"]


async def test_who_does_not_say_who_they_are(play: Scenario, people: People):
    """Nothing is done for them, they are told why, and after a while they are closed with 4401.

    Meanwhile somebody who only looks on is said again and again to be there, or awareness would
    forget them after 30 s; applications are not told again.
    """
    stranger = await people.join("Stranger")
    result = await play("hostile-ws", part="door", stranger=shown(stranger))

    assert result["early"] == "UNAUTHENTICATED"
    assert result["silentCloses"] == [4401]
    assert 8_000 < result["silentMs"] < 12_000
    assert result["forged"] == {"code": "UNAUTHENTICATED", "closes": [4401]}
    assert result["impostor"] == "FORBIDDEN"
    assert result["encrypted"] == "UNSUPPORTED"
    assert result["elsewhere"] == "NOT_FOUND"
    assert result["strangerHello"] == "NOT_FOUND"
    assert result["strangerJoin"] == "NOT_FOUND"
    assert result["quietToldAgain"] == 1
    assert result["readyAfterAll"] == "server.ready"
    assert result["origin"] == 101


async def test_a_real_editor_draws_who_is_on_ws(play: Scenario):
    """y-prosemirror's cursor plugin shows positions, leaves numbers alone, and throws nothing.

    Its own cursor arrives as what it is.
    """
    result = await play("caret")

    assert result["withNumbers"] == []
    assert [name.replace("\u2060", "") for name in result["withPositions"]] == ["Ada"]
    assert (result["own"], result["name"]) == (["anchor", "head"], "Ben")
    assert result["thrown"] == []
