"""Branches: begun with the scene's own history, merged back, conflicts explained."""

from typing import Any

import pytest
from pycrdt import Doc

from tests.collab.history.support import EDITS, Recording, Room, paragraphs, said, text_of

BASE = ("The first paragraph.", "The second paragraph.", "The third paragraph.")
ONE, TWO, THREE = BASE
SCENE, BRANCH = "The second paragraph, by the scene.", "The second, branched paragraph."
BOTH = "The second, branched paragraph, by the scene."

type Texts = tuple[str, ...]
type Conflict = tuple[Texts, Texts, str, dict[str, Texts]]
"""The scene, the branch, what is wrong, and what each strategy makes of it."""


async def begin(room: Room, name: str = "What if", **more: str) -> str:
    return (await room.post("/branches", 201, name=name, **more))["id"]


async def put(room: Room, form: str, texts: Texts, branch: str | None = None) -> None:
    content: Any = "\n".join(texts) if form == "text" else paragraphs(*texts)
    await room.write(content, form, branch)


async def read(room: Room, form: str) -> Texts:
    answer = await room.content(format=form)
    return tuple(answer.text.split("\n") if form == "text" else said(answer.json()))


async def test_a_branch_begins_with_the_scenes_history(room: Room, recording: Recording):
    """It is a document of its own, made of the same Yjs edits; the scene does not notice."""
    await room.play(recording)
    branch = await begin(room, at="seq:1500")

    whole = await begin(room, "From now")
    await room.write("A quite different text", branch=branch)

    assert await room.text() == recording.text(EDITS)
    assert await room.text(branch=branch) == "A quite different text"
    assert await room.text(branch=branch, at="seq:1") == recording.text(1500)
    state: Doc[Any] = Doc()
    state.apply_update((await room.content(branch=whole, format="yjs")).content)
    assert state.get_state() == recording.doc(EDITS).get_state()
    assert text_of(state) == recording.text(EDITS)
    listed = (await room.get("/branches"))["items"]
    assert [(one["name"], one["baseSeq"], one["state"]) for one in listed] == [
        ("From now", EDITS, "open"),
        ("What if", 1500, "open"),
    ]
    assert (await room.get("/history", branch=branch))["items"][0]["updates"] == 2


@pytest.mark.parametrize("form", ["text", "blocks"])
@pytest.mark.parametrize(
    ("scene", "branch", "merged"),
    [
        pytest.param((ONE, SCENE, THREE), BASE, (ONE, SCENE, THREE), id="scene only"),
        pytest.param(BASE, (ONE, BRANCH, THREE), (ONE, BRANCH, THREE), id="branch only"),
        pytest.param(
            ("Other.", *BASE[1:]), (ONE, BRANCH, THREE), ("Other.", BRANCH, THREE), id="neighbours"
        ),
        pytest.param(
            (ONE, SCENE, THREE), (ONE, SCENE, THREE), (ONE, SCENE, THREE), id="the same change"
        ),
        pytest.param((ONE, THREE), (ONE, THREE), (ONE, THREE), id="both deleted it"),
        pytest.param((ONE, THREE), (ONE, TWO, "End."), (ONE, "End."), id="deleted, and another"),
        pytest.param(
            (ONE, "From the scene.", TWO, THREE),
            (ONE, TWO, THREE, "From the branch."),
            (ONE, "From the scene.", TWO, THREE, "From the branch."),
            id="both added",
        ),
    ],
)
async def test_changes_apart_merge_by_themselves(
    room: Room, form: str, scene: Texts, branch: Texts, merged: Texts
):
    """Different blocks, or the same change twice, are no conflict, however near."""
    await put(room, form, BASE)
    there = await begin(room)
    await put(room, form, scene)
    await put(room, form, branch, there)

    told = await room.post(f"/branches/{there}/merge")

    assert told["conflicts"] == []
    assert told["branch"]["state"] == "merged"
    assert await read(room, form) == merged


CONFLICTS = [
    pytest.param(
        (
            (ONE, SCENE, THREE),
            (ONE, BRANCH, THREE),
            "both_changed",
            {
                "ours": (ONE, SCENE, THREE),
                "theirs": (ONE, BRANCH, THREE),
                "merge": (ONE, BOTH, THREE),
            },
        ),
        id="both changed",
    ),
    pytest.param(
        (
            (ONE, THREE),
            (ONE, BRANCH, THREE),
            "deleted_in_scene",
            {"ours": (ONE, THREE), "theirs": (ONE, BRANCH, THREE), "merge": (ONE, BRANCH, THREE)},
        ),
        id="deleted in the scene",
    ),
    pytest.param(
        (
            (ONE, SCENE, THREE),
            (ONE, THREE),
            "deleted_in_branch",
            {"ours": (ONE, SCENE, THREE), "theirs": (ONE, THREE), "merge": (ONE, SCENE, THREE)},
        ),
        id="deleted in the branch",
    ),
]


@pytest.mark.parametrize("form", ["text", "blocks"])
@pytest.mark.parametrize("conflict", CONFLICTS)
async def test_conflicts_are_explained_and_decided_by_strategy(
    room: Room, form: str, conflict: Conflict
):
    """Without a strategy nothing happens; with one the scene reads as it says, and only there."""
    scene, branch, kind, decided = conflict
    for strategy, wanted in decided.items():
        await put(room, form, BASE)
        there = await begin(room, strategy)
        await put(room, form, scene)
        await put(room, form, (*branch, "And an end."), there)
        path = f"/branches/{there}/merge"

        refused = await room.post(path, 409)
        rehearsed = await room.post(path, strategy=strategy, dryRun=True)
        untouched = await read(room, form)
        told = await room.post(path, strategy=strategy)

        assert refused["code"] == "BRANCH_CONFLICT"
        [found] = refused["conflicts"]
        assert found["kind"] == kind
        assert (found["block"], found["base"]) == (1, TWO)
        assert found["scene"] == (scene[1] if kind != "deleted_in_scene" else None)
        assert found["branch"] == (branch[1] if kind != "deleted_in_branch" else None)
        assert found["explanation"]
        assert rehearsed["conflicts"] == told["conflicts"] == refused["conflicts"]
        assert (rehearsed["changed"], untouched) == (True, scene)
        assert await read(room, form) == (*wanted, "And an end.")
        row = await room.owner.fetchrow(
            "SELECT * FROM branch_merges WHERE branch_id = $1::text::uuid", there
        )
        assert row is not None
        assert (row["strategy"], row["conflicts"], row["seq"]) == (strategy, 1, told["seq"])


async def test_marks_of_both_sides_stay(room: Room):
    """Words of one side, bold type of the other, in the same block."""
    await room.write(paragraphs("A plain sentence."), "blocks")
    there = await begin(room)
    await room.write(paragraphs("A plain sentence, and more."), "blocks")
    bold = [{"type": "paragraph", "children": [{"text": "A "}, {"text": "plain", "bold": True}]}]
    bold[0]["children"].append({"text": " sentence."})  # type: ignore[union-attr,attr-defined]
    await room.write(bold, "blocks", there)

    told = await room.post(f"/branches/{there}/merge", strategy="merge")

    assert told["changed"]
    [block] = (await room.content(format="blocks")).json()
    assert block["children"] == [
        {"text": "A "},
        {"text": "plain", "bold": True},
        {"text": " sentence, and more."},
    ]


async def test_a_branch_is_merged_again_and_again(room: Room):
    """The base moves: what was merged, or decided, is not asked about a second time."""
    await put(room, "blocks", BASE)
    there = await begin(room)
    await put(room, "blocks", (ONE, SCENE, THREE))
    await put(room, "blocks", (ONE, BRANCH, THREE), there)
    await room.post(f"/branches/{there}/merge", strategy="ours")
    await put(room, "blocks", (ONE, BRANCH, "The third, by the branch."), there)

    again = await room.post(f"/branches/{there}/merge")
    nothing = await room.post(f"/branches/{there}/merge")

    assert (again["conflicts"], again["changed"]) == ([], True)
    assert await read(room, "blocks") == (ONE, SCENE, "The third, by the branch.")
    assert (nothing["changed"], nothing["branch"]["merges"]) == (False, 3)
    assert await room.text(branch=there)


async def test_a_closed_branch_reads_and_takes_nothing(room: Room):
    await room.write("one")
    there = await begin(room)
    path = f"{room.path}/branches/{there}"

    closed = await room.ada.http.delete(path)
    written = await room.ada.http.put(
        f"{room.path}/content", params={"branch": there}, json={"format": "text", "content": "x"}
    )
    merged = await room.post(f"/branches/{there}/merge", 409)

    assert closed.status_code == 204
    assert (await room.ada.http.get(path)).json()["state"] == "closed"
    assert await room.text(branch=there) == "one"
    assert (written.status_code, written.json()["code"]) == (409, "BRANCH_CLOSED")
    assert merged["code"] == "BRANCH_CLOSED"
    assert await begin(room) != there


async def test_a_branch_belongs_to_its_scene(room: Room):
    """Its id opens nothing through another scene, of the same or another project."""
    await room.write("secret")
    there = await begin(room)
    elsewhere = Room(
        room.ada, room.ben, room.project, await room.ada.scene(room.project), room.owner
    )

    for path in ("/content", "/history", "/replay"):
        answer = await room.ada.http.get(elsewhere.path + path, params={"branch": there})
        assert answer.status_code == 404, path
    assert (await room.ada.http.get(f"{elsewhere.path}/branches/{there}")).status_code == 404
    assert (await room.ada.http.get(f"/api/scenes/{there}/content")).status_code == 404
    await elsewhere.post(f"/branches/{there}/merge", 404)
